// The conformance probe in C: a message's payload has steps, each of which uses one thing of the SDK. What they
// report is emitted at the end.
#include <math.h>
#include <stdio.h>

#include "sgs.h"

// run is one message's.
typedef struct {
  const sgs_message *m;
  sgs_value step;
  sgs_buffer reports;
  bool reported;
  bool over; // a step has ended the call, with verdict
  sgs_verdict verdict;
} run;

static void report(run *r, sgs_text text) {
  if (r->reported) sgs_append(&r->reports, "\n");
  r->reported = true;
  sgs_append(&r->reports, text);
}

static void report_errno(run *r, sgs_errno e) { report(r, SGS_TEXT(sgs_errno_name(e))); }

static void end(run *r, sgs_verdict v) {
  r->over = true;
  r->verdict = v;
}

static sgs_text text(const run *r, const char *key) { return sgs_get_text(r->step, key); }

static void message(run *r) {
  const sgs_message *m = r->m;
  report(r, sgs_format("%.*s|%.*s|%u|%lld|%.*s|%.*s|%.*s|%s", SGS_ARG(m->stream), SGS_ARG(m->id), m->attempt, llround(m->ts * 1000),
                       SGS_ARG(m->trace_id), SGS_ARG(m->platform), SGS_ARG(m->channel_key), m->maybe_delivered ? "true" : "false"));
}

static void copy(run *r) {
  sgs_writer w;
  sgs_emit_to(&w, r->m->platform);
  sgs_add_text(&w, "platform", r->m->platform);
  sgs_add_value(&w, "value", sgs_get(r->m->payload, text(r, "key")));
  sgs_errno e = sgs_emit(&w);
  if (e) end(r, sgs_done_if(e));
}

static void nested(run *r) {
  sgs_value v = r->m->payload;
  for (sgs_each it = sgs_members(sgs_get(r->step, "path")); sgs_next(&it);)
    v = sgs_kind_of(it.value) == SGS_INT ? sgs_item(v, (uint32_t)sgs_as_uint(it.value)) : sgs_get(v, sgs_as_text(it.value));
  report(r, sgs_kind_of(v) == SGS_STR ? sgs_as_text(v) : SGS_TEXT("-"));
}

static void emit(run *r) {
  sgs_writer w;
  sgs_emit_begin(&w, text(r, "platform"), text(r, "stream"));
  sgs_add_text(&w, "text", text(r, "text"));
  report_errno(r, sgs_emit(&w));
}

static void get(run *r) {
  sgs_text value;
  sgs_errno e = sgs_state_get(text(r, "key"), &value);
  if (e == SGS_OK) report(r, value);
  else report(r, SGS_TEXT(e == SGS_ENOTFOUND ? "-" : sgs_errno_name(e)));
}

static sgs_errno request(run *r, sgs_response *response) {
  sgs_request q = {.method = text(r, "method"), .url = text(r, "url"), .body = text(r, "body"), .more_headers = sgs_get(r->step, "headers")};
  size_t n = 0;
  for (sgs_each it = sgs_members(sgs_get(r->step, "secrets")); sgs_next(&it) && n < sizeof q.secrets / sizeof q.secrets[0];)
    q.secrets[n++] = sgs_as_text(it.value);
  return sgs_http(&q, response);
}

static void http(run *r) {
  sgs_response response;
  sgs_errno e = request(r, &response);
  if (e) {
    report_errno(r, e);
    return;
  }
  sgs_text probe = sgs_response_header(&response, "X-Probe");
  sgs_buffer b = {0};
  sgs_append_format(&b, "%u|", response.status);
  sgs_append(&b, probe.ptr ? probe : SGS_TEXT("-"));
  sgs_append(&b, "|");
  char piece[16];
  int32_t n;
  while ((n = sgs_read(&response, piece, sizeof piece)) > 0) sgs_append(&b, SGS_BYTES(piece, n));
  sgs_http_close(&response);
  if (n < 0) report_errno(r, n);
  else report(r, sgs_buffer_text(&b));
}

