// What a plugin is written with. README.md, one folder up, shows each of these at work.
//
// A plugin's assembly/index.ts registers its function and hands the module's exports on:
//
//   import { Message, Verdict, onMessage, reply } from "sgstreamd";
//   export * from "sgstreamd/guest";
//
//   onMessage((m: Message): Verdict => Verdict.of(reply(m, "you said: " + m.text("content"))));

export { onMessage, onConfigure, onStop, config } from "./plugin";
export { Message } from "./message";
export { Verdict } from "./verdict";
export { Errno, errnoName } from "./errno";
export { Value, Kind, Entries } from "./value";
export { Writer, map, list } from "./writer";
export { emit, emitToStream, reply } from "./emit";
export { State, Kept } from "./state";
export { log, count, deadlineMs } from "./daemon";
export { Request, Response } from "./http";
export { Lines, Events, Event } from "./events";
export { parseJson, parseJsonBytes, toJson, toJsonBytes } from "./json";
