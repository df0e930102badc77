// Between UTF-8, which documents are written in, and UTF-16, which AssemblyScript's strings are.
//
// The host looks at the end of each turn of a loop whether the call is still wanted, at a cost of 50 to 100 ns. So what
// is ASCII goes in pieces of 64, and then of 32, 16, 8, 4, 2 and 1, without a turn.

/** The length of the character at `at`, 1 to 4 bytes, or 0 if what is there before `end` is not one of UTF-8. */
export function characterSize(at: usize, end: usize): i32 {
  const first = <u32>load<u8>(at);
  if (first < 0x80) return 1;
  const size: i32 = first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;
  if (!size || end - at < <usize>size) return 0;
  const second = <u32>load<u8>(at, 1);
  if ((second & 0xc0) != 0x80) return 0;
  // Overlong forms, surrogates, and what is beyond U+10FFFF.
  if ((first == 0xe0 && second < 0xa0) || (first == 0xed && second > 0x9f)) return 0;
  if ((first == 0xf0 && second < 0x90) || (first == 0xf4 && second > 0x8f)) return 0;
  for (let i = 2; i < size; i++) {
    if ((load<u8>(at + i) & 0xc0) != 0x80) return 0;
  }
  return size;
}

/** Reads UTF-8. Each byte that belongs to no character becomes U+FFFD. */
export function decode(at: usize, size: usize): string {
  if (!size) return "";
  const text = changetype<string>(__new(size << 1, idof<string>())); // no byte becomes more than one unit
  const end = at + size;
  let out = changetype<usize>(text);
  const plain = widenAscii(at, size, out);
  if (plain == size) return text;
  out = decodeRest(at + plain, end, out + (plain << 1));
  return changetype<string>(__renew(changetype<usize>(text), out - changetype<usize>(text)));
}

/** Reads what does not begin with ASCII, and returns the end of what it has written. */
function decodeRest(at: usize, end: usize, out: usize): usize {
  do {
    const n = characterSize(at, end);
    const c = n ? character(at, n) : 0xfffd;
    at += n ? <usize>n : 1;
    if (c > 0xffff) {
      store<u32>(out, ((c - 0x10000) >> 10) | 0xd800 | (((c & 0x3ff) | 0xdc00) << 16));
      out += 4;
    } else {
      store<u16>(out, c);
      out += 2;
    }
    if (c > 0x7f) continue; // the next one most likely is no ASCII, either
    const plain = widenAscii(at, end - at, out);
    at += plain;
    out += plain << 1;
  } while (at < end);
  return out;
}

/** The code point of the character of n bytes at `at`. */
export function character(at: usize, n: i32): u32 {
  const first = <u32>load<u8>(at);
  if (n == 1) return first;
  let c = first & (0x7f >> n);
  for (let i = 1; i < n; i++) c = (c << 6) | (load<u8>(at + i) & 0x3f);
  return c;
}

const HIGH: u64 = 0x8080808080808080;

/** Eight bytes become eight units. */
// @ts-ignore: decorator
@inline
function widen8(at: usize, out: usize): void {
  v128.store(out, v128.extend_low<u8>(v128.load_zero<u64>(at)));
}

