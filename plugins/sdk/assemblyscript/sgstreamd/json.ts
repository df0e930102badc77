import { Buffer } from "./buffer";
import { Kind, body, float, integer, isNegative, open, size } from "./msgpack";
import { characterSize, encode, encodeCharacter, mostBytes } from "./utf8";
import { Value } from "./value";
import { LIST, MAP, Writer } from "./writer";

/** How deep maps and lists may lie in each other. */
const DEPTH: i32 = 256;

/**
 * Reads a text in JSON. What comes out is read like a payload; an integer that 64 bits can't hold is a float. Null is
 * for what is not JSON: a number too large for a float, half of a surrogate pair, and more than 256 levels among it.
 */
export function parseJson(text: string): Value | null {
  const utf8 = new Buffer(text.length * 3);
  const n = encode(text, utf8.room(mostBytes(text)));
  return new Parser(utf8.at, utf8.at + n).parse(utf8);
}

/** As parseJson, for bytes in UTF-8. */
export function parseJsonBytes(bytes: Uint8Array): Value | null {
  return new Parser(bytes.dataStart, bytes.dataStart + bytes.length).parse(bytes);
}

/** Reads JSON and writes msgpack: so there is one kind of document, and no tree of objects. */
class Parser {
  private out: Writer = new Writer();

  constructor(private at: usize, private readonly end: usize) {}

  /** source keeps the text's memory meanwhile. */
  parse(source: Object): Value | null {
    if (!source) return null;
    const whole = this.value(0) && this.peek() < 0;
    return whole ? this.out.value : null;
  }

  /** Goes behind white space, and returns the character there, or -1 at the end. */
  private peek(): i32 {
    while (this.at < this.end) {
      const c = <i32>load<u8>(this.at);
      if (c != 0x20 && c != 0x0a && c != 0x0d && c != 0x09) return c;
      this.at += 1;
    }
    return -1;
  }

  private value(depth: i32): bool {
    const c = this.peek();
    if (c == 0x7b) return depth < DEPTH && this.object(depth + 1);
    if (c == 0x5b) return depth < DEPTH && this.array(depth + 1);
    if (c == 0x22) return this.string();
    if (c == 0x2d || isDigit(c)) return this.number();
    if (c == 0x74) return this.word(0x65757274, 4, 0xc3); // true
    if (c == 0x66) return this.word(0x736c6166, 5, 0xc2); // fals, and e
    if (c == 0x6e) return this.word(0x6c6c756e, 4, 0xc0); // null
    return false;
  }

  private word(four: u32, n: usize, tag: u32): bool {
    if (this.end - this.at < n || load<u32>(this.at) != four) return false;
    if (n == 5 && load<u8>(this.at, 4) != 0x65) return false;
    this.at += n;
    this.out.byte(tag);
    return true;
  }

  private object(depth: i32): bool {
    this.at += 1;
    this.out.begin(MAP);
    if (this.peek() == 0x7d) return this.close();
    while (true) {
      if (this.peek() != 0x22) return false;
      this.out.entry();
      if (!this.string() || this.peek() != 0x3a) return false;
      this.at += 1;
      if (!this.value(depth)) return false;
      const c = this.peek();
      if (c == 0x7d) return this.close();
      if (c != 0x2c) return false;
      this.at += 1;
    }
  }

  private array(depth: i32): bool {
    this.at += 1;
    this.out.begin(LIST);
    if (this.peek() == 0x5d) return this.close();
    while (true) {
      this.out.entry();
      if (!this.value(depth)) return false;
      const c = this.peek();
      if (c == 0x5d) return this.close();
      if (c != 0x2c) return false;
      this.at += 1;
    }
  }

  private close(): bool {
    this.at += 1;
    this.out.end();
    return true;
  }

  private string(): bool {
    this.at += 1;
    const most = this.plain() - this.at; // an escape never becomes longer
    const out = this.out.beginText(most);
    let to = out;
    while (this.at < this.end) {
      const run = plainRun(this.at, this.end);
      memory.copy(to, this.at, run);
      to += run;
      this.at += run;
      if (this.at == this.end) break;
      const c = <u32>load<u8>(this.at);
      if (c == 0x22) {
        this.at += 1;
        this.out.endText(to - out);
        return true;
      }
      if (c < 0x20) return false;
      if (c == 0x5c) {
        const n = this.escape(to);
        if (!n) return false;
        to += n;
        continue;
      }
      const n = <usize>characterSize(this.at, this.end);
      if (!n) return false;
      memory.copy(to, this.at, n);
      this.at += n;
      to += n;
    }
    return false;
  }

