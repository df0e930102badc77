package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/sgstreamd/sgstreamd/consumer"
)

// letterFlags are the filters of list, replay and drop.
type letterFlags struct {
	since, until string
	filter       consumer.LetterFilter

	// What check makes of since and until; the zero time is no bound.
	from, to time.Time
}

func addLetterFlags(c *cobra.Command) *letterFlags {
	f := &letterFlags{}
	flags := c.Flags()
	flags.StringVar(&f.since, "since", "", "dead-lettered since this `time`: a duration before now (2h), or RFC 3339 (2026-01-31T12:00:00Z)")
	flags.StringVar(&f.until, "until", "", "dead-lettered until this `time`, written as for --since")
	flags.StringVar(&f.filter.TraceID, "trace", "", "of this trace `id`")
	flags.StringVar(&f.filter.OriginalStream, "stream", "", "that came from the stream at this `key`")
	flags.StringVar(&f.filter.Error, "error", "", "with this `text` in the error, as it is or as --count of list shows it")
	return f
}

// given tells whether there is any filter.
func (f *letterFlags) given() bool {
	return f.since != "" || f.until != "" || f.filter != consumer.LetterFilter{}
}

// check reads the times.
func (f *letterFlags) check() error {
	now := time.Now()
	for _, t := range []struct {
		flag, text string
		time       *time.Time
	}{{"--since", f.since, &f.from}, {"--until", f.until, &f.to}} {
		var err error
		if *t.time, err = parseMoment(t.text, now); err != nil {
			return usageError{fmt.Errorf("flag %s: %w", t.flag, err)}
		}
	}
	if !f.to.IsZero() && f.from.After(f.to) {
		return usageError{errors.New("flag --since: it is later than --until; exchange them")}
	}
	return nil
}

// parseMoment reads a duration before now, or a time. Nothing is the zero time.
func parseMoment(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if d, err := time.ParseDuration(text); err == nil && d >= 0 {
		return now.Add(-d), nil
	}
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t, nil
	}
	return time.Time{}, fmt.Errorf("%q is neither a duration such as 2h nor a time such as 2026-01-31T12:00:00Z", text)
}

// matching reads the letters that the filters mean, and shows on p how many were read.
func (f *letterFlags) matching(ctx context.Context, d *consumer.DeadLetters, newestFirst bool, p *progress) iter.Seq2[consumer.Letter, error] {
	return func(yield func(consumer.Letter, error) bool) {
		total, err := d.Len(ctx)
		if err != nil {
			yield(consumer.Letter{}, err)
			return
		}
		defer p.clear()
		read := 0
		for l, err := range d.All(ctx, f.from, f.to, newestFirst) {
			read++
			p.show("reading", read, int(total))
			if (err != nil || f.filter.Matches(&l)) && !yield(l, err) {
				return
			}
		}
	}
}

// selection is which letters replay and drop work on: some ids, or what the filters mean, or all.
type selection struct {
	*letterFlags
	all   bool
	limit int
}

func addSelection(c *cobra.Command) *selection {
	s := &selection{letterFlags: addLetterFlags(c)}
	c.Flags().BoolVar(&s.all, "all", false, "all dead letters")
	c.Flags().IntVar(&s.limit, "limit", 0, "so many at most, the `number` of those that were enqueued first; 0 is no limit")
	return s
}

// check finds out whether it is clear what is meant.
func (s *selection) check(ids []string) error {
	switch {
	case len(ids) > 0 && (s.all || s.given() || s.limit != 0):
		return usageError{errors.New("ids go without filters, --all and --limit; write one or the other")}
	case s.all && s.given():
		return usageError{errors.New("--all goes without filters; remove it, or them")}
	case len(ids) == 0 && !s.all && !s.given():
		return usageError{errors.New("which dead letters? Name ids, a filter such as --since 2h, or --all")}
	case s.limit < 0:
		return usageError{errors.New("flag --limit: it is negative; write 0 for no limit")}
	}
	for _, id := range ids {
		if err := consumer.CheckLetterID(id); err != nil {
			return usageError{err}
		}
	}
	return s.letterFlags.check()
}

// pick reads the letters that are meant, in the order of their enqueueing and without their payloads. Of ids that are
// gone it says that they are, and returns how many those were.
func (s *selection) pick(ctx context.Context, d *consumer.DeadLetters, ids []string, out io.Writer, p *progress) (letters []consumer.Letter, gone int, err error) {
	if len(ids) > 0 {
		return pickByID(ctx, d, ids, out)
	}
	for l, err := range s.matching(ctx, d, false, p) {
		if err != nil {
			return nil, 0, err
		}
		letters = append(letters, l.WithoutData())
	}
	consumer.InOrder(letters)
	if s.limit > 0 {
		letters = letters[:min(s.limit, len(letters))]
	}
	return letters, 0, nil
}

func pickByID(ctx context.Context, d *consumer.DeadLetters, ids []string, out io.Writer) (letters []consumer.Letter, gone int, err error) {
	for _, id := range once(ids) {
		l, there, err := d.Get(ctx, id)
		switch {
		case err != nil:
			return nil, 0, err
		case there:
			letters = append(letters, l.WithoutData())
		default:
			gone++
			sayGone(out, id)
		}
	}
	consumer.InOrder(letters)
	return letters, gone, nil
}

// once leaves out what stood before.
func once(ids []string) []string {
	seen := map[string]bool{}
	return slices.DeleteFunc(slices.Clone(ids), func(id string) bool {
		twice := seen[id]
		seen[id] = true
		return twice
	})
}

func sayGone(out io.Writer, id string) {
	fmt.Fprintf(out, "%s: already replayed or dropped\n", id)
}
