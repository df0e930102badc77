import { hostFail, hostLog } from "./host";
import { encode, mostBytes } from "./utf8";

/**
 * What the compiler calls for `throw`, a failed `assert` and an index out of range: the module is built with
 * --use abort=~lib/sgstreamd/abort/abort. The message reaches the log and the message's error; the instance ends.
 */
export function abort(message: string | null, file: string | null, line: u32, column: u32): void {
  let text = message === null ? "abort" : message;
  if (file !== null) text += " (" + file + ":" + line.toString() + ":" + column.toString() + ")";
  const at = heap.alloc(mostBytes(text)); // what is made of classes calls abort itself
  const size = encode(text, at);
  hostLog(3, at, size);
  hostFail(at, size);
  unreachable();
}
