// An adapter that delivers messages to Slack.
import { Message, Verdict, Writer, deadlineMs, emit, log, map, onConfigure, onMessage } from "sgstreamd";
import { Settings, refusal, settings } from "./settings";
import { addButtons, post, textBesideButtons } from "./slack";
import { escape, split } from "./text";
export * from "sgstreamd/guest";

/** A part that can't be sent before the deadline is left to another call; so long a request may take, in milliseconds. */
const REQUEST_MS: i64 = 10000;

function deliver(m: Message): Verdict {
  const s = settings();
  const type = m.text("type");
  if (type != "message" && type != "buttons") return Verdict.reject("slack: can't deliver the type \"" + type + "\"");
  if (!m.text("channel_id").length) return Verdict.reject("slack: the message has no channel_id");
  if (m.maybeDelivered && s.rejectInDoubt) return Verdict.reject("slack: may have been delivered already");

  const hasButtons = m.get("buttons").length > 0 || type == "buttons";
  const most = hasButtons ? textBesideButtons(s.maxChars) : s.maxChars;
  let rest = m.text("text");
  let sent = 0;
  do {
    const cut = split(rest, most);
    if (!cut.head.length && cut.rest.length) { // white space alone, which Slack does not take
      rest = cut.rest;
      continue;
    }
    const isLast = cut.rest.length == 0;
    const failure = sent && deadlineMs() < REQUEST_MS
      ? Verdict.fail("no time left in this call")
      : send(m, s, escape(cut.head), isLast && hasButtons);
    if (failure !== null) return sent ? leave(m, rest, sent, failure) : failure;
    sent++;
    rest = cut.rest;
  } while (rest.length);
  return Verdict.done();
}

/** Sends one part; null is success. */
function send(m: Message, s: Settings, text: string, withButtons: bool): Verdict | null {
  const message: Writer = map().set("channel", m.text("channel_id")).set("text", text).set("mrkdwn", true);
  const thread = m.text("reply_to");
  if (thread.length) message.set("thread_ts", thread);
  if (!s.unfurlLinks) message.set("unfurl_links", false).set("unfurl_media", false);
  if (withButtons) {
    const why = addButtons(message, text, m.get("buttons"));
    if (why !== null) return Verdict.reject("slack: " + why);
  }
  return post(s.baseUrl, message);
}

/**
 * Parts are sent that must not be sent again, and a retry would begin at the first one and keep nothing. So the rest
 * becomes a message of its own on the same stream: that and this one's acknowledgement are written in one step.
 */
function leave(m: Message, rest: string, sent: i32, failure: Verdict): Verdict {
  const payload = map();
  for (const all = m.payload.entries(); all.next(); ) {
    const key = all.key.text;
    if (key != "text" && key != "message_key") payload.set(key, all.value);
  }
  const errno = emit(m.platform, payload.set("text", rest));
  if (errno < 0) return Verdict.reject(failure.reason + "; " + sent.toString() + " parts are delivered, and the rest can't be queued");
  log.warn("parts delivered: " + sent.toString() + "; the rest is queued again: " + failure.reason);
  return Verdict.done();
}

onConfigure(refusal);
onMessage(deliver);
