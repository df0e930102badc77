package consumer

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/units"
)

// Embedded is the Redis URL that asks for the in-process development server.
const Embedded = "embedded"

// RedisConfig says which Redis the daemon works on.
type RedisConfig struct {
	// URL is redis:// or unix://, as redis.ParseURL reads it, redis+sentinel://, redis+cluster://, or Embedded. With
	// rediss in the place of redis it asks for TLS.
	URL string `koanf:"url"`
	// EmbeddedListen is the loopback address of the embedded server; port 0 picks a free one.
	EmbeddedListen string `koanf:"embedded_listen"`
	// TLS adds to what a rediss:// URL asks for.
	TLS TLSConfig `koanf:"tls"`
	// WaitReplicas is how many replicas have to have a commit before the next one is made, and WaitTimeout how long they
	// are waited for. 0 waits for none.
	WaitReplicas int           `koanf:"wait_replicas"`
	WaitTimeout  time.Duration `koanf:"wait_timeout"`
}

// TLSConfig is the part of TLS that a URL can't say. All three are paths of PEM files; empty means the
// system's authorities and no client certificate.
type TLSConfig struct {
	CAFile   string `koanf:"ca_file"`
	CertFile string `koanf:"cert_file"`
	KeyFile  string `koanf:"key_file"`
}

// AutoclaimConfig is how entries that a crashed worker left pending are taken over.
type AutoclaimConfig struct {
	// Enabled turns the sweep on.
	Enabled bool `koanf:"enabled"`
	// Interval is the time from one sweep to the next.
	Interval time.Duration `koanf:"interval"`
	// MinIdle is how long an entry must not have been touched before it may be taken. The heartbeat
	// touches what is in flight, three times in this span.
	MinIdle time.Duration `koanf:"min_idle"`
	// PageSize is how many pending entries one step of a sweep looks at.
	PageSize int `koanf:"page_size"`
	// AuditKey is the prefix of the hash that tells what was taken over, from whom and when; the stream's
	// key and the group follow, each after a colon.
	AuditKey string `koanf:"audit_key"`
	// AuditTTL is how long the audit hash lives after the last take-over.
	AuditTTL time.Duration `koanf:"audit_ttl"`
}

// RetryConfig is how long a failed message waits for its next try, unless its plugin says it. The wait grows with
// every try: Base, Base times Factor, and so on up to Cap.
type RetryConfig struct {
	Base   time.Duration `koanf:"base"`
	Factor int           `koanf:"factor"`
	Cap    time.Duration `koanf:"cap"`
	// Jitter is by how many percent a wait may be longer or shorter, so that what failed together is not tried
	// together again.
	Jitter int `koanf:"jitter"`
}

// LockConfig is the distributed lock of a channel, which addressed messages take.
type LockConfig struct {
	Enabled bool `koanf:"enabled"`
	// Prefix is what the lock's key begins with; the channel key follows.
	Prefix string `koanf:"prefix"`
	// TTL is how long a lock outlives a holder that has died. It is renewed three times in this span.
	TTL time.Duration `koanf:"ttl"`
}

// TraceConfig is the trace hash that the fleet keeps of every operation.
type TraceConfig struct {
	Enabled bool `koanf:"enabled"`
	// Prefix is what the hash's key begins with; the trace id follows.
	Prefix string `koanf:"prefix"`
	// TTL is set on a trace hash that has none.
	TTL time.Duration `koanf:"ttl"`
}

// What the order of a channel's messages is kept of. The messages that it is kept of are handled one at a time in the whole
// fleet, and take effect in the order of the stream; a message that is to be tried again keeps those behind it waiting. Every
// worker of a group has to be configured alike.
const (
	// OrderNone keeps no order.
	OrderNone = "none"
	// OrderAddressed keeps the order of a channel's addressed messages.
	OrderAddressed = "addressed"
	// OrderChannel keeps the order of all messages of a channel.
	OrderChannel = "channel"
)

