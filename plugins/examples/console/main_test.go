package main

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/sgstreamd/sgstreamd/abi"
	sgs "github.com/sgstreamd/sgstreamd/plugins/sdk/go"
)

func TestPrintsOneLineAMessage(t *testing.T) {
	t.Parallel()
	for line, payload := range map[string]sgs.Map{
		"info: hello":          {"type": "message", "text": "hello"},
		"info: (buttons) pick": {"type": "buttons", "text": "pick", "buttons": []string{"a", "b"}},
		"info: (file) ":        {"type": "file", "data": []byte{0, 1}},
	} {
		got := sgs.Test(sgs.Message{Platform: "console", Payload: payload})
		if diff := cmp.Diff(sgs.Result{Status: abi.StatusDone, Logs: []string{line}}, got); diff != "" {
			t.Errorf("%v: %s", payload, diff)
		}
	}
}

// The lines of a long text are put together again as a reader of the log does.
func TestLosesNothingOfALongText(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"one line":                strings.Repeat("x", 100_000),
		"as much as fits":         strings.Repeat("x", whole),
		"one byte more":           strings.Repeat("x", whole+1),
		"as much as is not cut":   strings.Repeat("x", most),
		"twice":                   strings.Repeat("x", 2*most),
		"characters of two bytes": "x" + strings.Repeat("ä", 20_000),
		"characters of four":      "xy" + strings.Repeat("👩", 20_000),
		"short lines":             strings.Repeat("a line\n", 10_000),
		"blank lines":             strings.Repeat("\n", 40_000),
		"a long line in between":  "one\n" + strings.Repeat("y", 40_000) + "\nthree\n",
		"a break at the limit":    strings.Repeat("x", whole) + "\n" + strings.Repeat("y", whole) + "\n",
		"a break behind it":       strings.Repeat("x", whole+1) + "\n" + strings.Repeat("y", most) + "\nz",
	} {
		got := sgs.Test(sgs.Message{Platform: "console", Payload: sgs.Map{"type": "message", "text": text}})
		var printed strings.Builder
		for _, log := range got.Logs {
			line := strings.TrimPrefix(log, "info: ")
			if len(line) > abi.MaxTextBytes || !utf8.ValidString(line) {
				t.Errorf("%s: the daemon would cut a line of %d bytes", name, len(line))
			}
			printed.WriteString(line)
			if len(line) <= abi.MaxTextBytes-utf8.UTFMax {
				printed.WriteString("\n")
			}
		}
		if printed.String() != text+"\n" {
			t.Errorf("%s: %d bytes were printed of %d", name, printed.Len(), len(text)+1)
		}
	}
}
