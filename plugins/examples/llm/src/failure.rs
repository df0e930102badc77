use std::time::Duration;

use sgs::json::Json;
use sgs::{Errno, HostError, Response};

/// Why there is no answer.
pub enum Failure {
    /// Another try may bring one, not before `after` where the API has said so.
    Again { after: Option<Duration>, why: String },
    /// No other try will.
    Never { why: String },
}

impl Failure {
    pub fn again(why: impl Into<String>) -> Failure {
        Failure::Again { after: None, why: why.into() }
    }
}

impl From<HostError> for Failure {
    /// Time that is over, connections that fail and a Redis that does not answer can be different the next time. What
    /// the operator does not allow, and what is too large, stays so.
    fn from(error: HostError) -> Failure {
        match error.errno {
            Errno::UNAVAILABLE | Errno::CANCELLED => Failure::again(error.to_string()),
            _ => Failure::Never { why: error.to_string() },
        }
    }
}

/// The most of an error's body that is read, and that is logged, in bytes.
const MAX_ERROR: usize = 16 << 10;
const MAX_EXCERPT: usize = 300;

/// of_status is what a response that is no answer means.
pub fn of_status(response: &mut Response<'_>) -> Failure {
    let after = wait(|name| response.header(name));
    let body = response.read_up_to(MAX_ERROR).unwrap_or_default(); // the status says enough
    let body = String::from_utf8_lossy(&body);
    let said = match Json::read(&body) {
        Ok(json) => message(&json).to_string(),
        Err(_) => String::new(),
    };
    let why = format!("the API answered {}: {}", response.status, excerpt(if said.is_empty() { &body } else { &said }));
    match response.status {
        408 | 409 | 429 | 500..=599 => Failure::Again { after, why },
        _ => Failure::Never { why },
    }
}

/// of_event is what an error within the stream means: another try, unless it names what no other try changes.
pub fn of_event(json: &Json<'_>) -> Failure {
    let error = json.get("error").unwrap_or(json);
    let why = format!("the API broke its answer off: {}", excerpt(message(json)));
    let filtered = error.text("code") == "content_filter" || error.text("type") == "content_filter";
    match error.get("code").and_then(Json::as_i64) {
        Some(400 | 401 | 403 | 404) => Failure::Never { why },
        _ if filtered => Failure::Never { why },
        _ => Failure::again(why),
    }
}

/// message finds the words of an error: {"error": {"message": …}}, {"error": …} or {"message": …}.
fn message<'j>(json: &'j Json<'_>) -> &'j str {
    match json.get("error") {
        Some(Json::Text(text)) => text,
        Some(error) => error.text("message"),
        None => json.text("message"),
    }
}

/// excerpt is the beginning of a text, in one line.
fn excerpt(text: &str) -> String {
    let mut end = text.len().min(MAX_EXCERPT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The longest wait that is believed.
const MAX_WAIT: Duration = Duration::from_secs(86400);

/// wait is how long the API asks to be left alone: by retry-after-ms, or by Retry-After in seconds or as a date; at most a
/// day. There is no clock to compare a date with but the API's own, its header field Date.
pub fn wait<'h>(header: impl Fn(&str) -> Option<&'h str>) -> Option<Duration> {
    asked(header).map(|wait| wait.min(MAX_WAIT))
}

fn asked<'h>(header: impl Fn(&str) -> Option<&'h str>) -> Option<Duration> {
    let number = |text: &str| text.trim().parse::<f64>().ok().filter(|n| n.is_finite() && *n >= 0.0);
    if let Some(ms) = header("retry-after-ms").and_then(number) {
        return Some(Duration::from_millis(ms as u64));
    }
    let after = header("retry-after")?;
    if let Some(seconds) = number(after) {
        return Some(Duration::from_millis((seconds * 1000.0) as u64));
    }
    let seconds = date(after)? - date(header("date")?)?;
    Some(Duration::from_secs(u64::try_from(seconds).unwrap_or(0)))
}

/// date reads a date such as "Sun, 06 Nov 1994 08:49:37 GMT", as seconds since some day that is always the same.
fn date(text: &str) -> Option<i64> {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let mut parts = text.trim().strip_suffix(" GMT")?.split_once(", ")?.1.split([' ', ':']);
    let day = parts.next()?.parse::<i64>().ok()?;
    let month = parts.next()?;
    let month = MONTHS.iter().position(|m| *m == month)? as i64;
    let mut number = || parts.next()?.parse::<i64>().ok().filter(|n| (0..=9999).contains(n));
    let (year, hour, minute, second) = (number()?, number()?, number()?, number()?);
    // The year begins with March here, so that a leap day is its last.
    let (y, m) = if month < 2 { (year - 1, month + 10) } else { (year, month - 2) };
    let days = 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day;
    Some(((days * 24 + hour) * 60 + minute) * 60 + second)
}
