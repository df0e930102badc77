import { Buffer } from "./buffer";
import { Value } from "./value";
import { find, foundAt, foundEnd } from "./msgpack";
import { encode, mostBytes } from "./utf8";

/**
 * Writes a map or list: the payload of an emit, the body of a request.
 *
 *   map().set("text", "hello").list("tags").add(1).add(true).end().set("file", payload.get("file"))
 *
 * A value can be a string, bool, number, Uint8Array, a Value (put in unchanged, byte for byte), another Writer, or an
 * array of these; a string that is null is nil. A Writer is good until the plugin's function returns.
 */
export class Writer extends Buffer {
  /** Where the innermost open map or list has its tag, and how many entries it has. */
  private tagAt: usize = 0;
  private count: u32 = 0;
  /** The same of those around it. */
  private around: u32[] = [];

  /** Begins anew. */
  reset(tag: u32): this {
    this.size = 0;
    this.around.length = 0;
    return this.begin(tag);
  }

  /** Puts a value under a key of the innermost map. */
  set<T>(key: string, value: T): this {
    this.key(key);
    this.put<T>(value);
    return this;
  }

  /** Puts what a map has under a key, unchanged, under the same one; it puts nothing if there is none. */
  copy(from: Value, key: string): this {
    if (find(from.from, from.to, key)) {
      const at = foundAt;
      const end = foundEnd;
      this.key(key);
      this.bytes(at, end - at);
    }
    return this;
  }

  /** Puts nil under a key. */
  setNil(key: string): this {
    this.key(key);
    this.byte(0xc0);
    return this;
  }

  /** Begins a map under a key; `end` ends it. */
  map(key: string): this {
    this.key(key);
    return this.begin(MAP);
  }

  /** Begins a list under a key; `end` ends it. */
  list(key: string): this {
    this.key(key);
    return this.begin(LIST);
  }

  /** Adds a value to the innermost list. */
  add<T>(value: T): this {
    this.item();
    this.put<T>(value);
    return this;
  }

  /** Adds nil to the innermost list. */
  addNil(): this {
    this.item();
    this.byte(0xc0);
    return this;
  }

  /** Begins a map in the innermost list; `end` ends it. */
  addMap(): this {
    this.item();
    return this.begin(MAP);
  }

  /** Begins a list in the innermost list; `end` ends it. */
  addList(): this {
    this.item();
    return this.begin(LIST);
  }

  /** Ends the innermost map or list. What is open when the Writer is used ends by itself. */
  end(): this {
    if (this.around.length == 0) throw new Error("Writer: end() without a map or list that is open");
    this.close();
    this.count = this.around.pop();
    this.tagAt = this.around.pop();
    return this;
  }

  /** What was written, all of it. It can't be added to any more. */
  get value(): Value {
    if (this.around.length) this.endAll();
    return new Value(this.at, this.at + this.size, this.memory);
  }

  private endAll(): void {
    do this.end(); while (this.around.length);
  }

  /** Puts a value where one is due. */
  put<T>(value: T): void {
    if (isString<T>()) {
      if (isNullable<T>() && changetype<usize>(value) == 0) this.byte(0xc0);
      else this.text(changetype<string>(changetype<usize>(value)));
    } else if (isBoolean<T>()) {
      this.byte(value ? 0xc3 : 0xc2);
    } else if (isFloat<T>()) {
      this.float(<f64>value);
    } else if (isInteger<T>()) {
      if (isSigned<T>()) this.int(<i64>value);
      else this.uint(<u64>value);
    } else if (isArray<T>()) {
      this.begin(LIST);
      for (let i = 0; i < value.length; i++) {
        this.count++;
        this.put<valueof<T>>(value[i]);
      }
      this.end();
    } else if (idof<T>() == idof<Value>()) {
      this.unchanged(changetype<Value>(changetype<usize>(value)));
    } else if (idof<T>() == idof<Writer>()) {
      this.unchanged(changetype<Writer>(changetype<usize>(value)).value);
    } else if (idof<T>() == idof<Uint8Array>()) {
      this.binary(changetype<Uint8Array>(changetype<usize>(value)));
    } else {
      ERROR("a Writer takes strings, booleans, numbers, Uint8Arrays, Values, Writers and arrays of these");
    }
  }

  private unchanged(v: Value): void {
    if (v.exists) this.bytes(v.from, v.to - v.from);
    else this.byte(0xc0);
  }

  /** Begins an entry of the innermost map. */
  key(key: string): void {
    if (!this.isOpen(MAP)) throw new Error("Writer: set() without a map that is open");
    this.count++;
    this.text(key);
  }

  private item(): void {
    if (!this.isOpen(LIST)) throw new Error("Writer: add() without a list that is open");
    this.count++;
  }

  // For the reader of JSON, which knows what is open.

  /** Counts an entry of the innermost map or list. */
  entry(): void { this.count++; }

  /** Makes room for a text of at most `most` bytes, and returns where its bytes go. */
  beginText(most: usize): usize { return this.room(most + 5) + 5; }

  /** Ends the text of n bytes that was written there. */
  endText(n: usize): void {
    const at = this.at + this.size;
    const before = headerSize(n);
    memory.copy(at + before, at + 5, n);
    this.textHeader(at, n);
    this.size += before + n;
  }

