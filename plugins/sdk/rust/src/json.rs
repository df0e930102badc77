//! Reads and writes JSON, as the bodies of HTTP APIs hold it.

use std::borrow::Cow;
use std::fmt;

pub use crate::json_writer::{Array, Object};
use crate::MAX_DEPTH;

/// A value of a document. What can be is a view of the document's text.
#[derive(Clone, PartialEq, Debug)]
pub enum Json<'a> {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number as it is written, so that it loses nothing.
    Number(&'a str),
    /// A text.
    Text(Cow<'a, str>),
    /// An array.
    Array(Vec<Json<'a>>),
    /// An object: its members in their order.
    Object(Vec<(Cow<'a, str>, Json<'a>)>),
}

/// Where and why a text is not JSON.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct JsonError {
    /// The offset in bytes.
    pub at: usize,
    /// What is wrong there.
    pub what: &'static str,
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not JSON: {} at byte {}", self.what, self.at)
    }
}

impl std::error::Error for JsonError {}

impl<'a> Json<'a> {
    /// Reads a document: one value, nested no deeper than [`MAX_DEPTH`](crate::MAX_DEPTH). Half of a surrogate pair
    /// becomes U+FFFD.
    pub fn read(text: &'a str) -> Result<Json<'a>, JsonError> {
        let mut reader = Reader { text, at: 0, depth: 0 };
        let value = reader.value()?;
        reader.space();
        match reader.peek() {
            None => Ok(value),
            Some(_) => Err(reader.wrong("more follows the value")),
        }
    }

    /// What an object has under a key; of several, the last. `None` where it has none, or is no object.
    pub fn get(&self, key: &str) -> Option<&Json<'a>> {
        match self {
            Json::Object(members) => members.iter().rev().find(|(name, _)| name == key).map(|(_, value)| value),
            _ => None,
        }
    }

    /// The item of an array, counted from 0.
    pub fn at(&self, index: usize) -> Option<&Json<'a>> {
        self.items().get(index)
    }

    /// The items of an array; nothing if it is none.
    pub fn items(&self) -> &[Json<'a>] {
        match self {
            Json::Array(items) => items,
            _ => &[],
        }
    }

    /// The text, if it is one.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Json::Text(text) => Some(text),
            _ => None,
        }
    }

    /// True or false, if it is one of them.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Json::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// The whole number, if it is one that fits and is written without point and exponent.
    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Json::Number(number) => number.parse().ok(),
            _ => None,
        }
    }

    /// The number that comes nearest; infinite where it is too large.
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Json::Number(number) => number.parse().ok(),
            _ => None,
        }
    }

    /// The text that an object has under a key; `""` if there is none.
    pub fn text(&self, key: &str) -> &str {
        self.get(key).and_then(Json::as_str).unwrap_or("")
    }
}

impl fmt::Display for Json<'_> {
    /// Writes the document, without white space.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = String::new();
        crate::json_writer::value(&mut out, self);
        f.write_str(&out)
    }
}

