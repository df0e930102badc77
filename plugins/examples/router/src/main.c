// Command router is a processor: it passes messages on to other platforms, by rules in its configuration.
#include "router.h"

static routing routes;

static const char *configure(sgs_value config) { return read_routing(config, &routes); }

// Tells whether a route writes a key itself, so that the message's own value does not go along.
static bool replaces(const action *a, const sgs_message *m, sgs_text key) {
  if (sgs_equal(key, "platform") || (a->channel_id.ptr && sgs_equal(key, "channel_id"))) return true;
  if (sgs_get(a->set, key).at) return true;
  sgs_text source = sgs_get_text(a->copy, key);
  if (source.ptr && sgs_get(m->payload, source).at) return true;
  for (sgs_each it = sgs_members(a->removed); sgs_next(&it);)
    if (sgs_equal(sgs_as_text(it.value), key)) return true;
  return false;
}

static sgs_errno route(const action *a, const sgs_message *m) {
  sgs_writer w;
  sgs_emit_to(&w, a->platform);
  for (sgs_each it = sgs_members(m->payload); sgs_next(&it);) {
    sgs_text key = sgs_as_text(it.key);
    if (!replaces(a, m, key)) sgs_add_value(&w, key, it.value);
  }
  sgs_add_text(&w, "platform", a->platform);
  if (a->channel_id.ptr) sgs_add_text(&w, "channel_id", a->channel_id);
  for (sgs_each it = sgs_members(a->set); sgs_next(&it);) sgs_add_value(&w, sgs_as_text(it.key), it.value);
  for (sgs_each it = sgs_members(a->copy); sgs_next(&it);)
    sgs_add_value(&w, sgs_as_text(it.key), sgs_get(m->payload, sgs_as_text(it.value)));
  return sgs_emit(&w);
}

static sgs_verdict act(const action *a, sgs_text label, const sgs_message *m) {
  sgs_errno e;
  switch (a->kind) {
    case DROP: sgs_count("dropped", 1); return sgs_drop();
    case REJECT: sgs_count("rejected", 1); return sgs_reject("%.*s", SGS_ARG(a->reason));
    default: break;
  }
  if ((e = route(a, m))) return sgs_fail("%.*s: the emit to %.*s: %s", SGS_ARG(label), SGS_ARG(a->platform), sgs_errno_name(e));
  sgs_count("routed", 1);
  return sgs_done();
}

static sgs_verdict handle(const sgs_message *m) {
  for (uint32_t i = 0; i < routes.count; i++)
    if (matches(&routes.rules[i], m)) return act(&routes.rules[i].action, routes.rules[i].label, m);
  return act(&routes.fallback, SGS_TEXT("default"), m);
}

SGS_HANDLE(handle)
SGS_CONFIGURE(configure)
