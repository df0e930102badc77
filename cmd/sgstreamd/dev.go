package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/sgstreamd/sgstreamd/consumer"
	"github.com/sgstreamd/sgstreamd/host"
	"github.com/sgstreamd/sgstreamd/internal/app"
	"github.com/sgstreamd/sgstreamd/internal/config"
)

// devPlatform is the platform, and the adapter, of the lines that are typed.
const devPlatform = "console"

func newDev() *cobra.Command {
	var pluginsDir, processor string
	var verbose bool
	c := &cobra.Command{
		Use:   "dev",
		Short: "Try it on one machine: lines typed are messages, replies are printed",
		Long: `Run the whole loop in one process with no configuration: an embedded Redis, a processor (echo), and the
console adapter. Each line typed is an inbound message on platform "console"; replies are printed.

At the end of the input it waits until all has been answered and exits 0, or 1 if a message could not be.
A line that is longer than a message may be (8 MiB) ends the input, with an error and exit 1.`,
		Example: "  sgstreamd dev\n  printf 'hello\\nworld\\n' | sgstreamd dev",
		Args:    cobra.NoArgs,
	}
	c.Flags().StringVar(&pluginsDir, "plugins", "", "`folder` of the plugins (default: plugins beside this program, or in the current folder)")
	c.Flags().StringVar(&processor, "processor", "echo", "`plugin` that answers")
	c.Flags().BoolVarP(&verbose, "verbose", "v", false, "show the whole log, not only what is wrong")
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, err := devConfig(pluginsDir, processor)
		if err != nil {
			return err
		}
		level := slog.LevelWarn
		if verbose {
			level = slog.LevelDebug
		}
		log := slog.New(newReplies(cmd.OutOrStdout(), slog.NewTextHandler(cmd.ErrOrStderr(), &slog.HandlerOptions{Level: level})))
		return runDev(cmd, cfg, log)
	}
	return c
}

// devConfig is the configuration of dev: the defaults, with times that suit somebody who watches.
func devConfig(pluginsDir, processor string) (config.Config, error) {
	cfg := config.Default()
	cfg.Plugins.Dir = pluginsDir
	if pluginsDir == "" {
		cfg.Plugins.Dir = findPlugins()
	}
	cfg.Inbound.Processor = processor
	cfg.Outbound.Platforms = []string{devPlatform}
	cfg.Admin.Listen = ""
	cfg.Plugins.LockFile = config.LockOff // who writes a plugin changes what it asks for all the time
	cfg.Drain.Timeout = 5 * time.Second
	for _, a := range []*consumer.AutoclaimConfig{&cfg.Inbound.Autoclaim, &cfg.Outbound.Autoclaim} {
		a.Interval, a.MinIdle = 500*time.Millisecond, 2*time.Second
	}
	cfg.Inbound.Lock.TTL = time.Second // a lock must be gone when a crashed worker's messages are taken over
	// One reply at a time, so that one which takes several log lines is printed in one piece.
	console := host.DefaultPlugin()
	console.MaxInstances = 1
	cfg.Plugins.ByName[devPlatform] = console
	return cfg, nil
}

// findPlugins is the folder plugins beside the program, where `make build plugins` puts it, or else the one
// in the current folder.
func findPlugins() string {
	if exe, err := os.Executable(); err == nil {
		beside := filepath.Join(filepath.Dir(exe), "plugins")
		if info, err := os.Stat(beside); err == nil && info.IsDir() {
			return beside
		}
	}
	return "plugins"
}

// runDev runs the daemon and the conversation side by side; whichever ends first ends the other.
func runDev(cmd *cobra.Command, cfg config.Config, log *slog.Logger) error {
	ctx, cut, release := untilSignalled(cmd.Context())
	defer release()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	embedded, err := startEmbedded(cfg.Redis.EmbeddedListen)
	if err != nil {
		return err
	}
	defer embedded.Close()
	cfg.Redis.URL = embedded.URL()
	fmt.Fprintf(cmd.ErrOrStderr(), "sgstreamd dev: an embedded Redis, which keeps nothing, is at %s\n", embedded.URL())

	started := make(chan struct{})
	talked := make(chan error, 1)
	go func() {
		defer cancel()
		select {
		case <-started:
			talked <- converse(ctx, cmd, cfg)
		case <-ctx.Done():
			talked <- nil
		}
	}()
	err = app.Run(ctx, app.Options{Config: cfg, Log: log, Cut: cut, Started: func(app.Addresses) { close(started) }})
	cancel()
	return errors.Join(err, <-talked)
}

// startEmbedded prefers the address that the other commands look at, and takes any where another dev has it.
func startEmbedded(listen string) (*consumer.EmbeddedRedis, error) {
	e, err := consumer.StartEmbedded(listen)
	if errors.Is(err, syscall.EADDRINUSE) {
		return consumer.StartEmbedded("127.0.0.1:0")
	}
	return e, err
}
