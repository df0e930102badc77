//! Reads lines, and server-sent events, from a body that arrives in pieces.

use std::io::{self, Read};

use crate::http::READ;
use crate::{Errno, HostError};

/// The longest line, and the most data of an event, in bytes.
pub const MAX_LINE: usize = 8 << 20;

/// Lines of a body. One ends with a line feed, a carriage return, or both; the last one may lack its end.
pub struct Lines<R> {
    source: R,
    buffer: Vec<u8>,
    /// What of the buffer has been read and not yet been handed out.
    start: usize,
    end: usize,
    /// The last line ended with a carriage return: a line feed behind it belongs to it.
    after_return: bool,
    over: bool,
}

impl<R: Read> Lines<R> {
    /// Reads lines from `source`.
    pub fn new(source: R) -> Lines<R> {
        Lines { source, buffer: Vec::new(), start: 0, end: 0, after_return: false, over: false }
    }

    /// Waits for the next line and returns it without its end; `None` behind the last. A line of more than
    /// [`MAX_LINE`] bytes is an error.
    pub fn next_line(&mut self) -> Result<Option<&[u8]>, HostError> {
        Ok(self.line()?.map(|(from, to, _)| &self.buffer[from..to]))
    }

    /// line returns where the next line lies in the buffer, and whether it has an end.
    fn line(&mut self) -> Result<Option<(usize, usize, bool)>, HostError> {
        let mut seen = 0; // of the bytes that are there, those that are known to hold no end
        loop {
            if self.after_return && self.start < self.end {
                self.after_return = false;
                self.start += usize::from(self.buffer[self.start] == b'\n');
            }
            let there = &self.buffer[self.start..self.end];
            if let Some(n) = there[seen..].iter().position(|b| matches!(b, b'\n' | b'\r')) {
                let (from, to) = (self.start, self.start + seen + n);
                self.after_return = self.buffer[to] == b'\r';
                self.start = to + 1;
                return Ok(Some((from, to, true)));
            }
            seen = there.len();
            if seen > MAX_LINE {
                return Err(too_long());
            }
            if self.over || self.fill()? == 0 {
                self.over = true;
                let from = std::mem::replace(&mut self.start, self.end);
                return Ok(if from < self.end { Some((from, self.end, false)) } else { None });
            }
        }
    }

    /// fill reads more behind what is there.
    fn fill(&mut self) -> Result<usize, HostError> {
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        if self.buffer.len() - self.end < READ {
            self.buffer.resize((2 * self.buffer.len()).max(2 * READ), 0);
        }
        let n = self.source.read(&mut self.buffer[self.end..]).map_err(host_error)?;
        self.end += n;
        Ok(n)
    }
}

fn too_long() -> HostError {
    HostError {
        function: "http_read",
        errno: Errno::LIMIT,
        text: format!("a line or event has more than {} bytes", MAX_LINE),
    }
}

fn host_error(error: io::Error) -> HostError {
    let text = error.to_string();
    match error.into_inner().and_then(|inner| inner.downcast::<HostError>().ok()) {
        Some(error) => *error,
        None => HostError { function: "http_read", errno: Errno::UNAVAILABLE, text },
    }
}

/// A server-sent event.
#[derive(PartialEq, Eq, Debug)]
pub struct Event<'a> {
    /// Its type; "message" where the server gave none.
    pub event: &'a str,
    /// Its data, the lines joined by line feeds.
    pub data: &'a str,
    /// The last id that the server has given; empty if none.
    pub id: &'a str,
}

/// The server-sent events of a body (`text/event-stream`).
pub struct Events<R> {
    lines: Lines<R>,
    first: bool,
    event: String,
    data: String,
    id: String,
    has_data: bool,
}

impl<R: Read> Events<R> {
    /// Reads events from `source`.
    pub fn new(source: R) -> Events<R> {
        Events {
            lines: Lines::new(source),
            first: true,
            event: String::new(),
            data: String::new(),
            id: String::new(),
            has_data: false,
        }
    }

    /// Waits for the next event; `None` at the end of the body. What lacks the empty line behind it when the body ends
    /// is no event. Bytes that are not UTF-8 become U+FFFD.
    pub fn next_event(&mut self) -> Result<Option<Event<'_>>, HostError> {
        self.event.clear();
        self.data.clear();
        self.has_data = false;
        while let Some((from, to, whole)) = self.lines.line()? {
            if !whole {
                break;
            }
            let mut line = &self.lines.buffer[from..to];
            if std::mem::take(&mut self.first) {
                line = line.strip_prefix("\u{feff}".as_bytes()).unwrap_or(line);
            }
            if !line.is_empty() {
                field(line, &mut self.event, &mut self.data, &mut self.id, &mut self.has_data);
            } else if self.has_data {
                let event = if self.event.is_empty() { "message" } else { &self.event };
                return Ok(Some(Event { event, data: &self.data, id: &self.id }));
            } else {
                self.event.clear();
            }
            if self.data.len() > MAX_LINE {
                return Err(too_long());
            }
        }
        Ok(None)
    }
}

/// field reads a line that is not empty. One that begins with a colon is a comment.
fn field(line: &[u8], event: &mut String, data: &mut String, id: &mut String, has_data: &mut bool) {
    let colon = line.iter().position(|b| *b == b':').unwrap_or(line.len());
    let value = line.get(colon + 1..).unwrap_or(&[]);
    let value = String::from_utf8_lossy(value.strip_prefix(b" ").unwrap_or(value));
    match &line[..colon] {
        b"event" => *event = value.into_owned(),
        b"data" => {
            if std::mem::replace(has_data, true) {
                data.push('\n');
            }
            data.push_str(&value);
        }
        b"id" if !value.contains('\0') => *id = value.into_owned(),
        _ => {}
    }
}
