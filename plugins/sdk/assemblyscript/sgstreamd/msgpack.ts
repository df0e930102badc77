import { isWanted, want } from "./utf8";

// Reading msgpack where it lies. Nothing here reads at `end` or behind it, whatever the bytes are.

/** What a value is. */
export enum Kind {
  /** There is no value, or it is malformed. */
  MISSING,
  NIL,
  BOOL,
  /** An integer, of 64 bits at most. */
  INT,
  /** A float of 32 or 64 bits. */
  FLOAT,
  TEXT,
  BINARY,
  /** A value of an extension type, such as a timestamp. */
  EXT,
  LIST,
  MAP,
}

// What open has found: a function returns one value only, and a header has three.

/** Where the value's content begins: behind its tag and length. */
export let body: usize = 0;
/** The content's length in bytes; of a list or map, how many entries it has. */
export let size: u32 = 0;

// @ts-ignore: decorator
@inline
function found(kind: Kind, content: usize, n: u32): Kind {
  body = content;
  size = n;
  return kind;
}

/** Reads the header of the value at `at`. The content of a scalar is inside of `end`; that of a list or map need not be. */
export function open(at: usize, end: usize): Kind {
  if (at >= end) return Kind.MISSING;
  const tag = <u32>load<u8>(at);
  if (tag < 0x80 || tag >= 0xe0) return found(Kind.INT, at, 1); // the tag is the number
  if (tag < 0x90) return found(Kind.MAP, at + 1, tag & 15);
  if (tag < 0xa0) return found(Kind.LIST, at + 1, tag & 15);
  if (tag < 0xc0) return within(Kind.TEXT, at + 1, tag & 31, end);
  switch (tag) {
    case 0xc0: return found(Kind.NIL, at + 1, 0);
    case 0xc2: case 0xc3: return found(Kind.BOOL, at + 1, 0);
    case 0xc4: case 0xc5: case 0xc6: return counted(Kind.BINARY, at, tag - 0xc4, 0, end);
    case 0xc7: case 0xc8: case 0xc9: return counted(Kind.EXT, at, tag - 0xc7, 1, end);
    case 0xca: return within(Kind.FLOAT, at + 1, 4, end);
    case 0xcb: return within(Kind.FLOAT, at + 1, 8, end);
    case 0xcc: case 0xcd: case 0xce: case 0xcf: return within(Kind.INT, at + 1, 1 << (tag - 0xcc), end);
    case 0xd0: case 0xd1: case 0xd2: case 0xd3: return within(Kind.INT, at + 1, 1 << (tag - 0xd0), end);
    case 0xd4: case 0xd5: case 0xd6: case 0xd7: case 0xd8: return within(Kind.EXT, at + 1, 1 + (1 << (tag - 0xd4)), end);
    case 0xd9: case 0xda: case 0xdb: return counted(Kind.TEXT, at, tag - 0xd9, 0, end);
    case 0xdc: case 0xdd: return counted(Kind.LIST, at, tag - 0xdc + 1, 0, end);
    case 0xde: case 0xdf: return counted(Kind.MAP, at, tag - 0xde + 1, 0, end);
  }
  return Kind.MISSING; // 0xc1, which is never used
}

function within(kind: Kind, content: usize, n: u32, end: usize): Kind {
  return content <= end && end - content >= <usize>n ? found(kind, content, n) : Kind.MISSING;
}

/** A header with a length of 1 << width bytes; `more` bytes of the content are not in the length. */
function counted(kind: Kind, at: usize, width: u32, more: u32, end: usize): Kind {
  const bytes = <usize>(1 << width);
  if (end - at - 1 < bytes) return Kind.MISSING;
  const n = <u32>bigEndian(at + 1, <i32>bytes);
  if (kind == Kind.LIST || kind == Kind.MAP) return found(kind, at + 1 + bytes, n);
  if (n > u32.MAX_VALUE - more) return Kind.MISSING;
  return within(kind, at + 1 + bytes, n + more, end);
}

