use crate::export::{is_json, WRONG_CODEC};
use crate::{text, Value};

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
        // The daemon writes the fields in this order. They are read one after the other, without a turn of a loop.
        field(&mut left, &mut rest, b"stream", |v| v.as_str(), &mut message.stream)?;
        field(&mut left, &mut rest, b"id", |v| v.as_str(), &mut message.id)?;
        field(&mut left, &mut rest, b"attempt", |v| v.as_u64(), &mut message.attempt)?;
        field(&mut left, &mut rest, b"ts", |v| v.as_f64(), &mut message.ts)?;
        field(&mut left, &mut rest, b"trace_id", |v| v.as_str(), &mut message.trace_id)?;
        field(&mut left, &mut rest, b"platform", |v| v.as_str(), &mut message.platform)?;
        field(&mut left, &mut rest, b"channel_key", |v| v.as_str(), &mut message.channel_key)?;
        field(&mut left, &mut rest, b"maybe_delivered", |v| v.as_bool(), &mut message.maybe_delivered)?;
        field(&mut left, &mut rest, b"payload", Some, &mut message.payload)?;
        Some(message)
    }
}

/// field reads the next field, if it is the one of that name.
#[inline]
fn field<'a, T>(
    left: &mut usize,
    rest: &mut &'a [u8],
    name: &[u8],
    read: impl Fn(Value<'a>) -> Option<T>,
    to: &mut T,
) -> Option<()> {
    if *left == 0 {
        return Some(());
    }
    let (key, behind) = Value::split(rest)?;
    if text::same(key.str_bytes()?, name) {
        // The payload is the last field: nobody needs to know where it ends.
        let (value, behind) = if *left == 1 { (Value::rest(behind), &[][..]) } else { Value::split(behind)? };
        *to = read(value)?;
        *left -= 1;
        *rest = behind;
    }
    Some(())
}
