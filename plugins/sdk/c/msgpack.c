// Reading and writing values. They are msgpack: https://github.com/msgpack/msgpack/blob/master/spec.md
//
// Nothing here trusts a document: what goes beyond its end is absent.
#include "internal.h"

// Reads a number of 1, 2, 4 or 8 bytes.
static inline bool big_endian(const uint8_t **at, const uint8_t *end, uint32_t bytes, uint64_t *n) {
  const uint8_t *p = *at;
  if ((size_t)(end - p) < bytes) return false;
  *at += bytes;
  switch (bytes) {
    case 1: *n = p[0]; break;
    case 2: *n = (uint64_t)p[0] << 8 | p[1]; break;
    case 4: *n = (uint64_t)p[0] << 24 | (uint64_t)p[1] << 16 | (uint64_t)p[2] << 8 | p[3]; break;
    default: *n = __builtin_bswap64(sgs_load8(p));
  }
  return true;
}

static double float_of(uint32_t bits) {
  float f;
  memcpy(&f, &bits, sizeof f);
  return f;
}

// A head of more than one byte, which begins with 0xc0 to 0xdf. h->body is behind that byte.
static bool decode_long(uint8_t c, sgs_head *h, const uint8_t *end) {
  h->n = 0;
  switch (c) {
    case 0xc0: h->kind = SGS_NIL; return true;
    case 0xc2: case 0xc3: h->kind = SGS_BOOL; h->n = c & 1; return true;
    case 0xc4: case 0xc5: case 0xc6: h->kind = SGS_BIN; return big_endian(&h->body, end, 1u << (c - 0xc4), &h->n);
    case 0xc7: case 0xc8: case 0xc9:
      h->kind = SGS_EXT;
      if (!big_endian(&h->body, end, 1u << (c - 0xc7), &h->n)) return false;
      h->n++; // its type
      return true;
    case 0xca:
    case 0xcb:
      h->kind = SGS_FLOAT;
      if (!big_endian(&h->body, end, 4u << (c - 0xca), &h->n)) return false;
      if (c == 0xca) {
        double d = float_of((uint32_t)h->n);
        memcpy(&h->n, &d, sizeof d);
      }
      return true;
    case 0xcc: case 0xcd: case 0xce: case 0xcf: h->kind = SGS_INT; return big_endian(&h->body, end, 1u << (c - 0xcc), &h->n);
    case 0xd0: case 0xd1: case 0xd2: case 0xd3: {
      uint32_t bytes = 1u << (c - 0xd0);
      h->kind = SGS_INT;
      if (!big_endian(&h->body, end, bytes, &h->n)) return false;
      uint32_t unused = 64 - 8 * bytes;
      h->n = (uint64_t)((int64_t)(h->n << unused) >> unused);
      h->negative = (int64_t)h->n < 0;
      return true;
    }
    case 0xd4: case 0xd5: case 0xd6: case 0xd7: case 0xd8: h->kind = SGS_EXT; h->n = 1 + (1u << (c - 0xd4)); return true;
    case 0xd9: case 0xda: case 0xdb: h->kind = SGS_STR; return big_endian(&h->body, end, 1u << (c - 0xd9), &h->n);
    case 0xdc: case 0xdd: h->kind = SGS_LIST; return big_endian(&h->body, end, 2u << (c - 0xdc), &h->n);
    case 0xde: case 0xdf: h->kind = SGS_MAP; return big_endian(&h->body, end, 2u << (c - 0xde), &h->n);
  }
  return false; // 0xc1, which is never used
}

bool sgs_decode(sgs_value v, sgs_head *h) {
  if (!v.at || v.at >= v.end) return false;
  uint8_t c = *v.at;
  h->body = v.at + 1;
  h->negative = false;
  if (c <= 0x7f) {
    h->kind = SGS_INT;
    h->n = c;
    return true;
  }
  if (c >= 0xe0) {
    h->kind = SGS_INT;
    h->n = (uint64_t)(int64_t)(int8_t)c;
    h->negative = true;
    return true;
  }
  if (c <= 0xbf) {
    h->kind = c <= 0x8f ? SGS_MAP : c <= 0x9f ? SGS_LIST : SGS_STR;
    h->n = c <= 0x9f ? c & 15 : c & 31;
  } else if (!decode_long(c, h, v.end)) {
    return false;
  }
  bool bytes = h->kind == SGS_STR || h->kind == SGS_BIN || h->kind == SGS_EXT;
  return !bytes || (uint64_t)(v.end - h->body) >= h->n;
}