// PlatformsAuto, in the place of platforms, stands for those of the adapters that are there.
const PlatformsAuto = "auto"

// InboundConfig is the processor role: messages come in, replies go out.
type InboundConfig struct {
	Enabled bool   `koanf:"enabled"`
	Stream  string `koanf:"stream"`
	Group   string `koanf:"group"`
	// Order is what the order of a channel's messages is kept of: OrderNone, OrderAddressed or OrderChannel.
	Order string `koanf:"order"`
	// Processor is the name of the plugin that handles the messages.
	Processor string `koanf:"processor"`
	// MaxInFlight bounds the messages that are fetched and not yet committed.
	MaxInFlight int `koanf:"max_in_flight"`
	// MaxAttempts is after how many deliveries a failing message goes to the dead letters.
	MaxAttempts int `koanf:"max_attempts"`
	// MaxPayload is the size above which a payload goes to the dead letters unseen.
	MaxPayload units.Base2Bytes `koanf:"max_payload"`
	Retry      RetryConfig      `koanf:"retry"`
	Autoclaim  AutoclaimConfig  `koanf:"autoclaim"`
	Lock       LockConfig       `koanf:"lock"`
	Trace      TraceConfig      `koanf:"trace"`
}

// OnceConfig is how long deliveries are remembered, so that none is made twice.
type OnceConfig struct {
	// Enabled turns the memory on.
	Enabled bool `koanf:"enabled"`
	// TTL is how long a delivery is remembered.
	TTL time.Duration `koanf:"ttl"`
	// Max is how many deliveries of a platform are remembered; the oldest are forgotten first.
	Max int64 `koanf:"max"`
}

// OutboundConfig is the adapter role: replies are delivered to the chat platforms.
type OutboundConfig struct {
	// Platforms are the platforms to deliver to. None turns the role off; PlatformsAuto alone delivers to that of every
	// plugin whose manifest says that it is an adapter.
	Platforms []string `koanf:"platforms"`
	// Adapters names the plugin of a platform where it is not the one of the same name.
	Adapters map[string]string `koanf:"adapters"`
	// StreamPrefix begins the key of a platform's stream; a colon and the platform follow.
	StreamPrefix string `koanf:"stream_prefix"`
	// Group is the consumer group; "{platform}" in it stands for the platform.
	Group string `koanf:"group"`
	// MaxLen is about how many entries an outbound stream keeps.
	MaxLen int64 `koanf:"max_len"`
	// Order is OrderNone or OrderChannel: whether the messages of a platform's channel are delivered in order.
	Order string `koanf:"order"`
	// MaxInFlight, MaxAttempts and MaxPayload are as in InboundConfig, per platform.
	MaxInFlight int              `koanf:"max_in_flight"`
	MaxAttempts int              `koanf:"max_attempts"`
	MaxPayload  units.Base2Bytes `koanf:"max_payload"`
	Retry       RetryConfig      `koanf:"retry"`
	Autoclaim   AutoclaimConfig  `koanf:"autoclaim"`
	Once        OnceConfig       `koanf:"once"`
}

// DeadLettersConfig is the stream of messages that could not be handled.
type DeadLettersConfig struct {
	Stream string `koanf:"stream"`
	// MaxLen is about how many entries the stream keeps.
	MaxLen int64 `koanf:"max_len"`
}

// StateConfig is where plugins keep their state.
type StateConfig struct {
	// Prefix is what the key of a value begins with; the plugin's name, a colon and the plugin's own key follow.
	Prefix string `koanf:"prefix"`
}

// DrainConfig is how the daemon stops.
type DrainConfig struct {
	// Timeout is how long what is in flight may take to finish; afterwards it is cancelled and given back.
	Timeout time.Duration `koanf:"timeout"`
}

// DefaultRedis returns the defaults of RedisConfig.
func DefaultRedis() RedisConfig {
	return RedisConfig{URL: Embedded, EmbeddedListen: "127.0.0.1:6390", WaitTimeout: time.Second}
}

