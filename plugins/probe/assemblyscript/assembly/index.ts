// The conformance probe: it does what a message's steps say, and reports what came of it.
import {
  Kind, Message, Request, State, Value, Verdict, config, count, deadlineMs, emit, emitToStream, errnoName, log, map,
  onConfigure, onMessage, onStop, parseJson, toJson,
} from "sgstreamd";
import { send } from "sgstreamd/emit";
export * from "sgstreamd/guest";

onConfigure((c: Value): string | null => {
  const refusal = c.get("refuse");
  return refusal.kind == Kind.TEXT ? refusal.text : null;
});

onStop((): void => log.info("stopped"));

onMessage((m: Message): Verdict => {
  const reports: string[] = [];
  for (const steps = m.get("steps").entries(); steps.next(); ) {
    const end = ending(steps.value);
    if (end !== null) return end;
    const report = run(m, steps.value);
    if (report !== null) reports.push(report);
  }
  const answer = map().copy(m.document, "platform").copy(m.payload, "channel_id").set("type", "message")
    .set("text", reports.join("\n"));
  return Verdict.of(emit(m.platform, answer));
});

/** The verdict of a step that ends the call; null for another step. */
function ending(step: Value): Verdict | null {
  const op = step.textOf("op");
  if (op == "retry") return Verdict.retry(step.get("after_ms").int, step.textOf("reason"));
  if (op == "reject") return Verdict.reject(step.textOf("reason"));
  if (op == "drop") return Verdict.drop();
  if (op == "fail") return Verdict.fail(step.textOf("reason"));
  if (op == "trap") unreachable();
  return null;
}

/** Does a step, and returns its report, if it has one. */
function run(m: Message, step: Value): string | null {
  const op = step.textOf("op");
  if (op == "message") return describe(m);
  if (op == "copy") return copy(m, step.textOf("key"));
  if (op == "text") return textAt(m.payload, step.get("path"));
  if (op == "log") {
    log.write(<i32>step.get("level").int, step.textOf("text"));
    return null;
  }
  if (op == "emit") return emitAsTold(step);
  if (op == "get") {
    const kept = State.get(step.textOf("key"));
    return kept.found ? kept.text : kept.failed ? errnoName(kept.errno) : "-";
  }
  if (op == "set") {
    return errnoName(State.setText(step.textOf("key"), step.textOf("value"), step.get("ttl_ms").int));
  }
  if (op == "delete") return errnoName(State.remove(step.textOf("key")));
  if (op == "count") return errnoName(count(step.textOf("name"), step.get("n").int));
  if (op == "config") return textOr(config().get(step.textOf("key")), "-");
  if (op == "deadline") return (deadlineMs() > 0 && deadlineMs() <= 3600000).toString();
  if (op == "http") return http(step);
  if (op == "events") return events(step.textOf("url"));
  if (op == "json") return json(step.textOf("text"));
  return "unknown op " + op;
}

function describe(m: Message): string {
  const ms = <i64>nearest(m.ts * 1000);
  return [m.stream, m.id, m.attempt.toString(), ms.toString(), m.traceId, m.platform, m.channelKey,
    m.maybeDelivered.toString()].join("|");
}

function copy(m: Message, key: string): string | null {
  const errno = emit(m.platform, map().copy(m.document, "platform").set("value", m.get(key)));
  return errno < 0 ? errnoName(errno) : null;
}

function textAt(value: Value, path: Value): string {
  for (const all = path.entries(); all.next(); ) {
    const step = all.value;
    value = step.kind == Kind.TEXT ? value.get(step.text) : value.item(<i32>step.int);
  }
  return textOr(value, "-");
}

function textOr(value: Value, otherwise: string): string { return value.kind == Kind.TEXT ? value.text : otherwise; }

function emitAsTold(step: Value): string {
  const doc = map().copy(step, "platform").copy(step, "stream");
  doc.map("payload").copy(step, "text").end();
  return errnoName(send(doc));
}

function http(step: Value): string {
  const method = step.textOf("method");
  const request = new Request(method.length ? method : "GET", step.textOf("url"));
  const body = step.get("body");
  if (!body.isNil) request.body(body.bytes);
  for (const all = step.get("headers").entries(); all.next(); ) request.header(all.key.text, all.value.text);
  for (const all = step.get("secrets").entries(); all.next(); ) request.secret(all.value.text);
  const response = request.send();
  let text: u8[] = [];
  const chunk = new Uint8Array(16);
  for (let n = response.read(chunk); n > 0; n = response.read(chunk)) {
    for (let i = 0; i < n; i++) text.push(chunk[i]);
  }
  if (response.failed) return errnoName(response.errno);
  const probe = response.header("x-probe");
  return [response.status.toString(), probe.length ? probe : "-", String.UTF8.decodeUnsafe(text.dataStart, text.length)].join("|");
}

function events(url: string): string {
  const response = new Request("GET", url).send();
  const all = response.events();
  const data: string[] = [];
  for (let event = all.next(); event !== null; event = all.next()) data.push(event.data);
  return response.failed ? errnoName(response.errno) : data.join(",");
}

function json(text: string): string {
  const value = parseJson(text);
  if (value === null) return "invalid";
  const again = toJson(value);
  return again === null ? "invalid" : again;
}
