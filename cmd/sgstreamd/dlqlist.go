package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/spf13/cobra"

	"github.com/sgstreamd/sgstreamd/consumer"
)

func newDLQList() *cobra.Command {
	c := &cobra.Command{
		Use:   "list",
		Short: "List dead letters, the newest last",
		Long: `List dead letters, the newest last: id, age, the stream that it came from, deliveries, trace id and error.

--count tells instead how many there are of each kind of error, where <n> stands for any number and <id> for any id.
--json prints one object a line, with the payload decoded in the form in which plugins see it; a payload that can't be
decoded is in "data", in base64, and "payload_error" says why.`,
		Example: `  sgstreamd dlq list --since 24h --stream sg:stream:inbound
  sgstreamd dlq list --count
  sgstreamd dlq list --limit 0 --json | jq -r .payload.channel_key | sort | uniq -c`,
		Args: cobra.NoArgs,
	}
	flags, letters := addConfigFlags(c), addLetterFlags(c)
	var limit int
	var count, asJSON bool
	c.Flags().IntVar(&limit, "limit", 50, "the newest so many, as `number`; 0 is all")
	c.Flags().BoolVar(&count, "count", false, "count by error, whatever --limit says")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON, an object a line")
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		if limit < 0 {
			return usageError{errors.New("flag --limit: it is negative; write 0 for all")}
		}
		if err := letters.check(); err != nil {
			return err
		}
		return withDeadLetters(cmd, flags, func(ctx context.Context, d *consumer.DeadLetters) error {
			if count {
				return countLetters(ctx, cmd, d, letters, asJSON)
			}
			return listLetters(ctx, cmd, d, letters, limit, asJSON)
		})
	}
	return c
}

func listLetters(ctx context.Context, cmd *cobra.Command, d *consumer.DeadLetters, f *letterFlags, limit int, asJSON bool) error {
	// Without a limit they are printed while they are read, which shows the progress.
	found := f.matching(ctx, d, false, &progress{})
	if limit > 0 {
		newest, err := newestLetters(ctx, cmd, d, f, limit, asJSON)
		if err != nil {
			return err
		}
		found = each(newest)
	}
	if asJSON {
		return printJSON(cmd.OutOrStdout(), found)
	}
	return printTable(cmd.OutOrStdout(), "STREAM", found)
}

// newestLetters are the newest so many, the newest last. It says so where there are more and nobody asked for a limit.
func newestLetters(ctx context.Context, cmd *cobra.Command, d *consumer.DeadLetters, f *letterFlags, limit int, payloads bool) ([]consumer.Letter, error) {
	var newest []consumer.Letter
	for l, err := range f.matching(ctx, d, true, newProgress(cmd.ErrOrStderr())) {
		if err != nil {
			return nil, err
		}
		if len(newest) == limit && cmd.Flags().Changed("limit") {
			break
		}
		if len(newest) == limit {
			fmt.Fprintf(cmd.ErrOrStderr(), "sgstreamd: these are the newest %d; --limit 0 lists all\n", limit)
			break
		}
		if !payloads {
			l = l.WithoutData()
		}
		newest = append(newest, l)
	}
	slices.Reverse(newest)
	return newest, nil
}

func each(letters []consumer.Letter) iter.Seq2[consumer.Letter, error] {
	return func(yield func(consumer.Letter, error) bool) {
		for _, l := range letters {
			if !yield(l, nil) {
				return
			}
		}
	}
}

// errorCount is a kind of error, and how many letters have it.
type errorCount struct {
	Count int `json:"count"`
	// Newest is the id of one of them.
	Newest string `json:"newest"`
	Error  string `json:"error"`
}

func countLetters(ctx context.Context, cmd *cobra.Command, d *consumer.DeadLetters, f *letterFlags, asJSON bool) error {
	byError := map[string]*errorCount{}
	for l, err := range f.matching(ctx, d, false, newProgress(cmd.ErrOrStderr())) {
		if err != nil {
			return err
		}
		group := consumer.ErrorGroup(l.Error)
		if byError[group] == nil {
			byError[group] = &errorCount{Error: group}
		}
		byError[group].Count++
		byError[group].Newest = l.ID
	}
	counts := mostFirst(byError)
	if !asJSON {
		return printCounts(cmd.OutOrStdout(), counts)
	}
	out := json.NewEncoder(cmd.OutOrStdout())
	out.SetEscapeHTML(false)
	for _, c := range counts {
		if err := out.Encode(c); err != nil {
			return err
		}
	}
	return nil
}
