// Package config composes the packages' own configurations into one, and fills it from defaults, the
// fleet's variables, a TOML file, the environment and flags. It is strict: what it does not understand
// is an error that names the place, the key and the remedy.
//
// config.toml at the root of the repository is the reference of every key; docs/configuration.md is the
// same for operators.
package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sgstreamd/sgstreamd/consumer"
	"github.com/sgstreamd/sgstreamd/host"
	"github.com/sgstreamd/sgstreamd/internal/admin"
)

// Config is the whole configuration of the daemon.
type Config struct {
	Redis       consumer.RedisConfig       `koanf:"redis"`
	Inbound     consumer.InboundConfig     `koanf:"inbound"`
	Outbound    consumer.OutboundConfig    `koanf:"outbound"`
	DeadLetters consumer.DeadLettersConfig `koanf:"dead_letters"`
	State       consumer.StateConfig       `koanf:"state"`
	Plugins     Plugins                    `koanf:"plugins"`
	Drain       consumer.DrainConfig       `koanf:"drain"`
	Admin       admin.Config               `koanf:"admin"`
	Log         Log                        `koanf:"log"`
}

// LockOff is the Plugins.LockFile that remembers nothing, and DefaultLockFile the name of the usual one.
const (
	LockOff         = "off"
	DefaultLockFile = "plugins.lock.json"
)

// CacheOff is the Plugins.CacheDir that keeps no compiled module on disk.
const CacheOff = "off"

// Plugins says where the plugins are and what each of them is granted.
type Plugins struct {
	// Dir is the folder of the plugins: every .wasm file in it is one, named after its file.
	Dir string `koanf:"dir"`
	// CacheDir is the folder of the compiled modules: empty for sgstreamd in the user's cache folder,
	// CacheOff for none.
	CacheDir string `koanf:"cache_dir"`
	// Watch tells whether the folder is watched: a plugin that is put there, replaced or removed takes effect at once.
	Watch bool `koanf:"watch"`
	// LockFile is the file that remembers what each plugin was granted: empty for DefaultLockFile in Dir, LockOff for none.
	LockFile string `koanf:"lock_file"`
	// ByName holds the table plugins.<name> of each plugin that has one, filled over
	// host.DefaultPlugin. It has no tag, since its keys stand beside dir and cache_dir.
	ByName map[string]host.PluginConfig
}

// For returns the configuration of the named plugin: its table, or the defaults where it has none.
func (p *Plugins) For(name string) host.PluginConfig {
	if c, ok := p.ByName[name]; ok {
		return c
	}
	return host.DefaultPlugin()
}

// CachePath returns the folder that CacheDir stands for, or "" where nothing is to be kept on disk. It
// fails if CacheDir leaves the choice to the system and the system knows no such folder.
func (p *Plugins) CachePath() (string, error) {
	switch p.CacheDir {
	case CacheOff:
		return "", nil
	case "":
		dir, err := os.UserCacheDir()
		if err != nil {
			return "", fmt.Errorf(`plugins.cache_dir: %w; name a folder, or write "off"`, err)
		}
		return filepath.Join(dir, "sgstreamd"), nil
	}
	return p.CacheDir, nil
}

// LockPath returns the path that LockFile stands for, or "" where nothing is to be remembered.
func (p *Plugins) LockPath() string {
	switch p.LockFile {
	case LockOff:
		return ""
	case "":
		return filepath.Join(p.Dir, DefaultLockFile)
	}
	return p.LockFile
}

// Validate returns an error that begins with the key of a value that can't be. It does not look at ByName.
func (p *Plugins) Validate() error {
	if p.Dir == "" {
		return errors.New(`dir is empty; write a folder such as "plugins"`)
	}
	return nil
}

// Formats of the log.
const (
	LogText = "text"
	LogJSON = "json"
)

// Log is what the daemon says of itself, on standard error.
type Log struct {
	// Level is the least that is said: debug, info, warn or error.
	Level string `koanf:"level"`
	// Format is LogText or LogJSON.
	Format string `koanf:"format"`
}

// Validate joins an error for every value that can't be; each begins with the value's key.
func (l *Log) Validate() error {
	return errors.Join(
		oneOf("level", l.Level, "debug", "info", "warn", "error"),
		oneOf("format", l.Format, LogText, LogJSON),
	)
}

func oneOf(key, value string, words ...string) error {
	if slices.Contains(words, value) {
		return nil
	}
	return fmt.Errorf("%s is %q; write one of %s", key, value, strings.Join(words, ", "))
}

// Default returns the configuration of a daemon that is told nothing.
func Default() Config {
	return Config{
		Redis:       consumer.DefaultRedis(),
		Inbound:     consumer.DefaultInbound(),
		Outbound:    consumer.DefaultOutbound(),
		DeadLetters: consumer.DefaultDeadLetters(),
		State:       consumer.DefaultState(),
		Plugins:     Plugins{Dir: "plugins", Watch: true, ByName: map[string]host.PluginConfig{}},
		Drain:       consumer.DefaultDrain(),
		Admin:       admin.DefaultConfig(),
		Log:         Log{Level: "info", Format: LogText},
	}
}
