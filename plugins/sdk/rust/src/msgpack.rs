//! Reads msgpack without copying: a [`Value`] is a view of the document's bytes.

use std::fmt;

use crate::text;

/// A value of a document, as it stands there. It costs nothing to copy, is good as long as the document, and can be
/// put into an emit unchanged, whatever its type.
#[derive(Clone, Copy)]
pub struct Value<'a> {
    /// The value, and perhaps more of the document behind it.
    raw: &'a [u8],
}

/// The type of a [`Value`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Nothing.
    Nil,
    /// True or false.
    Bool,
    /// A whole number, -2^63 to 2^64-1.
    Int,
    /// A number of 32 or 64 bits with a point.
    Float,
    /// Text.
    Text,
    /// Bytes.
    Binary,
    /// A list, msgpack's array.
    List,
    /// A map.
    Map,
    /// An application's own type.
    Ext,
}

/// A document is not msgpack.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Malformed;

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the document is not msgpack")
    }
}

impl std::error::Error for Malformed {}

/// How a value begins: its type, the bytes before its contents, and of those the number; for a list and a map the
/// number of items or entries.
struct Head {
    kind: Kind,
    size: usize,
    n: usize,
}

#[inline]
fn head(bytes: &[u8]) -> Option<Head> {
    let tag = *bytes.first()?;
    let (kind, size, n) = match tag {
        0x00..=0x7f | 0xe0..=0xff => (Kind::Int, 1, 0),
        0x80..=0x8f => (Kind::Map, 1, usize::from(tag & 0x0f)),
        0x90..=0x9f => (Kind::List, 1, usize::from(tag & 0x0f)),
        0xa0..=0xbf => (Kind::Text, 1, usize::from(tag & 0x1f)),
        0xc0 => (Kind::Nil, 1, 0),
        0xc1 => return None,
        0xc2 | 0xc3 => (Kind::Bool, 1, 0),
        0xc4..=0xc6 => sized(Kind::Binary, bytes, 1 << (tag - 0xc4), 0)?,
        0xc7..=0xc9 => sized(Kind::Ext, bytes, 1 << (tag - 0xc7), 1)?,
        0xca => (Kind::Float, 1, 4),
        0xcb => (Kind::Float, 1, 8),
        0xcc..=0xcf => (Kind::Int, 1, 1 << (tag - 0xcc)),
        0xd0..=0xd3 => (Kind::Int, 1, 1 << (tag - 0xd0)),
        0xd4..=0xd8 => (Kind::Ext, 2, 1 << (tag - 0xd4)),
        0xd9..=0xdb => sized(Kind::Text, bytes, 1 << (tag - 0xd9), 0)?,
        0xdc | 0xdd => sized(Kind::List, bytes, 2 << (tag - 0xdc), 0)?,
        0xde | 0xdf => sized(Kind::Map, bytes, 2 << (tag - 0xde), 0)?,
    };
    Some(Head { kind, size, n })
}

/// sized reads a length of 1, 2 or 4 bytes behind the tag. Of an ext, the type's byte follows.
fn sized(kind: Kind, bytes: &[u8], width: usize, type_byte: usize) -> Option<(Kind, usize, usize)> {
    let n = match (width, bytes) {
        (1, [_, a, ..]) => usize::from(*a),
        (2, [_, a, b, ..]) => usize::from(u16::from_be_bytes([*a, *b])),
        (4, [_, a, b, c, d, ..]) => u32::from_be_bytes([*a, *b, *c, *d]) as usize,
        _ => return None,
    };
    Some((kind, 1 + width + type_byte, n))
}

/// length is that of the value at the beginning of bytes, with all that is inside of it.
#[inline]
fn length(bytes: &[u8]) -> Option<usize> {
    let h = head(bytes)?;
    match h.kind {
        Kind::List => nested(bytes, h.size, h.n as u64),
        Kind::Map => nested(bytes, h.size, 2 * h.n as u64),
        _ => h.size.checked_add(h.n).filter(|end| *end <= bytes.len()),
    }
}

/// nested is length for a list or map: `left` values are to follow at `at`.
fn nested(bytes: &[u8], mut at: usize, mut left: u64) -> Option<usize> {
    // Each value has a byte at least, so this ends soon, whatever the document says of itself.
    while left > 0 && left <= bytes.len().checked_sub(at)? as u64 {
        // Several at a time, since the host looks at each turn of a loop whether the call's time is over.
        step(bytes, &mut at, &mut left)?;
        step(bytes, &mut at, &mut left)?;
        step(bytes, &mut at, &mut left)?;
        step(bytes, &mut at, &mut left)?;
    }
    match left {
        0 if at <= bytes.len() => Some(at),
        _ => None,
    }
}

