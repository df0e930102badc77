package main

import (
	"cmp"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/sgstreamd/sgstreamd/consumer"
)

const (
	// shortError is how many characters of an error a table has room for.
	shortError = 72
	// tablePage is after how many rows a table is printed, so that a long one needs no memory.
	tablePage = 500
)

// newTable aligns what it is told in columns.
func newTable(w io.Writer) *tabwriter.Writer { return tabwriter.NewWriter(w, 0, 0, 2, ' ', 0) }

// printTable prints a row for each letter; where is the heading over its original stream.
func printTable(w io.Writer, where string, letters iter.Seq2[consumer.Letter, error]) error {
	t, rows := newTable(w), 0
	for l, err := range letters {
		if err != nil {
			return err
		}
		if rows == 0 {
			fmt.Fprintf(t, "ID\tAGE\t%s\tATTEMPT\tTRACE\tERROR\n", where)
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\n", l.ID, age(time.Since(l.At())), cell(l.OriginalStream), cell(l.Attempt),
			cell(l.TraceID), shorten(clean(consumer.ErrorHeadline(l.Error)), shortError))
		if rows++; rows%tablePage == 0 {
			if err := t.Flush(); err != nil {
				return err
			}
		}
	}
	return t.Flush()
}

// mostFirst are the counts, those of the most frequent errors first.
func mostFirst(byError map[string]*errorCount) []*errorCount {
	return slices.SortedFunc(maps.Values(byError), func(a, b *errorCount) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), strings.Compare(a.Error, b.Error))
	})
}

func printCounts(w io.Writer, counts []*errorCount) error {
	t := newTable(w)
	if len(counts) > 0 {
		fmt.Fprintln(t, "COUNT\tNEWEST\tERROR")
	}
	for _, c := range counts {
		fmt.Fprintf(t, "%d\t%s\t%s\n", c.Count, c.Newest, clean(c.Error))
	}
	return t.Flush()
}

// age is a duration in its one greatest unit.
func age(d time.Duration) string {
	switch {
	case d < time.Minute:
		return strconv.Itoa(max(int(d/time.Second), 0)) + "s"
	case d < time.Hour:
		return strconv.Itoa(int(d/time.Minute)) + "m"
	case d < 48*time.Hour:
		return strconv.Itoa(int(d/time.Hour)) + "h"
	}
	return strconv.Itoa(int(d/(24*time.Hour))) + "d"
}

// cell is a text in a table, where nothing must be seen as well.
func cell(s string) string {
	if s == "" {
		return "-"
	}
	return shorten(clean(s), shortError)
}

func shorten(s string, room int) string {
	if utf8.RuneCountInString(s) <= room {
		return s
	}
	return string([]rune(s)[:room-1]) + "…"
}

// clean makes visible what would steer a terminal: a message's author chooses much of what a letter holds.
func clean(s string) string {
	var b strings.Builder
	for i, r := range s {
		switch {
		case r == utf8.RuneError && !strings.HasPrefix(s[i:], "\uFFFD"):
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case unicode.IsPrint(r), isJoiner(r):
			b.WriteRune(r)
		default:
			b.WriteString(strings.Trim(strconv.QuoteRuneToASCII(r), "'"))
		}
	}
	return b.String()
}

// isJoiner tells of the invisible characters that some scripts and emoji are written with.
func isJoiner(r rune) bool { return r == '\u200c' || r == '\u200d' }
