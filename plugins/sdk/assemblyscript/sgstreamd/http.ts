import { Buffer } from "./buffer";
import { Errno, errnoName } from "./errno";
import { Events, Lines } from "./events";
import { hostClose, hostHead, hostOpen, hostRead } from "./host";
import { parseJsonBytes, toJsonBytes } from "./json";
import { decode } from "./utf8";
import { MISSING, Value, kept } from "./value";
import { Writer, map } from "./writer";

/**
 * A request through the daemon, to where the operator allows it. `new Request("POST", url).header("Accept", "*\/*").send()`
 */
export class Request {
  private headers: Writer = new Writer().reset(0x80);
  private secrets: string[] = [];
  private body_: Uint8Array | null = null;
  private timeoutMs: i64 = 0;

  constructor(readonly method: string, readonly url: string) {}

  /** Sets a header field; each name once. */
  header(name: string, value: string): this {
    this.headers.set(name, value);
    return this;
  }

  /** Names a secret of the operator's, which the daemon puts into the request. One for the URL's path stands there as {id}. */
  secret(id: string): this {
    this.secrets.push(id);
    return this;
  }

  /** Sets the body. */
  body(bytes: Uint8Array): this {
    this.body_ = bytes;
    return this;
  }

  /** Sets the body to a text in UTF-8. */
  text(text: string): this { return this.body(new Buffer(text.length * 3).only(text).toBytes()); }

  /** Sets the body to JSON, and its Content-Type. What JSON can't say, such as binary, is the author's error. */
  json(value: Value): this {
    const bytes = toJsonBytes(value);
    if (bytes === null) throw new Error("Request: the body holds what JSON can't say");
    return this.header("Content-Type", "application/json; charset=utf-8").body(bytes);
  }

  /** Bounds the time of the request with all of its response; the operator's http.timeout holds besides. */
  timeout(ms: i64): this {
    this.timeoutMs = ms;
    return this;
  }

  /** Sends the request and waits for the head of its response. Any status is a response; look at `failed` first. */
  send(): Response {
    const m = map().set("url", this.url).set("method", this.method).set("headers", this.headers);
    const body = this.body_;
    if (body !== null) m.set("body", body);
    if (this.timeoutMs > 0) m.set("timeout_ms", this.timeoutMs);
    if (this.secrets.length) m.set("secrets", this.secrets);
    const doc = m.value;
    return new Response(hostOpen(doc.from, doc.to - doc.from));
  }
}

/** What a server has answered, or why there is no answer. It is good until the plugin's function returns. */
export class Response {
  /** OK, or why there is no response, or not the rest of one. */
  errno: i32 = Errno.OK;
  /** The same in a line, for a log or a verdict: "http: EUNAVAILABLE: connection refused". */
  error: string = "";
  /** The status, such as 200. */
  status: i32 = 0;
  /** The header fields: a map of names in lower case to lists of texts. */
  headers: Value = MISSING;
  /** The URL that answered. */
  url: string = "";

  constructor(private handle: i32) {
    if (handle < 0) this.fail(handle);
    else this.readHead();
  }

  private readHead(): void {
    let room = new ArrayBuffer(2048);
    let n = hostHead(this.handle, changetype<usize>(room), room.byteLength);
    if (n > room.byteLength) { // it does not change: now it fits
      room = new ArrayBuffer(n);
      n = hostHead(this.handle, changetype<usize>(room), n);
    }
    if (n < 0) {
      this.fail(n);
      this.close();
      return;
    }
    const head = kept(changetype<usize>(room), n);
    this.status = <i32>head.get("status").int;
    this.headers = head.get("headers");
    this.url = head.textOf("url");
  }

  /** Whether there is no response, or reading it went wrong. */
  get failed(): bool { return this.errno < 0; }

  /** Whether the status is one of success, 200 to 299. */
  get ok(): bool { return this.status >= 200 && this.status < 300; }

  /** The first value of a header field, or "". */
  header(name: string): string { return this.headers.get(name.toLowerCase()).item(0).text; }

  /** Reads more of the body: how many bytes there are now in `into`, 0 at the end, or an Errno. It waits for one byte. */
  read(into: Uint8Array): i32 {
    if (this.errno < 0) return this.errno;
    const n = hostRead(this.handle, into.dataStart, into.length);
    if (n < 0) this.fail(n);
    return n;
  }

  /** The rest of the body. If `failed` then, it is cut short. */
  bytes(): Uint8Array {
    const chunk = new Uint8Array(16 * 1024);
    const all = new Buffer();
    for (let n = this.read(chunk); n > 0; n = this.read(chunk)) all.bytes(chunk.dataStart, n);
    return all.toBytes();
  }

  /** The rest of the body, as a text in UTF-8. */
  text(): string {
    const bytes = this.bytes();
    return decode(bytes.dataStart, bytes.length);
  }

  /** The rest of the body, read as JSON; null if it is none. */
  json(): Value | null { return parseJsonBytes(this.bytes()); }

  /** The body's lines, as they arrive. */
  lines(): Lines { return new Lines(this); }

  /** The body's server-sent events, as they arrive. */
  events(): Events { return new Events(this); }

  /** Lets the request go. At the end of the call that happens by itself. */
  close(): void {
    if (this.handle > 0) hostClose(this.handle);
    this.handle = 0;
  }

  /** Ends the response, since a line or event in it has more than `most`. For the readers of those. */
  refuseMore(most: i32): void {
    this.errno = Errno.LIMIT;
    this.error = "http: ELIMIT: a line or event has more than " + most.toString() + " bytes";
    this.close();
  }

  private fail(errno: i32): void {
    const text = new Uint8Array(512);
    const n = hostHead(0, text.dataStart, text.length);
    this.errno = errno;
    this.error = "http: " + errnoName(errno) + (n > 0 ? ": " + decode(text.dataStart, min(n, text.length)) : "");
  }
}
