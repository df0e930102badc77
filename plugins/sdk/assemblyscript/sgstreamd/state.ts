import { handOver, handOverBeside } from "./buffer";
import { Errno, errnoName } from "./errno";
import { hostGet, hostSet } from "./host";
import { decode } from "./utf8";

/** What State.get has found. */
export class Kept {
  constructor(
    /** OK, NOT_FOUND, or why the value could not be read. */
    readonly errno: i32,
    /** The value; empty where there is none. */
    readonly bytes: Uint8Array,
  ) {}

  /** Whether there is a value. */
  get found(): bool { return this.errno == Errno.OK; }

  /** Whether it could not be read. Answer with Verdict.fail(error), and the message is tried again. */
  get failed(): bool { return this.errno < 0 && this.errno != Errno.NOT_FOUND; }

  /** Why it could not be read, in a line. */
  get error(): string { return this.failed ? "kv_get: " + errnoName(this.errno) : ""; }

  /** The value as a text in UTF-8. */
  get text(): string { return decode(this.bytes.dataStart, this.bytes.length); }
}

/**
 * What the plugin keeps in Redis from one message to the next, the same for all its instances. What is set is written
 * with what is emitted, when the message is done. If by then another call has changed a key that this one has read,
 * nothing is written and the message is handled again: so to read a value, change it and set it is safe.
 */
export namespace State {
  /** Reads a key's value; what the call itself has set, it sees. */
  export function get(key: string): Kept {
    const name = handOver(key);
    let room = new Uint8Array(FIRST);
    while (true) {
      const n = hostGet(name.at, name.size, room.dataStart, room.length);
      if (n < 0) return new Kept(n, new Uint8Array(0));
      if (n <= room.length) return new Kept(Errno.OK, room.subarray(0, n));
      room = new Uint8Array(n); // the call's view does not change: now it fits
    }
  }

  /** Keeps bytes under a key of 1 to 512 bytes, for ttlMs milliseconds, or with 0 until they are set again. An Errno. */
  export function set(key: string, value: Uint8Array, ttlMs: i64 = 0): i32 {
    if (ttlMs < 0) return Errno.INVALID;
    const name = handOver(key);
    return hostSet(name.at, name.size, value.dataStart, value.length, ttlMs);
  }

  /** As set, for a text. */
  export function setText(key: string, text: string, ttlMs: i64 = 0): i32 {
    if (ttlMs < 0) return Errno.INVALID;
    const name = handOver(key);
    const value = handOverBeside(text);
    return hostSet(name.at, name.size, value.at, value.size, ttlMs);
  }

  /** Removes a key. It is no error if there is none. An Errno. */
  export function remove(key: string): i32 {
    const name = handOver(key);
    return hostSet(name.at, name.size, 0, 0, -1);
  }
}

/** The room that a value is given before its length is known, in bytes. */
const FIRST: i32 = 256;
