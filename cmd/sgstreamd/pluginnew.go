package main

import (
	"fmt"
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
		name := filepath.Base(dir)
		next := fmt.Sprintf("%s is there. Next:\n  sgstreamd plugin test %s\n  sgstreamd plugin build %s -o plugins/%s.wasm\n", dir, dir, dir, name)
		if kind == abi.KindProcessor {
			next += fmt.Sprintf("  sgstreamd dev --plugins plugins --processor %s\n", name)
		}
		_, err := fmt.Fprint(cmd.OutOrStdout(), next)
		return err
	}
	return c
}
