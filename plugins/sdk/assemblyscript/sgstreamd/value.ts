import { copied } from "./buffer";
import { Kind, body, find, float, foundAt, foundEnd, integer, isNegative, open, size, skip } from "./msgpack";
import { decode, isWanted, want } from "./utf8";

export { Kind } from "./msgpack";

/**
 * A value of a document, where it lies: nothing is copied before it is asked for. What a call was given is good until
 * that call returns, so keep what was read, such as a string, and not the Value. A getter of another type than the
 * value's answers with the zero value, and what is not there is a Value of the kind MISSING; so chains need no checks:
 * `m.payload.get("author").get("name").text`.
 */
export class Value {
  constructor(
    private readonly at: usize,
    private readonly end: usize,
    /** What keeps the memory, where it is not the call's. */
    private readonly owner: ArrayBuffer | null = null,
  ) {}

  /** What the value is. */
  get kind(): Kind { return open(this.at, this.end); }

  /** Whether there is a value; nil is one. */
  get exists(): bool { return this.at != 0; }

  /** Whether it is nil, or not there. */
  get isNil(): bool { return this.kind <= Kind.NIL; }

  /** The text; bytes of it that are not UTF-8 are U+FFFD. */
  get text(): string { return open(this.at, this.end) == Kind.TEXT ? decode(body, size) : ""; }

  /** Whether it is this very text; cheaper than to compare what `text` returns. */
  is(text: string): bool {
    want(text);
    return open(this.at, this.end) == Kind.TEXT && isWanted(body, size);
  }

  get bool(): bool { return this.kind == Kind.BOOL && load<u8>(this.at) == 0xc3; }

  /** The integer, or 0 if it is more than 2^63-1; `uint` has those. */
  get int(): i64 {
    if (this.kind != Kind.INT) return 0;
    const n = integer(this.at);
    return isNegative(this.at) || <i64>n >= 0 ? <i64>n : 0;
  }

  /** The integer, or 0 if it is negative. */
  get uint(): u64 { return this.kind == Kind.INT && !isNegative(this.at) ? integer(this.at) : 0; }

  /** The number, integer or not. */
  get float(): f64 {
    const kind = this.kind;
    if (kind == Kind.FLOAT) return float();
    if (kind != Kind.INT) return 0;
    return isNegative(this.at) ? <f64><i64>integer(this.at) : <f64>integer(this.at);
  }

  /** A copy of a binary value's bytes, or of a text's in UTF-8. */
  get bytes(): Uint8Array {
    const kind = this.kind;
    return kind == Kind.BINARY || kind == Kind.TEXT ? copied(body, size) : new Uint8Array(0);
  }

  /** How many entries a list or map has. */
  get length(): i32 {
    const kind = this.kind;
    return kind == Kind.LIST || kind == Kind.MAP ? <i32>size : 0;
  }

  /** The value under a key of a map; of one that is there twice, the first. */
  get(key: string): Value {
    return find(this.at, this.end, key) ? new Value(foundAt, foundEnd, this.owner) : MISSING;
  }

  /** The text under a key of a map, or "". Short for `get(key).text`. */
  textOf(key: string): string {
    return find(this.at, this.end, key) && open(foundAt, foundEnd) == Kind.TEXT ? decode(body, size) : "";
  }

  /** The entry of a list, from 0. To walk a long list, use `entries`. */
  item(i: i32): Value {
    const all = this.entries();
    if (this.kind != Kind.LIST || i < 0) return MISSING;
    while (all.next()) {
      if (i-- == 0) return all.value;
    }
    return MISSING;
  }

  /** The entries of a list or map, one after the other: `for (const all = v.entries(); all.next(); ) … all.value …`. */
  entries(): Entries {
    const kind = this.kind;
    if (kind == Kind.MAP) return new Entries(body, this.end, size, true, this.owner);
    if (kind == Kind.LIST) return new Entries(body, this.end, size, false, this.owner);
    return new Entries(0, 0, 0, false, null);
  }

  /** Where the value lies, for the SDK's own use: bytes from `from` to `to`. */
  get from(): usize { return this.at; }
  get to(): usize { return this.end; }
}

/** What `get` answers where there is nothing. */
export const MISSING: Value = new Value(0, 0);

/** A walk over a list or map. */
export class Entries {
  /** The entry's key; of a list's, a Value of the kind MISSING. */
  key: Value = MISSING;
  /** The entry's value. */
  value: Value = MISSING;

  constructor(
    private at: usize,
    private readonly end: usize,
    private left: u32,
    private readonly isMap: bool,
    private readonly owner: ArrayBuffer | null,
  ) {}

  /** Goes to the next entry, and tells whether there is one. */
  next(): bool {
    if (!this.left) return false;
    this.left -= 1;
    if (this.isMap) {
      const after = skip(this.at, this.end);
      if (!after) return this.stop();
      this.key = new Value(this.at, after, this.owner);
      this.at = after;
    }
    const after = skip(this.at, this.end);
    if (!after) return this.stop();
    this.value = new Value(this.at, after, this.owner);
    this.at = after;
    return true;
  }

  private stop(): bool {
    this.left = 0;
    return false;
  }
}

/** A Value of its own memory. */
export function kept(at: usize, size: usize): Value {
  const copy = new ArrayBuffer(<i32>size);
  const to = changetype<usize>(copy);
  memory.copy(to, at, size);
  return new Value(to, to + size, copy);
}
