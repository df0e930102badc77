// A call of the plugin: the message, its verdict, and what the daemon does for it.
#include "sgs.h"

#include <stdlib.h>

#include "internal.h"

SGS_IMPORT("emit") int32_t sgs_host_emit(const void *doc, uint32_t len);
SGS_IMPORT("fail") void sgs_host_fail(const void *text, uint32_t len);
SGS_IMPORT("deadline_ms") int64_t sgs_host_deadline_ms(void);
SGS_IMPORT("kv_get") int32_t sgs_host_kv_get(const void *key, uint32_t key_len, void *buf, uint32_t cap);
SGS_IMPORT("kv_set") int32_t sgs_host_kv_set(const void *key, uint32_t key_len, const void *value, uint32_t len, int64_t ttl_ms);
SGS_IMPORT("metric_add") int32_t sgs_host_metric_add(const void *name, uint32_t len, int64_t n);

static sgs_value config;

SGS_EXPORT("sgs_abi_v1") void sgs_export_abi(void) {}

// The document is the first thing in the memory of its call.
SGS_EXPORT("sgs_alloc") void *sgs_export_alloc(uint32_t size) {
  sgs_new_call();
  return sgs_memory(size);
}

// What is wrong with a document, or NULL.
static const char *fault(sgs_value doc) {
  if (doc.at < doc.end && *doc.at == '{')
    return "the module has no manifest that says codec msgpack; build it with sgstreamd plugin build";
  return sgs_kind_of(doc) == SGS_MAP ? NULL : "the document is no msgpack map";
}

// Takes the value that is next, if it has the key.
static sgs_value take(sgs_each *it, sgs_text key) {
  sgs_each ahead = *it;
  if (!sgs_next(&ahead) || !sgs_equal(sgs_as_text(ahead.key), key)) return (sgs_value){NULL, NULL};
  *it = ahead;
  return ahead.value;
}

// The contract says in which order the keys are. Should it get one that is not known here, they are looked for.
static sgs_message message_of(sgs_value doc) {
  sgs_message m = {0};
  sgs_each it = sgs_members(doc);
  m.stream = sgs_as_text(take(&it, SGS_TEXT("stream")));
  m.id = sgs_as_text(take(&it, SGS_TEXT("id")));
  m.attempt = (uint32_t)sgs_as_uint(take(&it, SGS_TEXT("attempt")));
  m.ts = sgs_as_float(take(&it, SGS_TEXT("ts")));
  m.trace_id = sgs_as_text(take(&it, SGS_TEXT("trace_id")));
  m.platform = sgs_as_text(take(&it, SGS_TEXT("platform")));
  m.channel_key = sgs_as_text(take(&it, SGS_TEXT("channel_key")));
  m.maybe_delivered = sgs_as_bool(take(&it, SGS_TEXT("maybe_delivered")));
  m.payload = take(&it, SGS_TEXT("payload"));
  if (m.payload.at) return m;
  m.stream = sgs_get_text(doc, "stream");
  m.id = sgs_get_text(doc, "id");
  m.attempt = (uint32_t)sgs_get_uint(doc, "attempt");
  m.ts = sgs_get_float(doc, "ts");
  m.trace_id = sgs_get_text(doc, "trace_id");
  m.platform = sgs_get_text(doc, "platform");
  m.channel_key = sgs_get_text(doc, "channel_key");
  m.maybe_delivered = sgs_get_bool(doc, "maybe_delivered");
  m.payload = sgs_get(doc, "payload");
  return m;
}

// A retry with a reason that need not be formatted: printf would be in every module.
static sgs_verdict retry(const char *reason) {
  sgs_host_fail(reason, (uint32_t)strlen(reason));
  return (sgs_verdict){(uint64_t)1 << 32};
}

uint64_t sgs_run_handle(const uint8_t *doc, uint32_t len, sgs_verdict (*handle)(const sgs_message *)) {
  sgs_value v = {doc, doc + len};
  const char *wrong = fault(v);
  if (wrong) return retry(wrong).packed;
  sgs_message m = message_of(v);
  return handle(&m).packed;
}