// DefaultInbound returns the defaults of InboundConfig, those of the Stargazer contract.
func DefaultInbound() InboundConfig {
	return InboundConfig{
		Enabled: true, Stream: "sg:stream:inbound", Group: "sg:workers", Order: OrderChannel, Processor: "echo",
		MaxInFlight: 64, MaxAttempts: 3, MaxPayload: 8 * units.MiB,
		Retry: defaultRetry(), Autoclaim: defaultAutoclaim(),
		Lock:  LockConfig{Enabled: true, Prefix: "sg:lock:channel:", TTL: 30 * time.Second},
		Trace: TraceConfig{Enabled: true, Prefix: "sg:trace:", TTL: 24 * time.Hour},
	}
}

// DefaultOutbound returns the defaults of OutboundConfig, those of the Stargazer contract.
func DefaultOutbound() OutboundConfig {
	return OutboundConfig{
		Platforms: []string{}, Adapters: map[string]string{},
		StreamPrefix: "sg:stream:outbound", Group: "stargazer_gateways", MaxLen: 100_000, Order: OrderChannel,
		MaxInFlight: 64, MaxAttempts: 3, MaxPayload: 8 * units.MiB,
		Retry: defaultRetry(), Autoclaim: defaultAutoclaim(),
		Once: OnceConfig{Enabled: true, TTL: 24 * time.Hour, Max: 100_000},
	}
}

// DefaultDeadLetters returns the defaults of DeadLettersConfig, those of the Stargazer contract.
func DefaultDeadLetters() DeadLettersConfig {
	return DeadLettersConfig{Stream: "sg:stream:dlq", MaxLen: 5_000}
}

// DefaultState returns the defaults of StateConfig.
func DefaultState() StateConfig { return StateConfig{Prefix: "sg:state:"} }

// DefaultDrain returns the defaults of DrainConfig.
func DefaultDrain() DrainConfig { return DrainConfig{Timeout: 30 * time.Second} }

func defaultRetry() RetryConfig {
	return RetryConfig{Base: 2 * time.Second, Factor: 4, Cap: 5 * time.Minute, Jitter: 20}
}

func defaultAutoclaim() AutoclaimConfig {
	return AutoclaimConfig{
		Enabled: true, Interval: 30 * time.Second, MinIdle: 60 * time.Second, PageSize: 100,
		AuditKey: "sg:autoclaim:audit", AuditTTL: 24 * time.Hour,
	}
}

// StreamOf returns the key of a platform's outbound stream.
func (c *OutboundConfig) StreamOf(platform string) string { return c.StreamPrefix + ":" + platform }

// GroupOf returns the consumer group of a platform's gateways.
func (c *OutboundConfig) GroupOf(platform string) string {
	return strings.ReplaceAll(c.Group, "{platform}", platform)
}

// Auto tells whether the platforms are those of the adapters that are there.
func (c *OutboundConfig) Auto() bool { return slices.Contains(c.Platforms, PlatformsAuto) }

// PlatformsOf returns the platforms that the plugin delivers to if it is an adapter, in the order of their names.
func (c *OutboundConfig) PlatformsOf(plugin string) []string {
	var platforms []string
	for _, p := range c.Platforms {
		if p != PlatformsAuto && c.AdapterOf(p) == plugin {
			platforms = append(platforms, p)
		}
	}
	if c.Auto() {
		for platform, adapter := range c.Adapters {
			if adapter == plugin {
				platforms = append(platforms, platform)
			}
		}
		if len(platforms) == 0 && c.AdapterOf(plugin) == plugin {
			platforms = []string{plugin}
		}
	}
	slices.Sort(platforms)
	return platforms
}

// AdapterOf returns the name of the platform's plugin.
func (c *OutboundConfig) AdapterOf(platform string) string {
	if name, ok := c.Adapters[platform]; ok {
		return name
	}
	return platform
}

