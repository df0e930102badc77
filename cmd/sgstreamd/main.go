// Command sgstreamd is the daemon and its tools. This package only translates between the operating system
// (arguments, signals, streams, exit codes) and the packages that do the work.
package main

import (
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sgstreamd/sgstreamd/internal/app"
)

// Exit codes of every command.
const (
	exitOK         = 0 // it worked; a daemon was drained completely
	exitFailed     = 1 // it did not work
	exitUsage      = 2 // the arguments or the configuration are wrong
	exitIncomplete = 3 // the daemon stopped before everything in flight was finished
)

// usageError marks what exits with exitUsage.
type usageError struct{ error }

// Unwrap returns the error that is marked.
func (e usageError) Unwrap() error { return e.error }

func main() {
	log.SetOutput(clientLog{os.Stderr})
	os.Exit(execute(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// execute runs the command line and returns the exit code.
func execute(args []string, in io.Reader, out, errOut io.Writer) int {
	root := newRoot()
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errOut)
	cmd, err := root.ExecuteC()
	if err == nil {
		return exitOK
	}
	for line := range strings.Lines(err.Error()) {
		fmt.Fprintln(errOut, "sgstreamd:", strings.TrimRight(line, "\n"))
	}
	var usage usageError
	switch {
	case errors.As(err, &usage):
		fmt.Fprintf(errOut, "sgstreamd: %q tells more\n", cmd.CommandPath()+" --help")
		return exitUsage
	case errors.Is(err, app.ErrDrainIncomplete):
		return exitIncomplete
	}
	return exitFailed
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "sgstreamd",
		Short: "Run WebAssembly plugins on Redis Streams, each message handled once",
		Long: `sgstreamd reads chat messages from Redis Streams, hands each to a sandboxed WebAssembly
plugin, and commits what the plugin answered together with the acknowledgement.

Exit codes: 0 it worked; 1 it failed; 2 the arguments or the configuration are wrong;
3 the daemon stopped before everything in flight was finished.`,
		Example:       "  sgstreamd dev\n  sgstreamd run --config /etc/sgstreamd/config.toml",
		SilenceErrors: true, SilenceUsage: true,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.AddCommand(newRun(), newDev(), newSend(), newDLQ(), newDoctor(), newVerify(), newBench(), newPlugin(), newConfig(), newVersion())
	markUsage(root)
	return root
}

// markUsage makes wrong arguments of any command a usageError.
func markUsage(c *cobra.Command) {
	if check := c.Args; check != nil {
		c.Args = func(cmd *cobra.Command, args []string) error {
			if err := check(cmd, args); err != nil {
				return usageError{err}
			}
			return nil
		}
	}
	for _, sub := range c.Commands() {
		markUsage(sub)
	}
}
