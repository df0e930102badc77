package host

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/sgstreamd/sgstreamd/abi"
)

// hostFunctions are what a guest can import from abi.Module. Each finds its call in its context. None of
// them traps for policy, and what waits ends with the call's context: the engine does not interrupt it.
func hostFunctions() map[string]api.GoModuleFunc {
	return map[string]api.GoModuleFunc{
		abi.ImportLog: func(ctx context.Context, m api.Module, stack []uint64) {
			callOf(ctx).guestLog(m.Memory(), abi.LogLevel(stack[0]), uint32(stack[1]), uint32(stack[2]))
		},
		abi.ImportFail: func(ctx context.Context, m api.Module, stack []uint64) {
			callOf(ctx).fail(m.Memory(), uint32(stack[0]), uint32(stack[1]))
		},
		abi.ImportEmit: func(ctx context.Context, m api.Module, stack []uint64) {
			stack[0] = api.EncodeI32(int32(callOf(ctx).emit(m.Memory(), uint32(stack[0]), uint32(stack[1]))))
		},
		abi.ImportDeadlineMS: func(ctx context.Context, _ api.Module, stack []uint64) {
			stack[0] = api.EncodeI64(callOf(ctx).deadlineMS())
		},
		abi.ImportKVGet: func(ctx context.Context, m api.Module, stack []uint64) {
			n := callOf(ctx).kvGet(m.Memory(), uint32(stack[0]), uint32(stack[1]), uint32(stack[2]), uint32(stack[3]))
			stack[0] = api.EncodeI32(n)
		},
		abi.ImportKVSet: func(ctx context.Context, m api.Module, stack []uint64) {
			errno := callOf(ctx).kvSet(m.Memory(), uint32(stack[0]), uint32(stack[1]), uint32(stack[2]), uint32(stack[3]), int64(stack[4]))
			stack[0] = api.EncodeI32(int32(errno))
		},
		abi.ImportMetricAdd: func(ctx context.Context, m api.Module, stack []uint64) {
			errno := callOf(ctx).metricAdd(m.Memory(), uint32(stack[0]), uint32(stack[1]), int64(stack[2]))
			stack[0] = api.EncodeI32(int32(errno))
		},
		abi.ImportHTTPOpen: func(ctx context.Context, m api.Module, stack []uint64) {
			stack[0] = api.EncodeI32(callOf(ctx).httpOpen(m.Memory(), uint32(stack[0]), uint32(stack[1])))
		},
		abi.ImportHTTPHead: func(ctx context.Context, m api.Module, stack []uint64) {
			stack[0] = api.EncodeI32(callOf(ctx).httpHead(m.Memory(), uint32(stack[0]), uint32(stack[1]), uint32(stack[2])))
		},
		abi.ImportHTTPRead: func(ctx context.Context, m api.Module, stack []uint64) {
			stack[0] = api.EncodeI32(callOf(ctx).httpRead(m.Memory(), uint32(stack[0]), uint32(stack[1]), uint32(stack[2])))
		},
		abi.ImportHTTPClose: func(ctx context.Context, _ api.Module, stack []uint64) {
			callOf(ctx).httpClose(uint32(stack[0]))
		},
	}
}

// refusing asks before each call of the function whether it is to be refused. The result is that of an errno.
func refusing(f api.GoModuleFunc, name string, refuse func(function string) abi.Errno) api.GoModuleFunc {
	return func(ctx context.Context, m api.Module, stack []uint64) {
		if errno := refuse(name); errno != abi.ErrnoOK {
			stack[0] = api.EncodeI32(int32(errno))
			return
		}
		f(ctx, m, stack)
	}
}

func instantiateFunctions(ctx context.Context, r wazero.Runtime, refuse func(function string) abi.Errno) error {
	b := r.NewHostModuleBuilder(abi.Module)
	functions, signatures := hostFunctions(), abi.Imports()
	for _, name := range slices.Sorted(maps.Keys(signatures)) {
		f, s := functions[name], signatures[name]
		if refuse != nil && slices.Equal(s.Results, []abi.ValueType{abi.I32}) {
			f = refusing(f, name, refuse)
		}
		b.NewFunctionBuilder().WithGoModuleFunction(f, s.Params, s.Results).Export(name)
	}
	_, err := b.Instantiate(ctx)
	return err
}

// text reads a text of the guest's, cut to abi.MaxTextBytes, with what is not UTF-8 replaced.
func text(mem api.Memory, ptr, size uint32) (string, bool) {
	// One byte more than the limit shows whether the cut falls between two runes.
	b, ok := mem.Read(ptr, min(size, abi.MaxTextBytes+1))
	if !ok {
		return "", false
	}
	return strings.ToValidUTF8(cutText(string(b), abi.MaxTextBytes), "\ufffd"), true
}

