import { errnoName } from "./errno";

/** What becomes of a message. */
export class Verdict {
  /** Made by the functions below. */
  constructor(
    /** The contract's number. */
    readonly status: i32,
    /** Milliseconds that the next try is to wait at least; 0 leaves it to the daemon. */
    readonly afterMs: u32,
    /** For the log and the dead letter. */
    readonly reason: string,
  ) {}

  /** What was emitted and set is written, and the message is acknowledged: in one step. */
  static done(): Verdict { return DONE; }

  /** The message is tried again, not before afterMs (at most 49 days); nothing is written. */
  static retry(afterMs: i64, reason: string): Verdict {
    return new Verdict(1, <u32>min<i64>(max<i64>(afterMs, 0), <i64>u32.MAX_VALUE), reason);
  }

  /** As retry, at the daemon's pace: for what went wrong and may go well next time. */
  static fail(reason: string): Verdict { return new Verdict(1, 0, reason); }

  /** The message goes to the dead letters at once. */
  static reject(reason: string): Verdict { return new Verdict(2, 0, reason); }

  /** The message is acknowledged, and nothing is written, not even what was emitted. */
  static drop(): Verdict { return DROP; }

  /** Done if the number is one of success; otherwise a retry that names it and what was asked for. */
  static of(errno: i32, what: string = "emit"): Verdict {
    return errno >= 0 ? DONE : Verdict.fail(what + ": " + errnoName(errno));
  }
}

const DONE: Verdict = new Verdict(0, 0, "");
const DROP: Verdict = new Verdict(3, 0, "");
