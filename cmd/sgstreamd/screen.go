package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
)

// screen is a log handler for an author who watches: what guests say, what becomes of each message, traps with the guest's
// own function names, and what is wrong; a short line each.
type screen struct {
	out   io.Writer
	mu    *sync.Mutex
	attrs []slog.Attr
}

func newScreen(out io.Writer) screen { return screen{out: out, mu: &sync.Mutex{}} }

// Enabled takes everything; Handle chooses.
func (s screen) Enabled(context.Context, slog.Level) bool { return true }

// WithAttrs keeps the attributes for the lines that follow.
func (s screen) WithAttrs(attrs []slog.Attr) slog.Handler {
	s.attrs = append(s.attrs[:len(s.attrs):len(s.attrs)], attrs...)
	return s
}

// WithGroup is not used by the daemon.
func (s screen) WithGroup(string) slog.Handler { return s }

// Handle prints a line, and the stack of a trap below it.
func (s screen) Handle(_ context.Context, r slog.Record) error {
	values := map[string]string{}
	var rest []string
	note := func(a slog.Attr) bool {
		if values[a.Key] = a.Value.String(); !isKnown(a.Key) {
			rest = append(rest, a.Key+"="+oneLine(a.Value.String()))
		}
		return true
	}
	for _, a := range s.attrs {
		note(a)
	}
	r.Attrs(note)
	trace, isTrap := values["trace"]
	if r.Level < slog.LevelInfo && r.Message != "message completed" && values["source"] == "" && !isTrap {
		return nil
	}
	who := values["plugin"]
	if who == "" {
		who = values["role"]
	}
	text := oneLine(r.Message)
	if err, ok := values["error"]; ok {
		text += ": " + oneLine(err)
	}
	level := ""
	if r.Level != slog.LevelInfo && (r.Level > slog.LevelInfo || values["source"] != "") {
		level = r.Level.String() + " "
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Fprintf(s.out, "%s %-10s %-17s %s%s\n", r.Time.Format("15:04:05.000"), who, values["message_id"], level, strings.Join(append([]string{text}, rest...), "  "))
	for line := range strings.Lines(trace) {
		fmt.Fprintf(s.out, "%30s%s\n", "", strings.TrimRight(line, "\n"))
	}
	return nil
}

// isKnown tells whether an attribute has a place of its own, or says nothing to somebody who watches one daemon.
func isKnown(key string) bool {
	switch key {
	case "plugin", "role", "message_id", "error", "trace", "source", "stream", "group", "consumer", "trace_id", "severity", "sha256", "dead_letters", "redis", "admin":
		return true
	}
	return false
}

// oneLine shows line breaks and other control characters for what they are.
func oneLine(s string) string {
	if strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return strings.Trim(fmt.Sprintf("%q", s), `"`)
	}
	return s
}