/** An unsigned integer of 1, 2, 4 or 8 bytes. */
export function bigEndian(at: usize, bytes: i32): u64 {
  switch (bytes) {
    case 1: return <u64>load<u8>(at);
    case 2: return <u64>bswap<u16>(load<u16>(at));
    case 4: return <u64>bswap<u32>(load<u32>(at));
  }
  return bswap<u64>(load<u64>(at));
}

/** The end of the value at `at`, or 0 if it is malformed or cut short. It takes no stack, however deep the value is. */
export function skip(at: usize, end: usize): usize {
  const kind = open(at, end);
  if (kind == Kind.MISSING) return 0;
  if (kind < Kind.LIST) return body + size;
  return size ? skipMany(<u64>size << (kind == Kind.MAP ? 1 : 0), body, end) : body;
}

/** The end of that many values. What they hold is counted with them. */
function skipMany(n: u64, at: usize, end: usize): usize {
  do {
    const kind = open(at, end);
    if (kind == Kind.MISSING) return 0;
    n -= 1;
    if (kind < Kind.LIST) {
      at = body + size;
    } else {
      n += <u64>size << (kind == Kind.MAP ? 1 : 0);
      at = body;
    }
  } while (n);
  return at;
}

/** Where find has found a value, and its end. */
export let foundAt: usize = 0;
export let foundEnd: usize = 0;

/** Looks for a key in the map at `at`. Of one that is there twice, it finds the first. */
export function find(at: usize, end: usize, key: string): bool {
  if (open(at, end) != Kind.MAP) return false;
  want(key);
  let left = size;
  at = body;
  if (left >= 8) {
    do { // a turn has its price: see utf8.ts
      left -= 8;
      if (!(at = pass(at, end))) return foundAt != 0;
      if (!(at = pass(at, end))) return foundAt != 0;
      if (!(at = pass(at, end))) return foundAt != 0;
      if (!(at = pass(at, end))) return foundAt != 0;
      if (!(at = pass(at, end))) return foundAt != 0;
      if (!(at = pass(at, end))) return foundAt != 0;
      if (!(at = pass(at, end))) return foundAt != 0;
      if (!(at = pass(at, end))) return foundAt != 0;
    } while (left >= 8);
  }
  return findFew(left, at, end);
}

function findFew(left: u32, at: usize, end: usize): bool {
  if (left & 4) {
    if (!(at = pass(at, end))) return foundAt != 0;
    if (!(at = pass(at, end))) return foundAt != 0;
    if (!(at = pass(at, end))) return foundAt != 0;
    if (!(at = pass(at, end))) return foundAt != 0;
  }
  if (left & 2) {
    if (!(at = pass(at, end))) return foundAt != 0;
    if (!(at = pass(at, end))) return foundAt != 0;
  }
  return (left & 1) != 0 && !pass(at, end) && foundAt != 0;
}

/** Goes behind an entry of a map. 0: that is the one (foundAt), or the map is malformed (foundAt is 0). */
function pass(at: usize, end: usize): usize {
  const isIt = open(at, end) == Kind.TEXT && isWanted(body, size);
  const value = isIt ? body + size : skip(at, end);
  const next = value ? skip(value, end) : 0;
  if (!isIt) {
    foundAt = 0;
    return next;
  }
  foundAt = next ? value : 0;
  foundEnd = next;
  return 0;
}

/** The integer of a header that open has just read, in two's complement; of a negative one, see isNegative. */
export function integer(tagAt: usize): u64 {
  const tag = <u32>load<u8>(tagAt);
  if (tag < 0x80) return tag;
  if (tag >= 0xe0) return <u64><i64><i8>tag;
  const n = bigEndian(body, <i32>size);
  if (tag < 0xd0) return n;
  const shift = <u64>(64 - (size << 3));
  return <u64>((<i64>(n << shift)) >> shift);
}

/** Whether the integer at `tagAt` is below 0. */
export function isNegative(tagAt: usize): bool {
  const tag = <u32>load<u8>(tagAt);
  return tag >= 0xe0 || (tag >= 0xd0 && tag <= 0xd3 && load<i8>(body) < 0);
}

/** The float of a header that open has just read. */
export function float(): f64 {
  return size == 4
    ? <f64>reinterpret<f32>(<u32>bigEndian(body, 4))
    : reinterpret<f64>(bigEndian(body, 8));
}
