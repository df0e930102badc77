package main

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// statusEvery is the time between two lines where nobody watches.
const statusEvery = 5 * time.Second

// What a terminal does at these texts.
const (
	lineStart  = "\r\x1b[?7l"     // go to the line's beginning, and cut at its end what is too long
	lineFinish = "\x1b[K\x1b[?7h" // remove what is left of the line before, and wrap again
	lineRemove = "\r" + "\x1b[K"
)

// statusLine shows one line of text that changes: in its own place where somebody watches, and elsewhere as a line
// now and then.
type statusLine struct {
	out      io.Writer
	terminal bool

	mu      sync.Mutex
	written time.Time
}

func newStatusLine(w io.Writer) *statusLine { return &statusLine{out: w, terminal: isTerminalOut(w)} }

func (l *statusLine) show(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.terminal {
		fmt.Fprint(l.out, lineStart, text, lineFinish)
		l.written = time.Now()
		return
	}
	if time.Since(l.written) >= statusEvery {
		l.written = time.Now()
		fmt.Fprintln(l.out, text)
	}
}

// note writes a line that stays.
func (l *statusLine) note(text string) {
	l.clear()
	fmt.Fprintln(l.out, text)
}

// clear removes the line.
func (l *statusLine) clear() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.terminal && !l.written.IsZero() {
		fmt.Fprint(l.out, lineRemove)
	}
}
