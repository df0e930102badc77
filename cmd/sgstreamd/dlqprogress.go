package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/mattn/go-isatty"
)

const (
	// progressWidth is the length of the bar.
	progressWidth = 30
	// progressEvery is the time between two pictures of the bar.
	progressEvery = 100 * time.Millisecond
)

// progress draws a bar where somebody watches, and nothing elsewhere.
type progress struct {
	out   io.Writer // nil where nobody watches
	drawn time.Time
}

func newProgress(w io.Writer) *progress {
	if !isTerminalOut(w) {
		return &progress{}
	}
	return &progress{out: w}
}

// show draws how much of something is done, in the place of what it drew before.
func (p *progress) show(doing string, done, total int) {
	if p.out == nil || time.Since(p.drawn) < progressEvery {
		return
	}
	p.drawn = time.Now()
	total = max(total, done, 1)
	full := progressWidth * done / total
	fmt.Fprintf(p.out, "\r%s [%s%s] %d/%d", doing, strings.Repeat("#", full), strings.Repeat(".", progressWidth-full), done, total)
}

// clear removes the bar.
func (p *progress) clear() {
	if p.out != nil && !p.drawn.IsZero() {
		fmt.Fprint(p.out, "\r\x1b[K")
		p.drawn = time.Time{}
	}
}

func isTerminalOut(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && isatty.IsTerminal(f.Fd())
}
