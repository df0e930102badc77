// JSON (RFC 8259), for the bodies of HTTP APIs. It is read into msgpack, and written from it, so that one set of
// functions reads and writes values, wherever they come from.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "internal.h"

// Reading.

typedef struct {
  const char *at, *end;
} place;

typedef struct {
  place p;
  sgs_writer out;
} reader;

static bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

static char next(place *r) {
  SGS_UNROLL
  while (r->at < r->end && is_space(*r->at)) r->at++;
  return r->at < r->end ? *r->at : 0;
}

static bool word(place *r, const char *w) {
  if (!sgs_has_prefix(SGS_BYTES(r->at, r->end - r->at), w)) return false;
  r->at += strlen(w);
  return true;
}

static const char *digits(const char *at, const char *end) {
  SGS_UNROLL
  while (at < end && *at >= '0' && *at <= '9') at++;
  return at;
}

// The end of the number at a place, or NULL; *whole is false where it has a point or an exponent.
static const char *number_end(const char *at, const char *end, bool *whole) {
  if (at < end && *at == '-') at++;
  const char *start = at;
  at = digits(at, end);
  if (at == start || (*start == '0' && at - start > 1)) return NULL;
  *whole = true;
  if (at < end && *at == '.') {
    *whole = false;
    start = ++at;
    if ((at = digits(at, end)) == start) return NULL;
  }
  if (at < end && (*at == 'e' || *at == 'E')) {
    *whole = false;
    if (++at < end && (*at == '+' || *at == '-')) at++;
    start = at;
    if ((at = digits(at, end)) == start) return NULL;
  }
  return at;
}

// Writes an integer that has room in 64 bits.
static bool integer(sgs_writer *out, sgs_text key, sgs_text text) {
  bool negative = text.ptr[0] == '-';
  uint64_t n = 0, most = negative ? (uint64_t)1 << 63 : UINT64_MAX;
  SGS_UNROLL
  for (uint32_t i = negative; i < text.len; i++) {
    uint64_t digit = (uint64_t)(text.ptr[i] - '0');
    if (n > (most - digit) / 10) return false;
    n = n * 10 + digit;
  }
  if (negative && n == 0) return false; // -0 is a float's
  if (negative) sgs_write_int(out, key, (int64_t)(0 - n));
  else sgs_write_uint(out, key, n);
  return true;
}

static bool number(reader *r, sgs_text key) {
  bool whole;
  const char *end = number_end(r->p.at, r->p.end, &whole);
  if (!end) return false;
  sgs_text text = SGS_BYTES(r->p.at, end - r->p.at);
  r->p.at = end;
  if (whole && integer(&r->out, key, text)) return true;
  char few[64], *ended = few; // strtod wants a zero at the end
  sgs_marked mark = sgs_mark();
  if (text.len >= sizeof few) ended = sgs_memory(text.len + 1);
  memcpy(ended, text.ptr, text.len);
  ended[text.len] = 0;
  double n = strtod(ended, NULL);
  sgs_release(mark);
  sgs_write_float(&r->out, key, n);
  return isfinite(n);
}

// How many bytes the UTF-8 character at a place has, or 0 for what is none.
static uint32_t utf8_bytes(const uint8_t *at, const uint8_t *end) {
  uint8_t c = *at;
  if (c < 0x80) return 1;
  uint32_t n = c >= 0xc2 && c <= 0xdf ? 2 : c >= 0xe0 && c <= 0xef ? 3 : c >= 0xf0 && c <= 0xf4 ? 4 : 0;
  if (n == 0 || (size_t)(end - at) < n) return 0;
  uint8_t low = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80; // no overlong forms,
  uint8_t high = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf; // no surrogates, nothing above U+10FFFF
  if (at[1] < low || at[1] > high) return 0;
  for (uint32_t i = 2; i < n; i++)
    if (at[i] < 0x80 || at[i] > 0xbf) return 0;
  return n;
}

static char *put_utf8(char *to, uint32_t c) {
  if (c < 0x80) {
    *to++ = (char)c;
    return to;
  }
  uint32_t more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
  *to++ = (char)((0xff80 >> more) | c >> (6 * more));
  while (more-- > 0) *to++ = (char)(0x80 | (c >> (6 * more) & 0x3f));
  return to;
}

// The number that four hexadecimal digits are, or -1.
static int32_t hex4(const char *at, const char *end) {
  int32_t n = 0;
  if (end - at < 4) return -1;
  for (int i = 0; i < 4; i++) {
    char c = at[i];
    int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
    if (digit < 0) return -1;
    n = n << 4 | digit;
  }
  return n;
}

// Reads an escape, which begins at r->at, to *to.
static bool escape(place *r, char **to) {
  static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
  if (r->end - r->at < 2) return false;
  char c = r->at[1];
  r->at += 2;
  if (c != 'u') {
    const char *found = c ? strchr(names, c) : NULL;
    if (found) *(*to)++ = values[found - names];
    return found != NULL;
  }
  int32_t n = hex4(r->at, r->end);
  if (n < 0 || (n >= 0xdc00 && n <= 0xdfff)) return false;
  r->at += 4;
  if (n >= 0xd800 && n <= 0xdbff) {
    if (!word(r, "\\u")) return false;
    int32_t low = hex4(r->at, r->end);
    if (low < 0xdc00 || low > 0xdfff) return false;
    r->at += 4;
    n = 0x10000 + ((n - 0xd800) << 10) + (low - 0xdc00);
  }
  *to = put_utf8(*to, (uint32_t)n);
  return true;
}