/// step goes over one value, but not over what is inside of it.
#[inline]
fn step(bytes: &[u8], at: &mut usize, left: &mut u64) -> Option<()> {
    if *left > 0 {
        let h = head(bytes.get(*at..)?)?;
        *left -= 1;
        *at += h.size;
        match h.kind {
            Kind::List => *left += h.n as u64,
            Kind::Map => *left += 2 * h.n as u64,
            _ => *at = at.checked_add(h.n)?,
        }
    }
    Some(())
}

/// entry looks at a map's entry: the value if it has the key, else what stands behind.
fn entry<'a>(bytes: &'a [u8], key: &[u8]) -> Option<Result<Value<'a>, &'a [u8]>> {
    let h = head(bytes)?;
    let (same, value) = match h.kind {
        Kind::Text => {
            let name = bytes.get(h.size..)?;
            (text::same(name.get(..h.n)?, key), name.get(h.n..)?)
        }
        _ => (false, bytes.get(length(bytes)?..)?),
    };
    let behind = value.get(length(value)?..)?;
    Some(if same { Ok(Value { raw: value }) } else { Err(behind) })
}

impl<'a> Value<'a> {
    /// A map with nothing in it.
    pub const EMPTY_MAP: Value<'static> = Value { raw: &[0x80] };
    /// Nothing.
    pub const NIL: Value<'static> = Value { raw: &[0xc0] };

    /// Reads a document that is one value. All of it is looked at, so that nothing can go wrong later.
    pub fn read(document: &'a [u8]) -> Result<Value<'a>, Malformed> {
        match Value::split(document) {
            Some((value, [])) => Ok(value),
            _ => Err(Malformed),
        }
    }

    pub(crate) fn split(bytes: &'a [u8]) -> Option<(Value<'a>, &'a [u8])> {
        let (raw, rest) = bytes.split_at(length(bytes)?);
        Some((Value { raw }, rest))
    }

    /// open_map returns the number of a map's entries, and their bytes.
    pub(crate) fn open_map(bytes: &'a [u8]) -> Option<(usize, &'a [u8])> {
        let h = head(bytes)?;
        match h.kind {
            Kind::Map => Some((h.n, bytes.get(h.size..)?)),
            _ => None,
        }
    }

    fn head(self) -> Head {
        head(self.raw).unwrap_or(Head { kind: Kind::Nil, size: 1, n: 0 }) // read has seen that it is well
    }

    /// contents are the bytes of what is not a list or map.
    fn contents(self, h: &Head) -> &'a [u8] {
        self.raw.get(h.size..).and_then(|behind| behind.get(..h.n)).unwrap_or(&[])
    }