// checks collects the problems of one table. Each begins with the key below the table.
type checks struct{ errs []error }

func (c *checks) that(ok bool, key, format string, args ...any) {
	if !ok {
		c.errs = append(c.errs, fmt.Errorf("%s "+format, append([]any{key}, args...)...))
	}
}

func (c *checks) err() error { return errors.Join(c.errs...) }

// Validate joins an error for every value that can't be; each begins with the value's key.
func (c *RedisConfig) Validate() error {
	var is checks
	if c.URL != Embedded {
		_, err := parseAddress(c.URL)
		is.that(err == nil, "url", "%w", err)
	}
	is.that(c.WaitReplicas >= 0 && c.WaitReplicas <= 100, "wait_replicas", "is %d; write 0 (wait for none) to 100", c.WaitReplicas)
	is.that(c.WaitReplicas <= 0 || c.URL != Embedded, "wait_replicas", "is %d, and the embedded Redis has no replicas; write 0, or another url", c.WaitReplicas)
	is.that(c.WaitReplicas == 0 || c.WaitTimeout >= time.Millisecond && c.WaitTimeout <= time.Minute, "wait_timeout", `is %v; write "1ms" to "1m"`, c.WaitTimeout)
	is.that((c.TLS.CertFile == "") == (c.TLS.KeyFile == ""), "tls.cert_file", "and tls.key_file go together; set both or neither")
	return is.err()
}

// Validate joins an error for every value that can't be; each begins with the value's key.
func (c *InboundConfig) Validate() error {
	var is checks
	is.that(c.Stream != "", "stream", `is empty; the fleet's is "sg:stream:inbound"`)
	is.that(c.Group != "", "group", `is empty; the fleet's is "sg:workers"`)
	is.that(slices.Contains([]string{OrderNone, OrderAddressed, OrderChannel}, c.Order), "order", `is %q; write "channel", "addressed" or "none"`, c.Order)
	is.that(!c.Enabled || c.Processor != "", "processor", "is empty; name a plugin, or set enabled = false")
	is.work(c.MaxInFlight, c.MaxAttempts, c.MaxPayload)
	is.retry(&c.Retry)
	is.autoclaim(&c.Autoclaim)
	if c.Lock.Enabled {
		is.that(c.Lock.Prefix != "", "lock.prefix", `is empty; the default is "sg:lock:channel:"`)
		is.that(c.Lock.TTL >= 100*time.Millisecond, "lock.ttl", `is %v, shorter than a lock can be renewed in; write at least "100ms"`, c.Lock.TTL)
	}
	if c.Trace.Enabled {
		is.that(c.Trace.Prefix != "", "trace.prefix", `is empty; the fleet's is "sg:trace:"`)
		is.that(c.Trace.TTL >= time.Second, "trace.ttl", `is %v; write at least "1s"`, c.Trace.TTL)
	}
	return is.err()
}

// Validate joins an error for every value that can't be; each begins with the value's key.
func (c *OutboundConfig) Validate() error {
	var is checks
	seen := map[string]bool{}
	auto := slices.Contains(c.Platforms, PlatformsAuto)
	is.that(!auto || len(c.Platforms) == 1, "platforms", `names others beside "auto"; write one or the other`)
	for _, p := range c.Platforms {
		is.that(p != "", "platforms", "holds an empty name; remove it")
		is.that(!seen[p], "platforms", "names %q twice; remove one", p)
		seen[p] = true
	}
	for _, p := range slices.Sorted(maps.Keys(c.Adapters)) {
		name := c.Adapters[p]
		is.that(seen[p] || auto, "adapters."+p, "names a platform that is not in platforms; add %q there or remove it here", p)
		is.that(name != "", "adapters."+p, "is empty; name a plugin or remove the key")
	}
	is.that(c.StreamPrefix != "", "stream_prefix", `is empty; the fleet's is "sg:stream:outbound"`)
	is.that(c.Group != "", "group", `is empty; the fleet's is "stargazer_gateways"`)
	is.that(c.MaxLen >= 1000, "max_len", "is %d; the fleet never trims a stream below 1000 entries", c.MaxLen)
	is.that(c.Order == OrderNone || c.Order == OrderChannel, "order", `is %q; write "channel" or "none"`, c.Order)
	if c.Once.Enabled {
		is.that(c.Once.TTL >= time.Second, "once.ttl", `is %v; write at least "1s"`, c.Once.TTL)
		is.that(c.Once.Max >= 1 && c.Once.Max <= 10_000_000, "once.max", "is %d; write 1 to 10000000", c.Once.Max)
	}
	is.work(c.MaxInFlight, c.MaxAttempts, c.MaxPayload)
	is.retry(&c.Retry)
	is.autoclaim(&c.Autoclaim)
	return is.err()
}

