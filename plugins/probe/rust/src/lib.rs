//! Does what a message's steps say, and answers with what it saw: the conformance probe of the Rust SDK.

use std::time::Duration;

use sgs::json::Json;
use sgs::{Call, HostError, Level, Outcome, Plugin, Refusal, Request, To, Value, Verdict};

sgs::plugin!(Probe);

struct Probe {
    config: Vec<u8>,
}

impl Plugin for Probe {
    fn configure(config: Value<'_>) -> Result<Probe, Refusal> {
        match config.get("refuse").and_then(Value::as_str) {
            Some(why) => Err(why.into()),
            None => Ok(Probe { config: config.raw().to_vec() }),
        }
    }

    fn handle(&mut self, call: &Call) -> Outcome {
        let mut reports = Vec::new();
        let steps = call.message.payload.get("steps").unwrap_or(Value::NIL);
        for step in steps.items() {
            reports.extend(self.step(call, step)?);
        }
        let message = &call.message;
        call.emit(To::platform(message.platform), |payload| {
            payload
                .text("platform", message.platform)
                .text("channel_id", message.text("channel_id"))
                .text("type", "message")
                .text("text", &reports.join("\n"));
        })?;
        Ok(())
    }

    fn stop(&mut self) {
        sgs::info("stopped");
    }
}

impl Probe {
    /// step does one step, and returns what it reports.
    fn step(&self, call: &Call, step: Value<'_>) -> Result<Option<String>, Verdict> {
        let message = &call.message;
        Ok(Some(match step.text("op") {
            "message" => described(call),
            "copy" => {
                call.emit(To::platform(message.platform), |payload| {
                    payload.text("platform", message.platform);
                    payload.value("value", message.payload.get(step.text("key")).unwrap_or(Value::NIL));
                })?;
                return Ok(None);
            }
            "text" => found(message.payload, step).unwrap_or("-").into(),
            "log" => {
                sgs::log(level(step), step.text("text"));
                return Ok(None);
            }
            "emit" => {
                let name = |key| step.get(key).and_then(Value::as_str);
                let to = To { platform: name("platform"), stream: name("stream") };
                outcome(call.emit(to, |payload| {
                    payload.text("text", step.text("text"));
                }))
            }
            "get" => match call.state.get(step.text("key")) {
                Ok(Some(value)) => String::from_utf8_lossy(&value).into_owned(),
                Ok(None) => "-".into(),
                Err(e) => e.errno.to_string(),
            },
            "set" => outcome(set(call, step)),
            "delete" => outcome(call.state.delete(step.text("key"))),
            "count" => outcome(sgs::count(step.text("name"), integer(step, "n"))),
            "config" => {
                let config = Value::read(&self.config)?;
                config.get(step.text("key")).and_then(Value::as_str).unwrap_or("-").into()
            }
            "deadline" => (1..=3_600_000).contains(&call.time_left().as_millis()).to_string(),
            "http" => http(call, step).unwrap_or_else(|e| e.errno.to_string()),
            "events" => events(call, step).unwrap_or_else(|e| e.errno.to_string()),
            "json" => Json::read(step.text("text")).map_or("invalid".into(), |json| json.to_string()),
            "retry" => return Err(Verdict::retry(step.text("reason")).after(milliseconds(step, "after_ms"))),
            "reject" => return Err(Verdict::reject(step.text("reason"))),
            "drop" => return Err(Verdict::drop()),
            "fail" => return Err(std::io::Error::new(std::io::ErrorKind::Other, step.text("reason")).into()),
            "trap" => panic!("the step is a trap"),
            op => return Err(Verdict::reject(format!("there is no op {:?}", op))),
        }))
    }
}

fn outcome(result: Result<(), HostError>) -> String {
    result.map_or_else(|e| e.errno.to_string(), |()| "OK".into())
}

fn integer(step: Value<'_>, key: &str) -> i64 {
    step.get(key).and_then(Value::as_i64).unwrap_or(0)
}

fn milliseconds(step: Value<'_>, key: &str) -> Duration {
    Duration::from_millis(u64::try_from(integer(step, key)).unwrap_or(0))
}

fn level(step: Value<'_>) -> Level {
    match integer(step, "level") {
        0 => Level::Debug,
        1 => Level::Info,
        2 => Level::Warn,
        _ => Level::Error,
    }
}

fn described(call: &Call) -> String {
    let m = &call.message;
    let ts = (m.ts * 1000.0).round() as i64;
    format!(
        "{}|{}|{}|{}|{}|{}|{}|{}",
        m.stream, m.id, m.attempt, ts, m.trace_id, m.platform, m.channel_key, m.maybe_delivered
    )
}

/// found follows the step's path through maps and lists.
fn found<'a>(payload: Value<'a>, step: Value<'_>) -> Option<&'a str> {
    let mut value = payload;
    for part in step.get("path")?.items() {
        value = match part.as_str() {
            Some(key) => value.get(key)?,
            None => value.at(usize::try_from(part.as_u64()?).ok()?)?,
        };
    }
    value.as_str()
}

fn set(call: &Call, step: Value<'_>) -> Result<(), HostError> {
    let value = step.get("value").and_then(Value::as_bytes).unwrap_or(b"");
    match milliseconds(step, "ttl_ms") {
        Duration::ZERO => call.state.set(step.text("key"), value),
        ttl => call.state.set_for(step.text("key"), value, ttl),
    }
}

fn http(call: &Call, step: Value<'_>) -> Result<String, HostError> {
    let mut request = Request::get(step.text("url"));
    if let Some(method) = step.get("method").and_then(Value::as_str) {
        request = Request::new(method, step.text("url"));
    }
    if let Some(body) = step.get("body").and_then(Value::as_bytes) {
        request = request.body(body);
    }
    for (name, value) in step.get("headers").unwrap_or(Value::EMPTY_MAP).entries() {
        request = request.header(name.as_str().unwrap_or(""), value.as_str().unwrap_or(""));
    }
    for id in step.get("secrets").unwrap_or(Value::NIL).items() {
        request = request.secret(id.as_str().unwrap_or(""));
    }
    let mut response = call.send(&request)?;
    let (mut body, mut piece) = (Vec::new(), [0; 16]);
    loop {
        match response.read(&mut piece)? {
            0 => break,
            n => body.extend_from_slice(&piece[..n]),
        }
    }
    let header = response.header("x-probe").unwrap_or("-");
    Ok(format!("{}|{}|{}", response.status, header, String::from_utf8_lossy(&body)))
}

fn events(call: &Call, step: Value<'_>) -> Result<String, HostError> {
    let mut response = call.send(&Request::get(step.text("url")))?;
    let mut events = response.events();
    let mut all = Vec::new();
    while let Some(event) = events.next_event()? {
        all.push(event.data.to_string());
    }
    Ok(all.join(","))
}
