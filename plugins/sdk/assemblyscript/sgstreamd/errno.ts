// What the host's functions answer instead of trapping. docs/abi.md lists when each of them comes.

/** The contract's error numbers. A host may know more; each negative number is a failure. */
export enum Errno {
  OK = 0,
  INVALID = -1,
  DENIED = -2,
  LIMIT = -3,
  FAULT = -4,
  CANCELLED = -5,
  NOT_FOUND = -6,
  UNAVAILABLE = -7,
}

/** The number's name in the contract, such as "EINVALID". */
export function errnoName(errno: i32): string {
  switch (errno) {
    case Errno.OK: return "OK";
    case Errno.INVALID: return "EINVALID";
    case Errno.DENIED: return "EDENIED";
    case Errno.LIMIT: return "ELIMIT";
    case Errno.FAULT: return "EFAULT";
    case Errno.CANCELLED: return "ECANCELLED";
    case Errno.NOT_FOUND: return "ENOTFOUND";
    case Errno.UNAVAILABLE: return "EUNAVAILABLE";
  }
  return "errno " + errno.toString();
}
