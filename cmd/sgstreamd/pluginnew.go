package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sgstreamd/sgstreamd/abi"
	"github.com/sgstreamd/sgstreamd/internal/scaffold"
)

func newPluginNew() *cobra.Command {
	c := &cobra.Command{
		Use:   "new NAME",
		Short: "Make a folder for a new plugin",
		Long: `Make a folder for a new plugin: a source that works, its manifest, a test, and the SDK of this version, so that it
builds without a network. NAME may have a path before it.

A processor answers inbound messages. An adapter delivers outbound ones to a platform.`,
		Example: "  sgstreamd plugin new my-bot\n  sgstreamd plugin new my-chat --lang rust --kind adapter",
		Args:    cobra.ExactArgs(1),
	}
	var lang, kind string
	c.Flags().StringVar(&lang, "lang", "go", "`language`: "+strings.Join(scaffold.Languages(), ", "))
	c.Flags().StringVar(&kind, "kind", abi.KindProcessor, "`kind`: "+strings.Join(scaffold.Kinds(), ", "))
	c.RunE = func(cmd *cobra.Command, args []string) error {
		dir := args[0]
		if err := scaffold.New(dir, lang, kind); err != nil {
			return usageError{err}
		}
		program := os.Args[0] // as it was called: it need not be on PATH
		next := fmt.Sprintf("%[2]s is there; its function is in %[3]s. Next:\n  %[1]s plugin test %[2]s\n  %[1]s plugin build %[2]s\n  %[1]s dev --plugins %[2]s",
			program, dir, filepath.Join(dir, scaffold.Source(lang)))
		if kind == abi.KindAdapter {
			next += " --config " + filepath.Join(dir, "dev.toml")
		}
		_, err := fmt.Fprintln(cmd.OutOrStdout(), next)
		return err
	}
	return c
}
