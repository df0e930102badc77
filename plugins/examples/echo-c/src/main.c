// Answers every message with its own text.
#include "sgs.h"

static sgs_verdict echo(const sgs_message *m) {
  return sgs_done_if(sgs_reply(m, sgs_get_text(m->payload, "content")));
}

SGS_HANDLE(echo)
