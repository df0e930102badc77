// The call's memory: blocks from which pieces are cut one after the other, and which all go at once. The first
// block is never given back, so that ordinary calls do without malloc.
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "internal.h"

SGS_IMPORT("fail") void sgs_host_fail(const void *text, uint32_t len);

enum { FIRST_BLOCK = 32 << 10, FURTHER_BLOCK = 64 << 10, LARGEST = 1 << 30 };

typedef struct block {
  struct block *older;
  uint64_t bytes[];
} block;

static uint64_t first_block[FIRST_BLOCK / 8];
static uint8_t *top = (uint8_t *)first_block;
static uint8_t *limit = (uint8_t *)first_block + FIRST_BLOCK;
static block *blocks; // those beside the first one, the newest first
static block *kept;   // those of sgs_keep_append

static _Noreturn void out_of_memory(void) {
  static const char text[] = "out of memory: the plugin needs more than plugins.<name>.memory_limit";
  sgs_host_fail(text, sizeof text - 1);
  __builtin_trap();
}

static block *new_block(block **list, size_t size) {
  block *b = size > LARGEST ? NULL : malloc(sizeof *b + size);
  if (!b) out_of_memory();
  b->older = *list;
  *list = b;
  return b;
}

static void free_until(block **list, const block *last) {
  while (*list != last) {
    block *b = *list;
    *list = b->older;
    free(b);
  }
}

void *sgs_memory(size_t size) {
  if (size > LARGEST) out_of_memory();
  size = (size + 7) & ~(size_t)7;
  if (size > (size_t)(limit - top)) {
    size_t room = size > FURTHER_BLOCK ? size : FURTHER_BLOCK;
    top = (uint8_t *)new_block(&blocks, room)->bytes;
    limit = top + room;
  }
  uint8_t *piece = top;
  top += size;
  return piece;
}

sgs_marked sgs_mark(void) { return (sgs_marked){blocks, top, limit}; }

void sgs_release(sgs_marked mark) {
  free_until(&blocks, mark.chunk);
  top = mark.top;
  limit = mark.limit;
}

void sgs_new_call(void) {
  sgs_release((sgs_marked){NULL, (uint8_t *)first_block, (uint8_t *)first_block + FIRST_BLOCK});
  free_until(&kept, NULL);
}

void sgs_give_back(sgs_buffer *b) {
  if (b->ptr && (uint8_t *)b->ptr + b->cap == top) top = (uint8_t *)b->ptr;
  *b = (sgs_buffer){0};
}

static uint32_t larger(uint32_t cap, uint64_t need) {
  if (need > LARGEST) out_of_memory();
  uint64_t size = cap < 256 ? 256 : (uint64_t)cap * 2;
  return (uint32_t)(size > need ? size : (need + 7) & ~7ull);
}

void sgs_reserve(sgs_buffer *b, uint32_t n) {
  if (b->cap - b->len >= n) return;
  uint32_t cap = larger(b->cap, (uint64_t)b->len + n);
  if (b->ptr && (uint8_t *)b->ptr + b->cap == top && cap - b->cap <= (size_t)(limit - top)) {
    top += cap - b->cap; // nothing was cut off behind it, so it grows where it is
  } else {
    char *to = sgs_memory(cap);
    if (b->len) memcpy(to, b->ptr, b->len);
    b->ptr = to;
  }
  b->cap = cap;
}

void sgs_keep_append(sgs_buffer *b, const void *bytes, uint32_t n) {
  if (b->cap - b->len < n) {
    uint32_t cap = larger(b->cap, (uint64_t)b->len + n);
    char *to = (char *)new_block(&kept, cap)->bytes;
    if (b->len) memcpy(to, b->ptr, b->len);
    b->ptr = to;
    b->cap = cap;
  }
  if (n) memcpy(b->ptr + b->len, bytes, n);
  b->len += n;
}

// Texts.