/// Writes an object, whose members `fill` adds.
pub fn object(fill: impl FnOnce(&mut Object<'_>)) -> String {
    let mut out = String::new();
    Object::write(&mut out, fill);
    out
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

impl<'a> Reader<'a> {
    fn wrong(&self, what: &'static str) -> JsonError {
        JsonError { at: self.at, what }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    /// take steps over a byte, if it is the next one.
    fn take(&mut self, byte: u8) -> bool {
        let there = self.peek() == Some(byte);
        self.at += usize::from(there);
        there
    }

    fn value(&mut self) -> Result<Json<'a>, JsonError> {
        self.space();
        match self.peek() {
            Some(b'{') => self.object(),
            Some(b'[') => self.array(),
            Some(b'"') => Ok(Json::Text(self.string()?)),
            Some(b't') => self.word("true", Json::Bool(true)),
            Some(b'f') => self.word("false", Json::Bool(false)),
            Some(b'n') => self.word("null", Json::Null),
            _ => self.number(),
        }
    }

    fn word(&mut self, word: &str, value: Json<'a>) -> Result<Json<'a>, JsonError> {
        if !self.text.as_bytes()[self.at..].starts_with(word.as_bytes()) {
            return Err(self.wrong("no value"));
        }
        self.at += word.len();
        Ok(value)
    }

    fn digits(&mut self) -> Result<(), JsonError> {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        match self.at {
            at if at == start => Err(self.wrong(if start == self.text.len() { "no more" } else { "no value" })),
            _ => Ok(()),
        }
    }

    fn number(&mut self) -> Result<Json<'a>, JsonError> {
        let start = self.at;
        self.take(b'-');
        if !self.take(b'0') {
            self.digits()?;
        }
        if self.take(b'.') {
            self.digits()?;
        }
        if self.take(b'e') || self.take(b'E') {
            let _ = self.take(b'+') || self.take(b'-');
            self.digits()?;
        }
        Ok(Json::Number(&self.text[start..self.at]))
    }

    /// enter steps into brackets.
    fn enter(&mut self) -> Result<(), JsonError> {
        if self.depth == MAX_DEPTH {
            return Err(self.wrong("too deep a nesting"));
        }
        self.depth += 1;
        self.at += 1;
        self.space();
        Ok(())
    }

    /// more steps over the comma behind a member, or over the closing bracket.
    fn more(&mut self, end: u8) -> Result<bool, JsonError> {
        self.space();
        if self.take(b',') {
            return Ok(true);
        }
        if !self.take(end) {
            return Err(self.wrong("no comma or closing bracket"));
        }
        self.depth -= 1;
        Ok(false)
    }

    fn array(&mut self) -> Result<Json<'a>, JsonError> {
        self.enter()?;
        let mut items = Vec::new();
        if self.take(b']') {
            self.depth -= 1;
            return Ok(Json::Array(items));
        }
        loop {
            items.push(self.value()?);
            if !self.more(b']')? {
                return Ok(Json::Array(items));
            }
        }
    }

    fn object(&mut self) -> Result<Json<'a>, JsonError> {
        self.enter()?;
        let mut members = Vec::new();
        if self.take(b'}') {
            self.depth -= 1;
            return Ok(Json::Object(members));
        }
        loop {
            self.space();
            if self.peek() != Some(b'"') {
                return Err(self.wrong("no key"));
            }
            let key = self.string()?;
            self.space();
            if !self.take(b':') {
                return Err(self.wrong("no colon"));
            }
            members.push((key, self.value()?));
            if !self.more(b'}')? {
                return Ok(Json::Object(members));
            }
        }
    }

    /// plain steps over characters that stand for themselves. The text's bytes are UTF-8, so it ends between two.
    fn plain(&mut self) -> &'a str {
        let start = self.at;
        while matches!(self.peek(), Some(b) if b != b'"' && b != b'\\' && b >= 0x20) {
            self.at += 1;
        }
        &self.text[start..self.at]
    }

    fn string(&mut self) -> Result<Cow<'a, str>, JsonError> {
        self.at += 1;
        let mut text = Cow::Borrowed(self.plain());
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(text);
                }
                Some(b'\\') => {
                    let c = self.escape()?;
                    let plain = self.plain();
                    let text = text.to_mut();
                    text.push(c);
                    text.push_str(plain);
                }
                Some(_) => return Err(self.wrong("a control character in a text")),
                None => return Err(self.wrong("no closing quote")),
            }
        }
    }

    fn escape(&mut self) -> Result<char, JsonError> {
        let c = match self.text.as_bytes().get(self.at + 1) {
            Some(b'u') => return self.unicode(),
            Some(c @ (b'"' | b'\\' | b'/')) => *c as char,
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            _ => return Err(self.wrong("an unknown escape")),
        };
        self.at += 2;
        Ok(c)
    }

    fn unicode(&mut self) -> Result<char, JsonError> {
        let high = self.unit().ok_or_else(|| self.wrong("a bad escape"))?;
        self.at += 6;
        if let 0xd800..=0xdbff = high {
            if let Some(low @ 0xdc00..=0xdfff) = self.unit() {
                self.at += 6;
                let both = 0x10000 + (u32::from(high - 0xd800) << 10 | u32::from(low - 0xdc00));
                return Ok(char::from_u32(both).unwrap_or('\u{fffd}'));
            }
        }
        Ok(char::from_u32(high.into()).unwrap_or('\u{fffd}'))
    }

    /// unit reads the escape \u0000, and stays where it is.
    fn unit(&self) -> Option<u16> {
        let digits = self.text.as_bytes().get(self.at..self.at + 6)?.strip_prefix(b"\\u")?;
        digits.iter().try_fold(0, |n, b| Some(n << 4 | (*b as char).to_digit(16)? as u16))
    }
}
