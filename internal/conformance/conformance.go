// Package conformance tries a module out: it runs it in a real host and does to it what a daemon may do in its life. A
// plugin that behaves well never traps, never exceeds its deadline, never returns what the contract does not know, and
// does not grow, whatever it is given.
package conformance

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/sgstreamd/sgstreamd/abi"
	"github.com/sgstreamd/sgstreamd/envelope"
	"github.com/sgstreamd/sgstreamd/host"
	"github.com/sgstreamd/sgstreamd/internal/granted"
)

// Options say what is tried out.
type Options struct {
	// Module is the module's file.
	Module string
	// CacheDir is the folder of the compile cache; empty compiles anew for every check.
	CacheDir string
	// Scratch is a folder for files of the checks' own. It is there, and the caller's to remove.
	Scratch string
	// Config is a configuration that the plugin takes; nil makes one from the schema of its manifest.
	Config map[string]any
	// Timeout is the deadline of a call, unless the module's manifest asks for another; 0 is 10 s, which is long for a call
	// that waits for nobody.
	Timeout time.Duration
}

// Result is what one check found.
type Result struct {
	// Name says what was done.
	Name string `json:"name"`
	// Problem is what went wrong, in one line; empty where nothing did.
	Problem string `json:"problem,omitempty"`
	// Note says what should be known of it all the same; mostly empty.
	Note string `json:"note,omitempty"`
}

// check is one of the things that are done to a module. It returns a note, and what went wrong.
type check struct {
	name string
	run  func(ctx context.Context, k *kit) (note string, err error)
}

func checks() []check {
	return []check{
		{"load and start", loads},
		{"sgs_alloc of 1 B to 8 MiB", allocates},
		{"the message's own fields: empty, long, large", messageFields},
		{"payloads: empty, of other types, unknown keys", payloads},
		{"texts: empty, long, of every script, with NUL, not UTF-8", texts},
		{"values: binary, ext, numbers at their limits, deep and wide", values},
		{"a payload of 1 MiB", large},
		{"5000 messages do not grow the memory", steady},
		{"emits refused", emitsRefused},
		{"state refused or unavailable", stateRefused},
		{"counters refused", countersRefused},
		{"HTTP refused or failing", requestsRefused},
		{"HTTP answers: errors, no JSON, empty, large, cut short", answers},
		{"configurations: missing, of other types, unknown keys", configurations},
		{"two instances side by side", sideBySide},
		{"stop, and start again", restarts},
	}
}

// Run does all checks, and calls report with each result. A module that does not start is not tried further. The error
// is about what can't be tried at all.
func Run(ctx context.Context, o Options, report func(Result)) error {
	o.Timeout = cmp.Or(o.Timeout, 10*time.Second)
	k := &kit{o: o, config: o.Config}
	if err := k.inspect(ctx); err != nil {
		return err
	}
	const contract = "the contract: imports, exports, manifest"
	if k.in.Refused != "" {
		report(Result{Name: contract, Problem: k.in.Refused})
		return nil
	}
	if k.config == nil {
		k.config = exampleOf(k.in.Manifest.Config)
	}
	if err := k.writeSecret(); err != nil {
		return err
	}
	report(Result{Name: contract})
	for _, c := range checks() {
		note, err := c.run(ctx, k)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		r := Result{Name: c.name, Note: note}
		if err != nil {
			r.Problem = strings.ReplaceAll(err.Error(), "\n", "; ")
		}
		report(r)
		// Without a start there is nothing to try, and what hangs would do so in each check.
		if c.name == "load and start" && err != nil || errors.Is(err, host.ErrDeadline) {
			return nil
		}
	}
	return nil
}

// kit is what the checks have in common.
type kit struct {
	o      Options
	in     host.Inspection
	config map[string]any
	secret string // the file of every secret
}

func (k *kit) inspect(ctx context.Context) (err error) {
	k.in, err = host.Inspect(ctx, k.o.Module)
	return err
}

