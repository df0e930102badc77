// The conditions of a rule.
#define _GNU_SOURCE // memmem
#include <wctype.h>

#include "router.h"

// Takes the next character of a text, in the form in which upper and lower case are the same. A byte that is not
// UTF-8 is one that is the same as nothing else.
static uint32_t next_folded(sgs_text *t) {
  uint32_t c = (uint8_t)*t->ptr, bytes = c < 0x80 ? 1 : c >= 0xc2 && c < 0xe0 ? 2 : (c & 0xf0) == 0xe0 ? 3 : c >= 0xf0 && c < 0xf5 ? 4 : 0;
  bool whole = bytes > 0 && bytes <= t->len;
  uint32_t character = bytes > 1 ? c & (0x7fu >> bytes) : c;
  for (uint32_t i = 1; whole && i < bytes; i++) {
    uint8_t more = (uint8_t)t->ptr[i];
    whole = (more & 0xc0) == 0x80;
    character = character << 6 | (more & 0x3f);
  }
  if (!whole) {
    bytes = 1;
    character = 0x110000 + c;
  }
  t->ptr += bytes;
  t->len -= bytes;
  if (character < 0x80) return character >= 'A' && character <= 'Z' ? character + 'a' - 'A' : character;
  return character < 0x110000 ? towlower(towupper(character)) : character; // by way of the capital: ς and σ are the same
}

// Tells whether t begins with the prefix, whatever their case, and takes that much from t.
static bool take_folded(sgs_text *t, sgs_text prefix) {
  while (prefix.len > 0)
    if (t->len == 0 || next_folded(t) != next_folded(&prefix)) return false;
  return true;
}

static bool matches_folded(comparison how, sgs_text t, sgs_text wanted) {
  sgs_text rest = t;
  switch (how) {
    case PREFIX: return take_folded(&rest, wanted);
    case EQUALS: return take_folded(&rest, wanted) && rest.len == 0;
    default: break;
  }
  for (; t.len > 0; next_folded(&t)) {
    rest = t;
    if (take_folded(&rest, wanted)) return true;
  }
  return false;
}

static bool matches_content(const rule *r, sgs_text t) {
  if (r->how == ANY_CONTENT) return true;
  if (r->ignore_case) return matches_folded(r->how, t, r->content);
  switch (r->how) {
    case PREFIX: return sgs_has_prefix(t, r->content);
    case EQUALS: return sgs_equal(t, r->content);
    default: return t.len > 0 && memmem(t.ptr, t.len, r->content.ptr, r->content.len) != NULL;
  }
}

bool matches(const rule *r, const sgs_message *m) {
  if (r->platform.ptr && !sgs_equal(m->platform, r->platform)) return false;
  if (r->channel_key.ptr && !(r->any_behind ? sgs_has_prefix(m->channel_key, r->channel_key) : sgs_equal(m->channel_key, r->channel_key))) return false;
  if (!matches_content(r, sgs_get_text(m->payload, "content"))) return false;
  for (sgs_each it = sgs_members(r->payload); sgs_next(&it);)
    if (sgs_get_bool(m->payload, sgs_as_text(it.key)) != sgs_as_bool(it.value)) return false;
  return true;
}
