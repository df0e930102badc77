// Package split cuts a text that is too long for one message of a chat platform into several that are not.
//
// It cuts where a reader would: between paragraphs, else between lines, sentences or words, and in the middle of a word
// only where nothing else is near. A code block (three backticks or more) that has to be cut is closed in one part and
// opened again, with its language, in the next. White space at a cut outside of a code block is left out.
package split

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// UTF16 is the cost of a character on a platform that counts UTF-16 code units.
func UTF16(r rune) int {
	if r > 0xffff {
		return 2
	}
	return 1
}

// Text cuts a text into parts of which none costs more than limit; cost is what one character counts, at least 1. What
// is not UTF-8 becomes U+FFFD. A text that fits is one part, unchanged; one of white space alone is none.
//
// A limit of less than a hundred times the dearest character leaves no room for a code block to be opened again: then a
// part may cost more than that.
func Text(text string, limit int, cost func(rune) int) []string {
	var parts []string
	for _, p := range (splitter{limit, cost}).pieces(text) {
		parts = append(parts, p.open+p.body+p.close)
	}
	return parts
}

// piece is a part: what is of the text, and what opens and closes the code block around it.
type piece struct{ open, body, close string }

type splitter struct {
	limit int
	cost  func(rune) int
}

func (s splitter) sum(text string) int {
	n := 0
	for _, r := range text {
		n += s.cost(r)
	}
	return n
}

// fits tells whether the text costs no more than room.
func (s splitter) fits(text string, room int) bool {
	for _, r := range text {
		if room -= s.cost(r); room < 0 {
			return false
		}
	}
	return true
}

func (s splitter) pieces(text string) []piece {
	text = strings.ToValidUTF8(text, string(utf8.RuneError))
	var pieces []piece
	var in block
	for strings.TrimSpace(text) != "" {
		p := piece{open: in.opening()}
		room := s.limit - s.sum(p.open)
		if s.fits(text, room) {
			p.body = text
			return append(pieces, p)
		}
		at := s.choose(text, in, room)
		if at.in.isOpen() { // what closes it takes room, too
			at = s.choose(text, in, room-s.sum(longestClosing))
		}
		p.body, p.close = text[:at.end], at.in.closing()
		text, in = text[at.next:], at.in
		if n := ticks(text); in.isOpen() && n >= in.ticks { // it ends where it was cut
			text, in = strings.TrimLeftFunc(text[n:], unicode.IsSpace), block{}
		}
		if strings.TrimSpace(p.body) != "" {
			pieces = append(pieces, p)
		}
	}
	return pieces
}

// rank says how good a place is to cut at; the higher the better.
type rank int

const (
	word      rank = iota // between two words
	sentence              // behind a sentence, or between two lines of code
	line                  // between two lines
	paragraph             // between paragraphs, or before or behind a code block
	ranks
)

// cut is a place: the part ends before end, what follows begins at next, and in is the code block around it.
type cut struct {
	end, next int
	in        block
}

// choose finds the place to cut a text at that costs more than room: the best one in the second half of what there is
// room for, else the last one of any kind, else where the room ends.
func (s splitter) choose(text string, in block, room int) cut {
	w := walker{text: text, in: in, cost: s.cost, left: room}
	for w.step() {
	}
	latest := cut{}
	for r := ranks - 1; r >= 0; r-- {
		if w.seen[r].end > w.at/2 {
			return w.seen[r]
		}
		if w.seen[r].end > latest.end {
			latest = w.seen[r]
		}
	}
	if latest.end > 0 {
		return latest
	}
	end := between(text, w.at)
	return cut{end, end, w.in}
}

// between returns the place to cut at in the middle of a word: at, or a little before it where that would part what
// is one character to a reader. It is never 0.
func between(text string, at int) int {
	for end := at; end > 0 && at-end < 40; {
		next, _ := utf8.DecodeRuneInString(text[end:])
		before, size := utf8.DecodeLastRuneInString(text[:end])
		if before != '\u200d' && !joins(next) && !(isFlag(before) && isFlag(next)) {
			return end
		}
		end -= size
	}
	if at == 0 { // not even one character has room
		_, at = utf8.DecodeRuneInString(text)
	}
	return at
}

// joins tells whether a character belongs to the one before it: accents, variants, skin tones, and the joiner of emoji.
func joins(r rune) bool {
	return r == '\u200d' || unicode.In(r, unicode.Mn, unicode.Me, unicode.Mc) || r >= 0x1f3fb && r <= 0x1f3ff || r >= 0xe0020 && r <= 0xe007f
}

// isFlag tells whether a character is half of a flag.
func isFlag(r rune) bool { return r >= 0x1f1e6 && r <= 0x1f1ff }
