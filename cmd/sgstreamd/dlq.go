package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/sgstreamd/sgstreamd/consumer"
)

func newDLQ() *cobra.Command {
	c := &cobra.Command{
		Use:   "dlq",
		Short: "Work with the dead letters: list, show, replay, drop",
		Long: `Work with the dead letters, the messages that could not be handled: see what went wrong, put them back on their
streams once that is mended, or drop them. A daemon need not run.`,
		Example: `  sgstreamd dlq list --count
  sgstreamd dlq replay --error "connection refused" --since 2h`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	c.AddCommand(newDLQList(), newDLQShow(), newDLQReplay(), newDLQDrop())
	return c
}

// withDeadLetters runs do with the configured stream of dead letters, until it is done or a signal comes.
func withDeadLetters(cmd *cobra.Command, flags *configFlags, do func(context.Context, *consumer.DeadLetters) error) error {
	cfg, err := flags.load(cmd)
	if err != nil {
		return err
	}
	client, err := dial(cfg.Redis)
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, _, release := untilSignalled(cmd.Context())
	defer release()
	if err := consumer.Ping(ctx, client); err != nil {
		if cfg.Redis.URL == consumer.Embedded {
			err = fmt.Errorf(`%w; redis.url is "embedded": no daemon runs here, or --config is missing`, err)
		}
		return err
	}
	err = do(ctx, consumer.NewDeadLetters(client, cfg.DeadLetters.Stream))
	if errors.Is(err, context.Canceled) {
		return errors.New("interrupted")
	}
	return err
}
