// Package host runs plugins: it compiles a WebAssembly module, checks it against the contract of package
// abi, keeps a pool of its instances, and hands messages to them. Each call has a deadline and each
// instance a memory limit; a guest that breaks one, or anything else, costs its instance and its call only.
//
// It is the only package that imports wazero.
package host

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	goruntime "runtime"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/tetratelabs/wazero"

	"github.com/sgstreamd/sgstreamd/abi"
)

// Options of a Host.
type Options struct {
	// CacheDir is the folder of the compile cache; it is created, for its owner alone, where it is missing.
	// Empty keeps the cache in memory, and so does a folder that can't be used, with a warning.
	CacheDir string
	// Codecs are the codecs that a manifest can choose, by abi.CodecJSON and abi.CodecMsgpack.
	Codecs map[string]abi.Codec
	// State is what kv_get reads; nil denies every kv_get and kv_set.
	State State
	// Log receives what plugins print and log, and what the host has to say of them. Nil is slog.Default.
	Log *slog.Logger
	// Registerer receives the metrics; nil registers none. Two hosts may share one.
	Registerer prometheus.Registerer

	// The rest is for tools that try a plugin out, and unset in a daemon.

	// Transport sends the requests that have passed the policy, in the place of the network; addresses are then not
	// looked at. It is safe for concurrent use.
	Transport http.RoundTripper
	// Clock is the real time that guests see.
	Clock func() time.Time
	// Refuse is asked before each call of a host function that can be refused, by the function's name, and what it
	// answers is the guest's result; abi.ErrnoOK lets the function do its work.
	Refuse func(function string) abi.Errno
}

// Host loads plugins. It is safe for concurrent use.
type Host struct {
	log     *slog.Logger
	codecs  map[string]abi.Codec
	state   State // nil where none is kept
	metrics *metrics
	buffers sync.Pool // of *[]byte: encoded messages on their way into a guest

	resolver *net.Resolver  // of the names that plugins connect to; nil for the system's
	roots    *x509.CertPool // that their servers are checked with; nil for the system's

	transport http.RoundTripper               // in the place of the network; nil for the network
	clock     func() time.Time                // that guests see; nil for the system's
	refuse    func(function string) abi.Errno // asked before functions that can be refused; nil refuses none

	cache    wazero.CompilationCache
	cacheDir string // empty where the cache is in memory

	mu      sync.Mutex
	plugins map[*Plugin]struct{} // loaded and not yet closed
}

// New makes a host without any plugin. Its error is about the metrics: another collector holds one of their names.
func New(ctx context.Context, o Options) (*Host, error) {
	m, err := newMetrics(o.Registerer)
	if err != nil {
		return nil, fmt.Errorf("plugin host: metrics: %w", err)
	}
	h := &Host{
		log: o.Log, codecs: o.Codecs, state: o.State, metrics: m, plugins: map[*Plugin]struct{}{},
		transport: o.Transport, clock: o.Clock, refuse: o.Refuse,
	}
	if h.log == nil {
		h.log = slog.Default()
	}
	h.openCache(ctx, o.CacheDir)
	return h, nil
}

func (h *Host) openCache(ctx context.Context, dir string) {
	h.cache = wazero.NewCompilationCache()
	if dir == "" {
		return
	}
	cache, err := wazero.NewCompilationCacheWithDir(dir)
	if err == nil {
		err = checkPrivate(dir)
	}
	if err != nil {
		h.log.WarnContext(ctx, "the compile cache's folder can't be used; modules are compiled anew at each start", "folder", dir, "error", err)
		return
	}
	h.cache, h.cacheDir = cache, dir
}

// checkPrivate refuses a folder that others can write to: its files are machine code that this process runs.
func checkPrivate(dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if goruntime.GOOS != "windows" && info.Mode().Perm()&0o022 != 0 {
		return fmt.Errorf("others may write to it (mode %#o), and its files are machine code; run chmod 700 on it", info.Mode().Perm())
	}
	return nil
}

// Close closes every plugin that is still loaded, as Plugin.Close does, and then the compile cache.
func (h *Host) Close(ctx context.Context) error {
	h.mu.Lock()
	plugins := make([]*Plugin, 0, len(h.plugins))
	for p := range h.plugins {
		plugins = append(plugins, p)
	}
	h.mu.Unlock()
	var errs []error
	for _, p := range plugins {
		errs = append(errs, p.Close(ctx))
	}
	return errors.Join(append(errs, h.cache.Close(ctx))...)
}

func (h *Host) remember(p *Plugin) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.plugins[p] = struct{}{}
}

func (h *Host) forget(p *Plugin) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.plugins, p)
}
