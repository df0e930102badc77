use crate::export::{is_json, WRONG_CODEC};
use crate::Value;

/// A message to be handled. Its texts are views into the daemon's document and good until the call ends.
#[derive(Clone, Copy)]
pub struct Message<'a> {
    /// The key of the stream that it was read from.
    pub stream: &'a str,
    /// Its id in that stream, such as `1700000000000-0`.
    pub id: &'a str,
    /// 1 on the first try.
    pub attempt: u64,
    /// When it was enqueued, in Unix seconds.
    pub ts: f64,
    /// The trace id; may be empty.
    pub trace_id: &'a str,
    /// The chat platform; empty if the payload has none.
    pub platform: &'a str,
    /// The channel; empty if the payload has none.
    pub channel_key: &'a str,
    /// Whether an earlier try to deliver it was begun, and nobody knows how it ended. For adapters.
    pub maybe_delivered: bool,
    /// All that the message holds: a map.
    pub payload: Value<'a>,
}

impl<'a> Message<'a> {
    /// The text that the payload has under a key; `""` if there is none.
    pub fn text(&self, key: &str) -> &'a str {
        self.payload.text(key)
    }

    pub(crate) fn read(document: &'a [u8]) -> Result<Message<'a>, &'static str> {
        if is_json(document) {
            return Err(WRONG_CODEC);
        }
        Message::fields(document).ok_or("the message's document is not a msgpack map; daemon and plugin do not fit together")
    }

    fn fields(document: &'a [u8]) -> Option<Message<'a>> {
        let mut message = Message {
            stream: "",
            id: "",
            attempt: 0,
            ts: 0.0,
            trace_id: "",
            platform: "",
            channel_key: "",
            maybe_delivered: false,
            payload: Value::EMPTY_MAP,
        };
        let (mut left, mut rest) = Value::open_map(document)?;
        while left > 0 {
            left -= 1;
            let (key, behind) = Value::split(rest)?;
            let (value, behind) = Value::split(behind)?;
            rest = behind;
            match key.str_bytes()? {
                b"stream" => message.stream = value.as_str()?,
                b"id" => message.id = value.as_str()?,
                b"attempt" => message.attempt = value.as_u64()?,
                b"ts" => message.ts = value.as_f64()?,
                b"trace_id" => message.trace_id = value.as_str()?,
                b"platform" => message.platform = value.as_str()?,
                b"channel_key" => message.channel_key = value.as_str()?,
                b"maybe_delivered" => message.maybe_delivered = value.as_bool()?,
                b"payload" => message.payload = value,
                _ => {} // a later version may say more
            }
        }
        Some(message)
    }
}
