import { Buffer } from "./buffer";
import { Response } from "./http";
import { decode } from "./utf8";

/** The longest line, and the most data of an event, in bytes and characters. */
const MOST: i32 = 8 << 20;

/** The lines of a response's body, as they arrive. A line ends with \n, \r\n or \r. */
export class Lines {
  private chunk: Uint8Array = new Uint8Array(4096);
  private next_: i32 = 0;
  private filled: i32 = 0;
  /** What has arrived of a line; it may end within a character. */
  private part: Buffer = new Buffer();
  private afterReturn: bool = false;
  private atEnd: bool = false;

  constructor(private readonly response: Response) {}

  /** The next line, without its end; null behind the last one, or if the response has `failed`. */
  next(): string | null {
    while (true) {
      if (this.response.failed) return null;
      if (this.next_ == this.filled && !this.fill()) return this.last();
      let i = this.next_;
      if (this.afterReturn) {
        this.afterReturn = false;
        if (this.chunk[i] == 0x0a) {
          this.next_ = i + 1;
          continue;
        }
      }
      while (i < this.filled && !isEnd(unchecked(this.chunk[i]))) i++;
      this.part.bytes(this.chunk.dataStart + this.next_, i - this.next_);
      this.next_ = i;
      if (this.part.size > <usize>MOST) {
        this.part.size = 0;
        this.response.refuseMore(MOST);
        this.next_ = this.filled; // what is left of the piece is no line
        continue;
      }
      if (i == this.filled) continue;
      this.afterReturn = this.chunk[i] == 0x0d;
      this.next_ = i + 1;
      return this.take();
    }
  }

  private fill(): bool {
    if (this.atEnd) return false;
    const n = this.response.read(this.chunk);
    this.atEnd = n <= 0;
    this.next_ = 0;
    this.filled = max(n, 0);
    return n > 0;
  }

  /** What stands behind the last line's end. */
  private last(): string | null { return this.part.size && !this.response.failed ? this.take() : null; }

  private take(): string {
    const line = decode(this.part.at, this.part.size);
    this.part.size = 0;
    return line;
  }
}

// @ts-ignore: decorator
@inline
function isEnd(c: u8): bool { return c == 0x0a || c == 0x0d; }

/** A server-sent event. */
export class Event {
  constructor(
    /** Its type: "message" unless the server says otherwise. */
    readonly type: string,
    /** Its data; several lines are joined by \n. */
    readonly data: string,
    /** The last id that the server has given, or "". */
    readonly id: string,
  ) {}
}

/** The server-sent events of a response, as they arrive. */
export class Events {
  private readonly lines: Lines;
  private type: string = "";
  private id: string = "";
  private data: string[] = []; // joined once: each time would take the longer, the more there are
  private size: i32 = 0;
  private isFirst: bool = true;

  constructor(private readonly response: Response) {
    this.lines = new Lines(response);
  }

  /** The next event; null behind the last one, or if the response has `failed`. An event that is cut short is none. */
  next(): Event | null {
    for (let line = this.lines.next(); line !== null; line = this.lines.next()) {
      if (this.isFirst && line.charCodeAt(0) == 0xfeff) line = line.substring(1);
      this.isFirst = false;
      if (line.length) {
        this.field(line);
      } else if (this.data.length) {
        return this.dispatch();
      } else {
        this.type = "";
      }
    }
    return null;
  }

  private field(line: string): void {
    const colon = line.indexOf(":");
    if (colon == 0) return; // a comment
    const name = colon < 0 ? line : line.substring(0, colon);
    let value = colon < 0 ? "" : line.substring(colon + 1);
    if (value.charCodeAt(0) == 0x20) value = value.substring(1);
    if (name == "data") {
      this.data.push(value);
      this.size += value.length + 1;
      if (this.size > MOST) this.response.refuseMore(MOST); // so that no line follows
    } else if (name == "event") {
      this.type = value;
    } else if (name == "id" && value.indexOf("\0") < 0) {
      this.id = value;
    }
  }

  private dispatch(): Event {
    const event = new Event(this.type.length ? this.type : "message", this.data.join("\n"), this.id);
    this.type = "";
    this.data = [];
    this.size = 0;
    return event;
  }
}
