package sgs

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
)

// collect reads all events of a text, as it comes from a reader, and the error behind them.
func collect(r io.Reader) (all []Event, err error) {
	for e, err := range Events(r) {
		if err != nil {
			return all, err
		}
		all = append(all, e)
	}
	return all, nil
}

func TestEvents(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]Event{
		"":                                 nil,
		"data: a\n\n":                      {{"message", "a", ""}},
		"data:a\r\rdata:  b\r\n\r\n":       {{"message", "a", ""}, {"message", " b", ""}},
		"\ufeffdata: a\n\n":                {{"message", "a", ""}},
		"data: a\n\n\ufeffdata: b\n\n":     {{"message", "a", ""}},
		"data: a\r\ndata: b\r\n\r\n":       {{"message", "a\nb", ""}},
		"data: a\ndata\ndata: b\n\n":       {{"message", "a\n\nb", ""}},
		"data\n\n":                         {{"message", "", ""}},
		": comment\n\n\nevent: x\n\n":      nil,
		"event: x\ndata: a\n\ndata: b\n\n": {{"x", "a", ""}, {"message", "b", ""}},
		"id: 1\ndata: a\n\nid\ndata: b\n\nid: 2\x00\ndata: c\n\n": {{"message", "a", "1"}, {"message", "b", ""}, {"message", "c", ""}},
		"id: 1\n\ndata: a\n\n":              {{"message", "a", "1"}},
		"data: a\n\ndata: cut":              {{"message", "a", ""}},
		"data: a\n\ndata: cut\n":            {{"message", "a", ""}},
		"retry: 5\nother: x\ndata: a:b\n\n": {{"message", "a:b", ""}},
		"data: ä😀\n\n":                      {{"message", "ä😀", ""}},
	} {
		for name, r := range map[string]io.Reader{
			"at once": strings.NewReader(text), "byte by byte": iotest.OneByteReader(strings.NewReader(text)), "the error with the data": iotest.DataErrReader(strings.NewReader(text)),
		} {
			got, err := collect(r)
			require.NoError(t, err)
			require.Equal(t, want, got, "%q %s", text, name)
		}
	}
}

func TestEventsEndWithAnError(t *testing.T) {
	t.Parallel()
	broken := errors.New("cut")
	got, err := collect(io.MultiReader(strings.NewReader("data: a\n\ndata: b"), iotest.ErrReader(broken)))
	require.Equal(t, broken, err)
	require.Equal(t, []Event{{"message", "a", ""}}, got)
	for _, text := range []string{"data: " + strings.Repeat("x", maxEvent), strings.Repeat("data: "+strings.Repeat("x", 1<<20)+"\n", 9)} {
		_, err = collect(strings.NewReader(text))
		require.EqualError(t, err, "events: an event is larger than 8388608 bytes")
	}
	for range Events(strings.NewReader("data: a\n\ndata: b\n\n")) {
		break // the loop's end is no trouble
	}
}

func FuzzEvents(f *testing.F) {
	f.Add("event: x\rdata: a\r\n\r\ndata\n\nid: 5\n\n", 3)
	f.Fuzz(func(t *testing.T, text string, cut int) {
		whole, err := collect(strings.NewReader(text))
		require.NoError(t, err)
		cut = min(max(cut, 0), len(text))
		parts, err := collect(io.MultiReader(strings.NewReader(text[:cut]), iotest.OneByteReader(strings.NewReader(text[cut:]))))
		require.NoError(t, err)
		require.Equal(t, whole, parts)
	})
}