    /// The value's bytes in the document.
    pub fn raw(self) -> &'a [u8] {
        length(self.raw).and_then(|n| self.raw.get(..n)).unwrap_or(&[0xc0])
    }

    /// rest takes the rest of the document for a value, unseen. What is wrong with it, its getters don't find.
    pub(crate) fn rest(raw: &'a [u8]) -> Value<'a> {
        Value { raw }
    }

    /// The value's type.
    pub fn kind(self) -> Kind {
        self.head().kind
    }

    /// Whether it is nil.
    pub fn is_nil(self) -> bool {
        self.kind() == Kind::Nil
    }

    /// How many items a list has, entries a map, bytes a text, a binary or the contents of an ext; else 0.
    pub fn len(self) -> usize {
        match self.head() {
            Head { kind: Kind::Int | Kind::Float, .. } => 0,
            h => h.n,
        }
    }

    /// Whether [`len`](Value::len) is 0.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// The text, if it is one and UTF-8.
    pub fn as_str(self) -> Option<&'a str> {
        text::utf8(self.str_bytes()?)
    }

    pub(crate) fn str_bytes(self) -> Option<&'a [u8]> {
        match self.head() {
            h if h.kind == Kind::Text => Some(self.contents(&h)),
            _ => None,
        }
    }

    /// The bytes of a binary or a text.
    pub fn as_bytes(self) -> Option<&'a [u8]> {
        match self.head() {
            h if h.kind == Kind::Text || h.kind == Kind::Binary => Some(self.contents(&h)),
            _ => None,
        }
    }

    /// An ext's type and contents.
    pub fn as_ext(self) -> Option<(i8, &'a [u8])> {
        match self.head() {
            h if h.kind == Kind::Ext => Some((*self.raw.get(h.size - 1)? as i8, self.contents(&h))),
            _ => None,
        }
    }

    /// True or false, if it is one of them.
    pub fn as_bool(self) -> Option<bool> {
        match self.raw {
            [0xc2, ..] => Some(false),
            [0xc3, ..] => Some(true),
            _ => None,
        }
    }

    /// The whole number, if it is one that fits.
    pub fn as_i64(self) -> Option<i64> {
        i64::try_from(self.integer()?).ok()
    }

    /// The whole number, if it is one that is not negative.
    pub fn as_u64(self) -> Option<u64> {
        u64::try_from(self.integer()?).ok()
    }

    /// integer holds both ends of what msgpack can say.
    fn integer(self) -> Option<i128> {
        Some(match *self.raw {
            [tag @ (0x00..=0x7f | 0xe0..=0xff), ..] => (tag as i8).into(),
            [0xcc, b, ..] => b.into(),
            [0xcd, a, b, ..] => u16::from_be_bytes([a, b]).into(),
            [0xce, a, b, c, d, ..] => u32::from_be_bytes([a, b, c, d]).into(),
            [0xcf, a, b, c, d, e, f, g, h, ..] => u64::from_be_bytes([a, b, c, d, e, f, g, h]).into(),
            [0xd0, b, ..] => (b as i8).into(),
            [0xd1, a, b, ..] => i16::from_be_bytes([a, b]).into(),
            [0xd2, a, b, c, d, ..] => i32::from_be_bytes([a, b, c, d]).into(),
            [0xd3, a, b, c, d, e, f, g, h, ..] => i64::from_be_bytes([a, b, c, d, e, f, g, h]).into(),
            _ => return None,
        })
    }

    /// The number, whole or not.
    pub fn as_f64(self) -> Option<f64> {
        match *self.raw {
            [0xca, a, b, c, d, ..] => Some(f32::from_be_bytes([a, b, c, d]).into()),
            [0xcb, a, b, c, d, e, f, g, h, ..] => Some(f64::from_be_bytes([a, b, c, d, e, f, g, h])),
            _ => self.integer().map(|n| n as f64),
        }
    }

    /// What a map has under a key; of several, the first. `None` where it has none, or is no map.
    pub fn get(self, key: &str) -> Option<Value<'a>> {
        let (mut left, mut rest) = Value::open_map(self.raw)?;
        macro_rules! look {
            () => {
                left = left.checked_sub(1)?;
                match entry(rest, key.as_bytes())? {
                    Ok(value) => return Some(value),
                    Err(behind) => rest = behind,
                }
            };
        }
        loop {
            // Several at a time, as in nested.
            look!();
            look!();
            look!();
            look!();
        }
    }

    /// The item of a list, counted from 0.
    pub fn at(self, index: usize) -> Option<Value<'a>> {
        self.items().nth(index)
    }

    /// The text that a map has under a key; `""` if there is none.
    pub fn text(self, key: &str) -> &'a str {
        self.get(key).and_then(Value::as_str).unwrap_or("")
    }

    /// The items of a list; nothing if it is none.
    pub fn items(self) -> Items<'a> {
        match self.head() {
            h if h.kind == Kind::List => Items { left: h.n, rest: self.raw.get(h.size..).unwrap_or(&[]) },
            _ => Items { left: 0, rest: &[] },
        }
    }

    /// The entries of a map; nothing if it is none.
    pub fn entries(self) -> Entries<'a> {
        let (left, rest) = Value::open_map(self.raw).unwrap_or((0, &[]));
        Entries { items: Items { left: 2 * left, rest } }
    }
}

/// The items of a list.
pub struct Items<'a> {
    left: usize,
    rest: &'a [u8],
}

impl<'a> Iterator for Items<'a> {
    type Item = Value<'a>;

    fn next(&mut self) -> Option<Value<'a>> {
        self.left = self.left.checked_sub(1)?;
        let (value, rest) = Value::split(self.rest)?;
        self.rest = rest;
        Some(value)
    }
}

/// The entries of a map, key and value.
pub struct Entries<'a> {
    items: Items<'a>,
}

impl<'a> Iterator for Entries<'a> {
    type Item = (Value<'a>, Value<'a>);

    fn next(&mut self) -> Option<(Value<'a>, Value<'a>)> {
        Some((self.items.next()?, self.items.next()?))
    }
}
