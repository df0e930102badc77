package host

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	goruntime "runtime"
	"sync/atomic"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/sgstreamd/sgstreamd/abi"
)

// instance is one instance of a plugin's module. It serves one call at a time.
type instance struct {
	plugin         *Plugin
	module         api.Module
	interrupted    api.MutableGlobal // see interruptible; nil until the module is instantiated
	stopped        bool              // it was interrupted, and will not go on
	alloc          api.Function
	handleFunction api.Function
	stack          [2]uint64 // parameters and results of the guest's functions
	stdout, stderr lineWriter
	startPages     uint32 // size of the memory once the instance was ready, in pages
	calls          int    // of sgs_handle that it has served
	idleSince      time.Time
	call           atomic.Pointer[call] // the one that runs, nil between two
}

// newInstance instantiates the module, initialises and configures it, all within the plugin's timeout.
func (p *Plugin) newInstance(ctx context.Context) (*instance, error) {
	in := &instance{plugin: p}
	in.stdout = lineWriter{in: in, source: "stdout", level: slog.LevelInfo}
	in.stderr = lineWriter{in: in, source: "stderr", level: slog.LevelWarn}
	c := in.begin(ctx, nil, time.Now())
	defer c.end()
	c.ctx.bound() // from the beginning, and before there is a guest to be interrupted
	err := guard(func() (err error) {
		in.module, err = p.compiled.runtime.InstantiateModule(c.ctx, p.compiled.module, in.config())
		return err
	})
	if err := c.check("instantiation", err); err != nil {
		if in.module != nil {
			_ = in.module.Close(ctx)
		}
		return nil, err
	}
	in.interrupted = in.module.ExportedGlobal(interruptGlobal).(api.MutableGlobal)
	disarm := in.arm(c.ctx)
	p.metrics.instances.Inc()
	err = in.setUp(c)
	if !disarm() && err == nil { // in the very last moment
		err = c.check("initialisation", nil)
	}
	if err != nil {
		in.close()
		return nil, err
	}
	in.startPages = in.pages()
	p.watcher.add(in)
	return in, nil
}

// config gives the guest clocks, randomness, and its output a way to the log; no files, no environment,
// no arguments, no sockets.
func (in *instance) config() wazero.ModuleConfig {
	config := wazero.NewModuleConfig().
		WithName(""). // anonymous, so that there can be many
		WithStartFunctions().
		WithStdout(&in.stdout).WithStderr(&in.stderr).
		WithSysWalltime().WithSysNanotime().
		WithNanosleep(func(ns int64) { in.call.Load().sleep(time.Duration(ns)) }).
		WithOsyield(goruntime.Gosched).
		WithRandSource(rand.Reader)
	if clock := in.plugin.host.clock; clock != nil {
		config = config.WithWalltime(func() (int64, int32) {
			now := clock()
			return now.Unix(), int32(now.Nanosecond())
		}, 1000) // the clock's resolution, in nanoseconds
	}
	return config
}

func (in *instance) setUp(c *call) error {
	if f := in.module.ExportedFunction(startFunction); f != nil {
		if err := c.invoke("start function", f, nil); err != nil {
			return err
		}
	}
	if f := in.module.ExportedFunction(abi.ExportInitialize); f != nil {
		if err := c.invoke(abi.ExportInitialize, f, nil); err != nil {
			return err
		}
	}
	in.alloc = in.module.ExportedFunction(abi.ExportAlloc)
	in.handleFunction = in.module.ExportedFunction(abi.ExportHandle)
	configure := in.module.ExportedFunction(abi.ExportConfigure)
	if configure == nil {
		return nil
	}
	doc := in.plugin.config
	ptr, err := c.deliver(doc)
	if err != nil {
		return err
	}
	stack := in.stack[:2]
	stack[0], stack[1] = api.EncodeU32(ptr), api.EncodeU32(uint32(len(doc)))
	if err := c.invoke(abi.ExportConfigure, configure, stack); err != nil {
		return err
	}
	if code := api.DecodeI32(stack[0]); code != 0 {
		reason := "no reason given"
		if c.reason != "" {
			reason = oneLine(c.reason)
		}
		text := fmt.Sprintf("%s refused plugins.%s.config: %s (code %d)", abi.ExportConfigure, in.plugin.name, reason, code)
		return &failure{text, []error{ErrRefused}}
	}
	return nil
}

// handle runs sgs_handle on an encoded message, now. After an error the instance must be closed.
func (in *instance) handle(ctx context.Context, m *abi.Message, doc []byte, now time.Time) (abi.Verdict, error) {
	c := in.begin(ctx, m, now)
	defer c.end()
	in.calls++
	ptr, err := c.deliver(doc)
	if err != nil {
		return abi.Verdict{}, err
	}
	stack := in.stack[:2]
	stack[0], stack[1] = api.EncodeU32(ptr), api.EncodeU32(uint32(len(doc)))
	if err := c.invoke(abi.ExportHandle, in.handleFunction, stack); err != nil {
		return abi.Verdict{}, err
	}
	return c.verdict(stack[0])
}

// StopFailed is the text of the log line about an instance whose sgs_stop failed.
const StopFailed = "an instance did not stop in good order"

// stop calls sgs_stop where the guest has it. What goes wrong in it is logged only: the instance ends anyway.
func (in *instance) stop(ctx context.Context) {
	f := in.module.ExportedFunction(abi.ExportStop)
	if f == nil || ctx.Err() != nil {
		return
	}
	c := in.begin(ctx, nil, time.Now())
	defer c.end()
	if err := c.invoke(abi.ExportStop, f, nil); err != nil {
		c.log(slog.LevelWarn, StopFailed, slog.Any("error", err))
	}
}

// close frees the instance. The runtime holds on to it until then.
func (in *instance) close() {
	in.plugin.watcher.remove(in)
	_ = in.module.Close(context.Background()) // it has no files whose closing could fail
	in.plugin.metrics.instances.Dec()
}

// pages is the size of the memory in pages. Memory.Size would overflow at 4 GiB.
func (in *instance) pages() uint32 {
	pages, _ := in.module.Memory().Grow(0)
	return pages
}

// isWornOut tells whether the instance has served its calls, or its memory has grown beyond the mark. That never
// shrinks, so the next message may not find room in it that it would find in a new instance.
func (in *instance) isWornOut() bool {
	cfg := &in.plugin.cfg
	if in.stopped {
		return true
	}
	if cfg.RecycleCalls > 0 && in.calls >= cfg.RecycleCalls {
		return true
	}
	mark := int64(cfg.RecycleMemory)
	if mark == 0 {
		mark = int64(in.plugin.memoryLimit()) * pageSize / 4 * 3
	}
	pages := in.pages()
	return pages > in.startPages && int64(pages)*pageSize > mark
}

// memoryNote says that the memory stands at its limit, or so close to it that this is probably what a
// failure is about; otherwise it is empty. Guests grow in steps, so they rarely stand at the very limit.
func (in *instance) memoryNote() string {
	if in.module == nil {
		return ""
	}
	pages, limit := in.pages(), in.plugin.memoryLimit()
	key := "plugins." + in.plugin.name + ".memory_limit"
	switch {
	case pages >= limit:
		return fmt.Sprintf("; its memory is at the limit of %v (%s)", in.plugin.cfg.MemoryLimit, key)
	case pages > in.startPages && uint64(limit-pages)*8 < uint64(limit):
		return fmt.Sprintf("; its memory has grown to %d of %d KiB (%s)", uint64(pages)*pageSize>>10, uint64(limit)*pageSize>>10, key)
	}
	return ""
}
