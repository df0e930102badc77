use std::cell::Cell;
use std::time::Duration;

use crate::export::MAX_KEPT;
use crate::host::{check, imports};
use crate::{http, HostError, Map, Message, Request, Response, State};

thread_local! {
    /// Emits and requests are written here, one after the other.
    static OUT: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// write_out hands a document that `fill` writes to `send`.
pub(crate) fn write_out<T>(fill: impl FnOnce(&mut Map<'_>), send: impl FnOnce(&[u8]) -> T) -> T {
    let mut out = OUT.with(Cell::take);
    out.clear();
    let mut map = Map::open(&mut out);
    fill(&mut map);
    map.close();
    let result = send(&out);
    if out.capacity() <= MAX_KEPT {
        OUT.with(|slot| slot.set(out));
    }
    result
}

/// Where an emit goes to: one of the two.
#[derive(Clone, Copy, Default)]
pub struct To<'a> {
    /// The chat platform whose adapter is to deliver it.
    pub platform: Option<&'a str>,
    /// The key of a stream that the operator lists in `emit_streams`.
    pub stream: Option<&'a str>,
}

impl<'a> To<'a> {
    /// The outbound stream of a platform.
    pub fn platform(name: &'a str) -> To<'a> {
        To { platform: Some(name), stream: None }
    }

    /// A stream that the operator allows.
    pub fn stream(key: &'a str) -> To<'a> {
        To { platform: None, stream: Some(key) }
    }
}

/// The handling of one message.
pub struct Call<'a> {
    /// What is to be handled.
    pub message: Message<'a>,
    /// What the plugin keeps from one message to the next.
    pub state: State<'a>,
}

impl<'a> Call<'a> {
    pub(crate) fn new(message: Message<'a>) -> Call<'a> {
        Call { message, state: State::new() }
    }

    /// Hands an entry to the daemon, whose payload `fill` writes. The daemon checks it at once, and writes it when the
    /// message is done. It adds `message_key`, `trace_id` and `platform` where they are absent.
    pub fn emit(&self, to: To<'_>, fill: impl FnOnce(&mut Map<'_>)) -> Result<(), HostError> {
        let entry = |map: &mut Map<'_>| {
            for (key, name) in [("platform", to.platform), ("stream", to.stream)] {
                if let Some(name) = name {
                    map.text(key, name);
                }
            }
            map.map("payload", fill);
        };
        let result = write_out(entry, |document| unsafe { imports::emit(document.as_ptr(), document.len()) });
        check("emit", result).map(|_| ())
    }

    /// Answers an inbound message: a text to the channel that it came from. It refers to the message by its
    /// `message_id`, where that has one, and carries its trace id on.
    pub fn reply(&self, text: &str) -> Result<(), HostError> {
        let message = &self.message;
        self.emit(To::platform(message.platform), |payload| {
            payload
                .text("platform", message.platform)
                .text("channel_id", message.text("channel_id"))
                .text("type", "message")
                .text("text", text)
                .text("trace_id", message.trace_id);
            match message.text("message_id") {
                "" => {}
                id => {
                    payload.text("reply_to", id);
                }
            }
        })
    }

    /// The time that the call has left. Then the daemon ends it, and the try has failed.
    pub fn time_left(&self) -> Duration {
        Duration::from_millis(u64::try_from(unsafe { imports::deadline_ms() }).unwrap_or(0))
    }

    /// Sends a request and waits for the head of its response. Any status is a response, and no error. Where the server
    /// does not answer in time, the error's number is [`Errno::UNAVAILABLE`](crate::Errno::UNAVAILABLE).
    pub fn send(&self, request: &Request) -> Result<Response<'_>, HostError> {
        self.begin(request)?.wait()
    }

    /// Sends a request and waits for nothing, so that several can be under way at the same time.
    pub fn begin(&self, request: &Request) -> Result<http::Pending<'_>, HostError> {
        http::Pending::open(request)
    }
}
