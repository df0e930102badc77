package host

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/alecthomas/units"

	"github.com/sgstreamd/sgstreamd/abi"
)

const pageSize = 64 << 10 // of a linear memory

// Plugin is a loaded module and the pool of its instances. It is safe for concurrent use.
type Plugin struct {
	host     *Host
	name     string
	cfg      PluginConfig
	manifest abi.Manifest
	codec    abi.Codec
	config   []byte // cfg.Config in the plugin's encoding
	granted  Grant
	hosts    []origin // that the manifest asks for; nil where it says nothing of them
	streams  map[string]bool
	egress   *egress
	log      *slog.Logger
	metrics  pluginMetrics
	compiled *compiled
	pool     *pool
	watcher  *watcher
	sha256   string // of the module's file, in hexadecimal digits

	life context.Context // ended by kill, and every running call with it
	kill context.CancelCauseFunc

	closing  sync.Once
	closeErr error
}

// Load compiles the module in the file path and checks its manifest, imports and exports against the
// contract. It makes no instance; Start does. The name is the plugin's in the configuration and the logs;
// instances bounds the instances where cfg.MaxInstances is 0, and is at least 1. An error says in one line
// what is wrong with the module or what it is granted.
func (h *Host) Load(ctx context.Context, name, path string, cfg PluginConfig, instances int) (*Plugin, error) {
	p, err := h.load(ctx, name, path, cfg, instances)
	if err != nil {
		return nil, fmt.Errorf("plugin %q: %w", name, err)
	}
	h.remember(p)
	return p, nil
}

func (h *Host) load(ctx context.Context, name, path string, cfg PluginConfig, instances int) (*Plugin, error) {
	if cfg.MaxInstances == 0 {
		cfg.MaxInstances = max(instances, 1)
	}
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("plugins.%s.%w", name, err)
	}
	binary, err := readModule(path)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(binary)
	p := &Plugin{
		host: h, name: name, cfg: cfg, log: h.log.With("plugin", name), pool: newPool(cfg.MaxInstances), sha256: hex.EncodeToString(sum[:]),
	}
	if pin := cfg.SHA256; pin != "" && !strings.EqualFold(pin, p.sha256) {
		return nil, fmt.Errorf("%s: its SHA-256 is %s, and plugins.%s.sha256 says otherwise; put the right file there, or change the pin", path, p.sha256, name)
	}
	p.life, p.kill = context.WithCancelCause(context.Background())
	if err := p.compile(ctx, binary); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if err := p.prepare(); err != nil {
		return nil, errors.Join(err, p.compiled.close(ctx))
	}
	p.metrics, p.watcher = h.metrics.of(name), newWatcher()
	return p, nil
}

// prepare derives from the manifest and the configuration what every instance needs.
func (p *Plugin) prepare() error {
	var ok bool
	if p.codec, ok = p.host.codecs[p.manifest.Codec]; !ok {
		return fmt.Errorf("its manifest asks for the codec %s, which the host does not have", p.manifest.Codec)
	}
	p.streams = map[string]bool{}
	for _, s := range p.cfg.EmitStreams {
		p.streams[s] = true
	}
	doc, err := p.configuration()
	if err != nil {
		return err
	}
	if err := p.grant(doc); err != nil {
		return err
	}
	if p.config, err = p.codec.AppendJSON(nil, doc); err != nil {
		return fmt.Errorf("plugins.%s.config: %w", p.name, err)
	}
	p.egress, err = p.host.newEgress(p.name, &p.cfg, p.hosts)
	return err
}

// Name returns the plugin's name in the configuration.
func (p *Plugin) Name() string { return p.name }

// Manifest returns what the module says of itself.
func (p *Plugin) Manifest() abi.Manifest { return p.manifest }

// SHA256 returns the hash of the module's file, in hexadecimal digits.
func (p *Plugin) SHA256() string { return p.sha256 }

// Start makes the first instance: its instantiation, _initialize and sgs_configure, together within
// cfg.Timeout. So a bad plugin is refused at once, and not by its first message.
func (p *Plugin) Start(ctx context.Context) error {
	if err := p.pool.acquire(ctx, nil); err != nil {
		return p.named(err)
	}
	defer p.pool.release()
	in, err := p.newInstance(ctx)
	if err != nil {
		return p.named(err)
	}
	p.giveBack(in, time.Now())
	return nil
}

