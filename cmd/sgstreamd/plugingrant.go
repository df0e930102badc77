package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/sgstreamd/sgstreamd/internal/app"
)

func newPluginGrant() *cobra.Command {
	c := &cobra.Command{
		Use:   "grant NAME",
		Short: "Let a plugin have what its new version asks for",
		Long: `Let a plugin of plugins.dir have what its module asks for now: hosts, secrets, state and limits.

The daemon remembers in plugins.lock_file what each plugin was granted, and a new version that asks for more
waits until this command is run; a running daemon loads it then. What a plugin asks for, the configuration
has to allow besides.`,
		Example: "  sgstreamd plugin inspect /etc/sgstreamd/plugins/discord.wasm\n  sgstreamd plugin grant discord --config /etc/sgstreamd/config.toml",
		Args:    cobra.ExactArgs(1),
	}
	flags := addConfigFlags(c)
	c.RunE = func(cmd *cobra.Command, args []string) error {
		cfg, err := flags.load(cmd)
		if err != nil {
			return err
		}
		more, err := app.Grant(context.Background(), cfg, args[0])
		if err != nil {
			return err
		}
		for _, what := range more {
			fmt.Fprintf(cmd.OutOrStdout(), "granted to %s: %s\n", args[0], what)
		}
		if len(more) == 0 {
			fmt.Fprintf(cmd.OutOrStdout(), "%s asks for no more than it was granted\n", args[0])
		}
		return nil
	}
	return c
}
