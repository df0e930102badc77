package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/sgstreamd/sgstreamd/internal/conformance"
)

func newPluginCheck() *cobra.Command {
	c := &cobra.Command{
		Use:   "check F.wasm",
		Short: "Do to a module what a daemon may do in its life",
		Long: `Run a module in a real host and do to it what a daemon may do in its life: odd messages, refused emits, state that is
not there, servers that fail, configurations of wrong types, 5000 messages, restarts. It must never trap, never exceed
its deadline, never return what the contract does not know, and not grow. No request leaves this machine.

One line a check. A plugin that needs a configuration gets one that is made from its manifest's schema, unless --config
names a file.`,
		Example: "  sgstreamd plugin check my-bot.wasm\n  sgstreamd plugin check my-bot.wasm --config my-bot.json",
		Args:    cobra.ExactArgs(1),
	}
	var configFile string
	var asJSON bool
	c.Flags().StringVar(&configFile, "config", "", "`file` of JSON with a configuration that the plugin takes")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON, an object a line")
	c.RunE = func(cmd *cobra.Command, args []string) error {
		config, err := readPluginConfig(configFile)
		if err != nil {
			return err
		}
		ctx, _, release := untilSignalled(cmd.Context())
		defer release()
		failed, out := 0, cmd.OutOrStdout()
		encoder := json.NewEncoder(out)
		report := func(r conformance.Result) {
			word := "ok  "
			if r.Problem != "" {
				failed++
				word = "FAIL"
			}
			if asJSON {
				_ = encoder.Encode(r) // it has no reader any more
				return
			}
			line := word + "  " + r.Name
			if r.Note != "" {
				line += "  (" + clean(r.Note) + ")"
			}
			if r.Problem != "" {
				line += ": " + clean(r.Problem)
			}
			fmt.Fprintln(out, line)
		}
		err = withModule(ctx, "", args[0], func(module, scratch string) error {
			o := conformance.Options{Module: module, CacheDir: toolCache(scratch), Scratch: scratch, Config: config}
			return conformance.Run(ctx, o, report)
		})
		if err == nil && failed > 0 {
			err = errors.New(fmt.Sprint(failed, " checks failed"))
		}
		return err
	}
	return c
}

// readPluginConfig reads a plugin's configuration from a file of JSON; nil where none is named.
func readPluginConfig(file string) (map[string]any, error) {
	if file == "" {
		return nil, nil
	}
	doc, err := os.ReadFile(file)
	if err != nil {
		return nil, usageError{err}
	}
	var config map[string]any
	d := json.NewDecoder(bytes.NewReader(doc))
	d.UseNumber()
	if err := d.Decode(&config); err != nil || config == nil {
		return nil, usageError{fmt.Errorf("%s: is no JSON object: %v", file, err)}
	}
	return config, nil
}