int32_t sgs_run_configure(const uint8_t *doc, uint32_t len, const char *(*configure)(sgs_value)) {
  uint8_t *copy = malloc(len ? len : 1);
  if (!copy) return 1;
  if (len) memcpy(copy, doc, len);
  config = (sgs_value){copy, copy + len};
  const char *wrong = fault(config);
  if (!wrong) wrong = configure(config);
  if (!wrong) return 0;
  sgs_host_fail(wrong, (uint32_t)strlen(wrong));
  return 1;
}

sgs_value sgs_config(void) { return config; }

sgs_verdict sgs_done_if(sgs_errno e) { return e == SGS_OK ? sgs_done() : retry(sgs_errno_name(e)); }

const char *sgs_errno_name(sgs_errno e) {
  static const char *const names[] = {"OK", "EINVALID", "EDENIED", "ELIMIT", "EFAULT", "ECANCELLED", "ENOTFOUND", "EUNAVAILABLE"};
  static char unknown[] = "errno -2147483648";
  if (e <= 0 && -(int64_t)e < (int64_t)(sizeof names / sizeof names[0])) return names[-e];
  int64_t n = e < 0 ? -(int64_t)e : e;
  char *at = unknown + sizeof unknown - 1, *begin = unknown + 6;
  do *--at = (char)('0' + n % 10);
  while ((n /= 10) > 0);
  if (e < 0) *begin++ = '-';
  memmove(begin, at, (size_t)(unknown + sizeof unknown - at));
  return unknown;
}

void sgs_emit_begin(sgs_writer *w, sgs_text platform, sgs_text stream) {
  sgs_write_begin(w);
  sgs_reserve(&w->out, 1024);
  sgs_open_map(w, SGS_ITEM);
  if (platform.ptr) sgs_add_text(w, "platform", platform);
  if (stream.ptr) sgs_add_text(w, "stream", stream);
  sgs_open_map(w, "payload");
}

sgs_errno sgs_emit(sgs_writer *w) {
  sgs_close(w);
  sgs_close(w);
  sgs_value doc = sgs_write_end(w);
  sgs_errno e = doc.at ? sgs_host_emit(doc.at, (uint32_t)(doc.end - doc.at)) : SGS_EINVALID;
  sgs_give_back(&w->out); // the daemon has it; the next emit is written in its place
  return e;
}

sgs_errno sgs_reply_text(const sgs_message *m, sgs_text text) {
  sgs_writer w;
  sgs_text message_id = sgs_get_text(m->payload, "message_id");
  sgs_emit_to(&w, m->platform);
  sgs_add_text(&w, "platform", m->platform);
  sgs_add_text(&w, "channel_id", sgs_get_text(m->payload, "channel_id"));
  sgs_add_text(&w, "type", "message");
  sgs_add_text(&w, "text", text);
  sgs_add_text(&w, "trace_id", m->trace_id);
  if (message_id.len > 0) sgs_add_text(&w, "reply_to", message_id);
  return sgs_emit(&w);
}

sgs_errno sgs_state_read(sgs_text key, sgs_text *value) {
  uint32_t room = 1024;
  for (;;) {
    sgs_marked before = sgs_mark();
    char *buf = sgs_memory(room);
    int32_t n = sgs_host_kv_get(key.ptr, key.len, buf, room);
    if (n >= 0 && (uint32_t)n <= room) {
      *value = (sgs_text){buf, (uint32_t)n};
      return SGS_OK;
    }
    sgs_release(before);
    *value = (sgs_text){NULL, 0};
    if (n < 0) return n;
    room = (uint32_t)n; // the call goes on seeing this value, so now it fits
  }
}

sgs_errno sgs_state_write(sgs_text key, sgs_text value, int64_t ttl_ms) {
  int32_t e = sgs_host_kv_set(key.ptr, key.len, value.ptr, value.len, ttl_ms);
  return e < 0 ? e : SGS_OK;
}

sgs_errno sgs_count_text(sgs_text name, int64_t n) {
  int32_t e = sgs_host_metric_add(name.ptr, name.len, n);
  return e < 0 ? e : SGS_OK;
}

int64_t sgs_deadline_ms(void) { return sgs_host_deadline_ms(); }
