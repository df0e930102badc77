use crate::Value;

/// A msgpack map that is being written: each method adds an entry.
pub struct Map<'w> {
    out: &'w mut Vec<u8>,
    start: usize,
    n: usize,
}

/// A msgpack list that is being written: each method adds an item.
pub struct List<'w> {
    out: &'w mut Vec<u8>,
    start: usize,
    n: usize,
}

impl<'w> Map<'w> {
    pub(crate) fn open(out: &'w mut Vec<u8>) -> Map<'w> {
        let start = out.len();
        out.push(0x80);
        Map { out, start, n: 0 }
    }

    pub(crate) fn close(self) {
        close(self.out, self.start, self.n, 0x80, 0xde)
    }

    #[inline(always)]
    fn key(&mut self, key: &str) -> &mut Vec<u8> {
        self.n += 1;
        text(self.out, key);
        self.out
    }

    /// Adds a text.
    #[inline]
    pub fn text(&mut self, key: &str, value: &str) -> &mut Self {
        text(self.key(key), value);
        self
    }

    /// Adds bytes.
    pub fn bytes(&mut self, key: &str, value: &[u8]) -> &mut Self {
        bytes(self.key(key), value);
        self
    }

    /// Adds a whole number.
    pub fn int(&mut self, key: &str, value: i64) -> &mut Self {
        int(self.key(key), value);
        self
    }

    /// Adds a whole number that is not negative.
    pub fn uint(&mut self, key: &str, value: u64) -> &mut Self {
        uint(self.key(key), value);
        self
    }

    /// Adds a number of 64 bits with a point.
    pub fn float(&mut self, key: &str, value: f64) -> &mut Self {
        float(self.key(key), value);
        self
    }

    /// Adds true or false.
    pub fn bool(&mut self, key: &str, value: bool) -> &mut Self {
        self.key(key).push(0xc2 | value as u8);
        self
    }

    /// Adds nil.
    pub fn nil(&mut self, key: &str) -> &mut Self {
        self.key(key).push(0xc0);
        self
    }

    /// Adds a value that was received, byte for byte.
    pub fn value(&mut self, key: &str, value: Value<'_>) -> &mut Self {
        self.key(key).extend_from_slice(value.raw());
        self
    }

    /// Adds a map, which `fill` writes.
    pub fn map(&mut self, key: &str, fill: impl FnOnce(&mut Map<'_>)) -> &mut Self {
        let mut map = Map::open(self.key(key));
        fill(&mut map);
        map.close();
        self
    }

    /// Adds a list, which `fill` writes.
    pub fn list(&mut self, key: &str, fill: impl FnOnce(&mut List<'_>)) -> &mut Self {
        let mut list = List::open(self.key(key));
        fill(&mut list);
        list.close();
        self
    }
}

impl<'w> List<'w> {
    fn open(out: &'w mut Vec<u8>) -> List<'w> {
        let start = out.len();
        out.push(0x90);
        List { out, start, n: 0 }
    }

    fn close(self) {
        close(self.out, self.start, self.n, 0x90, 0xdc)
    }

    fn item(&mut self) -> &mut Vec<u8> {
        self.n += 1;
        self.out
    }

    /// Adds a text.
    pub fn text(&mut self, value: &str) -> &mut Self {
        text(self.item(), value);
        self
    }

    /// Adds bytes.
    pub fn bytes(&mut self, value: &[u8]) -> &mut Self {
        bytes(self.item(), value);
        self
    }

    /// Adds a whole number.
    pub fn int(&mut self, value: i64) -> &mut Self {
        int(self.item(), value);
        self
    }

    /// Adds a whole number that is not negative.
    pub fn uint(&mut self, value: u64) -> &mut Self {
        uint(self.item(), value);
        self
    }

    /// Adds a number of 64 bits with a point.
    pub fn float(&mut self, value: f64) -> &mut Self {
        float(self.item(), value);
        self
    }

    /// Adds true or false.
    pub fn bool(&mut self, value: bool) -> &mut Self {
        self.item().push(0xc2 | value as u8);
        self
    }

    /// Adds nil.
    pub fn nil(&mut self) -> &mut Self {
        self.item().push(0xc0);
        self
    }

    /// Adds a value that was received, byte for byte.
    pub fn value(&mut self, value: Value<'_>) -> &mut Self {
        self.item().extend_from_slice(value.raw());
        self
    }

    /// Adds a map, which `fill` writes.
    pub fn map(&mut self, fill: impl FnOnce(&mut Map<'_>)) -> &mut Self {
        let mut map = Map::open(self.item());
        fill(&mut map);
        map.close();
        self
    }

    /// Adds a list, which `fill` writes.
    pub fn list(&mut self, fill: impl FnOnce(&mut List<'_>)) -> &mut Self {
        let mut list = List::open(self.item());
        fill(&mut list);
        list.close();
        self
    }
}

/// close writes the number of entries, which is known only now. Most have room in the one byte that was left for it.
fn close(out: &mut Vec<u8>, start: usize, n: usize, short: u8, long: u8) {
    match n {
        0..=15 => out[start] = short | n as u8,
        16..=0xffff => {
            out[start] = long;
            out.splice(start + 1..start + 1, (n as u16).to_be_bytes());
        }
        _ => {
            out[start] = long + 1;
            out.splice(start + 1..start + 1, (n as u32).to_be_bytes());
        }
    }
}

#[inline(always)] // of a key that is known, nothing is left but its bytes
fn text(out: &mut Vec<u8>, value: &str) {
    match value.len() {
        n @ 0..=31 => out.push(0xa0 | n as u8),
        n @ 32..=0xff => out.extend_from_slice(&[0xd9, n as u8]),
        n => long(out, 0xda, n),
    }
    out.extend_from_slice(value.as_bytes());
}

fn bytes(out: &mut Vec<u8>, value: &[u8]) {
    match value.len() {
        n @ 0..=0xff => out.extend_from_slice(&[0xc4, n as u8]),
        n => long(out, 0xc5, n),
    }
    out.extend_from_slice(value);
}

/// long writes a length of two bytes behind tag, or one of four behind the next tag.
fn long(out: &mut Vec<u8>, tag: u8, n: usize) {
    match u16::try_from(n) {
        Ok(n) => {
            out.push(tag);
            out.extend_from_slice(&n.to_be_bytes());
        }
        Err(_) => {
            out.push(tag + 1);
            out.extend_from_slice(&(n as u32).to_be_bytes());
        }
    }
}

fn uint(out: &mut Vec<u8>, value: u64) {
    match value {
        0..=0x7f => out.push(value as u8),
        0x80..=0xff => out.extend_from_slice(&[0xcc, value as u8]),
        0x100..=0xffff => tagged(out, 0xcd, &(value as u16).to_be_bytes()),
        0x1_0000..=0xffff_ffff => tagged(out, 0xce, &(value as u32).to_be_bytes()),
        _ => tagged(out, 0xcf, &value.to_be_bytes()),
    }
}

fn int(out: &mut Vec<u8>, value: i64) {
    match value {
        0.. => uint(out, value as u64),
        -32..=-1 => out.push(value as u8),
        -0x80..=-33 => out.extend_from_slice(&[0xd0, value as u8]),
        -0x8000..=-0x81 => tagged(out, 0xd1, &(value as i16).to_be_bytes()),
        -0x8000_0000..=-0x8001 => tagged(out, 0xd2, &(value as i32).to_be_bytes()),
        _ => tagged(out, 0xd3, &value.to_be_bytes()),
    }
}

fn float(out: &mut Vec<u8>, value: f64) {
    tagged(out, 0xcb, &value.to_be_bytes())
}

fn tagged(out: &mut Vec<u8>, tag: u8, number: &[u8]) {
    out.push(tag);
    out.extend_from_slice(number);
}