// What is behind the value at a place, but for the members that it has: their number is added to *left.
static inline const uint8_t *skip_one(const uint8_t *at, const uint8_t *end, uint64_t *left) {
  sgs_head h;
  if (!sgs_decode((sgs_value){at, end}, &h)) return NULL;
  if (h.kind == SGS_LIST) *left += h.n;
  else if (h.kind == SGS_MAP) *left += 2 * h.n;
  else if (h.kind >= SGS_STR) return h.body + h.n;
  return h.body;
}

static const uint8_t *skip_any(const uint8_t *at, const uint8_t *end) {
  uint64_t left = 0;
  at = skip_one(at, end, &left);
  // What is in a map or a list counts as more values to skip. Each has a byte at least, so this ends.
  SGS_UNROLL
  while (left > 0 && at) {
    left--;
    at = skip_one(at, end, &left);
  }
  return at;
}

// The values of which payloads are full first.
static inline const uint8_t *skip(const uint8_t *at, const uint8_t *end) {
  if (at >= end) return NULL;
  uint8_t c = *at;
  uint32_t bytes;
  if (c >= 0xa0 && c <= 0xbf) bytes = 1 + (c & 31u);
  else if (c <= 0x7f || c == 0xc0 || c == 0xc2 || c == 0xc3) bytes = 1;
  else return skip_any(at, end);
  return (size_t)(end - at) >= bytes ? at + bytes : NULL;
}

const uint8_t *sgs_skip(const uint8_t *at, const uint8_t *end) { return skip(at, end); }

sgs_kind sgs_kind_of(sgs_value v) {
  sgs_head h;
  return sgs_decode(v, &h) ? h.kind : SGS_ABSENT;
}

static sgs_text bytes_of(sgs_value v, sgs_kind kind) {
  sgs_head h;
  if (!sgs_decode(v, &h) || h.kind != kind) return (sgs_text){NULL, 0};
  return (sgs_text){(const char *)h.body, (uint32_t)h.n};
}

sgs_text sgs_as_text(sgs_value v) { return bytes_of(v, SGS_STR); }
sgs_text sgs_as_bytes(sgs_value v) { return bytes_of(v, SGS_BIN); }

int64_t sgs_as_int(sgs_value v) {
  sgs_head h;
  return sgs_decode(v, &h) && h.kind == SGS_INT && (h.negative || h.n <= INT64_MAX) ? (int64_t)h.n : 0;
}

uint64_t sgs_as_uint(sgs_value v) {
  sgs_head h;
  return sgs_decode(v, &h) && h.kind == SGS_INT && !h.negative ? h.n : 0;
}

double sgs_as_float(sgs_value v) {
  sgs_head h;
  if (!sgs_decode(v, &h)) return 0;
  if (h.kind == SGS_INT) return h.negative ? (double)(int64_t)h.n : (double)h.n;
  double d = 0;
  if (h.kind == SGS_FLOAT) memcpy(&d, &h.n, sizeof d);
  return d;
}

bool sgs_as_bool(sgs_value v) {
  sgs_head h;
  return sgs_decode(v, &h) && h.kind == SGS_BOOL && h.n == 1;
}

uint32_t sgs_count_of(sgs_value v) {
  sgs_head h;
  return sgs_decode(v, &h) && (h.kind == SGS_LIST || h.kind == SGS_MAP) ? (uint32_t)h.n : 0;
}

sgs_each sgs_members(sgs_value v) {
  sgs_head h;
  if (!sgs_decode(v, &h) || (h.kind != SGS_LIST && h.kind != SGS_MAP)) return (sgs_each){0};
  return (sgs_each){.next = h.body, .end = v.end, .left = (uint32_t)h.n, .map = h.kind == SGS_MAP};
}

