import { Request, Response, Value, Verdict, Writer, map } from "sgstreamd";

/** What Slack has made of a request; null is success. */
export function post(baseUrl: string, message: Writer): Verdict | null {
  const response = new Request("POST", baseUrl + "/chat.postMessage").secret("bot-token").json(message.value).send();
  if (response.failed) return Verdict.fail(response.error);
  if (response.status == 429) return Verdict.retry(wait(response), "slack: HTTP 429");
  if (response.status >= 500) return Verdict.retry(wait(response), "slack: HTTP " + response.status.toString());
  const answer = response.json();
  if (response.failed) return Verdict.fail(response.error);
  if (answer === null) {
    const reason = "slack: HTTP " + response.status.toString() + " without JSON";
    return response.status >= 400 ? Verdict.reject(reason) : Verdict.fail(reason);
  }
  return answer.get("ok").bool ? null : refused(answer.textOf("error"), response);
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
const MOST_BUTTONS: i32 = 1000;

/** How long the text beside buttons may be: it is a section. */
export function textBesideButtons(most: i32): i32 { return min(most, SECTION_CHARS); }

/** Puts a text and buttons into the message, as blocks. A text is why they can't be. */
export function addButtons(message: Writer, text: string, buttons: Value): string | null {
  if (buttons.length == 0 || buttons.length > MOST_BUTTONS) return "a message with buttons has 1 to 1000 of them";
  message.list("blocks");
  if (text.length) {
    message.addMap().set("type", "section").set("text", map().set("type", "mrkdwn").set("text", text)).end();
  }
  let i = 0;
  for (const all = buttons.entries(); all.next(); i++) {
    if (i % BLOCK_BUTTONS == 0) {
      if (i) message.end().end();
      message.addMap().set("type", "actions").list("elements");
    }
    const why = addButton(message, all.value, i);
    if (why !== null) return why;
  }
  message.end().end().end();
  return null;
}

/** A button has a label (or text), and a url or a value (or id). */
function addButton(message: Writer, button: Value, i: i32): string | null {
  const label = either(button, "label", "text");
  if (!label.length) return "button " + i.toString() + " has no label";
  const value = either(button, "value", "id");
  if (value.length > VALUE_CHARS) return "button " + i.toString() + " has a value of more than 2000 characters";
  message.addMap().set("type", "button").set("action_id", "button-" + i.toString());
  message.map("text").set("type", "plain_text").set("text", shortened(label)).set("emoji", true).end();
  if (value.length) message.set("value", value);
  const url = button.textOf("url");
  if (url.length) message.set("url", url);
  const style = button.textOf("style");
  if (style == "primary" || style == "danger") message.set("style", style);
  message.end();
  return null;
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
