package main

import (
	"context"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/sgstreamd/sgstreamd/internal/app"
	"github.com/sgstreamd/sgstreamd/internal/config"
	"github.com/sgstreamd/sgstreamd/internal/pace"
)

func newRun() *cobra.Command {
	c := &cobra.Command{
		Use:   "run",
		Short: "Run the daemon until it is told to stop",
		Long: `Run the daemon until it is told to stop.

On SIGTERM or SIGINT it takes no new message, finishes what is in flight (up to drain.timeout), gives
back what it had not begun, and exits 0. If the drain's time is over, or a second signal comes, it
cancels what is in flight, gives that back too, and exits 3.

A module that is put into plugins.dir, replaced or removed takes effect between two messages. On SIGHUP
the configuration is read anew, and the tables of the plugins in it take effect.`,
		Example: `  sgstreamd run --config /etc/sgstreamd/config.toml
  SGSTREAMD_REDIS__URL=redis://10.0.0.5:6379/0 sgstreamd run --plugins-dir build/plugins
  sgstreamd run --set outbound.platforms=discord,matrix`,
		Args: cobra.NoArgs,
	}
	flags := addConfigFlags(c)
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		defer pace.Keep()()
		cfg, err := flags.load(cmd)
		if err != nil {
			return err
		}
		log := newLogger(cmd.ErrOrStderr(), cfg.Log)
		flags.report(log)
		ctx, cut, release := untilSignalled(cmd.Context())
		defer release()
		reload := make(chan os.Signal, 1)
		signal.Notify(reload, syscall.SIGHUP)
		defer signal.Stop(reload)
		return app.Run(ctx, app.Options{
			Config: cfg, Log: log, Cut: cut, Reload: reload,
			Reread: func() (config.Config, error) { return flags.load(cmd) },
		})
	}
	return c
}

// untilSignalled returns a context that ends with the first SIGINT, SIGTERM or other signal that is named, and a channel that is
// closed with the second.
func untilSignalled(parent context.Context, others ...os.Signal) (context.Context, <-chan struct{}, func()) {
	if parent == nil {
		parent = context.Background()
	}
	ctx, cancel := context.WithCancel(parent)
	signals, cut, released := make(chan os.Signal, 2), make(chan struct{}), make(chan struct{})
	signal.Notify(signals, append(others, os.Interrupt, syscall.SIGTERM)...)
	go func() {
		for _, act := range []func(){cancel, func() { close(cut) }} {
			select {
			case <-signals:
				act()
			case <-released:
				return
			}
		}
	}()
	return ctx, cut, func() {
		signal.Stop(signals)
		close(released)
		cancel()
	}
}

// surviveClosedPipes lets a command go on where nobody reads what it prints any more, since there is something left to be
// removed. The returned function ends that.
func surviveClosedPipes() (end func()) {
	// Ignored, it would be so in the processes that the command starts, too.
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGPIPE)
	return func() { signal.Stop(signals) }
}

// newLogger writes the log as the configuration, which was validated, says.
func newLogger(w io.Writer, c config.Log) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.Level)); err != nil {
		level = slog.LevelInfo
	}
	o := &slog.HandlerOptions{Level: level}
	if c.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}
