// The processor that sgstreamd verify runs. Each message brings its orders: how to fail before it succeeds, how long
// to take, how often to emit. What it emits says which message it answers, so that verify can tell what became of
// every one.
//
// It is built without a C library: see the Makefile. It speaks msgpack, and docs/abi.md is its contract.

typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long long u64;

#define IMPORT(module, name) __attribute__((import_module(module), import_name(name)))
#define EXPORT(name) __attribute__((export_name(name)))

IMPORT("sgs_v1", "emit") int sgs_emit(const u8 *doc, u32 len);
IMPORT("sgs_v1", "kv_get") int kv_get(const u8 *key, u32 key_len, void *buf, u32 cap);
IMPORT("sgs_v1", "kv_set") int kv_set(const u8 *key, u32 key_len, const void *value, u32 len, long long ttl_ms);
IMPORT("sgs_v1", "fail") void sgs_fail(const char *text, u32 len);
IMPORT("wasi_snapshot_preview1", "poll_oneoff") int poll_oneoff(const void *in, void *out, u32 n, u32 *events);

// The manifest, a custom section of the module.
__asm__(".section .custom_section.sgs_manifest,\"\",@\n"
        ".ascii \"{\\\"name\\\":\\\"verify\\\",\\\"kind\\\":\\\"processor\\\",\\\"codec\\\":\\\"msgpack\\\"}\"\n"
        ".text\n");

enum { DONE = 0, RETRY = 1, REJECT = 2 };

// The orders, an array in the payload's key "verify". verify's payload.go writes them in this order.
enum { NUMBER, SEQUENCE, EMITS, RETRIES, TRAPS, SLEEP_MS, DOOM, COUNTS, ORDERS };

// The values of the order DOOM.
enum { DOOM_NONE, DOOM_TRAP, DOOM_REJECT };

static u8 document[32 * 1024];
static u8 emitted[2 * 1024];

EXPORT("sgs_abi_v1") void sgs_abi_v1(void) {}

// What is larger, as sgstreamd bench can be told to send it, has its place behind the memory that the module begins with.
enum { PAGE = 64 * 1024 };
static u8 *large;
static u32 large_pages;

EXPORT("sgs_alloc") u8 *sgs_alloc(u32 size) {
  if (size <= sizeof document) return document;
  u32 pages = size / PAGE + 1;
  if (pages > large_pages) {
    long before = (long)__builtin_wasm_memory_grow(0, pages - large_pages);
    if (before < 0) return 0;
    if (!large) large = (u8 *)((u32)before * PAGE);
    large_pages = pages;
  }
  return large;
}

// Reading. A cursor that has met something it does not know stands at its end.

typedef struct {
  const u8 *at, *end;
} cursor;

static u64 big_endian(cursor *c, u32 bytes) {
  u64 n = 0;
  if ((u32)(c->end - c->at) < bytes) {
    c->at = c->end;
    return 0;
  }
  while (bytes--) n = n << 8 | *c->at++;
  return n;
}

static void pass(cursor *c, u64 bytes) {
  c->at = (u64)(c->end - c->at) < bytes ? c->end : c->at + bytes;
}

static u8 head(cursor *c) { return (u8)big_endian(c, 1); }

static void skip(cursor *c);

// The length of a str, or -1 for another value, which is passed over.
static int text(cursor *c, const u8 **start) {
  cursor before = *c;
  u8 h = head(c);
  u64 len;
  if (h >= 0xa0 && h <= 0xbf) {
    len = h & 31;
  } else if (h >= 0xd9 && h <= 0xdb) {
    len = big_endian(c, 1u << (h - 0xd9));
  } else {
    *c = before;
    skip(c);
    return -1;
  }
  *start = c->at;
  if ((u64)(c->end - c->at) < len) return -1;
  c->at += len;
  return (int)len;
}

