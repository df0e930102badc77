import { Kind, Value } from "./value";

/** One entry of a stream. It is good until the plugin's function returns. */
export class Message {
  /** The message itself. */
  readonly payload: Value;

  constructor(
    /** The document: what the getters below read, and `payload`. */
    readonly document: Value,
  ) {
    this.payload = document.get("payload");
  }

  /** The key of the stream that the entry was read from. */
  get stream(): string { return this.document.textOf("stream"); }

  /** The entry's id in that stream, such as "1700000000000-0". */
  get id(): string { return this.document.textOf("id"); }

  /** Redis's delivery count: 1 on the first try. */
  get attempt(): i64 { return this.document.get("attempt").int; }

  /** When the entry was enqueued, in Unix seconds. */
  get ts(): f64 { return this.document.get("ts").float; }

  /** Names the operation that the message belongs to; may be empty. */
  get traceId(): string { return this.document.textOf("trace_id"); }

  /** The chat platform that the message came from or goes to; may be empty. */
  get platform(): string { return this.document.textOf("platform"); }

  /** Names the channel in the whole fleet, such as "discord:42"; may be empty. */
  get channelKey(): string { return this.document.textOf("channel_key"); }

  /** Tells an adapter that an earlier try was begun, and that nobody knows whether it reached the platform. */
  get maybeDelivered(): bool { return this.document.get("maybe_delivered").bool; }

  /** A text of the payload, or "" if there is none under the key. Short for `payload.get(key).text`. */
  text(key: string): string { return this.payload.textOf(key); }

  /** A value of the payload. Short for `payload.get(key)`. */
  get(key: string): Value { return this.payload.get(key); }

  /** Whether the document is what the contract says. */
  get isWhole(): bool { return this.payload.kind == Kind.MAP; }
}
