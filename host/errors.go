package host

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// What a guest did wrong, for errors.Is on the error of Plugin.Start and Plugin.Handle. A trap for want of
// memory is both ErrTrap and ErrMemory.
var (
	// ErrTrap: the guest trapped, called proc_exit, or overflowed its stack.
	ErrTrap = errors.New("trap")
	// ErrDeadline: the guest did not return within its plugin's timeout.
	ErrDeadline = errors.New("deadline")
	// ErrMemory: the guest had no memory left.
	ErrMemory = errors.New("out of memory")
	// ErrContract: the guest returned what the contract does not know: a pointer outside its memory, an
	// unknown status.
	ErrContract = errors.New("out of contract")
	// ErrRefused: sgs_configure refused the plugin's configuration.
	ErrRefused = errors.New("configuration refused")
)

// failure is one line for people and the sentinels that it answers to.
type failure struct {
	text  string
	kinds []error
}

// Error is the line for people.
func (f *failure) Error() string { return f.text }

// Unwrap returns the sentinels.
func (f *failure) Unwrap() []error { return f.kinds }

// cancellation returns the error of a context that is done, with its cause where that says more.
func cancellation(ctx context.Context) error {
	err, cause := ctx.Err(), context.Cause(ctx)
	if errors.Is(cause, err) {
		return cause
	}
	return fmt.Errorf("%w: %w", err, cause)
}

// maxLine is the length to which oneLine cuts, in bytes.
const maxLine = 500

// oneLine makes a text of unknown origin fit for an error: its first line that is not blank, without
// control characters, not longer than maxLine.
func oneLine(s string) string {
	s, _, _ = strings.Cut(strings.TrimSpace(s), "\n")
	if len(s) > maxLine {
		s = cutText(s, maxLine) + "…"
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return '\ufffd'
		}
		return r
	}, strings.ToValidUTF8(strings.TrimSpace(s), "\ufffd"))
}

// cutText cuts a text to at most n bytes, between two runes.
func cutText(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for end := n; end > n-utf8.UTFMax; end-- {
		if utf8.RuneStart(s[end]) {
			return s[:end]
		}
	}
	return s[:n] // not UTF-8 at all
}