// An integer that is not negative; 0 for another value, which is passed over.
static u32 integer(cursor *c) {
  cursor before = *c;
  u8 h = head(c);
  if (h <= 0x7f) return h;
  if (h >= 0xcc && h <= 0xcf) return (u32)big_endian(c, 1u << (h - 0xcc));
  if (h >= 0xd0 && h <= 0xd3) return (u32)big_endian(c, 1u << (h - 0xd0));
  *c = before;
  skip(c);
  return 0;
}

// How many values a map (of == 2) or an array (of == 1) holds; 0 for another value, which is passed over.
static u32 members(cursor *c, u32 of) {
  cursor before = *c;
  u8 h = head(c), fix = of == 2 ? 0x80 : 0x90, wide = of == 2 ? 0xde : 0xdc;
  if ((h & 0xf0) == fix) return h & 15;
  if (h == wide) return (u32)big_endian(c, 2);
  if (h == wide + 1) return (u32)big_endian(c, 4);
  *c = before;
  skip(c);
  return 0;
}

// Passes over one value. What is inside of a map or an array counts as more values to pass over.
static void skip(cursor *c) {
  for (u64 left = 1; left > 0 && c->at < c->end; left--) {
    u8 h = head(c);
    if (h <= 0x7f || h >= 0xe0 || h == 0xc0 || h == 0xc2 || h == 0xc3) continue;
    if (h <= 0x8f) left += 2 * (h & 15);
    else if (h <= 0x9f) left += h & 15;
    else if (h <= 0xbf) pass(c, h & 31);
    else if (h >= 0xc4 && h <= 0xc6) pass(c, big_endian(c, 1u << (h - 0xc4)));
    else if (h >= 0xc7 && h <= 0xc9) pass(c, 1 + big_endian(c, 1u << (h - 0xc7)));
    else if (h == 0xca) pass(c, 4);
    else if (h == 0xcb) pass(c, 8);
    else if (h >= 0xcc && h <= 0xcf) pass(c, 1u << (h - 0xcc));
    else if (h >= 0xd0 && h <= 0xd3) pass(c, 1u << (h - 0xd0));
    else if (h >= 0xd4 && h <= 0xd8) pass(c, 1 + (1u << (h - 0xd4)));
    else if (h >= 0xd9 && h <= 0xdb) pass(c, big_endian(c, 1u << (h - 0xd9)));
    else if (h == 0xdc || h == 0xdd) left += big_endian(c, h == 0xdc ? 2 : 4);
    else if (h == 0xde || h == 0xdf) left += 2 * big_endian(c, h == 0xde ? 2 : 4);
    else c->at = c->end;
  }
}

static int is(const u8 *key, int len, const char *name) {
  int i = 0;
  for (; i < len && name[i]; i++)
    if (key[i] != (u8)name[i]) return 0;
  return i == len && !name[i];
}

// What a message says that the plugin goes by.
typedef struct {
  u32 attempt, order[ORDERS];
  const u8 *channel;
  int channel_len;
  int ordered; // whether the payload has orders
} message;

static void read_orders(cursor *c, message *m) {
  u32 n = members(c, 1);
  for (u32 i = 0; i < n; i++) {
    if (i < ORDERS) m->order[i] = integer(c);
    else skip(c);
  }
  m->ordered = n >= ORDERS;
}

static void read_payload(cursor *c, message *m) {
  for (u32 n = members(c, 2); n > 0; n--) {
    const u8 *key = 0;
    int len = text(c, &key);
    if (is(key, len, "channel_id")) m->channel_len = text(c, &m->channel);
    else if (is(key, len, "verify")) read_orders(c, m);
    else skip(c);
  }
}

static void read_message(cursor *c, message *m) {
  for (u32 n = members(c, 2); n > 0; n--) {
    const u8 *key = 0;
    int len = text(c, &key);
    if (is(key, len, "attempt")) m->attempt = integer(c);
    else if (is(key, len, "payload")) read_payload(c, m);
    else skip(c);
  }
}

