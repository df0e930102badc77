package host

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/alecthomas/units"
)

// PluginConfig is what the operator grants one plugin.
type PluginConfig struct {
	// Timeout is the deadline of one call, of the instance's initialisation and of its configuration.
	Timeout time.Duration `koanf:"timeout"`
	// MemoryLimit bounds the linear memory of each instance. It is rounded down to whole pages of 64 KiB.
	MemoryLimit units.Base2Bytes `koanf:"memory_limit"`
	// MaxInstances bounds the instances, and so the calls at the same time; 0 means as many as the
	// role that the plugin serves may have in flight.
	// The daemon holds no more messages for the plugin than that.
	MaxInstances int `koanf:"max_instances"`
	// RecycleCalls is the number of calls after which an instance is replaced by a new one; 0 means never.
	RecycleCalls int `koanf:"recycle_calls"`
	// RecycleMemory is the size that the memory of an instance may grow to; one that has grown beyond it is replaced
	// after its call, since a memory never shrinks. 0 means three quarters of MemoryLimit.
	RecycleMemory units.Base2Bytes `koanf:"recycle_memory"`
	// SHA256 is what the module's file must hash to, in hexadecimal digits; empty takes any.
	SHA256 string `koanf:"sha256"`
	// EmitStreams are the streams that an emit may name; none means that it may name platforms only.
	EmitStreams []string `koanf:"emit_streams"`
	// State tells whether the plugin may keep state.
	State bool `koanf:"state"`
	// HTTP is what the plugin may do over HTTP: nothing unless it names an origin.
	HTTP HTTPConfig `koanf:"http"`
	// Secrets are what the host puts into the plugin's requests and the plugin never sees, by the id that it asks for.
	Secrets map[string]SecretConfig `koanf:"secrets"`
	// Config is handed to the plugin's sgs_configure, in the plugin's codec.
	Config map[string]any `koanf:"config"`
}

// DefaultPlugin returns the defaults of PluginConfig.
func DefaultPlugin() PluginConfig {
	return PluginConfig{
		Timeout: 30 * time.Second, MemoryLimit: 64 * units.MiB, RecycleCalls: 100_000,
		EmitStreams: []string{}, State: true, HTTP: DefaultHTTP(), Secrets: map[string]SecretConfig{}, Config: map[string]any{},
	}
}

// Validate joins an error for every value that can't be; each begins with the value's key.
func (c *PluginConfig) Validate() error {
	var errs []error
	check := func(ok bool, key, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf("%s "+format, append([]any{key}, args...)...))
		}
	}
	check(c.Timeout >= time.Millisecond && c.Timeout <= 24*time.Hour, "timeout", `is %v; write "1ms" to "24h"`, c.Timeout)
	check(c.MemoryLimit >= 64*units.KiB && c.MemoryLimit <= 4*units.GiB, "memory_limit", `is %v; write "64KiB" (one page) to "4GiB"`, c.MemoryLimit)
	check(c.MaxInstances >= 0 && c.MaxInstances <= 100_000, "max_instances", "is %d; write 0 (as many as are in flight) to 100000", c.MaxInstances)
	check(c.RecycleCalls >= 0 && c.RecycleCalls <= 1_000_000_000, "recycle_calls", "is %d; write 0 (never) to 1000000000", c.RecycleCalls)
	check(c.RecycleMemory >= 0 && c.RecycleMemory <= c.MemoryLimit, "recycle_memory",
		`is %v; write "0B" (three quarters of memory_limit) to %v, which is memory_limit`, c.RecycleMemory, c.MemoryLimit)
	check(c.SHA256 == "" || isSHA256(c.SHA256), "sha256", "is %.100q; write the 64 digits that sha256sum prints of the file", c.SHA256)
	for _, s := range c.EmitStreams {
		check(s != "", "emit_streams", "holds an empty name; remove it")
	}
	errs = append(errs, below("http", c.HTTP.Validate())...)
	for _, id := range slices.Sorted(maps.Keys(c.Secrets)) {
		secret := c.Secrets[id]
		errs = append(errs, below("secrets."+id, secret.Validate())...)
	}
	return errors.Join(errs...)
}

func isSHA256(s string) bool {
	b, err := hex.DecodeString(s)
	return err == nil && len(b) == sha256.Size
}

// below puts the key of a table before each of its mistakes.
func below(key string, err error) []error {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return nil
	}
	var errs []error
	for _, mistake := range joined.Unwrap() {
		errs = append(errs, fmt.Errorf("%s.%w", key, mistake))
	}
	return errs
}
