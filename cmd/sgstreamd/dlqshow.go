package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sgstreamd/sgstreamd/consumer"
	"github.com/sgstreamd/sgstreamd/envelope"
)

// shownBytes is how much of a payload that can't be decoded show prints.
const shownBytes = 512

func newDLQShow() *cobra.Command {
	c := &cobra.Command{
		Use:   "show ID",
		Short: "Show a dead letter with its payload",
		Long: `Show a dead letter: every field that it has, and its payload decoded. Of a payload that can't be decoded, the reason
and the first bytes are shown; --json has all of it.`,
		Example: "  sgstreamd dlq show 1767225600000-0\n  sgstreamd dlq show 1767225600000-0 --json | jq .payload.content",
		Args:    cobra.ExactArgs(1),
	}
	flags := addConfigFlags(c)
	var asJSON bool
	c.Flags().BoolVar(&asJSON, "json", false, "print one line of JSON, as list does")
	c.RunE = func(cmd *cobra.Command, ids []string) error {
		if err := consumer.CheckLetterID(ids[0]); err != nil {
			return usageError{err}
		}
		return withDeadLetters(cmd, flags, func(ctx context.Context, d *consumer.DeadLetters) error {
			l, there, err := d.Get(ctx, ids[0])
			switch {
			case err != nil:
				return err
			case !there:
				return fmt.Errorf("dead letter %s is not there: it was replayed or dropped, or never was", ids[0])
			case asJSON:
				return printJSON(cmd.OutOrStdout(), each([]consumer.Letter{l}))
			}
			return printLetter(cmd.OutOrStdout(), &l)
		})
	}
	return c
}

func printLetter(w io.Writer, l *consumer.Letter) error {
	t := newTable(w)
	row := func(name, value string) {
		for line := range strings.SplitSeq(cmp.Or(value, "-"), "\n") {
			fmt.Fprintf(t, "%s\t%s\n", clean(name), clean(line))
			name = ""
		}
	}
	row("id", l.ID)
	row("dead-lettered", fmt.Sprintf("%s, %s ago", l.At().UTC().Format(time.RFC3339), age(time.Since(l.At()))))
	row("original_stream", l.OriginalStream)
	row("original_msg_id", l.OriginalID)
	row("attempt", l.Attempt)
	row("ts", l.TS)
	row("trace_id", l.TraceID)
	row("error", l.Error)
	for _, name := range slices.Sorted(maps.Keys(l.Other)) {
		row(name, l.Other[name])
	}
	for _, name := range slices.Sorted(maps.Keys(l.Original)) {
		row("original_field:"+name, l.Original[name])
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := io.WriteString(w, payloadText(l.Data))
	return err
}

// payloadText is a payload for people: indented JSON, or the reason why there is none and the first bytes.
func payloadText(data string) string {
	doc, err := envelope.ToJSON([]byte(data))
	var indented bytes.Buffer
	if err == nil {
		err = json.Indent(&indented, doc, "", "  ")
	}
	if err != nil {
		text := fmt.Sprintf("\npayload: %d bytes that can't be decoded: %v\n", len(data), err)
		return text + hex.Dump([]byte(data[:min(len(data), shownBytes)]))
	}
	var text strings.Builder
	text.WriteString("\npayload:\n")
	for line := range strings.Lines(indented.String()) {
		text.WriteString(clean(strings.TrimSuffix(line, "\n")) + "\n")
	}
	return text.String()
}
