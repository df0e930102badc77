// The module's exports. A plugin's index.ts hands them on: export * from "sgstreamd/guest".

import "./abort";
import { configure, handle, say, stop } from "./plugin";

// Where the host writes documents: memory that the collector does not know, so it stays where it is and lives on.
let document: usize = 0;
let room: usize = 0;

/** The room that stays for the next call, in bytes. */
const KEPT: usize = 1024 * 1024;

/** Says that the module was written for this contract. */
export function sgs_abi_v1(): void {}

/** Gives the host room for a document. */
export function sgs_alloc(size: usize): usize {
  if (size > room || room > KEPT) {
    if (document) heap.free(document);
    room = max<usize>(size, 4096);
    document = heap.alloc(room);
  }
  return document;
}

/** Handles one message. */
export function sgs_handle(at: usize, size: usize): i64 {
  const v = handle(at, size);
  if (v.reason.length) say(v.reason);
  return ((<i64>v.status) << 32) | <i64>v.afterMs;
}

/** Takes the configuration; 0 accepts it. */
export function sgs_configure(at: usize, size: usize): i32 { return configure(at, size) ? 0 : 1; }

/** Says that the instance ends. */
export function sgs_stop(): void { stop(); }
