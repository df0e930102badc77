package main

import (
	"fmt"
	"io"
	"time"
)

// statusEvery is the time between two lines where nobody watches.
const statusEvery = 5 * time.Second

// statusLine shows one line of text that changes: in its own place where somebody watches, and elsewhere as a line
// now and then.
type statusLine struct {
	out      io.Writer
	terminal bool
	written  time.Time
}

func newStatusLine(w io.Writer) *statusLine { return &statusLine{out: w, terminal: isTerminalOut(w)} }

func (l *statusLine) show(text string) {
	if l.terminal {
		fmt.Fprintf(l.out, "\r\x1b[K%s", text)
		l.written = time.Now()
		return
	}
	if time.Since(l.written) >= statusEvery {
		l.written = time.Now()
		fmt.Fprintln(l.out, text)
	}
}

// clear removes the line.
func (l *statusLine) clear() {
	if l.terminal && !l.written.IsZero() {
		fmt.Fprint(l.out, "\r\x1b[K")
	}
}
