// What the files of the SDK share with each other, and a plugin has no use for.
#ifndef SGS_INTERNAL_H
#define SGS_INTERNAL_H

#include "sgs.h"

#define SGS_IMPORT(name) __attribute__((import_module("sgs_v1"), import_name(name)))

// sgs_head is what stands at the beginning of a value in msgpack.
typedef struct {
  sgs_kind kind;
  bool negative;       // of an integer: n is to be read as int64_t
  uint64_t n;          // an integer or boolean; bytes of a str, bin or ext; members of a list or map; a float's 64 bits
  const uint8_t *body; // behind the head: where the bytes or members are
} sgs_head;

// sgs_decode reads a value's head. It is false where there is none, or not all of its bytes.
bool sgs_decode(sgs_value v, sgs_head *head);

// sgs_skip returns what is behind the value at a place, or NULL if it goes beyond the end.
const uint8_t *sgs_skip(const uint8_t *at, const uint8_t *end);

// sgs_reserve makes room for n more bytes in a buffer of the call's memory.
void sgs_reserve(sgs_buffer *b, uint32_t n);

// sgs_give_back returns a buffer's memory, if nothing was taken after it.
void sgs_give_back(sgs_buffer *b);

// sgs_keep_append puts bytes at the end of a buffer that sgs_release does not touch. It lives until the call ends.
void sgs_keep_append(sgs_buffer *b, const void *bytes, uint32_t n);

// sgs_new_call takes back what the last call had.
void sgs_new_call(void);

#endif