// Takes the escapes out of a text, which is followed by its quote.
static bool unescape(const char *end, sgs_text *text) {
  place r = {text->ptr, end};
  const char *quote = text->ptr + text->len;
  char *begin = sgs_memory(text->len), *to = begin;
  while (r.at < quote) {
    const char *next_escape = memchr(r.at, '\\', (size_t)(quote - r.at));
    size_t plain = (size_t)((next_escape ? next_escape : quote) - r.at);
    memcpy(to, r.at, plain);
    to += plain;
    r.at += plain;
    if (next_escape && !escape(&r, &to)) return false;
  }
  *text = SGS_BYTES(begin, to - begin);
  return true;
}

// Where the first byte is that does not stand for itself in a string of ASCII: a quote, a backslash, a control
// character, or one of more than 7 bits; or the end.
static const uint8_t *plain_end(const uint8_t *at, const uint8_t *end) {
  const uint64_t tops = UINT64_MAX / 255 << 7, spaces = UINT64_MAX / 255 * ' ';
  SGS_UNROLL
  for (; end - at >= 8; at += 8) {
    uint64_t eight = sgs_load8(at);
    uint64_t found = (sgs_bytes_equal(eight, '"') | sgs_bytes_equal(eight, '\\') | (eight - spaces) | eight) & tops;
    if (found) return at + __builtin_ctzll(found) / 8;
  }
  SGS_UNROLL
  while (at < end && *at >= ' ' && *at < 0x80 && *at != '"' && *at != '\\') at++;
  return at;
}

// Reads a string, whose quote is at r->at. It is a view of the JSON text where that has no escape in it.
static bool string(place *r, sgs_text *text) {
  const uint8_t *start = (const uint8_t *)r->at + 1, *end = (const uint8_t *)r->end, *quote = plain_end(start, end);
  bool escaped = false;
  while (quote < end && *quote != '"') {
    uint32_t n = utf8_bytes(quote, end);
    if (*quote == '\\') {
      escaped = true;
      n = end - quote > 1 && quote[1] < 0x80 ? 2 : 0;
    } else if (*quote < ' ') {
      n = 0;
    }
    if (n == 0) return false;
    quote = plain_end(quote + n, end);
  }
  if (quote >= end) return false;
  *text = SGS_BYTES(start, quote - start);
  r->at = (const char *)quote + 1;
  return !escaped || unescape(r->end, text);
}

// Reads a value that is not a map or list.
static bool scalar(reader *r, sgs_text key) {
  sgs_text text;
  switch (next(&r->p)) {
    case '"':
      if (!string(&r->p, &text)) return false;
      sgs_write_text(&r->out, key, text);
      return true;
    case 't': sgs_write_bool(&r->out, key, true); return word(&r->p, "true");
    case 'f': sgs_write_bool(&r->out, key, false); return word(&r->p, "false");
    case 'n': sgs_write_nil(&r->out, key); return word(&r->p, "null");
  }
  return number(r, key);
}

// Reads the value that is next and, in a map, its key before it; a map or list up to its first member.
static bool value(reader *r, bool *opened) {
  sgs_text key = SGS_ITEM;
  if (r->out.open[r->out.depth].map) {
    if (next(&r->p) != '"' || !string(&r->p, &key) || next(&r->p) != ':') return false;
    r->p.at++;
  }
  char c = next(&r->p);
  *opened = c == '{' || c == '[';
  if (!*opened) return scalar(r, key);
  if (r->out.depth == SGS_MAX_DEPTH) return false;
  r->p.at++;
  if (c == '{') sgs_write_map(&r->out, key);
  else sgs_write_list(&r->out, key);
  return true;
}

// Reads what is behind a value: the ends of the maps and lists that end with it, and a comma if more comes.
static bool ends(reader *r, bool opened) {
  while (r->out.depth > 0) {
    bool map = r->out.open[r->out.depth].map;
    char c = next(&r->p);
    if (c == (map ? '}' : ']')) {
      r->p.at++;
      sgs_write_close(&r->out);
      opened = false;
      continue;
    }
    if (opened) return true; // the first member follows
    if (c != ',') return false;
    r->p.at++;
    return true;
  }
  return true;
}

sgs_value sgs_from_json(sgs_text json) {
  reader r = {.p = {json.ptr, json.ptr + json.len}};
  sgs_write_begin(&r.out);
  sgs_reserve(&r.out.out, json.len);
  bool opened;
  do {
    if (!value(&r, &opened) || !ends(&r, opened)) return (sgs_value){NULL, NULL};
  } while (r.out.depth > 0);
  if (next(&r.p) != 0 || r.p.at != r.p.end) return (sgs_value){NULL, NULL};
  return sgs_write_end(&r.out);
}

