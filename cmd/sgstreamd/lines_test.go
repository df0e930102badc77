package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
)

// lines reads the input to its end, and returns the error of that end.
func linesOf(t *testing.T, in io.Reader, most int) ([]string, error) {
	t.Helper()
	var texts []string
	lines := readLines(t.Context(), in, most)
	for {
		l := <-lines
		if l.err != nil {
			return texts, l.err
		}
		texts = append(texts, l.text)
		require.Equal(t, len(texts), l.number)
	}
}

func TestLinesOfAnyLengthAreRead(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 3<<20)
	for in, want := range map[string][]string{
		"":                   nil,
		"a":                  {"a"},
		"a\n":                {"a"},
		"a\r\n\nb":           {"a", "", "b"},
		long + "\r\nb\n":     {long, "b"},
		"a\n" + long:         {"a", long},
		long + "\n" + long:   {long, long},
		"a\rb\r\r\n":         {"a\rb\r"},
		"\x00 and \xff\nend": {"\x00 and \xff", "end"},
	} {
		for _, r := range []io.Reader{strings.NewReader(in), iotest.HalfReader(strings.NewReader(in)), iotest.DataErrReader(strings.NewReader(in))} {
			got, err := linesOf(t, r, len(long))
			require.Equal(t, io.EOF, err)
			require.Equal(t, want, got)
		}
	}
}

func TestALineThatCannotBeSentEndsTheInput(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 5001)
	for _, end := range []string{"", "\n", "\r\n", "\nb\n", long} {
		got, err := linesOf(t, strings.NewReader("a\n\n"+long+end), 5000)
		require.EqualError(t, err, "standard input, line 3: is longer than 5000 bytes, the most that a message may have; it and what follows were not sent")
		require.Equal(t, []string{"a", ""}, got)
	}
	broken := errors.New("the disk is gone")
	got, err := linesOf(t, io.MultiReader(strings.NewReader("a\nhalf a li"), iotest.ErrReader(broken)), 5000)
	require.ErrorIs(t, err, broken)
	require.ErrorContains(t, err, "standard input, line 2: the disk is gone")
	require.Equal(t, []string{"a"}, got)
}

func TestNobodyReadsTheLines(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	readLines(ctx, strings.NewReader("a\nb"), 10)
	cancel() // goleak finds the goroutine otherwise
}

func FuzzReadLine(f *testing.F) {
	for _, s := range []string{"", "a\nb\r\n", "\r\r\n\n", strings.Repeat("x", 9000), "1234\r\n12345\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		r, s := bufio.NewReader(strings.NewReader(in)), bufio.NewScanner(strings.NewReader(in))
		s.Buffer(nil, len(in)+16)
		for s.Scan() {
			line, err := readLine(r, len(in))
			require.NoError(t, err)
			require.Equal(t, s.Text(), line)
		}
		_, err := readLine(r, len(in))
		require.Equal(t, io.EOF, err)
	})
}
