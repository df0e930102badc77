package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sgstreamd/sgstreamd/internal/config"
	"github.com/sgstreamd/sgstreamd/internal/fixture"
	"github.com/sgstreamd/sgstreamd/internal/toolchain"
)

func newPluginTest() *cobra.Command {
	c := &cobra.Command{
		Use:   "test DIR",
		Short: "Test a plugin by the files in its folder tests/",
		Long: `Build the plugin in the folder, and test it by every file tests/*.json in it: what comes in (a message, the
configuration, the state, the time, what the network answers), and what has to come out. It runs in a real host, with
what its manifest asks for granted; no Redis is needed, and no request leaves this machine.

One line a file; where something else came out, a diff: - is expected, + is what came.`,
		Example: "  sgstreamd plugin test my-bot\n  sgstreamd plugin test my-bot --module plugins/my-bot.wasm",
		Args:    cobra.ExactArgs(1),
	}
	var module string
	c.Flags().StringVar(&module, "module", "", "`file` to test instead of one that is built now")
	c.RunE = func(cmd *cobra.Command, args []string) error {
		if _, err := moduleOf(args[0], ""); err != nil {
			return err
		}
		ctx, _, release := untilSignalled(cmd.Context())
		defer release()
		fixtures, err := fixture.Load(filepath.Join(args[0], "tests"))
		if err != nil {
			return err
		}
		return withModule(ctx, args[0], module, func(module, scratch string) error {
			return runFixtures(ctx, cmd.OutOrStdout(), fixtures, module, scratch)
		})
	}
	return c
}

// withModule calls do with a module, built now unless one is named, and a folder that is removed afterwards.
func withModule(ctx context.Context, dir, module string, do func(module, scratch string) error) error {
	scratch, err := os.MkdirTemp("", "sgstreamd-plugin-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	if module == "" {
		name, err := moduleOf(dir, "")
		if err != nil {
			return err
		}
		module = filepath.Join(scratch, filepath.Base(name))
		if err := toolchain.Build(ctx, dir, module, io.Discard); err != nil {
			return err
		}
	}
	return do(module, scratch)
}

// toolCache is the daemon's compile cache, or, without one, a folder below scratch: a plugin is loaded many times.
func toolCache(scratch string) string {
	plugins := config.Default().Plugins
	if dir, err := plugins.CachePath(); err == nil && dir != "" {
		return dir
	}
	return filepath.Join(scratch, "cache")
}

func runFixtures(ctx context.Context, w io.Writer, fixtures []fixture.Fixture, module, scratch string) error {
	r, err := fixture.NewRunner(ctx, module, toolCache(scratch), scratch)
	if err != nil {
		return err
	}
	failed := 0
	for _, f := range fixtures {
		begun := time.Now()
		diff, err := r.Run(ctx, f)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			failed++
			fmt.Fprintf(w, "FAIL  %s: %s\n", f.Name, clean(err.Error()))
		case diff != "":
			failed++
			fmt.Fprintf(w, "FAIL  %s (- expected, + came)\n", f.Name)
			for line := range strings.Lines(diff) {
				fmt.Fprintln(w, "      "+clean(strings.TrimSuffix(line, "\n")))
			}
		default:
			fmt.Fprintf(w, "ok    %s  %v\n", f.Name, time.Since(begun).Round(time.Millisecond))
		}
	}
	if failed > 0 {
		return errors.New(fmt.Sprint(failed, " of ", len(fixtures), " fixtures failed"))
	}
	return nil
}
