package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/sgstreamd/sgstreamd/abi"
	"github.com/sgstreamd/sgstreamd/consumer"
	"github.com/sgstreamd/sgstreamd/host"
	"github.com/sgstreamd/sgstreamd/internal/app"
	"github.com/sgstreamd/sgstreamd/internal/config"
	"github.com/sgstreamd/sgstreamd/internal/toolchain"
)

// devPlatform is the platform, and the adapter, of the lines that are typed.
const devPlatform = "console"

// devFlags are the flags of dev.
type devFlags struct {
	plugins, processor, file string
	settings                 []string
	trace, verbose           bool
}

func newDev() *cobra.Command {
	var f devFlags
	c := &cobra.Command{
		Use:   "dev",
		Short: "Try plugins on one machine: lines typed are messages, replies are printed",
		Long: `Run the whole loop in one process with an embedded Redis. Each line typed is an inbound message on platform "console";
replies are printed. Plugins are built by "sgstreamd plugin build"; a module that changes in the folder takes over at
once. Where no plugin in the folder answers messages, and one delivers replies, each line is a reply for that one to deliver.

With --trace, which a terminal has by itself, standard error shows what plugins log, traps with the plugin's own function
names, and what becomes of each message.

At the end of the input it waits until all has been answered and exits 0, or 1 if a message could not be.
A line that is longer than a message may be (8 MiB) ends the input, with an error and exit 1.`,
		Example: "  sgstreamd dev\n  sgstreamd dev --plugins my-bot\n  sgstreamd dev --plugins my-bot --config my-bot/dev.toml\n  printf 'hello\\nworld\\n' | sgstreamd dev",
		Args:    cobra.NoArgs,
	}
	flags := c.Flags()
	flags.StringVar(&f.plugins, "plugins", "", "`folder` of the plugins (default: plugins beside this program, or in the current folder)")
	flags.StringVar(&f.processor, "processor", "", "`plugin` that answers (default: echo if it is there, or the only one that could)")
	flags.StringVarP(&f.file, "config", "c", "", "configuration `file`, such as for what the plugins are granted")
	flags.StringArrayVar(&f.settings, "set", nil, "set a configuration `key=value`; may be repeated")
	flags.BoolVar(&f.trace, "trace", false, "show what plugins log, and what becomes of each message")
	flags.BoolVarP(&f.verbose, "verbose", "v", false, "show the whole log, not only what is wrong")
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, err := f.config()
		if err != nil {
			return err
		}
		var handler slog.Handler = slog.NewTextHandler(cmd.ErrOrStderr(), &slog.HandlerOptions{Level: slog.LevelWarn})
		switch {
		case f.verbose:
			handler = slog.NewTextHandler(cmd.ErrOrStderr(), &slog.HandlerOptions{Level: slog.LevelDebug})
		case f.trace || isTerminal(cmd.InOrStdin()):
			handler = newScreen(cmd.ErrOrStderr())
		}
		return runDev(cmd, cfg, slog.New(newReplies(cmd.OutOrStdout(), handler)))
	}
	return c
}

// config is the configuration of dev: what the author says of the plugins, with times that suit somebody who watches.
func (f *devFlags) config() (config.Config, error) {
	source := config.Source{File: f.file, Flags: map[string]string{}}
	for _, s := range f.settings {
		key, value, _ := strings.Cut(s, "=")
		source.Flags[key] = value
	}
	cfg, err := config.Load(source)
	if err != nil {
		return cfg, usageError{err}
	}
	cfg.Plugins.Dir = f.plugins
	if f.plugins == "" {
		cfg.Plugins.Dir = findPlugins()
	}
	if err := checkDevPlugins(cfg.Plugins.Dir); err != nil {
		return cfg, usageError{err}
	}
	cfg.Plugins.LockFile = config.LockOff // who writes a plugin changes what it asks for all the time
	cfg.Redis.URL = consumer.Embedded
	cfg.Admin.Listen = ""
	cfg.Drain.Timeout = 5 * time.Second
	for _, a := range []*consumer.AutoclaimConfig{&cfg.Inbound.Autoclaim, &cfg.Outbound.Autoclaim} {
		a.Interval, a.MinIdle = 500*time.Millisecond, 2*time.Second
	}
	cfg.Inbound.Lock.TTL = time.Second // a lock must be gone when a crashed worker's messages are taken over
	return cfg, f.assign(&cfg)
}

