package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/sgstreamd/sgstreamd/consumer"
)

func newDLQReplay() *cobra.Command {
	c := &cobra.Command{
		Use:   "replay {ID… | --all | FILTER…}",
		Short: "Put dead letters back on the streams that they came from",
		Long: `Put dead letters back on the streams that they came from, in the order in which they once were enqueued there. Each
is appended and removed from the dead letters in one step, so that repeating the command, or running it twice at the same
time, replays nothing twice. Payload and trace id are what they were; the message's attempts begin anew.

What is replayed is what was there when the command began: a message that fails again is a new dead letter.`,
		Example: `  sgstreamd dlq replay 1767225600000-0
  sgstreamd dlq replay --error "connection refused" --since 2h --dry-run
  sgstreamd dlq replay --all --limit 10`,
	}
	flags, letters := addConfigFlags(c), addSelection(c)
	r := replay{selection: letters}
	c.Flags().StringVar(&r.to, "to", "", "put them on the stream at this `key` instead")
	c.Flags().BoolVar(&r.dryRun, "dry-run", false, "only show what would be replayed, in its order")
	c.RunE = func(cmd *cobra.Command, ids []string) error {
		if err := letters.check(ids); err != nil {
			return err
		}
		return withDeadLetters(cmd, flags, func(ctx context.Context, d *consumer.DeadLetters) error {
			return r.run(ctx, cmd, d, ids)
		})
	}
	return c
}

// replay is what the flags ask for.
type replay struct {
	*selection
	to     string
	dryRun bool
}

func (r *replay) run(ctx context.Context, cmd *cobra.Command, d *consumer.DeadLetters, ids []string) error {
	out, bar := cmd.OutOrStdout(), newProgress(cmd.ErrOrStderr())
	letters, gone, err := r.pick(ctx, d, ids, out, bar)
	if err != nil {
		return err
	}
	plan, err := d.Plan(ctx, letters, r.to)
	if err != nil {
		return err
	}
	for _, key := range plan.Creates {
		fmt.Fprintf(cmd.ErrOrStderr(), "sgstreamd: stream %q is not there yet; a replay creates it\n", key)
	}
	if r.dryRun {
		return printMoves(cmd, plan.Moves, gone)
	}
	replayed, total := 0, len(plan.Moves)
	err = d.Replay(ctx, plan.Moves, func(m consumer.Move, newID string) {
		switch {
		case newID == "":
			gone++
			bar.clear()
			sayGone(out, m.Letter.ID)
		default:
			replayed++
			if len(ids) > 0 {
				fmt.Fprintf(out, "%s: replayed to %s as %s\n", m.Letter.ID, clean(m.Target), newID)
			}
		}
		bar.show("replaying", replayed, total)
	})
	bar.clear()
	fmt.Fprintf(out, "replayed %d, gone %d\n", replayed, gone)
	if err != nil {
		return fmt.Errorf("%w; repeat the command to go on: nothing is replayed twice", err)
	}
	return nil
}

func printMoves(cmd *cobra.Command, moves []consumer.Move, gone int) error {
	letters := make([]consumer.Letter, 0, len(moves))
	for _, m := range moves {
		// The table's column is where the letter goes.
		m.Letter.OriginalStream = m.Target
		letters = append(letters, m.Letter)
	}
	if err := printTable(cmd.OutOrStdout(), "TO", each(letters)); err != nil {
		return err
	}
	_, err := fmt.Fprintf(cmd.OutOrStdout(), "would replay %d, gone %d\n", len(moves), gone)
	return err
}