// Writing.

static u8 *put_text(u8 *to, const void *from, u32 len) {
  *to++ = 0xd9;
  *to++ = (u8)len;
  for (u32 i = 0; i < len; i++) *to++ = ((const u8 *)from)[i];
  return to;
}

#define PUT(to, literal) put_text(to, literal, sizeof literal - 1)

static u8 *put_integer(u8 *to, u32 n) {
  *to++ = 0xce;
  for (int shift = 24; shift >= 0; shift -= 8) *to++ = (u8)(n >> shift);
  return to;
}

// {platform, payload: {type, channel_id, text, verify: [number, sequence, ordinal, emits, attempt]}}
static int answer(const message *m, u32 ordinal) {
  u8 *to = emitted;
  *to++ = 0x82;
  to = PUT(to, "platform");
  to = PUT(to, "verify");
  to = PUT(to, "payload");
  *to++ = 0x84;
  to = PUT(to, "type");
  to = PUT(to, "message");
  to = PUT(to, "channel_id");
  to = put_text(to, m->channel, (u32)m->channel_len);
  to = PUT(to, "text");
  to = PUT(to, "an answer to a message of sgstreamd verify");
  to = PUT(to, "verify");
  *to++ = 0x95;
  to = put_integer(to, m->order[NUMBER]);
  to = put_integer(to, m->order[SEQUENCE]);
  to = put_integer(to, ordinal);
  to = put_integer(to, m->order[EMITS]);
  to = put_integer(to, m->attempt);
  return sgs_emit(emitted, (u32)(to - emitted));
}

enum { ENOTFOUND = -6 };

// Adds one to the channel's counter, which is four bytes of the plugin's state, the lowest first. Not 0 where the
// state can't be had.
static int count(const message *m) {
  u32 n = 0;
  int len = kv_get(m->channel, (u32)m->channel_len, &n, sizeof n);
  if (len != ENOTFOUND && len != sizeof n) return -1;
  n++;
  return kv_set(m->channel, (u32)m->channel_len, &n, sizeof n, 0);
}

// Sleeps by WASI's poll_oneoff, with one subscription to the monotonic clock.
static void sleep_ms(u32 ms) {
  static struct {
    u64 userdata;
    u8 tag, pad[7];
    u32 clock, pad2;
    u64 timeout, precision;
    unsigned short flags;
    u8 pad3[6];
  } in;
  static u8 out[32];
  u32 events;
  in.clock = 1;
  in.timeout = (u64)ms * 1000000;
  poll_oneoff(&in, out, 1, &events);
}

static u64 fail(u64 status, const char *why, u32 len) {
  sgs_fail(why, len);
  return status << 32;
}

#define FAIL(status, why) fail(status, why, sizeof why - 1)

EXPORT("sgs_handle") u64 sgs_handle(const u8 *doc, u32 len) {
  cursor c = {doc, doc + len};
  message m = {0};
  read_message(&c, &m);
  if (!m.ordered || m.channel_len < 0 || m.channel_len > 255) return FAIL(REJECT, "the message has no orders: it is not one of sgstreamd verify's");
  if (m.order[DOOM] == DOOM_TRAP) __builtin_trap();
  if (m.order[DOOM] == DOOM_REJECT) return FAIL(REJECT, "ordered to be rejected");
  if (m.order[SLEEP_MS]) sleep_ms(m.order[SLEEP_MS]);
  if (m.order[COUNTS] && count(&m)) return FAIL(RETRY, "the state can't be had");
  for (u32 i = 0; i < m.order[EMITS]; i++)
    if (answer(&m, i)) return FAIL(RETRY, "an emit was refused");
  // Only now, so that what was emitted and stored before a failure would show.
  if (m.attempt <= m.order[TRAPS]) __builtin_trap();
  if (m.attempt <= m.order[TRAPS] + m.order[RETRIES]) return FAIL(RETRY, "ordered to fail");
  return DONE;
}
