package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func newConfig() *cobra.Command {
	c := &cobra.Command{
		Use:     "config",
		Short:   "Look at the configuration",
		Example: "  sgstreamd config check --config config.toml",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	c.AddCommand(newConfigCheck())
	return c
}

func newConfigCheck() *cobra.Command {
	c := &cobra.Command{
		Use:   "check",
		Short: "Check the configuration, and print what is in force",
		Long: `Check the configuration from all its sources (defaults, the fleet's SG_ variables, the file, SGSTREAMD_
variables, flags) and print what is in force, as TOML without passwords. Every mistake is one line on
standard error, and exits 2. Redis and plugins are not touched.`,
		Example: "  sgstreamd config check --config config.toml",
		Args:    cobra.NoArgs,
	}
	flags := addConfigFlags(c)
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, err := flags.load(cmd)
		if err != nil {
			return err
		}
		toml, err := cfg.TOML()
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s", toml)
		return err
	}
	return c
}