/** Writes the units of ASCII at the beginning of n bytes, and returns how many; it may leave some of the last ones. */
function widenAscii(at: usize, n: usize, out: usize): usize {
  const begin = at;
  if (n >= 64) {
    do {
      if (!widen32(at, out)) return at - begin;
      if (!widen32(at + 32, out + 64)) return at + 32 - begin;
      n -= 64;
      at += 64;
      out += 128;
    } while (n >= 64);
  }
  if (n & 32) {
    if (!widen32(at, out)) return at - begin;
    at += 32;
    out += 64;
  }
  if (n & 16) {
    if ((load<u64>(at) | load<u64>(at, 8)) & HIGH) return at - begin;
    widen8(at, out);
    widen8(at + 8, out + 16);
    at += 16;
    out += 32;
  }
  if (n & 8) {
    if (load<u64>(at) & HIGH) return at - begin;
    widen8(at, out);
    at += 8;
    out += 16;
  }
  if (n & 4) {
    const four = load<u32>(at);
    if (four & 0x80808080) return at - begin;
    const units = v128.extend_low<u8>(v128.splat<u32>(four));
    v128.store64_lane(out, units, 0);
    at += 4;
    out += 8;
  }
  if (n & 2) {
    const two = <u32>load<u16>(at);
    if (two & 0x8080) return at - begin;
    store<u32>(out, (two & 0xff) | ((two & 0xff00) << 8));
    at += 2;
    out += 4;
  }
  if (n & 1) {
    const one = load<u8>(at);
    if (one & 0x80) return at - begin;
    store<u16>(out, one);
    at += 1;
  }
  return at - begin;
}

function widen32(at: usize, out: usize): bool {
  if ((load<u64>(at) | load<u64>(at, 8) | load<u64>(at, 16) | load<u64>(at, 24)) & HIGH) return false;
  widen8(at, out);
  widen8(at + 8, out + 16);
  widen8(at + 16, out + 32);
  widen8(at + 24, out + 48);
  return true;
}

/** The most bytes that a text can take in UTF-8. */
// @ts-ignore: decorator
@inline
export function mostBytes(text: string): usize { return <usize>text.length * 3; }

/** Writes a text in UTF-8 to `out`, which has room for mostBytes, and returns its length. Half a pair becomes U+FFFD. */
export function encode(text: string, out: usize): usize {
  const n = <usize>text.length;
  const plain = narrowAscii(changetype<usize>(text), n, out);
  return plain == n ? n : plain + encodeRest(changetype<usize>(text) + (plain << 1), (n - plain) << 1, out + plain);
}

/** Writes what does not begin with ASCII, and returns how many bytes it took. */
function encodeRest(at: usize, size: usize, out: usize): usize {
  const begin = out;
  const end = at + size;
  do {
    let c = <u32>load<u16>(at);
    at += 2;
    if ((c & 0xfc00) == 0xd800 && at < end && (load<u16>(at) & 0xfc00) == 0xdc00) {
      c = 0x10000 + (((c & 0x3ff) << 10) | (load<u16>(at) & 0x3ff));
      at += 2;
    }
    out += encodeCharacter(c, out);
    if (c > 0x7f) continue;
    const plain = narrowAscii(at, (end - at) >> 1, out);
    at += plain << 1;
    out += plain;
  } while (at < end);
  return out - begin;
}

/** Writes one code point, and returns how many bytes it took. */
export function encodeCharacter(c: u32, out: usize): usize {
  if (c < 0x80) {
    store<u8>(out, c);
    return 1;
  }
  if (c < 0x800) {
    store<u8>(out, (c >> 6) | 0xc0);
    store<u8>(out, (c & 0x3f) | 0x80, 1);
    return 2;
  }
  if ((c & 0xfffff800) == 0xd800) c = 0xfffd;
  if (c < 0x10000) {
    store<u8>(out, (c >> 12) | 0xe0);
    store<u8>(out, ((c >> 6) & 0x3f) | 0x80, 1);
    store<u8>(out, (c & 0x3f) | 0x80, 2);
    return 3;
  }
  store<u8>(out, (c >> 18) | 0xf0);
  store<u8>(out, ((c >> 12) & 0x3f) | 0x80, 1);
  store<u8>(out, ((c >> 6) & 0x3f) | 0x80, 2);
  store<u8>(out, (c & 0x3f) | 0x80, 3);
  return 4;
}

const HIGH_UNITS: u64 = 0xff80ff80ff80ff80;

/** Eight units become eight bytes. */
// @ts-ignore: decorator
@inline
function narrow8(at: usize, out: usize): void {
  const units = v128.load(at);
  v128.store64_lane(out, v128.narrow<u16>(units, units), 0);
}