// checkDevPlugins says what an author has to do first, in the author's words.
func checkDevPlugins(dir string) error {
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("flag --plugins: there is no folder %s; name that of the plugins", dir)
	case err != nil:
		return fmt.Errorf("flag --plugins: %w", err)
	case !info.IsDir():
		return fmt.Errorf("flag --plugins: %s is a file; name the folder that it is in, %s", dir, filepath.Dir(dir))
	}
	modules, err := filepath.Glob(filepath.Join(dir, "*.wasm"))
	if err != nil || len(modules) > 0 {
		return err
	}
	build := "sgstreamd plugin build DIR -o " + filepath.Join(dir, "NAME.wasm")
	if _, err := toolchain.Detect(dir); err == nil {
		build = "sgstreamd plugin build " + dir
	}
	return fmt.Errorf("flag --plugins: no plugin, a file that ends in .wasm, is in %s; build one: %s", dir, build)
}

// assign finds out which plugin of the folder is to do what.
func (f *devFlags) assign(cfg *config.Config) error {
	processors, adapters := map[string]bool{}, map[string]bool{}
	files, err := filepath.Glob(filepath.Join(cfg.Plugins.Dir, "*.wasm"))
	if err != nil {
		return err
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".wasm")
		m, err := host.ManifestOf(file)
		if err != nil {
			continue // the daemon says so
		}
		processors[name] = m.Kind != abi.KindAdapter && name != devPlatform
		adapters[name] = m.Kind == abi.KindAdapter
	}
	maps.DeleteFunc(processors, func(_ string, is bool) bool { return !is })
	maps.DeleteFunc(adapters, func(name string, is bool) bool { return !is || name == devPlatform })
	cfg.Outbound.Platforms, cfg.Outbound.Adapters = []string{}, map[string]string{}
	if _, err := os.Stat(filepath.Join(cfg.Plugins.Dir, devPlatform+".wasm")); err == nil {
		cfg.Outbound.Platforms = []string{devPlatform}
		// One reply at a time, so that one which takes several log lines is printed in one piece.
		console := cfg.Plugins.For(devPlatform)
		console.MaxInstances = 1
		cfg.Plugins.ByName[devPlatform] = console
	}
	switch {
	case f.processor != "":
		cfg.Inbound.Processor = f.processor
	case f.file != "" && processors[cfg.Inbound.Processor]:
		// the file says which
	case processors["echo"] || len(processors) == 0 && len(adapters) != 1:
		cfg.Inbound.Processor = "echo"
	case len(processors) == 1:
		cfg.Inbound.Processor = slices.Collect(maps.Keys(processors))[0]
	case len(processors) == 0:
		cfg.Inbound.Enabled = false
		cfg.Outbound.Platforms = slices.Collect(maps.Keys(adapters))
	default:
		return usageError{fmt.Errorf("flag --processor: which of %s is to answer?", strings.Join(slices.Sorted(maps.Keys(processors)), ", "))}
	}
	return nil
}

// used are the plugins that dev uses. To compile the others of a folder takes its time, and what they would have to be
// granted is nobody's concern here.
func used(cfg config.Config) []string {
	names := slices.Clone(cfg.Outbound.Platforms)
	if cfg.Inbound.Enabled {
		names = append(names, cfg.Inbound.Processor)
	}
	return names
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
	err = app.Run(ctx, app.Options{
		Config: cfg, Log: log, Cut: cut, Only: used(cfg), Trial: true, Started: func(app.Addresses) { close(started) },
	})
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