  /** Where the string ends, with its escapes in it. */
  private plain(): usize {
    let at = this.at;
    while (at < this.end) {
      at += plainRun(at, this.end);
      if (at == this.end) break;
      const c = load<u8>(at);
      if (c == 0x22) return at;
      at += c == 0x5c && this.end - at > 1 ? 2 : 1;
    }
    return this.end;
  }

  /** Writes the character of an escape, and returns its length, or 0. */
  private escape(to: usize): usize {
    if (this.end - this.at < 2) return 0;
    const c = <u32>load<u8>(this.at, 1);
    this.at += 2;
    switch (c) {
      case 0x22: case 0x5c: case 0x2f: return encodeCharacter(c, to);
      case 0x62: return encodeCharacter(8, to);
      case 0x66: return encodeCharacter(12, to);
      case 0x6e: return encodeCharacter(10, to);
      case 0x72: return encodeCharacter(13, to);
      case 0x74: return encodeCharacter(9, to);
      case 0x75: return this.unicode(to);
    }
    return 0;
  }

  private unicode(to: usize): usize {
    const unit = this.hex();
    if (unit < 0 || (unit & 0xfc00) == 0xdc00) return 0;
    if ((unit & 0xfc00) != 0xd800) return encodeCharacter(unit, to);
    if (this.end - this.at < 2 || load<u16>(this.at) != 0x755c) return 0; // \u
    this.at += 2;
    const low = this.hex();
    if (low < 0 || (low & 0xfc00) != 0xdc00) return 0;
    return encodeCharacter(0x10000 + ((unit & 0x3ff) << 10) + (low & 0x3ff), to);
  }

  /** Four hexadecimal digits, or -1. */
  private hex(): i32 {
    if (this.end - this.at < 4) return -1;
    let n = 0;
    for (let i = 0; i < 4; i++) {
      const c = <i32>load<u8>(this.at + i);
      const low = c | 0x20;
      const digit = isDigit(c) ? c - 0x30 : low >= 0x61 && low <= 0x66 ? low - 0x61 + 10 : -1;
      if (digit < 0) return -1;
      n = (n << 4) | digit;
    }
    this.at += 4;
    return n;
  }

  private number(): bool {
    const begin = this.at;
    const negative = load<u8>(begin) == 0x2d;
    if (negative) this.at += 1;
    const first = this.at;
    if (!this.digits() || (load<u8>(first) == 0x30 && this.at - first > 1)) return false;
    const whole = this.at;
    if (this.at < this.end && load<u8>(this.at) == 0x2e) {
      this.at += 1;
      if (!this.digits()) return false;
    }
    if (this.at < this.end && (load<u8>(this.at) | 0x20) == 0x65) {
      this.at += 1;
      if (this.at < this.end && (load<u8>(this.at) == 0x2b || load<u8>(this.at) == 0x2d)) this.at += 1;
      if (!this.digits()) return false;
    }
    if (this.at == whole && this.integer(first, negative)) return true;
    const n = parseFloat(ascii(begin, this.at));
    if (!isFinite(n)) return false;
    this.out.float(n);
    return true;
  }

  private digits(): bool {
    const begin = this.at;
    while (this.at < this.end && isDigit(load<u8>(this.at))) this.at += 1;
    return this.at > begin;
  }

  /** Writes an integer, if 64 bits hold it. */
  private integer(at: usize, negative: bool): bool {
    let n: u64 = 0;
    for (; at < this.at; at++) {
      const digit = <u64>load<u8>(at) - 0x30;
      if (n > u64.MAX_VALUE / 10 || n * 10 > u64.MAX_VALUE - digit) return false;
      n = n * 10 + digit;
    }
    if (!negative) {
      this.out.uint(n);
      return true;
    }
    if (n > <u64>1 << 63) return false;
    this.out.int(-(<i64>n));
    return true;
  }
}

/** How many bytes at `at` are ASCII that a string of JSON holds as it is; it may stop short in the last 16 bytes. */
function plainRun(at: usize, end: usize): usize {
  const begin = at;
  while (end - at >= 16) { // a turn has its price: see utf8.ts
    const v = v128.load(at);
    const marked = v128.or(v128.eq<u8>(v, v128.splat<u8>(0x22)), v128.eq<u8>(v, v128.splat<u8>(0x5c)));
    const mask = v128.bitmask<i8>(v128.or(marked, v128.lt<i8>(v, v128.splat<i8>(0x20)))); // below 0: not ASCII
    if (mask) return at - begin + ctz(mask);
    at += 16;
  }
  return at - begin;
}

