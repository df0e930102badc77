package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/sgstreamd/sgstreamd/abi"
	"github.com/sgstreamd/sgstreamd/consumer"
	"github.com/sgstreamd/sgstreamd/host"
	"github.com/sgstreamd/sgstreamd/internal/config"
	"github.com/sgstreamd/sgstreamd/internal/loadtest"
	"github.com/sgstreamd/sgstreamd/internal/verify"
)

// benchFlags are the flags of bench beside those of the configuration.
type benchFlags struct {
	redis, plugin            string
	messages, size, channels int
	rate, repeat             int
	bare                     []string
	json                     bool
}

func newBench() *cobra.Command {
	c := &cobra.Command{
		Use:   "bench",
		Short: "Measure the daemon from end to end, beside a loop that does no more than it must",
		Long: `Measure the daemon as it runs, with a plugin and a real Redis: how many messages a second it gets through a backlog,
how long a message takes to its visible reply at a fixed rate, processor time, allocations and round trips to Redis for
each message. In the same run it measures bare loops, which have no plugin, and gives the daemon's figures as ratios to
theirs: on a machine that does other things as well, these say more than a time does.

The bare loops read 256 messages at a time, and then
  ack     acknowledge them
  fenced  acknowledge and answer, in one script, those that are still their own
  full    do that, with a lock taken and a trace written before, and released and written after

It works on the Redis of the configuration, under keys of its own (sg:bench:…, and what the daemon keeps for its
stream: sg:*:sg:bench:…), which it removes at the end, also after Ctrl-C. It loads that Redis as much as it can take: think
twice before you run it beside a live fleet. With --redis own, and where redis.url is "embedded", it starts the
redis-server of the PATH, which keeps nothing on disk.

The daemon is a process of its own, with the defaults of every setting that no --set changes; of the configuration only
redis counts for it. The plugin's table is plugins.bench, as in --set plugins.bench.max_instances=8.`,
		Example: `  sgstreamd bench --redis own
  sgstreamd bench --redis own --plugin my-bot.wasm --set inbound.max_in_flight=768 --repeat 5
  sgstreamd bench --redis own --set inbound.order=none --set inbound.lock.enabled=false --set inbound.trace.enabled=false
  sgstreamd bench --redis-url redis://localhost:6379/0 --rate 5000 --json | jq .latency.daemon.latency_ms`,
		Args: cobra.NoArgs,
	}
	cfg := addConfigFlags(c)
	var f benchFlags
	flags := c.Flags()
	flags.StringVar(&f.redis, "redis", "", "`where` to work: \"own\", or a URL, which is the same as --redis-url (default: redis.url)")
	flags.StringVar(&f.plugin, "plugin", "", "`file` of the plugin, a .wasm (default: one that is built in, and answers every message)")
	flags.IntVar(&f.messages, "messages", 200_000, "`number` of messages of the backlog; Redis keeps all of them, and their replies")
	flags.IntVar(&f.size, "size", 600, "`bytes` of a message's payload")
	flags.IntVar(&f.channels, "channels", 1000, "`number` of channels that the messages are of, in turn")
	flags.IntVar(&f.rate, "rate", 1000, "`number` of messages a second where latencies are measured, for up to 10 s; 0 leaves that out")
	flags.IntVar(&f.repeat, "repeat", 1, "`number` of turns; figures are the medians of all")
	flags.StringSliceVar(&f.bare, "bare", loadtest.Bares(), "`names` of the bare loops, separated by commas; or none")
	flags.BoolVar(&f.json, "json", false, "print the report as a JSON object")
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		loaded, err := loadFor(cmd, cfg, f.redis)
		if err != nil {
			return err
		}
		ctx, cut, release := untilSignalled(cmd.Context(), syscall.SIGHUP)
		defer release()
		defer surviveClosedPipes()()
		o, err := f.options(loaded.Redis)
		if err != nil {
			return err
		}
		o.Cut = cut
		about, err := f.subject(ctx, &o, cfg.read.Flags)
		if err != nil {
			return err
		}
		return f.run(ctx, cmd, o, about)
	}
	return c
}

