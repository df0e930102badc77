// A plugin that does not behave well, in the way that its configuration says.
#include <stdlib.h>

#include "sgs.h"

static bool is(const char *how) { return sgs_equal(sgs_get_text(sgs_config(), "how"), how); }

static const char *configure(sgs_value config) {
  sgs_value how = sgs_get(config, "how");
  if (sgs_kind_of(how) == SGS_STR && !is("asked")) return NULL;
  if (is("asked")) return "not as asked";
  if (sgs_kind_of(how) == SGS_MAP) __builtin_trap();
  return "how is missing";
}

static sgs_verdict handle(const sgs_message *m) {
  static bool odd;
  sgs_text content = sgs_get_text(m->payload, "content");
  if (is("nul") && content.len && memchr(content.ptr, 0, content.len)) __builtin_trap();
  static void *volatile lost;
  if (is("leaks")) lost = malloc(512);
  if (is("hangs") && content.len > 1000000)
    for (volatile int i = 1; i;) continue;
  if (is("remembers")) {
    odd = odd || m->attempt > 1000;
    if (odd) return sgs_drop();
  }
  if (is("status")) return (sgs_verdict){(uint64_t)(m->maybe_delivered ? 9 : 0) << 32};
  sgs_errno e = sgs_reply(m, content);
  if (is("emits") && e == SGS_ELIMIT) __builtin_trap();
  sgs_text value;
  e = sgs_state_get("k", &value);
  if (is("state") && e == SGS_EUNAVAILABLE) __builtin_trap();
  return sgs_done();
}

static void stop(void) {
  if (is("stops")) __builtin_trap();
}

SGS_CONFIGURE(configure)
SGS_HANDLE(handle)
SGS_STOP(stop)
