import { handOver } from "./buffer";
import { hostFail } from "./host";
import { Message } from "./message";
import { MISSING, Value, kept } from "./value";
import { Verdict } from "./verdict";
import { skip } from "./msgpack";
import { takeBack } from "./writer";

let handler: ((m: Message) => Verdict) | null = null;
let configurer: ((config: Value) => string | null) | null = null;
let stopper: (() => void) | null = null;
let configuration: Value = MISSING;

/** Registers the function that handles the messages, one at a time. */
export function onMessage(f: (m: Message) => Verdict): void { handler = f; }

/**
 * Registers a function that looks at the configuration once, before the first message. A text that it returns refuses
 * the configuration, and with it the plugin; null accepts it.
 */
export function onConfigure(f: (config: Value) => string | null): void { configurer = f; }

/** Registers a function that is called before the instance ends. */
export function onStop(f: () => void): void { stopper = f; }

/** The operator's table plugins.<name>.config, a map. It is good as long as the instance. */
export function config(): Value { return configuration; }

// What follows is for guest.ts.

const NOT_MSGPACK = "the module has no manifest that says codec msgpack; build it with sgstreamd plugin build";

/** Handles the document of a message. */
export function handle(at: usize, size: usize): Verdict {
  takeBack();
  const f = handler;
  if (f === null) return Verdict.fail("the plugin has not called onMessage");
  const m = new Message(new Value(at, at + size));
  if (!m.isWhole) return Verdict.fail(size && load<u8>(at) == 0x7b ? NOT_MSGPACK : "the message's document has no payload");
  return f(m);
}

/** Takes the configuration's document; false refuses it. */
export function configure(at: usize, size: usize): bool {
  takeBack();
  if (size && load<u8>(at) == 0x7b) return refused(NOT_MSGPACK);
  if (!skip(at, at + size)) return refused("the configuration's document is malformed");
  configuration = kept(at, size);
  const f = configurer;
  if (f === null) return true;
  const why = f(configuration);
  return why === null || refused(why);
}

/** Says that the instance ends. */
export function stop(): void {
  const f = stopper;
  if (f !== null) f();
}

function refused(why: string): bool {
  say(why);
  return false;
}

/** Says why, for the log and the dead letter. */
export function say(why: string): void {
  const text = handOver(why);
  hostFail(text.at, text.size);
}
