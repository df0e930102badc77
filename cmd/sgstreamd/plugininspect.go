package main

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/sgstreamd/sgstreamd/host"
	"github.com/sgstreamd/sgstreamd/internal/inspect"
)

func newPluginInspect() *cobra.Command {
	c := &cobra.Command{
		Use:   "inspect F.wasm",
		Short: "Show what is in a module, and what it would need granted",
		Long: `Show what is in a module: the contract that it was written for, its manifest, what it imports and exports, its memory
and size, and what the operator would have to write into the configuration for it. Nothing of it is run.

Exit codes: 0 a daemon would load it, if it is granted that; 1 it would not, and the line "refused" says why.`,
		Example: "  sgstreamd plugin inspect my-bot.wasm\n  sgstreamd plugin inspect my-bot.wasm --json | jq .manifest.hosts",
		Args:    cobra.ExactArgs(1),
	}
	var asJSON bool
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON, one object")
	c.RunE = func(cmd *cobra.Command, args []string) error {
		in, err := host.Inspect(context.Background(), args[0])
		if err != nil {
			return err
		}
		if asJSON {
			out := json.NewEncoder(cmd.OutOrStdout())
			out.SetEscapeHTML(false)
			err = out.Encode(in)
		} else {
			err = inspect.Print(cmd.OutOrStdout(), in)
		}
		if err == nil && in.Refused != "" {
			err = fmt.Errorf("%s: %s", in.File, in.Refused)
		}
		return err
	}
	return c
}
