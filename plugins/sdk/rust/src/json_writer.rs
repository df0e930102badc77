use std::fmt::Write;

use crate::json::Json;

/// A JSON object that is being written: each method adds a member.
pub struct Object<'w> {
    out: &'w mut String,
    empty: bool,
}

/// A JSON array that is being written: each method adds an item.
pub struct Array<'w> {
    out: &'w mut String,
    empty: bool,
}

impl<'w> Object<'w> {
    pub(crate) fn write(out: &mut String, fill: impl FnOnce(&mut Object<'_>)) {
        out.push('{');
        fill(&mut Object { out, empty: true });
        out.push('}');
    }

    fn key(&mut self, key: &str) -> &mut String {
        if !std::mem::replace(&mut self.empty, false) {
            self.out.push(',');
        }
        text(self.out, key);
        self.out.push(':');
        self.out
    }

    /// Adds a text.
    pub fn text(&mut self, key: &str, value: &str) -> &mut Self {
        text(self.key(key), value);
        self
    }

    /// Adds a whole number.
    pub fn int(&mut self, key: &str, value: i64) -> &mut Self {
        int(self.key(key), value);
        self
    }

    /// Adds a number. JSON has no infinities and no NaN: they become `null`.
    pub fn float(&mut self, key: &str, value: f64) -> &mut Self {
        float(self.key(key), value);
        self
    }

    /// Adds true or false.
    pub fn bool(&mut self, key: &str, value: bool) -> &mut Self {
        self.key(key).push_str(if value { "true" } else { "false" });
        self
    }

    /// Adds `null`.
    pub fn null(&mut self, key: &str) -> &mut Self {
        self.key(key).push_str("null");
        self
    }

    /// Adds a value that was read.
    pub fn value(&mut self, key: &str, json: &Json<'_>) -> &mut Self {
        value(self.key(key), json);
        self
    }

    /// Adds an object, which `fill` writes.
    pub fn object(&mut self, key: &str, fill: impl FnOnce(&mut Object<'_>)) -> &mut Self {
        Object::write(self.key(key), fill);
        self
    }

    /// Adds an array, which `fill` writes.
    pub fn array(&mut self, key: &str, fill: impl FnOnce(&mut Array<'_>)) -> &mut Self {
        Array::write(self.key(key), fill);
        self
    }
}

impl<'w> Array<'w> {
    fn write(out: &mut String, fill: impl FnOnce(&mut Array<'_>)) {
        out.push('[');
        fill(&mut Array { out, empty: true });
        out.push(']');
    }

    fn item(&mut self) -> &mut String {
        if !std::mem::replace(&mut self.empty, false) {
            self.out.push(',');
        }
        self.out
    }

    /// Adds a text.
    pub fn text(&mut self, value: &str) -> &mut Self {
        text(self.item(), value);
        self
    }

    /// Adds a whole number.
    pub fn int(&mut self, value: i64) -> &mut Self {
        int(self.item(), value);
        self
    }

    /// Adds a number. JSON has no infinities and no NaN: they become `null`.
    pub fn float(&mut self, value: f64) -> &mut Self {
        float(self.item(), value);
        self
    }

    /// Adds true or false.
    pub fn bool(&mut self, value: bool) -> &mut Self {
        self.item().push_str(if value { "true" } else { "false" });
        self
    }

    /// Adds `null`.
    pub fn null(&mut self) -> &mut Self {
        self.item().push_str("null");
        self
    }

    /// Adds a value that was read.
    pub fn value(&mut self, json: &Json<'_>) -> &mut Self {
        value(self.item(), json);
        self
    }

    /// Adds an object, which `fill` writes.
    pub fn object(&mut self, fill: impl FnOnce(&mut Object<'_>)) -> &mut Self {
        Object::write(self.item(), fill);
        self
    }

    /// Adds an array, which `fill` writes.
    pub fn array(&mut self, fill: impl FnOnce(&mut Array<'_>)) -> &mut Self {
        Array::write(self.item(), fill);
        self
    }
}

pub(crate) fn value(out: &mut String, json: &Json<'_>) {
    match json {
        Json::Null => out.push_str("null"),
        Json::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Json::Number(number) => out.push_str(number),
        Json::Text(value) => text(out, value),
        Json::Array(items) => Array::write(out, |array| {
            items.iter().for_each(|item| {
                array.value(item);
            })
        }),
        Json::Object(members) => Object::write(out, |object| {
            members.iter().for_each(|(key, member)| {
                object.value(key, member);
            })
        }),
    }
}

fn int(out: &mut String, value: i64) {
    let _ = write!(out, "{}", value); // writing to a String can't fail
}

fn float(out: &mut String, value: f64) {
    if value.is_finite() {
        let _ = write!(out, "{:?}", value); // with a point or an exponent, as the shortest text that reads the same
    } else {
        out.push_str("null");
    }
}

fn text(out: &mut String, value: &str) {
    out.push('"');
    let mut from = 0;
    for (at, byte) in value.bytes().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.push_str(&value[from..at]);
        from = at + 1;
        match byte {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            _ => drop(write!(out, "\\u{:04x}", byte)),
        }
    }
    out.push_str(&value[from..]);
    out.push('"');
}
