// Answers every message with what a server says, for make proof: the least that a plugin can do that waits.
#include "sgs.h"

static sgs_verdict ask(const sgs_message *m) {
  sgs_request request = {.url = sgs_get_text(sgs_config(), "url")};
  sgs_response response;
  sgs_text body;
  sgs_errno e = sgs_http(&request, &response);
  if (!e) e = sgs_read_all(&response, 1024, &body);
  if (!e) e = sgs_reply(m, body);
  return sgs_done_if(e);
}

static const char *configure(sgs_value config) {
  (void)config;
  return NULL;
}

SGS_HANDLE(ask)
SGS_CONFIGURE(configure)
