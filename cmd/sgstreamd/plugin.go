package main

import (
	"github.com/spf13/cobra"
)

func newPlugin() *cobra.Command {
	c := &cobra.Command{
		Use:   "plugin",
		Short: "Make, build, test and measure plugins",
		Long: `Make, build, test and measure plugins. None of these needs a Redis or a running daemon.

A plugin's folder holds its source, manifest.json and, in tests/, what it is tested with. What it is built into, one
file NAME.wasm, is all that the daemon needs.`,
		Example: `  sgstreamd plugin new my-bot
  sgstreamd plugin test my-bot
  sgstreamd plugin build my-bot
  sgstreamd plugin inspect my-bot/my-bot.wasm`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	c.AddCommand(newPluginNew(), newPluginBuild(), newPluginTest(), newPluginInspect(), newPluginCheck(), newPluginBench(), newPluginGrant())
	return c
}
