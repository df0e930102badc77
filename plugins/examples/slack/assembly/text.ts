// Slack's markup: escaping, and splitting what is too long at a place where it hurts least.

/** Escapes what Slack's markup gives a meaning to. */
export function escape(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

const FENCE = "```";
/** What closing and opening a code block again takes. */
const FENCES: i32 = 8;

/** A text in two: what goes into a message, and what is left for the next ones. */
export class Split {
  constructor(readonly head: string, readonly rest: string) {}
}

/**
 * Takes as much of a text as escapes to at most `most` characters: up to the end of a paragraph, else of a line, of a
 * sentence, of a word, and only then anywhere. A code block that is cut is closed, and opened again in the rest.
 */
export function split(text: string, most: i32): Split {
  if (fits(text, most) == text.length) return new Split(text, "");
  const room = fits(text, most - FENCES);
  const at = place(text, room);
  let head = text.substring(0, at).trimEnd();
  let rest = text.substring(at);
  if (head.split(FENCE).length % 2 == 0) { // the number of fences is odd
    head += "\n" + FENCE;
    rest = FENCE + "\n" + (rest.startsWith("\n") ? rest.substring(1) : rest);
  } else {
    rest = rest.trimStart();
  }
  return new Split(head, rest);
}

/** How many units of the text escape to at most `most` characters. */
function fits(text: string, most: i32): i32 {
  let length = 0;
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    length += c == 0x26 ? 5 : c == 0x3c || c == 0x3e ? 4 : 1;
    if (length > most) return i;
  }
  return text.length;
}

/** The best place at or before `room` to cut the text at. */
function place(text: string, room: i32): i32 {
  const least = room / 4; // a cut that leaves next to nothing before it is no good one
  let at = text.lastIndexOf("\n\n", room);
  if (at > least) return at;
  at = text.lastIndexOf("\n", room);
  if (at > least) return at;
  at = text.lastIndexOf(". ", room - 1);
  if (at > least) return at + 1;
  at = text.lastIndexOf(" ", room);
  if (at > least) return at;
  return between(text, room);
}

/** `room`, or a little before it where that would part what is one character to a reader. */
function between(text: string, room: i32): i32 {
  for (let at = room; room - at < 40; at--) {
    const next = text.codePointAt(at);
    const isFlags = isFlag(next) && isFlag(text.codePointAt(at - 2));
    if (!isPair(text, at) && text.charCodeAt(at - 1) != JOINER && !joins(next) && !isFlags) return at;
  }
  return isPair(text, room) ? room - 1 : room;
}

const JOINER: i32 = 0x200d;

function isPair(text: string, at: i32): bool { return (text.charCodeAt(at) & 0xfc00) == 0xdc00 && (text.charCodeAt(at - 1) & 0xfc00) == 0xd800; }

/** Whether a character belongs to the one before it: the joiner of emoji, variants, skin tones, tags, and accents. */
function joins(c: i32): bool {
  return c == JOINER || within(c, 0xfe00, 0xfe0f) || within(c, 0x1f3fb, 0x1f3ff) || within(c, 0xe0020, 0xe007f)
    || within(c, 0x300, 0x36f) || within(c, 0x1ab0, 0x1aff) || within(c, 0x1dc0, 0x1dff) || within(c, 0x20d0, 0x20ff)
    || within(c, 0x591, 0x5bd) || within(c, 0x64b, 0x65f); // the points of Hebrew and Arabic
}

/** Whether a character is half of a flag. */
function isFlag(c: i32): bool { return within(c, 0x1f1e6, 0x1f1ff); }

function within(c: i32, from: i32, to: i32): bool { return from <= c && c <= to; }