// @ts-ignore: decorator
@inline
function isDigit(c: i32): bool { return <u32>c - 0x30 < 10; }

function ascii(at: usize, end: usize): string { return String.UTF8.decodeUnsafe(at, end - at); }

/**
 * Writes a value as JSON, such as what parseJson has read or what a Writer has written. Null is for what JSON can't
 * say: binary values, extensions, keys that are no text, floats that are no number, and more than 256 levels.
 */
export function toJson(value: Value): string | null {
  const out = new Buffer();
  return write(value, out) ? out.toString() : null;
}

/** As toJson, in UTF-8. */
export function toJsonBytes(value: Value): Uint8Array | null {
  const out = new Buffer();
  return write(value, out) ? out.toBytes() : null;
}

function write(value: Value, out: Buffer): bool { return value.exists && writeValue(value.from, value.to, out, 0) != 0; }

/** Writes the value at `at`, and returns its end, or 0 if it can't be written. */
function writeValue(at: usize, end: usize, out: Buffer, depth: i32): usize {
  const kind = open(at, end);
  const content = body;
  const n = size;
  switch (kind) {
    case Kind.NIL: out.utf8("null"); return content;
    case Kind.BOOL: out.utf8(load<u8>(at) == 0xc3 ? "true" : "false"); return content;
    case Kind.INT: out.utf8(isNegative(at) ? (<i64>integer(at)).toString() : integer(at).toString()); return content + n;
    case Kind.FLOAT: return writeFloat(float(), out) ? content + n : 0;
    case Kind.TEXT: writeText(content, content + n, out); return content + n;
    case Kind.LIST: return depth < DEPTH ? writeList(n, content, end, out, depth + 1) : 0;
    case Kind.MAP: return depth < DEPTH ? writeMap(n, content, end, out, depth + 1) : 0;
  }
  return 0;
}

function writeFloat(n: f64, out: Buffer): bool {
  if (!isFinite(n)) return false;
  out.utf8(n.toString());
  return true;
}

function writeList(n: u32, at: usize, end: usize, out: Buffer, depth: i32): usize {
  out.byte(0x5b);
  for (let i: u32 = 0; i < n; i++) {
    if (i) out.byte(0x2c);
    at = writeValue(at, end, out, depth);
    if (!at) return 0;
  }
  out.byte(0x5d);
  return at;
}

function writeMap(n: u32, at: usize, end: usize, out: Buffer, depth: i32): usize {
  out.byte(0x7b);
  for (let i: u32 = 0; i < n; i++) {
    if (i) out.byte(0x2c);
    if (open(at, end) != Kind.TEXT) return 0;
    at = body + size;
    writeText(body, at, out);
    out.byte(0x3a);
    at = writeValue(at, end, out, depth);
    if (!at) return 0;
  }
  out.byte(0x7d);
  return at;
}

/** Writes a string with its quotes. Bytes that are not UTF-8 become U+FFFD. */
function writeText(at: usize, end: usize, out: Buffer): void {
  out.byte(0x22);
  let plain = at; // what is not written yet and needs no escape
  while (at < end) {
    at += plainRun(at, end);
    if (at == end) break;
    const c = <u32>load<u8>(at);
    if (c >= 0x20 && c < 0x80 && c != 0x22 && c != 0x5c) {
      at += 1;
      continue;
    }
    const n = <usize>characterSize(at, end);
    if (c >= 0x80 && n) {
      at += n;
      continue;
    }
    out.bytes(plain, at - plain);
    at += 1;
    plain = at;
    writeEscape(c, out);
  }
  out.bytes(plain, at - plain);
  out.byte(0x22);
}

function writeEscape(c: u32, out: Buffer): void {
  switch (c) {
    case 0x22: out.utf8("\\\""); return;
    case 0x5c: out.utf8("\\\\"); return;
    case 0x08: out.utf8("\\b"); return;
    case 0x09: out.utf8("\\t"); return;
    case 0x0a: out.utf8("\\n"); return;
    case 0x0c: out.utf8("\\f"); return;
    case 0x0d: out.utf8("\\r"); return;
  }
  if (c >= 0x80) {
    out.utf8("\ufffd");
    return;
  }
  out.utf8("\\u00");
  out.byte(0x30 + (c >> 4));
  out.byte((c & 15) < 10 ? 0x30 + (c & 15) : 0x61 + (c & 15) - 10);
}
