package host

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/sys"

	"github.com/sgstreamd/sgstreamd/abi"
)

// errTimeout is the cause by which a call's own deadline is told from its caller's.
var errTimeout = errors.New("the plugin's timeout has passed")

// call is the state of one stay of the host in a guest: the start of an instance, one message, or its end.
type call struct {
	ctx     *callContext // which is own
	own     callContext
	plugin  *Plugin
	in      *instance
	message *abi.Message // nil unless a message is handled

	reason    string // what the guest said last with fail
	emits     []abi.Emit
	emitRoom  [1]abi.Emit // of the first of them; most calls have one
	emitBytes int
	view      view // of the plugin's state
	requests  requests
	refusals  int // what was refused of emits, the state, counters and requests
}

// begin starts a call on the instance, with the plugin's timeout from now on.
func (in *instance) begin(ctx context.Context, m *abi.Message, now time.Time) *call {
	c := &call{plugin: in.plugin, in: in, message: m, own: callContext{caller: ctx, begun: now}}
	c.own.call, c.ctx = c, &c.own
	in.call.Store(c)
	in.plugin.watcher.wake()
	return c
}

// end ends the call. An instance that was interrupted in vain, at the call's very end, is of no more use.
func (c *call) end() {
	if c.ctx.returned() {
		c.in.stopped = true
	}
	c.requests.closeAll()
	c.in.stdout.flush()
	c.in.stderr.flush()
	c.in.call.Store(nil)
	c.ctx.end()
}

// callOf returns the call in whose context a host function runs: the engine hands on the one that it was given.
func callOf(ctx context.Context) *call { return ctx.(*callContext).call }

// invoke calls one of the guest's functions; stack holds the parameters and then the results. A call
// whose context ended while it ran has failed, even if the guest returned: it may have noticed and given
// up, or be interrupted in that same moment.
func (c *call) invoke(step string, f api.Function, stack []uint64) error {
	err := guard(func() error { return f.CallWithStack(c.ctx, stack) })
	return c.check(step, err)
}

// check says in one line why a step failed, if it did.
func (c *call) check(step string, err error) error {
	if c.ctx.Err() != nil {
		if context.Cause(c.ctx) == errTimeout {
			text := fmt.Sprintf("%s: no result within %v (plugins.%s.timeout)", step, c.plugin.cfg.Timeout, c.plugin.name)
			return &failure{text, []error{ErrDeadline}}
		}
		return fmt.Errorf("%s: cancelled: %w", step, cancellation(c.ctx))
	}
	if err == nil {
		return nil
	}
	if trace := strings.TrimSpace(err.Error()); strings.Contains(trace, "\n") {
		c.log(slog.LevelDebug, "stack trace of a trap", slog.String("trace", trace))
	}
	return c.trap(step, err)
}

func (c *call) trap(step string, err error) error {
	text := oneLine(err.Error())
	var exit *sys.ExitError
	if errors.As(err, &exit) {
		text = fmt.Sprintf("the guest called proc_exit with the code %d", exit.ExitCode())
	}
	f := &failure{fmt.Sprintf("%s trapped: %s", step, text), []error{ErrTrap}}
	if note := c.in.memoryNote(); note != "" {
		f.text += note
		f.kinds = append(f.kinds, ErrMemory)
	}
	if c.reason != "" {
		f.text += "; it said: " + oneLine(c.reason)
	}
	return f
}

// deliver copies a document into a buffer of the guest's own.
func (c *call) deliver(doc []byte) (ptr uint32, err error) {
	if len(doc) == 0 {
		return 0, nil
	}
	size := uint32(len(doc))
	if uint64(len(doc)) > maxDocument {
		return 0, fmt.Errorf("%s: the document has %d bytes, more than any memory can take", abi.ExportAlloc, len(doc))
	}
	stack := c.in.stack[:1]
	stack[0] = api.EncodeU32(size)
	if err := c.invoke(abi.ExportAlloc, c.in.alloc, stack); err != nil {
		return 0, err
	}
	ptr = api.DecodeU32(stack[0])
	if ptr == 0 {
		return 0, &failure{fmt.Sprintf("%s: out of memory for a document of %d bytes%s", abi.ExportAlloc, size, c.in.memoryNote()), []error{ErrMemory}}
	}
	if !c.in.module.Memory().Write(ptr, doc) {
		return 0, &failure{fmt.Sprintf("%s returned a pointer outside its memory (%#x, for %d bytes)", abi.ExportAlloc, ptr, size), []error{ErrContract}}
	}
	return ptr, nil
}

// maxDocument is the size of the largest document that could fit in a 32-bit memory, in bytes.
const maxDocument = 1<<32 - pageSize

// verdict reads the result of sgs_handle.
func (c *call) verdict(packed uint64) (abi.Verdict, error) {
	status, after := abi.UnpackResult(packed)
	if status > abi.StatusDrop {
		text := fmt.Sprintf("%s returned the unknown %v; the contract has 0 (done) to 3 (drop)", abi.ExportHandle, status)
		return abi.Verdict{}, &failure{text, []error{ErrContract}}
	}
	return abi.Verdict{Status: status, RetryAfter: after, Reason: c.reason, Emits: c.emits, Reads: c.view.reads, Writes: c.view.writes}, nil
}

// log writes a line with what it belongs to: the plugin, and the message where there is one.
func (c *call) log(level slog.Level, text string, attrs ...slog.Attr) {
	if !c.plugin.log.Enabled(c.ctx, level) {
		return
	}
	if m := c.message; m != nil {
		attrs = append(attrs, slog.String("trace_id", m.TraceID), slog.String("message_id", m.ID), slog.String("stream", m.Stream))
	}
	c.plugin.log.LogAttrs(c.ctx, level, text, attrs...)
}

// sleep is how a guest sleeps. WASI's poll_oneoff knows no context, and the guest's deadline does not
// interrupt a host function, so the sleep itself must end with the call.
func (c *call) sleep(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-c.ctx.Done():
	}
}