  // While a map or list is open, its tag says that it is empty.
  private isOpen(tag: u32): bool { return this.around.length != 0 && load<u8>(this.at + this.tagAt) == tag; }

  /** Begins a map or list where a value is due. */
  begin(tag: u32): this {
    this.around.push(<u32>this.tagAt);
    this.around.push(this.count);
    this.tagAt = this.size;
    this.count = 0;
    this.byte(tag);
    return this;
  }

  /** Writes the number of entries into the tag, which most often has room for it. */
  private close(): void {
    const wide = this.count > 0xffff ? 4 : this.count > 15 ? 2 : 0;
    const tag = <u32>load<u8>(this.at + this.tagAt);
    if (wide) {
      this.room(wide);
      const from = this.at + this.tagAt + 1;
      memory.copy(from + wide, from, this.size - this.tagAt - 1);
      this.size += wide;
      store<u8>(from - 1, (tag == MAP ? 0xde : 0xdc) + (wide >> 2));
      if (wide == 2) store<u16>(from, bswap<u16>(<u16>this.count));
      else store<u32>(from, bswap<u32>(this.count));
    } else {
      store<u8>(this.at + this.tagAt, tag | this.count);
    }
  }

  /** Writes a text. Its length is known only when it is written: then it may move to where a shorter header lets it begin. */
  text(text: string): void {
    const most = mostBytes(text);
    const before = headerSize(most);
    const at = this.room(most + before);
    const n = encode(text, at + before);
    const size = headerSize(n);
    if (size != before) memory.copy(at + size, at + before, n);
    this.textHeader(at, n);
    this.size += size + n;
  }

  private textHeader(at: usize, n: usize): void {
    if (n < 32) {
      store<u8>(at, 0xa0 | n);
    } else if (n <= 0xff) {
      store<u8>(at, 0xd9);
      store<u8>(at, n, 1);
    } else if (n <= 0xffff) {
      store<u8>(at, 0xda);
      store<u16>(at, bswap<u16>(<u16>n), 1);
    } else {
      store<u8>(at, 0xdb);
      store<u32>(at, bswap<u32>(<u32>n), 1);
    }
  }

  int(n: i64): void {
    if (n >= 0) {
      this.uint(<u64>n);
    } else if (n >= -32) {
      this.byte(<u32>n & 0xff);
    } else if (n >= i8.MIN_VALUE) {
      this.tagged<u8>(0xd0, <u8>n);
    } else if (n >= i16.MIN_VALUE) {
      this.tagged<u16>(0xd1, <u16>n);
    } else if (n >= i32.MIN_VALUE) {
      this.tagged<u32>(0xd2, <u32>n);
    } else {
      this.tagged<u64>(0xd3, <u64>n);
    }
  }

  uint(n: u64): void {
    if (n < 0x80) this.byte(<u32>n);
    else if (n <= u8.MAX_VALUE) this.tagged<u8>(0xcc, <u8>n);
    else if (n <= u16.MAX_VALUE) this.tagged<u16>(0xcd, <u16>n);
    else if (n <= u32.MAX_VALUE) this.tagged<u32>(0xce, <u32>n);
    else this.tagged<u64>(0xcf, n);
  }

  float(n: f64): void { this.tagged<u64>(0xcb, reinterpret<u64>(n)); }

  private tagged<T>(tag: u32, n: T): void {
    const at = this.room(9);
    store<u8>(at, tag);
    store<T>(at, bswap<T>(n), 1);
    this.size += 1 + sizeof<T>();
  }

  private binary(b: Uint8Array): void {
    const n = <u32>b.length;
    if (n <= u8.MAX_VALUE) this.tagged<u8>(0xc4, <u8>n);
    else if (n <= u16.MAX_VALUE) this.tagged<u16>(0xc5, <u16>n);
    else this.tagged<u32>(0xc6, n);
    this.bytes(b.dataStart, n);
  }
}

/** How long the header of a text of n bytes is. */
function headerSize(n: usize): usize { return n < 32 ? 1 : n <= 0xff ? 2 : n <= 0xffff ? 3 : 5; }

/** The tags of a map and a list that are open. */
export const MAP: u32 = 0x80;
export const LIST: u32 = 0x90;

// The Writers of a call serve the next one again.
const spare: Writer[] = [];
let used: i32 = 0;

/** How many Writers wait for the next call, and how large they may be then, in bytes. */
const SPARE: i32 = 16;
const KEPT: i32 = 64 * 1024;

/** Takes the Writers back. */
export function takeBack(): void {
  if (used) takeAll();
}

function takeAll(): void {
  do {
    const w = spare[--used];
    if (w.memory.byteLength > KEPT) w.memory = new ArrayBuffer(1024);
  } while (used);
}

function writer(tag: u32): Writer {
  if (used == SPARE) return new Writer().reset(tag);
  if (used == spare.length) spare.push(new Writer());
  return spare[used++].reset(tag);
}

/** Begins a map. */
export function map(): Writer { return writer(MAP); }

/** Begins a list. */
export function list(): Writer { return writer(LIST); }
