import { hostEmit } from "./host";
import { Message } from "./message";
import { Writer, map } from "./writer";

/**
 * Asks for an entry to be written to the outbound stream of a platform, once the message is done. The payload is a map;
 * the daemon adds message_key, trace_id and platform where they are absent. The answer is an Errno: see Verdict.of.
 */
export function emit(platform: string, payload: Writer): i32 {
  return send(map().set("platform", platform).set("payload", payload));
}

/** As emit, to a stream that the operator allows with emit_streams. */
export function emitToStream(stream: string, payload: Writer): i32 {
  return send(map().set("stream", stream).set("payload", payload));
}

/**
 * Answers an inbound message: a text to the channel that it came from. It refers to the message by its message_id,
 * where that has one, and carries its trace id on.
 */
export function reply(m: Message, text: string): i32 {
  const answer = map().copy(m.document, "platform").copy(m.payload, "channel_id").set("type", "message")
    .set("text", text).copy(m.document, "trace_id");
  const id = m.get("message_id");
  if (!id.isNil && !id.is("")) answer.set("reply_to", id);
  return send(map().copy(m.document, "platform").set("payload", answer));
}

/** Hands the document of an emit over. */
export function send(document: Writer): i32 {
  const v = document.value;
  return hostEmit(v.from, v.to - v.from);
}
