package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/sgstreamd/sgstreamd/internal/toolchain"
)

func newPluginBuild() *cobra.Command {
	c := &cobra.Command{
		Use:   "build DIR",
		Short: "Build a plugin's folder into a module, with its manifest",
		Long: `Build a plugin's folder into a module, by the compiler of the language that it is in: main.go is Go, Cargo.toml Rust,
src/main.c C, src/main.zig Zig, assembly/index.ts AssemblyScript. The folder's manifest.json is checked and put into the
module, so that one file is enough. The module takes its place in one step: a daemon never sees half of it.

Its path is printed.`,
		Example: "  sgstreamd plugin build my-bot\n  sgstreamd plugin build my-bot -o plugins/my-bot.wasm",
		Args:    cobra.ExactArgs(1),
	}
	var out string
	var skip bool
	c.Flags().StringVarP(&out, "output", "o", "", "`file` of the module (default: DIR/NAME.wasm, NAME being the folder's)")
	c.Flags().BoolVar(&skip, "skip-missing", false, "do nothing, with a line that says so, where the language's compiler is not installed")
	c.RunE = func(cmd *cobra.Command, args []string) error {
		module, err := moduleOf(args[0], out)
		if err != nil {
			return err
		}
		ctx, _, release := untilSignalled(cmd.Context())
		defer release()
		err = toolchain.Build(ctx, args[0], module, cmd.ErrOrStderr())
		if skip && errors.Is(err, toolchain.ErrNoCompiler) {
			_, err = fmt.Fprintf(cmd.ErrOrStderr(), "skipped: %v\n", err)
			return err
		}
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(cmd.OutOrStdout(), module)
		return err
	}
	return c
}

// moduleOf is the file that a plugin's folder is built into: out, or NAME.wasm in the folder.
func moduleOf(dir, out string) (string, error) {
	info, err := os.Stat(dir)
	switch {
	case err != nil:
		return "", usageError{err}
	case !info.IsDir():
		return "", usageError{fmt.Errorf("%s: is not a plugin's folder", dir)}
	case out != "":
		return out, nil
	}
	whole, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, filepath.Base(whole)+".wasm"), nil
}
