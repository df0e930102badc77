// Reading the configuration. The schema in manifest.json has seen to the types and to keys that do not exist before
// the plugin is asked; here is what a schema can't say, or not in words for people.
#include <stdlib.h>

#include "router.h"

// Names a rule, or the default, in a refusal.
static sgs_text label_of(sgs_value v, uint32_t number) {
  sgs_text name = sgs_get_text(v, "name");
  if (name.len == 0) return sgs_format("rule %u", number);
  return sgs_format("rule %u (\"%.*s\")", number, SGS_ARG(name));
}

static bool is_platform(sgs_text name) {
  for (uint32_t i = 0; i < name.len; i++)
    if ((uint8_t)name.ptr[i] <= ' ' || name.ptr[i] == 0x7f) return false;
  return name.len > 0 && name.len <= 256;
}

// What is wrong with a key that route.<in> has: another part of the route has it, too.
static const char *read_key(sgs_text label, const action *a, const char *in, sgs_text key) {
  const char *other = NULL;
  if (sgs_equal(key, "platform")) other = "platform";
  else if (sgs_equal(key, "channel_id") && a->channel_id.ptr) other = "channel_id";
  else if (strcmp(in, "set") != 0 && sgs_get(a->set, key).at) other = "set";
  else if (strcmp(in, "remove") == 0 && sgs_get(a->copy, key).at) other = "copy";
  if (!other) return NULL;
  return sgs_format("%.*s: route.%s has the key %.*s, and route.%s sets it already; remove one", SGS_ARG(label), in, SGS_ARG(key), other).ptr;
}

static const char *read_route(sgs_text label, sgs_value route, action *a) {
  a->kind = ROUTE;
  a->platform = sgs_get_text(route, "platform");
  a->channel_id = sgs_get_text(route, "channel_id");
  a->set = sgs_get(route, "set");
  a->copy = sgs_get(route, "copy");
  a->removed = sgs_get(route, "remove");
  if (!is_platform(a->platform))
    return sgs_format("%.*s: route.platform is \"%.*s\"; write the name of a platform, without white space", SGS_ARG(label), SGS_ARG(a->platform)).ptr;
  const char *wrong = NULL;
  for (sgs_each it = sgs_members(a->set); !wrong && sgs_next(&it);) wrong = read_key(label, a, "set", sgs_as_text(it.key));
  for (sgs_each it = sgs_members(a->copy); !wrong && sgs_next(&it);) wrong = read_key(label, a, "copy", sgs_as_text(it.key));
  for (sgs_each it = sgs_members(a->removed); !wrong && sgs_next(&it);) wrong = read_key(label, a, "remove", sgs_as_text(it.value));
  return wrong;
}

static const char *read_action(sgs_text label, sgs_value v, action *a) {
  sgs_value route = sgs_get(v, "route"), reject = sgs_get(v, "reject");
  bool drop = sgs_get_bool(v, "drop");
  if ((route.at != NULL) + (reject.at != NULL) + drop != 1)
    return sgs_format("%.*s: give one of route, drop = true and reject, and no more", SGS_ARG(label)).ptr;
  if (route.at) return read_route(label, route, a);
  a->kind = drop ? DROP : REJECT;
  a->reason = sgs_as_text(reject);
  if (reject.at && a->reason.len == 0) return sgs_format("%.*s: reject is empty; write the reason for the dead letter", SGS_ARG(label)).ptr;
  return NULL;
}

static const char *read_channel(sgs_value v, rule *r) {
  r->channel_key = sgs_get_text(v, "channel_key");
  if (!r->channel_key.ptr) return NULL;
  const char *star = r->channel_key.len > 0 ? memchr(r->channel_key.ptr, '*', r->channel_key.len) : NULL;
  if (star && star != r->channel_key.ptr + r->channel_key.len - 1)
    return sgs_format("%.*s: channel_key is \"%.*s\"; a * may stand at its end only", SGS_ARG(r->label), SGS_ARG(r->channel_key)).ptr;
  r->any_behind = star != NULL;
  if (star) r->channel_key.len--;
  return NULL;
}

static const char *read_content(sgs_value content, rule *r) {
  static const char *const names[] = {[PREFIX] = "prefix", [CONTAINS] = "contains", [EQUALS] = "equals"};
  int given = 0;
  for (comparison how = PREFIX; how <= EQUALS; how++) {
    sgs_text t = sgs_get_text(content, names[how]);
    if (!t.ptr) continue;
    given++;
    r->how = how;
    r->content = t;
  }
  r->ignore_case = sgs_get_bool(content, "ignore_case");
  if (given != 1) return sgs_format("%.*s: content: give one of prefix, contains and equals, and no more", SGS_ARG(r->label)).ptr;
  if (r->content.len == 0 && r->how != EQUALS)
    return sgs_format("%.*s: content.%s is empty, which holds for every message; remove it", SGS_ARG(r->label), names[r->how]).ptr;
  return NULL;
}

static const char *read_rule(sgs_value v, uint32_t number, rule *r) {
  r->label = label_of(v, number);
  r->platform = sgs_get_text(v, "platform");
  r->payload = sgs_get(v, "payload");
  sgs_value content = sgs_get(v, "content");
  const char *wrong = read_channel(v, r);
  if (!wrong && content.at) wrong = read_content(content, r);
  if (!wrong) wrong = read_action(r->label, v, &r->action);
  if (wrong) return wrong;
  if (!r->platform.ptr && !r->channel_key.ptr && !content.at && sgs_count_of(r->payload) == 0)
    return sgs_format("%.*s: has no condition, so no rule behind it is ever met; give it one, or write it as the default", SGS_ARG(r->label)).ptr;
  return NULL;
}

const char *read_routing(sgs_value config, routing *r) {
  sgs_value rules = sgs_get(config, "rules");
  r->count = sgs_count_of(rules);
  r->rules = calloc(r->count + 1, sizeof *r->rules);
  if (!r->rules) return "out of memory";
  uint32_t i = 0;
  for (sgs_each it = sgs_members(rules); sgs_next(&it); i++) {
    const char *wrong = read_rule(it.value, i + 1, &r->rules[i]);
    if (wrong) return wrong;
    sgs_text label = r->rules[i].label; // is in the call's memory, and the rule outlasts the call
    char *kept = malloc(label.len);
    if (!kept) return "out of memory";
    r->rules[i].label.ptr = memcpy(kept, label.ptr, label.len);
  }
  return read_action(SGS_TEXT("default"), sgs_get(config, "default"), &r->fallback);
}