// Handle waits for an instance and runs one call of sgs_handle on it, within cfg.Timeout of its beginning.
// If stop is closed before the call was begun, it returns abi.ErrNotStarted.
//
// A nil error means that the guest returned a status of the contract. Any other error, ErrTrap,
// ErrDeadline, ErrMemory and ErrContract among them, is one clear line and counts as abi.StatusRetry,
// which the verdict then says; one that wraps context.Canceled or the context's own error is the caller's doing.
func (p *Plugin) Handle(ctx context.Context, stop <-chan struct{}, m *abi.Message) (abi.Verdict, error) {
	retry := abi.Verdict{Status: abi.StatusRetry}
	if err := p.pool.acquire(ctx, stop); err != nil {
		return retry, p.named(err)
	}
	defer p.pool.release()
	p.metrics.busy.Inc()
	defer p.metrics.busy.Dec()
	v, took, err := p.handle(ctx, stop, m)
	if errors.Is(err, abi.ErrNotStarted) {
		return retry, p.named(err)
	}
	p.metrics.observe(v.Status, err, took)
	if err != nil {
		return retry, p.named(err)
	}
	return v, nil
}

// handle runs one call in a slot of the pool. The message is encoded first, so that one that can't be
// costs no instance. took is how long the call took from then on.
func (p *Plugin) handle(ctx context.Context, stop <-chan struct{}, m *abi.Message) (v abi.Verdict, took time.Duration, err error) {
	buf := p.host.buffer()
	defer p.host.recycle(buf)
	err = guard(func() (err error) {
		*buf, err = p.codec.AppendMessage((*buf)[:0], m)
		return err
	})
	if err != nil {
		return v, 0, fmt.Errorf("the message can't be written in the codec %s: %w", p.manifest.Codec, err)
	}
	// The clock is read as seldom as can be: that costs as much as many a guest.
	arrived := time.Now()
	in, begun, err := p.takeInstance(ctx, arrived)
	if err != nil {
		return v, time.Since(arrived), err
	}
	if isClosed(stop) { // while the instance was made
		p.giveBack(in, begun)
		return v, 0, abi.ErrNotStarted
	}
	v, err = in.handle(ctx, m, *buf, begun)
	ended := time.Now()
	if err != nil {
		in.close() // whatever state it is in, no other message may meet it
		return abi.Verdict{}, ended.Sub(arrived), err
	}
	p.giveBack(in, ended)
	return v, ended.Sub(arrived), nil
}

// takeInstance takes an idle instance, or makes one. begun is when it was there.
func (p *Plugin) takeInstance(ctx context.Context, now time.Time) (in *instance, begun time.Time, err error) {
	if in := p.pool.take(); in != nil {
		return in, now, nil
	}
	in, err = p.newInstance(ctx)
	return in, time.Now(), err
}

// giveBack returns an instance to the pool, or closes it where it has grown too large to be kept.
func (p *Plugin) giveBack(in *instance, now time.Time) {
	if in.isWornOut() {
		in.stop(p.life)
		in.close()
		return
	}
	if old := p.pool.put(in, now); old != nil {
		old.stop(p.life)
		old.close()
	}
}

// Close refuses new calls, waits for the running ones until ctx is done and cancels those that remain,
// calls sgs_stop on every instance, and frees all that the plugin holds. It is safe to call it again.
func (p *Plugin) Close(ctx context.Context) error {
	p.closing.Do(func() { p.closeErr = p.close(ctx) })
	return p.closeErr
}

func (p *Plugin) close(ctx context.Context) error {
	idle, err := p.pool.close(ctx, func() { p.kill(errClosed) })
	if err != nil {
		err = p.named(fmt.Errorf("closed before its calls had finished: %w", err))
	}
	// One deadline for all of them: a plugin that hangs in sgs_stop holds the daemon up once.
	stopping, cancel := context.WithTimeout(ctx, p.cfg.Timeout)
	defer cancel()
	for _, in := range idle {
		in.stop(stopping)
		in.close()
	}
	p.kill(errClosed)
	p.egress.close()
	p.host.forget(p)
	return errors.Join(err, p.compiled.close(ctx))
}

// named puts the plugin's name before an error. ErrNotStarted is no fault of the plugin's and stays as it is.
func (p *Plugin) named(err error) error {
	if err == abi.ErrNotStarted { //nolint:errorlint // only the bare sentinel
		return err
	}
	return fmt.Errorf("plugin %q: %w", p.name, err)
}

// memoryLimit is the limit of an instance's memory, in whole pages.
func (p *Plugin) memoryLimit() uint32 { return uint32(p.cfg.MemoryLimit / (64 * units.KiB)) }

// maxKeptBuffer is the size above which a buffer is not kept for the next message, in bytes.
const maxKeptBuffer = 1 << 20

func (h *Host) buffer() *[]byte {
	if b, ok := h.buffers.Get().(*[]byte); ok {
		return b
	}
	return new([]byte)
}

func (h *Host) recycle(b *[]byte) {
	if cap(*b) <= maxKeptBuffer {
		h.buffers.Put(b)
	}
}