// @ts-ignore: decorator
@inline
function isAscii8(at: usize): bool { return !((load<u64>(at) | load<u64>(at, 8)) & HIGH_UNITS); }

function narrow32(at: usize, out: usize): bool {
  if (!isAscii8(at) || !isAscii8(at + 16) || !isAscii8(at + 32) || !isAscii8(at + 48)) return false;
  narrow8(at, out);
  narrow8(at + 16, out + 8);
  narrow8(at + 32, out + 16);
  narrow8(at + 48, out + 24);
  return true;
}

/** Writes the bytes of ASCII at the beginning of n units, and returns how many; it may leave some of the last ones. */
function narrowAscii(at: usize, n: usize, out: usize): usize {
  const begin = out;
  if (n >= 64) {
    do {
      if (!narrow32(at, out)) return out - begin;
      if (!narrow32(at + 64, out + 32)) return out + 32 - begin;
      n -= 64;
      at += 128;
      out += 64;
    } while (n >= 64);
  }
  if (n & 32) {
    if (!narrow32(at, out)) return out - begin;
    at += 64;
    out += 32;
  }
  if (n & 16) {
    if (!isAscii8(at) || !isAscii8(at + 16)) return out - begin;
    narrow8(at, out);
    narrow8(at + 16, out + 8);
    at += 32;
    out += 16;
  }
  if (n & 8) {
    if (!isAscii8(at)) return out - begin;
    narrow8(at, out);
    at += 16;
    out += 8;
  }
  if (n & 4) {
    const four = load<u64>(at);
    if (four & HIGH_UNITS) return out - begin;
    store<u32>(out, narrow4(four));
    at += 8;
    out += 4;
  }
  if (n & 2) {
    const two = load<u32>(at);
    if (two & <u32>HIGH_UNITS) return out - begin;
    store<u16>(out, two | (two >> 8));
    at += 4;
    out += 2;
  }
  if (n & 1) {
    const one = load<u16>(at);
    if (one & 0xff80) return out - begin;
    store<u8>(out, one);
    out += 1;
  }
  return out - begin;
}

/** Four units of ASCII as four bytes. */
// @ts-ignore: decorator
@inline
function narrow4(units: u64): u32 {
  const two = units | (units >> 8);
  return (<u32>two & 0xffff) | <u32>((two >> 16) & 0xffff0000);
}

// The key that is being looked for, in UTF-8: a search encodes it once.
let wanted: usize = 0;
let wantedRoom: usize = 0;
let wantedSize: usize = 0;

/** Says which text isWanted compares with. */
export function want(text: string): void {
  const most = mostBytes(text);
  if (most > wantedRoom) {
    if (wanted) heap.free(wanted);
    wantedRoom = most + 256;
    wanted = heap.alloc(wantedRoom);
  }
  wantedSize = encode(text, wanted);
}

/** Whether a text of a document is the one that is wanted. */
export function isWanted(at: usize, n: usize): bool {
  if (n != wantedSize) return false;
  let w = wanted;
  if (n >= 32) {
    do {
      if (load<u64>(at) != load<u64>(w) || load<u64>(at, 8) != load<u64>(w, 8)) return false;
      if (load<u64>(at, 16) != load<u64>(w, 16) || load<u64>(at, 24) != load<u64>(w, 24)) return false;
      n -= 32;
      at += 32;
      w += 32;
    } while (n >= 32);
  }
  if (n & 16) {
    if (load<u64>(at) != load<u64>(w) || load<u64>(at, 8) != load<u64>(w, 8)) return false;
    at += 16;
    w += 16;
  }
  if (n & 8) {
    if (load<u64>(at) != load<u64>(w)) return false;
    at += 8;
    w += 8;
  }
  if (n & 4) {
    if (load<u32>(at) != load<u32>(w)) return false;
    at += 4;
    w += 4;
  }
  if (n & 2) {
    if (load<u16>(at) != load<u16>(w)) return false;
    at += 2;
    w += 2;
  }
  return !(n & 1) || load<u8>(at) == load<u8>(w);
}
