// A processor that answers every message with its own text.
import { Message, Verdict, onMessage, reply } from "sgstreamd";
export * from "sgstreamd/guest";

onMessage((m: Message): Verdict => Verdict.of(reply(m, m.text("content"))));
