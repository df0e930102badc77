// What the files of the router share.
#ifndef ROUTER_H
#define ROUTER_H

#include "sgs.h"

typedef enum { ANY_CONTENT, PREFIX, CONTAINS, EQUALS } comparison;

// action is what becomes of a message.
typedef struct {
  enum { ROUTE, DROP, REJECT } kind;
  sgs_text reason;              // of REJECT
  sgs_text platform;            // of ROUTE, as is all that follows
  sgs_text channel_id;          // without a ptr: the message's own
  sgs_value set, copy, removed; // {key: value}, {key: key of the message}, [key]; absent where there is none
} action;

// rule is conditions that all have to hold, and what then is done.
typedef struct {
  sgs_text label;       // how it is named to people: rule 2 ("support")
  sgs_text platform;    // without a ptr: any
  sgs_text channel_key; // without a ptr: any
  bool any_behind;      // channel_key is only what the message's begins with
  comparison how;       // of the content with
  sgs_text content;
  bool ignore_case;
  sgs_value payload;    // {key: truth value}
  action action;
} rule;

// routing is the whole configuration.
typedef struct {
  rule *rules;
  uint32_t count;
  action fallback;
} routing;

// read_routing reads the configuration. It returns what is wrong with it in one line, or NULL.
const char *read_routing(sgs_value config, routing *r);

// matches tells whether a message meets all conditions of a rule.
bool matches(const rule *r, const sgs_message *m);

#endif