static void events(run *r) {
  sgs_response response;
  sgs_event event;
  sgs_buffer b = {0};
  int32_t n = request(r, &response);
  for (bool first = true; n >= 0 && (n = sgs_read_event(&response, &event)) > 0; first = false) {
    if (!first) sgs_append(&b, ",");
    sgs_append(&b, event.data);
  }
  if (n < 0) report_errno(r, n);
  else report(r, sgs_buffer_text(&b));
}

static void json(run *r) {
  sgs_text written = sgs_to_json(sgs_from_json(text(r, "text")));
  report(r, written.ptr ? written : SGS_TEXT("invalid"));
}

static void log_line(run *r) { sgs_log_text((sgs_level)sgs_get_int(r->step, "level"), text(r, "text")); }
static void set(run *r) { report_errno(r, sgs_state_set(text(r, "key"), text(r, "value"), sgs_get_int(r->step, "ttl_ms"))); }
static void delete(run *r) { report_errno(r, sgs_state_delete(text(r, "key"))); }
static void count(run *r) { report_errno(r, sgs_count(text(r, "name"), sgs_get_int(r->step, "n"))); }

static void configured(run *r) {
  sgs_value v = sgs_get(sgs_config(), text(r, "key"));
  report(r, sgs_kind_of(v) == SGS_STR ? sgs_as_text(v) : SGS_TEXT("-"));
}

static void deadline(run *r) {
  int64_t ms = sgs_deadline_ms();
  report(r, SGS_TEXT(0 < ms && ms <= 3600000 ? "true" : "false"));
}

static void retry(run *r) { end(r, sgs_retry((uint32_t)sgs_get_uint(r->step, "after_ms"), "%.*s", SGS_ARG(text(r, "reason")))); }
static void reject(run *r) { end(r, sgs_reject("%.*s", SGS_ARG(text(r, "reason")))); }
static void drop(run *r) { end(r, sgs_drop()); }
static void fail(run *r) { end(r, sgs_fail("%.*s", SGS_ARG(text(r, "reason")))); }
static void trap(run *r) { (void)r, __builtin_trap(); }

static const struct {
  const char *op;
  void (*function)(run *);
} ops[] = {
    {"message", message}, {"copy", copy},     {"text", nested}, {"log", log_line}, {"emit", emit},
    {"get", get},         {"set", set},       {"delete", delete}, {"count", count},  {"config", configured},
    {"deadline", deadline}, {"http", http},   {"events", events}, {"json", json},    {"retry", retry},
    {"reject", reject},   {"drop", drop},     {"fail", fail},   {"trap", trap},
};

static bool step(run *r) {
  for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++) {
    if (!sgs_equal(text(r, "op"), ops[i].op)) continue;
    ops[i].function(r);
    return true;
  }
  return false;
}

static sgs_verdict handle(const sgs_message *m) {
  run r = {.m = m};
  for (sgs_each it = sgs_members(sgs_get(m->payload, "steps")); sgs_next(&it) && !r.over;) {
    r.step = it.value;
    if (!step(&r)) return sgs_reject("no such op: %.*s", SGS_ARG(text(&r, "op")));
  }
  if (r.over) return r.verdict;
  sgs_writer w;
  sgs_emit_to(&w, m->platform);
  sgs_add_text(&w, "platform", m->platform);
  sgs_add_text(&w, "channel_id", sgs_get_text(m->payload, "channel_id"));
  sgs_add_text(&w, "type", "message");
  sgs_add_text(&w, "text", sgs_buffer_text(&r.reports));
  return sgs_done_if(sgs_emit(&w));
}

// A refusal is a string of C's. It lives as long as the instance that is refused.
static const char *configure(sgs_value config) {
  static char refusal[256];
  sgs_text wanted = sgs_get_text(config, "refuse");
  if (wanted.len == 0) return NULL;
  snprintf(refusal, sizeof refusal, "%.*s", SGS_ARG(wanted));
  return refusal;
}

static void stop(void) { sgs_log_text(SGS_INFO, SGS_TEXT("stopped")); }

SGS_HANDLE(handle)
SGS_CONFIGURE(configure)
SGS_STOP(stop)