// The value before is skipped only now: who has found what he looks for pays nothing for it.
bool sgs_next(sgs_each *it) {
  if (it->left == 0) return false;
  it->left--;
  if (it->value.at) it->next = skip(it->value.at, it->end);
  if (it->map && it->next) {
    it->key = (sgs_value){it->next, it->end};
    it->next = skip(it->next, it->end);
  }
  if (!it->next || it->next >= it->end) {
    it->left = 0;
    return false;
  }
  it->value = (sgs_value){it->next, it->end};
  return true;
}

// Tells whether the value at a place is a text that is the key.
static inline bool is_key(const uint8_t *at, const uint8_t *end, sgs_text key) {
  if (at < end && (*at & 0xe0) == 0xa0) {
    uint32_t len = *at & 31;
    return len == key.len && (size_t)(end - at) > len && sgs_same_bytes(at + 1, key.ptr, len);
  }
  sgs_value v = {at, end};
  return sgs_kind_of(v) == SGS_STR && sgs_equal_texts(sgs_as_text(v), key);
}

sgs_value sgs_find(sgs_value map, sgs_text key) {
  sgs_head h;
  if (!sgs_decode(map, &h) || h.kind != SGS_MAP) return (sgs_value){NULL, NULL};
  const uint8_t *at = h.body;
  SGS_UNROLL
  for (uint32_t left = (uint32_t)h.n; left > 0; left--) {
    const uint8_t *value = skip(at, map.end);
    if (!value || value >= map.end) break;
    if (is_key(at, map.end, key)) return (sgs_value){value, map.end};
    at = skip(value, map.end);
    if (!at) break;
  }
  return (sgs_value){NULL, NULL};
}

sgs_value sgs_item(sgs_value list, uint32_t index) {
  sgs_each it = sgs_members(list);
  while (!it.map && sgs_next(&it))
    if (index-- == 0) return it.value;
  return (sgs_value){NULL, NULL};
}

// Writing. A map or list gets a head of one byte, and more when it is closed, if it has come to more than 15 members.

void sgs_write_begin(sgs_writer *w) {
  w->out = (sgs_buffer){0};
  w->failed = false;
  w->depth = 0;
  w->open[0].count = 0;
  w->open[0].map = false;
}

sgs_value sgs_write_end(sgs_writer *w) {
  if (w->failed || w->depth != 0 || w->open[0].count != 1) return (sgs_value){NULL, NULL};
  return (sgs_value){(const uint8_t *)w->out.ptr, (const uint8_t *)w->out.ptr + w->out.len};
}

// Writes a number of 1, 2, 4 or 8 bytes.
static inline uint8_t *put_big_endian(uint8_t *to, uint64_t n, uint32_t bytes) {
  n = __builtin_bswap64(n << (64 - 8 * bytes));
  switch (bytes) {
    case 1: memcpy(to, &n, 1); break;
    case 2: memcpy(to, &n, 2); break;
    case 4: memcpy(to, &n, 4); break;
    default: memcpy(to, &n, 8);
  }
  return to + bytes;
}

static uint32_t width_of(uint64_t n) { return n <= 0xff ? 0 : n <= 0xffff ? 1 : n <= 0xffffffff ? 2 : 3; }

// Writes a head: of one byte if n has room in the fixed form, and else the code of n's width and n.
static void put_head(sgs_buffer *b, uint8_t fixed, uint32_t fixed_below, uint8_t code, uint64_t n) {
  sgs_reserve(b, 9);
  uint8_t *to = (uint8_t *)b->ptr + b->len;
  if (n < fixed_below) {
    *to = (uint8_t)(fixed | n);
    b->len++;
    return;
  }
  uint32_t width = width_of(n);
  *to = (uint8_t)(code + width);
  put_big_endian(to + 1, n, 1u << width);
  b->len += 1 + (1u << width);
}

static void put_str(sgs_buffer *b, sgs_text t) {
  put_head(b, 0xa0, 32, 0xd9, t.len);
  sgs_append_text(b, t);
}

