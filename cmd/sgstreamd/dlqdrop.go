package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sgstreamd/sgstreamd/consumer"
)

func newDLQDrop() *cobra.Command {
	c := &cobra.Command{
		Use:   "drop {ID… | --all | FILTER…}",
		Short: "Remove dead letters for good",
		Long: `Remove dead letters for good. What is chosen by filters or --all needs a yes: --yes, or the answer to a question where
the command is typed at a terminal.`,
		Example: `  sgstreamd dlq drop 1767225600000-0
  sgstreamd dlq drop --until 720h --dry-run
  sgstreamd dlq drop --error "payload is not msgpack" --yes`,
	}
	flags, letters := addConfigFlags(c), addSelection(c)
	d := drop{selection: letters}
	c.Flags().BoolVarP(&d.yes, "yes", "y", false, "do not ask")
	c.Flags().BoolVar(&d.dryRun, "dry-run", false, "only show what would be dropped")
	c.RunE = func(cmd *cobra.Command, ids []string) error {
		if err := letters.check(ids); err != nil {
			return err
		}
		d.yes = d.yes || len(ids) > 0
		if !d.yes && !d.dryRun && !isTerminal(cmd.InOrStdin()) {
			return usageError{errors.New("what is dropped by filters is gone for good; look with --dry-run, then add --yes")}
		}
		return withDeadLetters(cmd, flags, func(ctx context.Context, dead *consumer.DeadLetters) error {
			return d.run(ctx, cmd, dead, ids)
		})
	}
	return c
}

// drop is what the flags ask for.
type drop struct {
	*selection
	yes, dryRun bool
}

func (d *drop) run(ctx context.Context, cmd *cobra.Command, dead *consumer.DeadLetters, ids []string) error {
	out, bar := cmd.OutOrStdout(), newProgress(cmd.ErrOrStderr())
	letters, gone, err := d.pick(ctx, dead, ids, out, bar)
	if err != nil {
		return err
	}
	if d.dryRun {
		if err := printTable(out, "STREAM", each(letters)); err != nil {
			return err
		}
		_, err := fmt.Fprintf(out, "would drop %d, gone %d\n", len(letters), gone)
		return err
	}
	if len(letters) > 0 && !d.yes && !confirmed(ctx, cmd, len(letters)) {
		return errors.New("nothing was dropped")
	}
	doomed := make([]string, 0, len(letters))
	for _, l := range letters {
		doomed = append(doomed, l.ID)
	}
	dropped := 0
	err = dead.Drop(ctx, doomed, func(now, before int) {
		dropped, gone = dropped+now, gone+before
		bar.show("dropping", dropped, len(letters))
	})
	bar.clear()
	fmt.Fprintf(out, "dropped %d, gone %d\n", dropped, gone)
	return err
}

// confirmed asks at the terminal. No answer, or a signal instead of one, is a no.
func confirmed(ctx context.Context, cmd *cobra.Command, n int) bool {
	fmt.Fprintf(cmd.ErrOrStderr(), "drop %d dead letters for good? [y/N] ", n)
	answers := make(chan string, 1)
	// A terminal may hold this goroutine beyond ctx's end: the process ends then.
	go func() {
		answer, _ := bufio.NewReader(cmd.InOrStdin()).ReadString('\n')
		answers <- strings.ToLower(strings.TrimSpace(answer))
	}()
	select {
	case answer := <-answers:
		return answer == "y" || answer == "yes"
	case <-ctx.Done():
		fmt.Fprintln(cmd.ErrOrStderr())
		return false
	}
}
