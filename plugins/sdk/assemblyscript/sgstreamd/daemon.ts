import { handOver } from "./buffer";
import { hostCount, hostDeadline, hostLog } from "./host";

/** Lines in the daemon's log, with the plugin's name and the message's trace id. What is longer than 16 KiB is cut. */
export namespace log {
  export function debug(text: string): void { write(0, text); }
  export function info(text: string): void { write(1, text); }
  export function warn(text: string): void { write(2, text); }
  export function error(text: string): void { write(3, text); }

  /** A line of a level: 0 is debug, 1 info, 2 warn, 3 error. */
  export function write(level: i32, text: string): void {
    const line = handOver(text);
    hostLog(level, line.at, line.size);
  }
}

/**
 * Adds n, 0 or more, to a counter of the plugin's own, the metric sgstreamd_plugin_custom_total. A name has 1 to 64
 * characters of a to z, 0 to 9 and _, and a plugin has 100 names at most. It counts at once, each time that a message is
 * tried. The answer is an Errno.
 */
export function count(name: string, n: i64 = 1): i32 {
  const text = handOver(name);
  return hostCount(text.at, text.size, n);
}

/** Milliseconds that the call has left. */
export function deadlineMs(): i64 { return hostDeadline(); }