// Begins a value: its key, and a look whether there may be one.
static bool member(sgs_writer *w, sgs_text key) {
  bool map = w->open[w->depth].map;
  if (w->failed || map != (key.ptr != NULL) || (w->depth == 0 && w->open[0].count > 0)) {
    w->failed = true;
    return false;
  }
  w->open[w->depth].count++;
  if (map) put_str(&w->out, key);
  return true;
}

static void open_as(sgs_writer *w, sgs_text key, bool map) {
  if (!member(w, key)) return;
  if (w->depth + 1 >= sizeof w->open / sizeof w->open[0]) {
    w->failed = true;
    return;
  }
  w->depth++;
  w->open[w->depth].at = w->out.len;
  w->open[w->depth].count = 0;
  w->open[w->depth].map = map;
  sgs_reserve(&w->out, 1);
  w->out.ptr[w->out.len++] = 0;
}

void sgs_write_map(sgs_writer *w, sgs_text key) { open_as(w, key, true); }
void sgs_write_list(sgs_writer *w, sgs_text key) { open_as(w, key, false); }

void sgs_write_close(sgs_writer *w) {
  if (w->failed || w->depth == 0) {
    w->failed = true;
    return;
  }
  uint32_t at = w->open[w->depth].at, count = w->open[w->depth].count;
  bool map = w->open[w->depth].map;
  w->depth--;
  if (count < 16) {
    w->out.ptr[at] = (char)((map ? 0x80 : 0x90) | count);
    return;
  }
  uint32_t more = count <= 0xffff ? 2 : 4;
  sgs_reserve(&w->out, more);
  memmove(w->out.ptr + at + 1 + more, w->out.ptr + at + 1, w->out.len - at - 1);
  w->out.ptr[at] = (char)((map ? 0xde : 0xdc) + (more == 4));
  put_big_endian((uint8_t *)w->out.ptr + at + 1, count, more);
  w->out.len += more;
}

void sgs_write_text(sgs_writer *w, sgs_text key, sgs_text t) {
  if (member(w, key)) put_str(&w->out, t);
}

void sgs_write_bytes(sgs_writer *w, sgs_text key, sgs_text bytes) {
  if (!member(w, key)) return;
  put_head(&w->out, 0, 0, 0xc4, bytes.len);
  sgs_append_text(&w->out, bytes);
}

void sgs_write_uint(sgs_writer *w, sgs_text key, uint64_t n) {
  if (member(w, key)) put_head(&w->out, 0, 128, 0xcc, n);
}

void sgs_write_int(sgs_writer *w, sgs_text key, int64_t n) {
  if (n >= 0) {
    sgs_write_uint(w, key, (uint64_t)n);
  } else if (member(w, key)) {
    uint32_t width = n >= INT8_MIN ? 0 : n >= INT16_MIN ? 1 : n >= INT32_MIN ? 2 : 3;
    sgs_reserve(&w->out, 9);
    uint8_t *start = (uint8_t *)w->out.ptr + w->out.len, *to = start;
    if (n < -32) *to++ = (uint8_t)(0xd0 + width);
    to = put_big_endian(to, (uint64_t)n, 1u << width);
    w->out.len += (uint32_t)(to - start);
  }
}

static void put_bytes(sgs_writer *w, const void *bytes, uint32_t n) { sgs_append_text(&w->out, SGS_BYTES(bytes, n)); }

void sgs_write_float(sgs_writer *w, sgs_text key, double n) {
  if (!member(w, key)) return;
  uint64_t bits;
  uint8_t form[9] = {0xcb};
  memcpy(&bits, &n, sizeof bits);
  put_big_endian(form + 1, bits, 8);
  put_bytes(w, form, sizeof form);
}

void sgs_write_bool(sgs_writer *w, sgs_text key, bool b) {
  if (member(w, key)) put_bytes(w, b ? "\xc3" : "\xc2", 1);
}

void sgs_write_nil(sgs_writer *w, sgs_text key) {
  if (member(w, key)) put_bytes(w, "\xc0", 1);
}

void sgs_write_value(sgs_writer *w, sgs_text key, sgs_value v) {
  const uint8_t *behind = v.at ? sgs_skip(v.at, v.end) : NULL;
  if (behind && member(w, key)) put_bytes(w, v.at, (uint32_t)(behind - v.at));
}