// Writing.

static void put(sgs_buffer *b, const char *bytes, uint32_t n) { sgs_append_text(b, SGS_BYTES(bytes, n)); }

static void put_string(sgs_buffer *b, sgs_text t) {
  static const char hex[] = "0123456789abcdef";
  const uint8_t *at = (const uint8_t *)t.ptr, *end = at + t.len, *plain = at;
  put(b, "\"", 1);
  while ((at = plain_end(at, end)) < end) {
    uint32_t n = utf8_bytes(at, end);
    if (n > 1) {
      at += n;
      continue;
    }
    put(b, (const char *)plain, (uint32_t)(at - plain));
    char unicode[6] = {'\\', 'u', '0', '0', hex[*at >> 4], hex[*at & 15]};
    char brief[2] = {'\\', (char)(*at == '\n' ? 'n' : *at == '\r' ? 'r' : *at == '\t' ? 't' : *at)};
    if (n == 0) put(b, "\xef\xbf\xbd", 3); // U+FFFD
    else if (*at >= ' ' || brief[1] >= 'a') put(b, brief, sizeof brief);
    else put(b, unicode, sizeof unicode);
    plain = ++at;
  }
  put(b, (const char *)plain, (uint32_t)(at - plain));
  put(b, "\"", 1);
}

static void put_base64(sgs_buffer *b, const uint8_t *at, uint32_t n) {
  static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  put(b, "\"", 1);
  for (uint32_t i = 0; i < n; i += 3) {
    uint32_t left = n - i;
    uint32_t bits = (uint32_t)at[i] << 16 | (left > 1 ? (uint32_t)at[i + 1] << 8 : 0) | (left > 2 ? at[i + 2] : 0);
    char four[4] = {letters[bits >> 18], letters[bits >> 12 & 63], left > 1 ? letters[bits >> 6 & 63] : '=', left > 2 ? letters[bits & 63] : '='};
    put(b, four, sizeof four);
  }
  put(b, "\"", 1);
}

// Writes a form that reads as the same number, as short as 15 to 17 digits allow, with a point or an exponent.
static bool put_float(sgs_buffer *b, double n) {
  char text[40];
  int len = 0;
  if (!isfinite(n)) return false;
  for (int precision = 15; precision <= 17; precision++) {
    len = snprintf(text, sizeof text, "%.*g", precision, n);
    if (strtod(text, NULL) == n) break;
  }
  put(b, text, (uint32_t)len);
  if (!strpbrk(text, ".e")) put(b, ".0", 2);
  return true;
}

static bool put_scalar(sgs_buffer *b, const sgs_head *h) {
  char text[24];
  double d;
  switch (h->kind) {
    case SGS_NIL: put(b, "null", 4); return true;
    case SGS_BOOL: put(b, h->n ? "true" : "false", h->n ? 4 : 5); return true;
    case SGS_STR: put_string(b, SGS_BYTES(h->body, h->n)); return true;
    case SGS_BIN: put_base64(b, h->body, (uint32_t)h->n); return true;
    case SGS_INT: {
      char *at = text + sizeof text;
      uint64_t n = h->negative ? 0 - h->n : h->n;
      do *--at = (char)('0' + n % 10);
      while ((n /= 10) > 0);
      if (h->negative) *--at = '-';
      put(b, at, (uint32_t)(text + sizeof text - at));
      return true;
    }
    case SGS_FLOAT: memcpy(&d, &h->n, sizeof d); return put_float(b, d);
    default: return false;
  }
}

static bool write_json(sgs_buffer *b, sgs_value v) {
  struct { uint32_t left; bool map, first; } open[SGS_MAX_DEPTH + 1];
  uint32_t depth = 0;
  open[0].left = 1, open[0].map = false, open[0].first = true;
  for (;;) {
    while (open[depth].left == 0) {
      if (depth == 0) return true;
      put(b, open[depth].map ? "}" : "]", 1);
      depth--;
    }
    if (!open[depth].first) put(b, ",", 1);
    open[depth].first = false;
    open[depth].left--;
    sgs_head h;
    if (open[depth].map) {
      if (!sgs_decode(v, &h) || h.kind != SGS_STR) return false;
      put_string(b, SGS_BYTES(h.body, h.n));
      put(b, ":", 1);
      v.at = h.body + h.n;
    }
    if (!sgs_decode(v, &h)) return false;
    v.at = h.kind >= SGS_STR && h.kind <= SGS_EXT ? h.body + h.n : h.body;
    if (h.kind != SGS_MAP && h.kind != SGS_LIST) {
      if (!put_scalar(b, &h)) return false;
      continue;
    }
    if (depth == SGS_MAX_DEPTH) return false;
    depth++;
    open[depth].left = (uint32_t)h.n, open[depth].map = h.kind == SGS_MAP, open[depth].first = true;
    put(b, h.kind == SGS_MAP ? "{" : "[", 1);
  }
}

sgs_text sgs_to_json(sgs_value v) {
  sgs_buffer b = {0};
  if (!write_json(&b, v)) return (sgs_text){NULL, 0};
  return sgs_buffer_text(&b);
}
