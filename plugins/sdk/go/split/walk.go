package split

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// block is a code block: the number of backticks that opened it, 0 outside of any, and what stands behind them.
type block struct {
	ticks int
	info  string
}

// Backticks that open or close a block. A longer run is text, and so is an info of more than maxInfo bytes.
const (
	minTicks = 3
	maxTicks = 8
	maxInfo  = 24
)

// longestClosing is the dearest of what closing returns.
const longestClosing = "\n" + "````````"

func (b block) isOpen() bool { return b.ticks > 0 }

// opening is what opens the block again at the beginning of a part.
func (b block) opening() string {
	if !b.isOpen() {
		return ""
	}
	return strings.Repeat("`", b.ticks) + b.info + "\n"
}

// closing is what closes the block at the end of a part.
func (b block) closing() string {
	if !b.isOpen() {
		return ""
	}
	return "\n" + strings.Repeat("`", b.ticks)
}

// ticks returns the number of backticks at the text's beginning if they can open or close a block, else 0.
func ticks(text string) int {
	text = text[:min(len(text), maxTicks+1)]
	n := len(text) - len(strings.TrimLeft(text, "`"))
	if n < minTicks || n > maxTicks {
		return 0
	}
	return n
}

// info returns the language that a block is opened with: what stands in the rest of its first line.
func info(text string) string {
	text = text[:min(len(text), maxInfo+1)]
	at := strings.IndexByte(text, '\n')
	if at < 0 || strings.ContainsFunc(text[:at], func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("_+-.#", r)
	}) {
		return ""
	}
	return text[:at]
}

// walker goes through a text as far as there is room, and keeps the last place of each rank that it has seen.
type walker struct {
	text string
	cost func(rune) int
	left int
	at   int
	in   block
	seen [ranks]cut
	// fence is where the last run of backticks has ended that opened or closed a block, with its info.
	fence int
}

// step goes on by a character, or by a run of backticks; it is false where the room or the text ends.
func (w *walker) step() bool {
	if w.at == len(w.text) {
		return false
	}
	if w.text[w.at] == '`' {
		return w.stepTicks()
	}
	r, size := rune(w.text[w.at]), 1
	if r >= utf8.RuneSelf {
		r, size = utf8.DecodeRuneInString(w.text[w.at:])
	}
	if (r <= ' ' || r > 0x7f) && unicode.IsSpace(r) {
		w.look(r)
	}
	if w.left -= w.cost(r); w.left < 0 {
		return false
	}
	w.at += size
	if r > 0x7f && !w.in.isOpen() && strings.ContainsRune("。！？", r) && w.left > 0 && w.at < len(w.text) { // scripts without spaces
		w.seen[sentence] = cut{w.at, w.at, w.in}
	}
	return true
}

// stepTicks goes on behind a run of backticks, and what belongs to it. It is not entered where it does not fit.
func (w *walker) stepTicks() bool {
	rest := w.text[w.at:]
	run, after := ticks(rest), w.in
	switch {
	case run == 0, w.at > 0 && w.text[w.at-1] == '`':
		run = 1 // text: it can be cut anywhere
	case !w.in.isOpen():
		after = block{run, info(rest[run:])}
		run += len(after.info)
	case run >= w.in.ticks:
		after = block{}
	}
	left := w.left
	for _, r := range rest[:run] {
		left -= w.cost(r)
	}
	if left < 0 {
		return false
	}
	w.at, w.left = w.at+run, left
	if after != w.in {
		w.in, w.fence = after, w.at
	}
	return true
}

// look notes white space as a place to cut at. Of several characters of it, the first counts.
func (w *walker) look(r rune) {
	if w.at == 0 {
		return
	}
	if w.in.isOpen() {
		switch {
		case r == '\n' && w.at == w.fence: // the block's first line has nothing in it yet
		case r == '\n':
			w.seen[sentence] = cut{w.at, w.at + 1, w.in}
		default:
			w.seen[word] = cut{w.at, w.at + utf8.RuneLen(r), w.in}
		}
		return
	}
	before, _ := utf8.DecodeLastRuneInString(w.text[:w.at])
	if unicode.IsSpace(before) {
		return
	}
	rest := w.text[w.at:]
	space := rest[:len(rest)-len(strings.TrimLeftFunc(rest, unicode.IsSpace))]
	next := w.at + len(space)
	if last := strings.LastIndexByte(space, '\n'); last >= 0 {
		next = w.at + last + 1 // a line keeps its indentation
	}
	w.seen[w.rankOf(space)] = cut{w.at, next, w.in}
}

// rankOf says how good a place the white space at w.at is.
func (w *walker) rankOf(space string) rank {
	lines := strings.Count(space, "\n")
	switch {
	case lines > 1, lines == 1 && (w.at == w.fence || ticks(w.text[w.at+len(space):]) > 0):
		return paragraph
	case lines == 1:
		return line
	}
	text := strings.TrimRight(w.text[:w.at], `"')]*_»”’`)
	if end, _ := utf8.DecodeLastRuneInString(text); strings.ContainsRune(".!?…:;", end) {
		return sentence
	}
	return word
}