func (k *kit) writeSecret() error {
	k.secret = filepath.Join(k.o.Scratch, "secret")
	return os.WriteFile(k.secret, []byte("not-a-real-secret"), 0o600)
}

// world is what a plugin lives in during a check.
type world struct {
	module  string // another file than the kit's; empty for that
	config  map[string]any
	size    int // how many instances there may be
	state   host.State
	network *network
	refuse  func(function string) abi.Errno
	log     complaints
}

// plugin is a loaded one. Its close has to be called.
type plugin struct {
	*host.Plugin
	host *host.Host
	kind string
}

func (p *plugin) close(ctx context.Context) error { return p.host.Close(context.WithoutCancel(ctx)) }

// load makes a host and loads the module in it, with all that it asks for granted.
func (k *kit) load(ctx context.Context, w *world) (*plugin, error) {
	if w.state == nil {
		w.state = noState{}
	}
	if w.network == nil {
		w.network = &network{}
	}
	h, err := host.New(ctx, host.Options{
		CacheDir: k.o.CacheDir, Codecs: envelope.Codecs(), State: w.state, Log: slog.New(&w.log), Transport: w.network, Refuse: w.refuse,
	})
	if err != nil {
		return nil, err
	}
	module := k.o.Module
	if w.module != "" {
		module = w.module
	}
	p, err := h.Load(ctx, k.in.Name, module, k.grant(w), max(w.size, 1))
	if err == nil {
		err = p.Start(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, h.Close(context.WithoutCancel(ctx)))
	}
	return &plugin{p, h, k.in.Manifest.Kind}, nil
}

// grant is what the manifest asks for, and as much as a check needs. No instance is replaced for its age or growth.
func (k *kit) grant(w *world) host.PluginConfig {
	cfg := granted.To(k.in, w.config)
	cfg.MaxInstances, cfg.RecycleCalls, cfg.RecycleMemory = max(w.size, 1), 0, cfg.MemoryLimit
	if k.in.Manifest.Limits.Timeout == "" {
		cfg.Timeout = k.o.Timeout
	}
	if k.in.Manifest.Hosts == nil || w.module != "" && len(cfg.HTTP.Origins) == 0 {
		cfg.HTTP.Origins = []string{"https://example.org"}
	}
	granted.Secrets(&cfg, k.in, k.secret)
	return cfg
}

// with loads the module into the world and calls do.
func (k *kit) with(ctx context.Context, w *world, do func(p *plugin) error) (err error) {
	if w.config == nil {
		w.config = k.config
	}
	p, err := k.load(ctx, w)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.close(ctx)) }()
	return do(p)
}

// noState has no keys.
type noState struct{}

// Get implements host.State.
func (noState) Get(context.Context, string, string) ([]byte, bool, error) { return nil, false, nil }

// brokenState can't be read.
type brokenState struct{}

// Get implements host.State.
func (brokenState) Get(context.Context, string, string) ([]byte, bool, error) {
	return nil, false, errors.New("there was no answer")
}

// oddState has the same value under every key.
type oddState string

// Get implements host.State.
func (s oddState) Get(context.Context, string, string) ([]byte, bool, error) {
	return []byte(s), true, nil
}

// complaints keeps what the host says of an instance that did not stop in good order. It is safe for concurrent use.
type complaints struct {
	mu    sync.Mutex
	texts []string
}

// Enabled implements slog.Handler.
func (c *complaints) Enabled(_ context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn
}

// WithAttrs implements slog.Handler.
func (c *complaints) WithAttrs([]slog.Attr) slog.Handler { return c }

// WithGroup implements slog.Handler.
func (c *complaints) WithGroup(string) slog.Handler { return c }

// Handle implements slog.Handler.
func (c *complaints) Handle(_ context.Context, r slog.Record) error {
	if r.Message != host.StopFailed {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	r.Attrs(func(a slog.Attr) bool {
		c.texts = append(c.texts, a.Value.String())
		return false
	})
	return nil
}

// err is what was complained about.
func (c *complaints) err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.texts) == 0 {
		return nil
	}
	return fmt.Errorf("sgs_stop: %s", c.texts[0])
}
