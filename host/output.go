package host

import (
	"bytes"
	"log/slog"
	"strings"

	"github.com/sgstreamd/sgstreamd/abi"
)

// lineWriter turns what a guest prints into log lines. A line is cut at abi.MaxTextBytes. What was not
// ended by a newline is written at the end of the call.
type lineWriter struct {
	in     *instance
	source string
	level  slog.Level
	line   []byte // begun and not yet ended
}

// Write never keeps a guest longer than its call may last: one fd_write can name the same bytes a million times.
func (w *lineWriter) Write(b []byte) (int, error) {
	for rest := b; len(rest) > 0; {
		if err := w.in.call.Load().ctx.Err(); err != nil {
			return 0, err
		}
		line, after, ended := bytes.Cut(rest, []byte{'\n'})
		// One byte more than the limit shows whether the cut falls between two runes.
		room := abi.MaxTextBytes + 1 - len(w.line)
		w.line = append(w.line, line[:min(len(line), room)]...)
		if ended {
			w.flush()
		}
		rest = after
	}
	return len(b), nil
}

func (w *lineWriter) flush() {
	if len(w.line) == 0 {
		return
	}
	text := strings.TrimSuffix(strings.ToValidUTF8(cutText(string(w.line), abi.MaxTextBytes), "\ufffd"), "\r")
	w.line = w.line[:0]
	w.in.call.Load().log(w.level, text, slog.String("source", w.source))
}
