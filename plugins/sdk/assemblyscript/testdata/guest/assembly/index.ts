// What the tests of the SDK ask for, by the payload's `do`.
import { Kind, Message, Request, State, Verdict, emit, map, onMessage, parseJson, parseJsonBytes, toJson } from "sgstreamd";
import { skip } from "sgstreamd/msgpack";
export * from "sgstreamd/guest";

onMessage((m: Message): Verdict => {
  const what = m.get("do");
  if (what.is("drop")) return Verdict.drop();
  if (what.is("work")) return work(m);
  if (what.is("read")) return read(m);
  if (what.is("events")) return events(m);
  if (what.is("throw")) throw new Error("thrown: " + m.text("content"));
  if (what.is("index")) {
    const none: i32[] = [];
    return Verdict.fail(none[3].toString());
  }
  return Verdict.reject("unknown");
});

/** Leaves much behind for the collector, and says how large the memory is. */
function work(m: Message): Verdict {
  const text = m.text("content") + m.id;
  const value = parseJson('{"a":[1,2,{"b":"' + text + '"}]}');
  if (value === null) return Verdict.reject("no JSON");
  const again = toJson(map().set("x", value).set("y", text).set("l", [1, 2, 3]).value);
  if (again === null) return Verdict.reject("not written");
  const kept = State.get("k");
  State.setText("k", kept.text + again);
  for (let i = 0; i < 20; i++) map().set("i", i); // more than wait for the next call
  return Verdict.of(emit("irc", map().set("pages", memory.size())));
}

/** Reads events, and says how many there are, how long the data of the last one is, and what went wrong. */
function events(m: Message): Verdict {
  const response = new Request("GET", m.text("url")).send();
  const all = response.events();
  let count = 0, size = 0;
  for (let e = all.next(); e !== null; e = all.next(), count++) size = e.data.length;
  return Verdict.of(emit("irc", map().set("count", count).set("size", size).set("error", response.error)));
}

/** Reads bytes as JSON and as msgpack, and says what they are. */
function read(m: Message): Verdict {
  const answer = map();
  const bytes = m.get("bytes").bytes;
  const json = parseJsonBytes(bytes);
  if (json !== null) answer.set("json", toJson(json));
  const at = bytes.dataStart;
  const end = skip(at, at + bytes.length);
  answer.set("size", end ? <i32>(end - at) : -1);
  // A payload that holds the bytes where a value is due is read all the way, too.
  let entries = 0;
  for (const all = m.payload.entries(); all.next(); ) entries += all.value.kind == Kind.MISSING ? 0 : 1;
  return Verdict.of(emit("irc", answer.set("entries", entries)));
}