// options checks the flags.
func (f *benchFlags) options(redis consumer.RedisConfig) (loadtest.Options, error) {
	if slices.Equal(f.bare, []string{"none"}) {
		f.bare = nil
	}
	for i, mode := range f.bare {
		if slices.Contains(f.bare[:i], mode) {
			return loadtest.Options{}, usageError{fmt.Errorf("flag --bare: %q is there twice; remove one", mode)}
		}
		if !slices.Contains(loadtest.Bares(), mode) {
			return loadtest.Options{}, usageError{fmt.Errorf("flag --bare: there is no loop %q; write some of %s, or none", mode, strings.Join(loadtest.Bares(), ","))}
		}
	}
	for _, n := range []struct {
		flag               string
		value, least, most int
	}{
		{"messages", f.messages, 1, loadtest.MaxMessages}, {"size", f.size, loadtest.MinSize, loadtest.MaxSize},
		{"channels", f.channels, 1, loadtest.MaxChannels}, {"rate", f.rate, 0, loadtest.MaxRate}, {"repeat", f.repeat, 1, loadtest.MaxRepeat},
	} {
		if n.value < n.least || n.value > n.most {
			return loadtest.Options{}, usageError{fmt.Errorf("flag --%s: is %d; write %d to %d", n.flag, n.value, n.least, n.most)}
		}
	}
	binary, err := os.Executable()
	if err != nil {
		return loadtest.Options{}, fmt.Errorf("the daemon's program: %w", err)
	}
	plugins := config.Default().Plugins
	cache, err := plugins.CachePath()
	if err != nil {
		cache = "" // the system knows no such folder
	}
	return loadtest.Options{
		Redis: redis, CacheDir: cache, Own: f.redis == redisOwn || redis.URL == consumer.Embedded, Binary: binary, Messages: f.messages, Size: f.size,
		Channels: f.channels, Rate: f.rate, Repeat: f.repeat, Bare: f.bare,
	}, nil
}

// subject is what is measured: the plugin, and the daemon's settings. It is the part of a report that says so.
func (f *benchFlags) subject(ctx context.Context, o *loadtest.Options, settings map[string]string) (loadtest.Report, error) {
	about, source := loadtest.Report{Version: version, Settings: map[string]string{}}, config.Source{Flags: map[string]string{}}
	for _, key := range slices.Sorted(maps.Keys(settings)) {
		if strings.HasPrefix(key, "redis.") {
			continue // it is in o.Redis
		}
		if slices.Contains(loadtest.Reserved(), key) {
			return about, usageError{fmt.Errorf("flag --set: %s is the benchmark's own, and can't be set; remove it", key)}
		}
		if parts := strings.SplitN(key, ".", 3); len(parts) == 3 && parts[0] == "plugins" && parts[1] != loadtest.PluginName {
			return about, usageError{fmt.Errorf("flag --set: %s is another plugin's; the one that is measured has the table plugins.%s", key, loadtest.PluginName)}
		}
		value := settings[key]
		o.Settings, source.Flags[key], about.Settings[key] = append(o.Settings, key+"="+value), value, value
	}
	cfg, err := config.Load(source)
	if err != nil {
		return about, usageError{err}
	}
	in := cfg.Inbound
	about.Settings["inbound.order"], about.Settings["inbound.max_in_flight"] = in.Order, fmt.Sprint(in.MaxInFlight)
	about.Settings["inbound.lock.enabled"], about.Settings["inbound.trace.enabled"] = fmt.Sprint(in.Lock.Enabled), fmt.Sprint(in.Trace.Enabled)
	if f.plugin == "" {
		o.Module, about.Plugin, about.Codec = verify.Guest(), "built in", "msgpack"
		return about, nil
	}
	inspection, err := host.Inspect(ctx, f.plugin)
	if err == nil && inspection.Refused != "" {
		err = errors.New(inspection.Refused)
	}
	if err == nil && inspection.Manifest.Kind == abi.KindAdapter {
		err = fmt.Errorf("%s is an %s, and gets no messages; name a processor", f.plugin, inspection.Manifest.Kind)
	}
	if err != nil {
		return about, usageError{fmt.Errorf("flag --plugin: %w", err)}
	}
	about.Plugin, about.Codec = filepath.Base(f.plugin), inspection.Manifest.Codec
	o.Module, err = os.ReadFile(f.plugin)
	return about, err
}

func (f *benchFlags) run(ctx context.Context, cmd *cobra.Command, o loadtest.Options, about loadtest.Report) error {
	line := newStatusLine(cmd.ErrOrStderr())
	o.Progress, o.Note = line.show, line.note
	report, err := loadtest.Run(ctx, o)
	line.clear()
	if err == loadtest.ErrInterrupted { // and nothing else with it
		return errors.New("interrupted; nothing is left in Redis")
	}
	if err != nil {
		return err
	}
	report.Version, report.Plugin, report.Codec, report.Settings = about.Version, about.Plugin, about.Codec, about.Settings
	return f.print(cmd.OutOrStdout(), &report)
}

func (f *benchFlags) print(w io.Writer, r *loadtest.Report) error {
	if !f.json {
		return r.Print(w)
	}
	out := json.NewEncoder(w)
	out.SetEscapeHTML(false)
	return out.Encode(r)
}