static uint32_t load4(const uint8_t *at) {
  uint32_t n;
  memcpy(&n, at, sizeof n);
  return n;
}

bool sgs_same_bytes(const void *first, const void *second, uint32_t n) {
  const uint8_t *a = first, *b = second;
  if (n >= 8) {
    // The first 8 bytes and the last 8 are looked at apart from those between them, and some of them twice.
    const uint8_t *last_of_a = a + n - 8, *last_of_b = b + n - 8;
    if (sgs_load8(a) != sgs_load8(b) || sgs_load8(last_of_a) != sgs_load8(last_of_b)) return false;
    if (n <= 16) return true;
    SGS_UNROLL
    for (a += 8, b += 8; a < last_of_a; a += 8, b += 8)
      if (sgs_load8(a) != sgs_load8(b)) return false;
    return true;
  }
  if (n >= 4) return load4(a) == load4(b) && load4(a + n - 4) == load4(b + n - 4);
  return n == 0 || (a[0] == b[0] && a[n / 2] == b[n / 2] && a[n - 1] == b[n - 1]);
}

bool sgs_equal_texts(sgs_text a, sgs_text b) { return a.len == b.len && sgs_same_bytes(a.ptr, b.ptr, a.len); }
bool sgs_begins_with(sgs_text t, sgs_text prefix) { return t.len >= prefix.len && sgs_same_bytes(t.ptr, prefix.ptr, prefix.len); }

void sgs_append_text(sgs_buffer *b, sgs_text t) {
  sgs_reserve(b, t.len);
  if (t.len) memcpy(b->ptr + b->len, t.ptr, t.len);
  b->len += t.len;
}

static void append_arguments(sgs_buffer *b, const char *format, va_list arguments) {
  va_list again;
  va_copy(again, arguments);
  sgs_reserve(b, 128);
  int n = vsnprintf(b->ptr + b->len, b->cap - b->len, format, arguments);
  if (n >= 0 && (uint32_t)n >= b->cap - b->len) {
    sgs_reserve(b, (uint32_t)n + 1); // printf writes a zero at the end
    n = vsnprintf(b->ptr + b->len, b->cap - b->len, format, again);
  }
  va_end(again);
  if (n > 0) b->len += (uint32_t)n;
}

void sgs_append_format(sgs_buffer *b, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  append_arguments(b, format, arguments);
  va_end(arguments);
}

sgs_text sgs_buffer_text(const sgs_buffer *b) { return (sgs_text){b->ptr ? b->ptr : "", b->len}; }

sgs_text sgs_format(const char *format, ...) {
  sgs_buffer b = {0};
  va_list arguments;
  va_start(arguments, format);
  append_arguments(&b, format, arguments);
  va_end(arguments);
  return sgs_buffer_text(&b);
}

// What ends with a reason or a line is here since it formats.

SGS_IMPORT("log") void sgs_host_log(uint32_t level, const void *text, uint32_t len);

void sgs_log_text(sgs_level level, sgs_text text) { sgs_host_log(level, text.ptr, text.len); }

#define FORMATTED(text)                              \
  sgs_buffer text = {0};                             \
  va_list arguments;                                 \
  va_start(arguments, format);                       \
  append_arguments(&text, format, arguments);        \
  va_end(arguments)

void sgs_log(sgs_level level, const char *format, ...) {
  sgs_marked mark = sgs_mark();
  FORMATTED(line);
  sgs_host_log(level, line.ptr, line.len);
  sgs_release(mark);
}

sgs_verdict sgs_retry(uint32_t after_ms, const char *format, ...) {
  FORMATTED(reason);
  sgs_host_fail(reason.ptr, reason.len);
  return (sgs_verdict){(uint64_t)1 << 32 | after_ms};
}

sgs_verdict sgs_reject(const char *format, ...) {
  FORMATTED(reason);
  sgs_host_fail(reason.ptr, reason.len);
  return (sgs_verdict){(uint64_t)2 << 32};
}
