import { Kind, Request, Response, Value, Verdict, Writer, deadlineMs, map } from "sgstreamd";

/** What a request leaves of the call's time, in milliseconds: to say what has become of it and of the parts before. */
const MARGIN_MS: i64 = 1000;

/** What Slack has made of a request; null is success. */
export function post(baseUrl: string, message: Writer): Verdict | null {
  const response = new Request("POST", baseUrl + "/chat.postMessage").secret("bot-token")
    .timeout(max<i64>(deadlineMs() - MARGIN_MS, 1)).json(message.value).send();
  if (response.failed) return Verdict.fail(response.error);
  if (response.status == 429) return Verdict.retry(wait(response), "slack: HTTP 429");
  if (response.status >= 500) return Verdict.retry(wait(response), "slack: HTTP " + response.status.toString());
  const answer = response.json();
  if (response.failed) return Verdict.fail(response.error);
  if (answer === null) {
    const reason = "slack: HTTP " + response.status.toString() + " without JSON";
    return response.status >= 400 ? Verdict.reject(reason) : Verdict.fail(reason);
  }
  const ok = answer.get("ok");
  if (ok.kind != Kind.BOOL && response.status < 400) {
    return Verdict.fail("slack: HTTP " + response.status.toString() + ", but not as Slack answers; is base_url right?");
  }
  return ok.bool ? null : refused(answer.textOf("error"), response);
}

/** Of Slack's errors, these pass; every other one is there again at the next try. */
function refused(error: string, response: Response): Verdict {
  const reason = "slack: " + (error.length ? error : "HTTP " + response.status.toString());
  if (error == "ratelimited" || error == "rate_limited") return Verdict.retry(wait(response), reason);
  if (error == "internal_error" || error == "fatal_error" || error == "request_timeout" || error == "service_unavailable") {
    return Verdict.retry(wait(response), reason);
  }
  return Verdict.reject(reason);
}

/** The longest wait that is believed, in seconds. */
const LONGEST: f64 = 86400;

/** How long Slack asks to wait, in milliseconds; 0 if it does not say. */
function wait(response: Response): i64 {
  const seconds = parseFloat(response.header("retry-after"));
  return seconds > 0 ? <i64>(min(seconds, LONGEST) * 1000) : 0;
}

/** The limits of Slack's Block Kit. */
const SECTION_CHARS: i32 = 3000;
const BLOCK_BUTTONS: i32 = 25;
const LABEL_CHARS: i32 = 75;
const VALUE_CHARS: i32 = 2000;

/** How long the text beside buttons may be: it is a section. */
export function textBesideButtons(most: i32): i32 { return min(most, SECTION_CHARS); }

/** Puts a text and buttons into the message, as blocks. A text is why they can't be. */
export function addButtons(message: Writer, text: string, buttons: Value): string | null {
  if (buttons.length == 0) return "a message with buttons has at least one";
  message.list("blocks");
  if (text.length) {
    message.addMap().set("type", "section").set("text", map().set("type", "mrkdwn").set("text", text)).end();
  }
  const actions = new Actions(message);
  for (const all = buttons.entries(); all.next(); ) {
    const isRow = all.value.kind == Kind.LIST;
    if (isRow) actions.endRow();
    const why = isRow ? actions.addAll(all.value) : actions.add(all.value);
    if (why !== null) return why;
    if (isRow) actions.endRow();
  }
  actions.endRow();
  message.end();
  return null;
}

/** Writes blocks of buttons. */
class Actions {
  private count: i32 = 0;
  private inRow: i32 = 0;

  constructor(private readonly message: Writer) {}

  /** Ends the block, if one is open. */
  endRow(): void {
    if (this.inRow) this.message.end().end();
    this.inRow = 0;
  }

  addAll(row: Value): string | null {
    for (const all = row.entries(); all.next(); ) {
      const why = this.add(all.value);
      if (why !== null) return why;
    }
    return null;
  }

  /** A button is a text, or has a label (or text) and a url or a value (or id). */
  add(button: Value): string | null {
    const id = this.count.toString();
    this.count++;
    const isText = button.kind == Kind.TEXT;
    const label = isText ? button.text : either(button, "label", "text");
    if (!label.trim().length) return "button " + this.count.toString() + " has no label";
    const named = isText ? label : either(button, "value", "id");
    const value = named.length ? named : label;
    if (value.length > VALUE_CHARS) return "button " + this.count.toString() + " has a value of more than 2000 characters";
    if (this.inRow == BLOCK_BUTTONS) this.endRow();
    const message = this.message;
    if (!this.inRow) message.addMap().set("type", "actions").list("elements");
    this.inRow++;
    message.addMap().set("type", "button").set("action_id", "button-" + id);
    message.map("text").set("type", "plain_text").set("text", shortened(label)).set("emoji", true).end();
    const url = button.textOf("url");
    if (url.length) message.set("url", url);
    else message.set("value", value);
    const style = button.textOf("style");
    if (style == "primary" || style == "danger") message.set("style", style);
    message.end();
    return null;
  }
}

function either(v: Value, one: string, other: string): string {
  const text = v.textOf(one);
  return text.length ? text : v.textOf(other);
}

/** Slack refuses a longer label. */
function shortened(label: string): string {
  if (label.length <= LABEL_CHARS) return label;
  const half = (label.charCodeAt(LABEL_CHARS - 2) & 0xfc00) == 0xd800;
  return label.substring(0, half ? LABEL_CHARS - 2 : LABEL_CHARS - 1) + "…";
}
