// What the files of the SDK share with each other, and a plugin has no use for.
#ifndef SGS_INTERNAL_H
#define SGS_INTERNAL_H

#include "sgs.h"

// Where a call has a deadline, the daemon looks at each turn of a loop whether it has passed, which costs some tens of
// nanoseconds. So the SDK's busy loops take several steps in a turn, and what is short does without a loop.
#define SGS_UNROLL _Pragma("clang loop unroll_count(8)")

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

// sgs_same_bytes tells whether n bytes at two places are the same.
bool sgs_same_bytes(const void *a, const void *b, uint32_t n);

// sgs_load8 is the 8 bytes at a place, the first one the lowest.
static inline uint64_t sgs_load8(const void *at) {
  uint64_t n;
  memcpy(&n, at, sizeof n);
  return n;
}

// sgs_bytes_equal marks the bytes of eight that are c: of the lowest one that is, and of no lower one, the top bit is set.
static inline uint64_t sgs_bytes_equal(uint64_t eight, uint8_t c) {
  uint64_t ones = UINT64_MAX / 255, differing = eight ^ ones * c;
  return (differing - ones) & ~differing & ones << 7;
}

// sgs_new_call takes back what the last call had.
void sgs_new_call(void);

#endif