func (c *call) guestLog(mem api.Memory, level abi.LogLevel, ptr, size uint32) {
	levels := []slog.Level{abi.LogDebug: slog.LevelDebug, abi.LogInfo: slog.LevelInfo, abi.LogWarn: slog.LevelWarn, abi.LogError: slog.LevelError}
	l := levels[min(level, abi.LogError)]
	if !c.plugin.log.Enabled(c.ctx, l) {
		return
	}
	if s, ok := text(mem, ptr, size); ok {
		attrs := []slog.Attr{slog.String("source", "log")}
		if size > abi.MaxTextBytes {
			attrs = append(attrs, slog.Uint64("cut_from_bytes", uint64(size)))
		}
		c.log(l, s, attrs...)
		return
	}
	c.log(slog.LevelWarn, "the guest called log with a text outside of its memory")
}

func (c *call) fail(mem api.Memory, ptr, size uint32) {
	if s, ok := text(mem, ptr, size); ok {
		c.reason = s
		return
	}
	c.log(slog.LevelWarn, "the guest called fail with a text outside of its memory")
}

func (c *call) deadlineMS() int64 {
	deadline, _ := c.ctx.Deadline()
	return max(time.Until(deadline).Milliseconds(), 0)
}

// emit decodes the document at once, so that the guest may reuse the memory, and learns what is wrong with it.
func (c *call) emit(mem api.Memory, ptr, size uint32) abi.Errno {
	if c.ctx.Err() != nil {
		return abi.ErrnoCancelled
	}
	e, errno, why := c.decodeEmit(mem, ptr, size)
	if errno != abi.ErrnoOK {
		c.refuse("an emit", errno, why)
		return errno
	}
	if c.emits == nil {
		c.emits = c.emitRoom[:0]
	}
	c.emits = append(c.emits, e)
	c.emitBytes += int(size)
	return abi.ErrnoOK
}

func (c *call) decodeEmit(mem api.Memory, ptr, size uint32) (e abi.Emit, errno abi.Errno, why string) {
	if c.message == nil {
		return e, abi.ErrnoDenied, "no message is being handled"
	}
	doc, ok := mem.Read(ptr, size)
	switch {
	case !ok:
		return e, abi.ErrnoFault, "the document lies outside of the memory"
	case size > abi.MaxEmitBytes:
		return e, abi.ErrnoLimit, fmt.Sprintf("the document has %d bytes; %d are allowed", size, abi.MaxEmitBytes)
	case len(c.emits) >= abi.MaxEmits:
		return e, abi.ErrnoLimit, fmt.Sprintf("the call has made its %d emits", abi.MaxEmits)
	case c.emitBytes+int(size) > abi.MaxEmitTotalBytes:
		return e, abi.ErrnoLimit, fmt.Sprintf("the call's emits exceed %d bytes together", abi.MaxEmitTotalBytes)
	}
	e, err := c.plugin.codec.DecodeEmit(doc)
	switch {
	case err != nil:
		return e, abi.ErrnoInvalid, oneLine(err.Error())
	case (e.Platform == "") == (e.Stream == ""):
		return e, abi.ErrnoInvalid, "exactly one of platform and stream must be given"
	case len(e.Platform) > abi.MaxNameBytes || len(e.Stream) > abi.MaxNameBytes:
		return e, abi.ErrnoLimit, fmt.Sprintf("the name has more than %d bytes", abi.MaxNameBytes)
	case e.Stream != "" && !c.plugin.streams[e.Stream]:
		return e, abi.ErrnoDenied, fmt.Sprintf("the stream %s is not in plugins.%s.emit_streams", oneLine(e.Stream), c.plugin.name)
	}
	return e, abi.ErrnoOK, ""
}

// maxRefusals is the number of one call's refusals that are logged; a guest in a loop makes millions.
const maxRefusals = 10

// refuse logs that a host function has answered with an errno, and why. A key that is not there is no refusal.
func (c *call) refuse(what string, errno abi.Errno, why string) {
	if errno == abi.ErrnoNotFound {
		return
	}
	c.refusals++
	if c.refusals > maxRefusals {
		return
	}
	if c.refusals == maxRefusals {
		why += " (further ones of this call are not logged)"
	}
	c.log(slog.LevelWarn, what+" was refused: "+why, slog.String("errno", errno.String()))
}
