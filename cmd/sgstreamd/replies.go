package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"unicode/utf8"

	"github.com/sgstreamd/sgstreamd/abi"
)

// maxWhole is the length above which a line of the console adapter's goes on in the next, in bytes.
const maxWhole = abi.MaxTextBytes - utf8.UTFMax

// replies is a log handler that prints what the console adapter logs, which is what it delivers, as plain
// lines, and passes everything else on.
type replies struct {
	slog.Handler
	out     io.Writer
	console bool // the attributes so far say that the console adapter's guest speaks
}

func newReplies(out io.Writer, next slog.Handler) replies { return replies{Handler: next, out: out} }

// Enabled lets the adapter's lines pass whatever the level of the rest.
func (h replies) Enabled(ctx context.Context, l slog.Level) bool {
	return l >= slog.LevelInfo || h.Handler.Enabled(ctx, l)
}

// Handle prints or passes on.
func (h replies) Handle(ctx context.Context, r slog.Record) error {
	if h.speaks(r) {
		end := "\n"
		if len(r.Message) > maxWhole {
			end = ""
		}
		_, err := fmt.Fprint(h.out, r.Message, end)
		return err
	}
	if !h.Handler.Enabled(ctx, r.Level) {
		return nil
	}
	return h.Handler.Handle(ctx, r)
}

// WithAttrs notes whether the lines that follow are the console adapter's.
func (h replies) WithAttrs(attrs []slog.Attr) slog.Handler {
	for _, a := range attrs {
		if a.Key == "plugin" {
			h.console = a.Value.String() == devPlatform
		}
	}
	h.Handler = h.Handler.WithAttrs(attrs)
	return h
}

// WithGroup passes a group on.
func (h replies) WithGroup(name string) slog.Handler {
	h.Handler = h.Handler.WithGroup(name)
	return h
}

// speaks tells whether a line was logged by the adapter's guest, and not about it.
func (h replies) speaks(r slog.Record) bool {
	guest := false
	r.Attrs(func(a slog.Attr) bool {
		guest = a.Key == "source" && a.Value.String() == "log"
		return !guest
	})
	return h.console && guest
}