// Validate joins an error for every value that can't be; each begins with the value's key.
func (c *DeadLettersConfig) Validate() error {
	var is checks
	is.that(c.Stream != "", "stream", `is empty; the fleet's is "sg:stream:dlq"`)
	is.that(c.MaxLen >= 1000, "max_len", "is %d; the fleet never trims a stream below 1000 entries", c.MaxLen)
	return is.err()
}

// Validate joins an error for every value that can't be; each begins with the value's key.
func (c *StateConfig) Validate() error {
	var is checks
	is.that(c.Prefix != "", "prefix", `is empty; the default is "sg:state:"`)
	return is.err()
}

// Validate joins an error for every value that can't be; each begins with the value's key.
func (c *DrainConfig) Validate() error {
	var is checks
	is.that(c.Timeout >= 0, "timeout", `is %v; write "0s" to stop at once, or a longer time`, c.Timeout)
	return is.err()
}

func (c *checks) work(inFlight, attempts int, payload units.Base2Bytes) {
	c.that(inFlight >= 1 && inFlight <= 100_000, "max_in_flight", "is %d; write 1 to 100000", inFlight)
	c.that(attempts >= 1 && attempts <= 1000, "max_attempts", "is %d; write 1 to 1000", attempts)
	c.that(payload >= units.KiB && payload <= 512*units.MiB, "max_payload", `is %v; write "1KiB" to "512MiB", which is as much as Redis holds in one value`, payload)
}

func (c *checks) retry(r *RetryConfig) {
	c.that(r.Base >= 0, "retry.base", `is %v; write "0s" (at once) or a longer time`, r.Base)
	c.that(r.Factor >= 1 && r.Factor <= 100, "retry.factor", "is %d; write 1 (always the same wait) to 100", r.Factor)
	c.that(r.Cap >= r.Base && r.Cap <= 30*24*time.Hour, "retry.cap", `is %v; write at least retry.base (%v) and at most "720h"`, r.Cap, r.Base)
	c.that(r.Jitter >= 0 && r.Jitter <= 100, "retry.jitter", "is %d; it is a percentage: write 0 to 100", r.Jitter)
}

func (c *checks) autoclaim(a *AutoclaimConfig) {
	// The heartbeat is measured by min_idle, whether this daemon sweeps or only its peers do.
	c.that(a.MinIdle >= 100*time.Millisecond, "autoclaim.min_idle", `is %v, shorter than a heartbeat can be; write at least "100ms"`, a.MinIdle)
	if !a.Enabled {
		return
	}
	c.that(a.Interval >= 10*time.Millisecond, "autoclaim.interval", `is %v; write at least "10ms"`, a.Interval)
	c.that(a.PageSize >= 1 && a.PageSize <= 10_000, "autoclaim.page_size", "is %d; write 1 to 10000", a.PageSize)
	c.that(a.AuditKey != "", "autoclaim.audit_key", `is empty; the default is "sg:autoclaim:audit"`)
	c.that(a.AuditTTL >= time.Second, "autoclaim.audit_ttl", `is %v; write at least "1s"`, a.AuditTTL)
}
