package main

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sgstreamd/sgstreamd/internal/config"
)

// defaultFile is read where no --config is given, if it is there.
const defaultFile = "config.toml"

// configFlags are the flags of every command that reads the configuration.
type configFlags struct {
	file     string
	settings []string
	short    map[string]*string // by key: flags that stand for a --set

	read config.Source // what load read
}

func addConfigFlags(c *cobra.Command) *configFlags {
	f := &configFlags{short: map[string]*string{}}
	flags := c.Flags()
	flags.StringVarP(&f.file, "config", "c", "", "configuration `file` (default: "+defaultFile+" in the current folder, if there is one)")
	flags.StringArrayVar(&f.settings, "set", nil, "set a configuration `key=value`, such as inbound.max_in_flight=10; may be repeated")
	for _, s := range []struct{ flag, key, help string }{
		{"redis-url", "redis.url", "`URL` of Redis, or \"embedded\""},
		{"plugins-dir", "plugins.dir", "`folder` of the plugins"},
		{"log-level", "log.level", "`level` of the log: debug, info, warn or error"},
	} {
		f.short[s.key] = flags.String(s.flag, "", s.help+" (same as --set "+s.key+"=…)")
	}
	return f
}

// load reads the configuration from all its sources.
func (f *configFlags) load(c *cobra.Command) (config.Config, error) {
	source := config.Source{File: f.file, Environ: os.Environ(), Flags: map[string]string{}}
	if source.File == "" {
		if _, err := os.Stat(defaultFile); !errors.Is(err, fs.ErrNotExist) {
			source.File = defaultFile
		}
	}
	for key, value := range f.short {
		if c.Flags().Changed(strings.NewReplacer(".", "-").Replace(key)) {
			source.Flags[key] = *value
		}
	}
	for _, s := range f.settings {
		key, value, ok := strings.Cut(s, "=")
		if !ok {
			return config.Config{}, usageError{errors.New("flag --set: there is no = in it; write key=value, such as inbound.max_in_flight=10")}
		}
		if _, twice := source.Flags[key]; twice {
			return config.Config{}, usageError{fmt.Errorf("flag --set %s: the key is set twice; remove one", key)}
		}
		source.Flags[key] = value
	}
	cfg, err := config.Load(source)
	if err != nil {
		return config.Config{}, usageError{err}
	}
	f.read = source
	return cfg, nil
}

// loadFor reads the configuration of a command that has the flag --redis, which names a Redis as --redis-url does, or is "own".
func loadFor(cmd *cobra.Command, flags *configFlags, redis string) (config.Config, error) {
	changed := cmd.Flags().Changed
	switch {
	case changed("redis") && redis == "":
		return config.Config{}, usageError{errors.New("flag --redis: is empty; write own, or a URL")}
	case changed("redis") && changed("redis-url"):
		return config.Config{}, usageError{errors.New("--redis and --redis-url both name a Redis; remove one")}
	case changed("redis") && redis != redisOwn:
		if err := cmd.Flags().Set("redis-url", redis); err != nil {
			return config.Config{}, usageError{err}
		}
	}
	loaded, err := flags.load(cmd)
	if err != nil || redis != redisOwn {
		return loaded, err
	}
	for key := range flags.read.Flags {
		if strings.HasPrefix(key, "redis.") {
			return loaded, usageError{fmt.Errorf("flag --set: %s counts for nothing with --redis own; remove it", key)}
		}
	}
	return loaded, nil
}

// report logs which file was read. One that nobody named may be there unknown to the operator, and so be why a
// variable of the fleet's counts for nothing.
func (f *configFlags) report(log *slog.Logger) {
	file := "none"
	if f.read.File != "" {
		file = f.read.File
		if full, err := filepath.Abs(file); err == nil {
			file = full
		}
	}
	log.Info("configuration read", "file", file)
	if f.file != "" {
		return
	}
	for _, o := range config.Overridden(f.read) {
		log.Warn("a variable counts for nothing, since the file sets its key; remove one of the two", "variable", o.Variable, "key", o.Key, "file", file)
	}
}
