import { decode, encode, mostBytes } from "./utf8";

/** Bytes that grow at their end. The collector frees them, and never moves them. */
export class Buffer {
  /** The memory; what is behind `size` is not used yet. */
  memory: ArrayBuffer;
  /** How many bytes there are. */
  size: usize = 0;

  constructor(room: i32 = 1024) {
    this.memory = new ArrayBuffer(room);
  }

  /** Where the bytes begin, until the next one is added. */
  // @ts-ignore: decorator
  @inline
  get at(): usize { return changetype<usize>(this.memory); }

  /** Makes room for n more bytes, and returns where they go. */
  room(n: usize): usize {
    const wanted = this.size + n;
    if (wanted > <usize>this.memory.byteLength) this.grow(wanted);
    return changetype<usize>(this.memory) + this.size;
  }

  private grow(wanted: usize): void {
    if (wanted > <usize>i32.MAX_VALUE / 2) throw new Error("a document of more than 1 GiB");
    const larger = new ArrayBuffer(<i32>max(wanted, <usize>this.memory.byteLength * 2));
    memory.copy(changetype<usize>(larger), changetype<usize>(this.memory), this.size);
    this.memory = larger;
  }

  byte(b: u32): void {
    store<u8>(this.room(1), b);
    this.size += 1;
  }

  bytes(at: usize, size: usize): void {
    memory.copy(this.room(size), at, size);
    this.size += size;
  }

  /** Adds a text in UTF-8, and returns its length in bytes. */
  utf8(text: string): usize {
    const n = encode(text, this.room(mostBytes(text)));
    this.size += n;
    return n;
  }

  /** Replaces what is there. */
  only(text: string): this {
    this.size = 0;
    this.utf8(text);
    return this;
  }

  /** Takes the first n bytes away. */
  drop(n: usize): void {
    this.size -= n;
    memory.copy(this.at, this.at + n, this.size);
  }

  /** The bytes as a text. */
  toString(): string { return decode(this.at, this.size); }

  /** A copy of the bytes. */
  toBytes(): Uint8Array { return copied(this.at, this.size); }
}

/** A copy of some bytes. */
export function copied(at: usize, size: usize): Uint8Array {
  const copy = new Uint8Array(<i32>size);
  memory.copy(copy.dataStart, at, size);
  return copy;
}

/** What is larger does not wait for the next call, in bytes. */
const KEPT: i32 = 64 * 1024;

// Two texts can be on their way to the host at the same time: a key and its value.
let first: Buffer = new Buffer();
let second: Buffer = new Buffer();

/** A text for the host to read at once: it is good until the next one. */
export function handOver(text: string): Buffer {
  if (first.memory.byteLength > KEPT) first = new Buffer();
  return first.only(text);
}

/** As handOver, beside it. */
export function handOverBeside(text: string): Buffer {
  if (second.memory.byteLength > KEPT) second = new Buffer();
  return second.only(text);
}
