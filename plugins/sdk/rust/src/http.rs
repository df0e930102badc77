//! Requests, which the daemon makes, to the origins that the operator allows.

use std::io;
use std::marker::PhantomData;
use std::time::Duration;

use crate::call::write_out;
use crate::events::{Events, Lines};
use crate::host::{check, imports};
use crate::{HostError, Value};

/// What is asked of a server. [`Call::send`](crate::Call::send) sends it.
///
/// It is no part of what is committed: what it has done at its server stays done when the message is tried again.
#[derive(Clone, Default)]
pub struct Request {
    method: Option<String>,
    url: String,
    headers: Vec<(String, String)>,
    body: Option<Vec<u8>>,
    timeout: Option<Duration>,
    secrets: Vec<String>,
}

impl Request {
    /// A request with any method, in upper case.
    pub fn new(method: &str, url: &str) -> Request {
        Request { method: Some(method.into()), url: url.into(), ..Request::default() }
    }

    /// A GET request.
    pub fn get(url: &str) -> Request {
        Request { url: url.into(), ..Request::default() }
    }

    /// A POST request.
    pub fn post(url: &str, body: impl Into<Vec<u8>>) -> Request {
        Request::new("POST", url).body(body)
    }

    /// Adds a header field. One that is added again is there twice.
    pub fn header(mut self, name: &str, value: &str) -> Request {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sets what is sent.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Request {
        self.body = Some(body.into());
        self
    }

    /// Sets how long the request may take with all of its response; at most, and without it, as long as the operator
    /// allows.
    pub fn timeout(mut self, timeout: Duration) -> Request {
        self.timeout = Some(timeout);
        self
    }

    /// Adds the id of one of the operator's secrets, which the daemon puts into the request. The plugin never sees it.
    /// One that goes into the URL's path stands there as `{id}`.
    pub fn secret(mut self, id: &str) -> Request {
        self.secrets.push(id.into());
        self
    }

    fn write(&self, map: &mut crate::Map<'_>) {
        map.text("url", &self.url);
        if let Some(method) = &self.method {
            map.text("method", method);
        }
        if !self.headers.is_empty() {
            map.map("headers", |fields| self.write_headers(fields));
        }
        if let Some(body) = &self.body {
            map.bytes("body", body);
        }
        if let Some(timeout) = self.timeout {
            map.int("timeout_ms", i64::try_from(timeout.as_millis()).unwrap_or(i64::MAX).max(1));
        }
        if !self.secrets.is_empty() {
            map.list("secrets", |ids| {
                self.secrets.iter().for_each(|id| {
                    ids.text(id);
                })
            });
        }
    }

    /// write_headers writes each name once, with all its values.
    fn write_headers(&self, fields: &mut crate::Map<'_>) {
        for (i, (name, _)) in self.headers.iter().enumerate() {
            let same = |field: &&(String, String)| field.0.eq_ignore_ascii_case(name);
            if self.headers[..i].iter().any(|field| same(&field)) {
                continue;
            }
            fields.list(name, |values| {
                self.headers.iter().filter(same).for_each(|field| {
                    values.text(&field.1);
                })
            });
        }
    }
}

/// Exchange is a handle, which is closed when nobody needs it any more.
struct Exchange(i32);

impl Drop for Exchange {
    fn drop(&mut self) {
        unsafe { imports::http_close(self.0) }
    }
}

/// A request that is under way.
pub struct Pending<'c> {
    exchange: Exchange,
    call: PhantomData<&'c ()>,
}

impl<'c> Pending<'c> {
    pub(crate) fn open(request: &Request) -> Result<Pending<'c>, HostError> {
        let send = |document: &[u8]| unsafe { imports::http_open(document.as_ptr(), document.len()) };
        let handle = write_out(|map| request.write(map), send);
        check("http_open", handle).map_err(explain)?;
        Ok(Pending { exchange: Exchange(handle), call: PhantomData })
    }

    /// Waits for the head of the response.
    pub fn wait(self) -> Result<Response<'c>, HostError> {
        let mut head = vec![0; FIRST_HEAD];
        loop {
            let result = unsafe { imports::http_head(self.exchange.0, head.as_mut_ptr(), head.len()) };
            match check("http_head", result).map_err(explain)? {
                n if n <= head.len() => {
                    head.truncate(n);
                    break;
                }
                n => head = vec![0; n], // the head does not change: now it fits
            }
        }
        let status = Value::read(&head).ok().and_then(|head| head.get("status")?.as_u64()).unwrap_or(0);
        Ok(Response { status: status as u16, head, exchange: self.exchange, call: self.call })
    }
}

/// The room that a head is given before its length is known, in bytes.
const FIRST_HEAD: usize = 2048;

/// explain asks the daemon for the words of its last refusal.
fn explain(mut error: HostError) -> HostError {
    let mut text = [0; 512];
    let n = unsafe { imports::http_head(0, text.as_mut_ptr(), text.len()) };
    let n = usize::try_from(n).unwrap_or(0).min(text.len());
    error.text = String::from_utf8_lossy(&text[..n]).into_owned();
    error
}

/// What a server has answered. Its body is read as it arrives. It ends with the call at the latest, and when the
/// response is dropped.
pub struct Response<'c> {
    /// The status, such as 200.
    pub status: u16,
    head: Vec<u8>,
    exchange: Exchange,
    call: PhantomData<&'c ()>,
}

impl<'c> Response<'c> {
    fn head(&self) -> Value<'_> {
        Value::read(&self.head).unwrap_or(Value::EMPTY_MAP)
    }

    /// The URL that has answered: another than the request's if the daemon followed redirects.
    pub fn url(&self) -> &str {
        self.head().text("url")
    }

    /// The first value of a header field, whatever the case of its name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers().find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The header fields, the name in lower case, each value by itself.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        let fields = self.head().get("headers").unwrap_or(Value::EMPTY_MAP);
        fields
            .entries()
            .flat_map(|(name, values)| values.items().filter_map(move |value| Some((name.as_str()?, value.as_str()?))))
    }

    /// Waits for more of the body and reads it: the number of bytes, 0 at the end.
    pub fn read(&mut self, buf: &mut [u8]) -> Result<usize, HostError> {
        if buf.is_empty() {
            return Ok(0);
        }
        let result = unsafe { imports::http_read(self.exchange.0, buf.as_mut_ptr(), buf.len()) };
        check("http_read", result).map_err(explain)
    }

    /// Reads what is left of the body, but no more than `limit` bytes of it.
    pub fn read_up_to(&mut self, limit: usize) -> Result<Vec<u8>, HostError> {
        let mut body = Vec::new();
        while body.len() < limit {
            let start = body.len();
            body.resize((start + READ).min(limit), 0);
            let n = self.read(&mut body[start..])?;
            body.truncate(start + n);
            if n == 0 {
                break;
            }
        }
        Ok(body)
    }

    /// The body's lines, as they arrive.
    pub fn lines(&mut self) -> Lines<&mut Response<'c>> {
        Lines::new(self)
    }

    /// The body's server-sent events, as they arrive.
    pub fn events(&mut self) -> Events<&mut Response<'c>> {
        Events::new(self)
    }
}

/// How much of a body is asked for at a time, in bytes.
pub(crate) const READ: usize = 4096;

impl io::Read for Response<'_> {
    /// Reads as [`Response::read`] does; the error holds its [`HostError`].
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        Response::read(self, buf).map_err(|e| io::Error::new(io::ErrorKind::Other, e))
    }
}
