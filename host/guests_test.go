package host

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/units"
	"github.com/stretchr/testify/require"

	"github.com/sgstreamd/sgstreamd/abi"
)

const soon = 500 * time.Millisecond // a deadline that a good call keeps on a slow machine, too

// Every misbehaviour costs its call and its instance: the error is one clear line, the plugin answers the
// next good message, and that on a new instance (its counter begins again).
func TestMisbehavingGuestCostsItsCallOnly(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 101)
	tests := []struct {
		name, module, payload string
		option                func(*PluginConfig)
		line                  string
		kinds                 []error
		outcome               string
	}{
		{"traps", "trap", "!", nil, `plugin "p": sgs_handle trapped: wasm error: unreachable; it said: my reason`, []error{ErrTrap}, "trap"},
		{"loops for ever", "loop", "!", withTimeout(soon), `plugin "p": sgs_handle: no result within 500ms (plugins.p.timeout)`, []error{ErrDeadline}, "deadline"},
		{"loops for ever in sgs_alloc", "alloc_loop", long, withTimeout(soon), `plugin "p": sgs_alloc: no result within 500ms (plugins.p.timeout)`, []error{ErrDeadline}, "deadline"},
		{"sleeps for an hour", "sleep", "!", withTimeout(soon), `plugin "p": sgs_handle: no result within 500ms (plugins.p.timeout)`, []error{ErrDeadline}, "deadline"},
		{"prints for ever", "print_flood", "!", withTimeout(soon), `plugin "p": sgs_handle: no result within 500ms (plugins.p.timeout)`, []error{ErrDeadline}, "deadline"},
		{"grows without end", "grow", "!", withMemory(units.MiB), `plugin "p": sgs_handle trapped: wasm error: unreachable; its memory is at the limit of 1MiB (plugins.p.memory_limit)`, []error{ErrTrap, ErrMemory}, "memory"},
		{"calls proc_exit", "exit", "!", nil, `plugin "p": sgs_handle trapped: the guest called proc_exit with the code 3`, []error{ErrTrap}, "trap"},
		{"overflows its stack", "overflow", "!", nil, `plugin "p": sgs_handle trapped: stack overflow`, []error{ErrTrap}, "trap"},
		{"returns an unknown status", "unknown_status", "!", nil, `plugin "p": sgs_handle returned the unknown status 7; the contract has 0 (done) to 3 (drop)`, []error{ErrContract}, "contract"},
		{"returns a pointer outside its memory", "pointer_outside", long, nil, `plugin "p": sgs_alloc returned a pointer outside its memory (0xfffffff0, for 101 bytes)`, []error{ErrContract}, "contract"},
		{"has no memory for the message", "no_memory", long, nil, `plugin "p": sgs_alloc: out of memory for a document of 101 bytes`, []error{ErrMemory}, "memory"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, "")
			if tt.option == nil {
				tt.option = withTimeout(30 * time.Second)
			}
			p := b.start(t, tt.module, tt.option)
			requireCount(t, p, "good", 1)
			requireCount(t, p, "good", 2)

			v, err := handle(p, tt.payload)
			requireLine(t, err, tt.line)
			for _, kind := range tt.kinds {
				require.ErrorIs(t, err, kind)
			}
			require.Equal(t, abi.Verdict{Status: abi.StatusRetry}, v)
			require.EqualValues(t, 1, b.value(t, "sgstreamd_plugin_calls_total", tt.outcome))
			require.Zero(t, b.value(t, "sgstreamd_plugin_instances", ""), "the instance was not closed")

			requireCount(t, p, "good", 1)
			require.EqualValues(t, 3, b.value(t, "sgstreamd_plugin_calls_total", "done"))
			require.EqualValues(t, 4, b.value(t, "sgstreamd_plugin_call_seconds", ""))
			require.EqualValues(t, 1, b.value(t, "sgstreamd_plugin_instances", ""))
			require.Zero(t, b.value(t, "sgstreamd_plugin_instances_busy", ""))
		})
	}
}

// A guest that fails before it can be given a message is refused by Start.
func TestStartRefusesGuest(t *testing.T) {
	t.Parallel()
	configured := func(c *PluginConfig) { c.Config = map[string]any{"room": 7} }
	tests := []struct {
		name, module string
		option       func(*PluginConfig)
		line         string
		kind         error
	}{
		{"loops in _initialize", "initialize_loop", withTimeout(soon), `plugin "p": _initialize: no result within 500ms (plugins.p.timeout)`, ErrDeadline},
		{"traps in _initialize", "initialize_trap", withTimeout(soon), `plugin "p": _initialize trapped: wasm error: unreachable`, ErrTrap},
		{"loops in the start section", "start_loop", withTimeout(soon), `plugin "p": start function: no result within 500ms (plugins.p.timeout)`, ErrDeadline},
		{"traps in the start section", "start_trap", withTimeout(soon), `plugin "p": start function trapped: wasm error: unreachable`, ErrTrap},
		{"loops in sgs_configure", "configure_loop", withTimeout(soon), `plugin "p": sgs_configure: no result within 500ms (plugins.p.timeout)`, ErrDeadline},
		{"refuses its configuration", "configure_refuses", configured, `plugin "p": sgs_configure refused plugins.p.config: room is not a name (code 3)`, ErrRefused},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, "")
			good, err := b.load("count")
			require.NoError(t, err)
			p, err := b.load(tt.module, tt.option)
			require.NoError(t, err)
			err = p.Start(context.Background())
			requireLine(t, err, tt.line)
			require.ErrorIs(t, err, tt.kind)
			require.Zero(t, b.value(t, "sgstreamd_plugin_instances", ""))
			require.NoError(t, p.Close(context.Background()))
			requireCount(t, good, "good", 1)
		})
	}
}

func TestConfigurationReachesGuest(t *testing.T) {
	t.Parallel()
	p := newBench(t, "").start(t, "configured", func(c *PluginConfig) { c.Config = map[string]any{"room": "attic"} })
	requireCount(t, p, "", len(`{"room":"attic"}`))
	p = newBench(t, "").start(t, "configured")
	requireCount(t, p, "", len(`{}`))
}

func TestEmitIsDeniedOutsideOfACall(t *testing.T) {
	t.Parallel()
	b := newBench(t, "")
	requireCount(t, b.start(t, "initialize_emit"), "good", 1)
	e := b.logs.find("no message is being handled")
	require.NotNil(t, e)
	require.Equal(t, "EDENIED", e.attrs["errno"])
}

func TestEmit(t *testing.T) {
	t.Parallel()
	allowed := func(c *PluginConfig) { c.EmitStreams = []string{"audit"} }
	tests := []struct {
		name, payload string
		emit          abi.Emit
		errno         abi.Errno
		logged        string
	}{
		{"to a platform", "discord\nhi", abi.Emit{Platform: "discord", Payload: []byte("hi")}, 0, ""},
		{"to a stream that is allowed", "stream:audit\nhi", abi.Emit{Stream: "audit", Payload: []byte("hi")}, 0, ""},
		{"to a stream that is not", "stream:dlq\nhi", abi.Emit{}, abi.ErrnoDenied, "the stream dlq is not in plugins.p.emit_streams"},
		{"to nowhere", "\nhi", abi.Emit{}, abi.ErrnoInvalid, "exactly one of platform and stream must be given"},
		{"garbage", "garbage", abi.Emit{}, abi.ErrnoInvalid, "the document has no newline"},
		{"name too long", strings.Repeat("n", abi.MaxNameBytes+1) + "\n", abi.Emit{}, abi.ErrnoLimit, "the name has more than 256 bytes"},
		{"document too long", "p\n" + strings.Repeat("x", abi.MaxEmitBytes), abi.Emit{}, abi.ErrnoLimit, "the document has 8388610 bytes; 8388608 are allowed"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, "")
			p := b.start(t, "echo", allowed)
			v, err := handle(p, tt.payload)
			require.NoError(t, err)
			if tt.errno == abi.ErrnoOK {
				require.Equal(t, abi.Verdict{RetryAfter: time.Millisecond, Emits: []abi.Emit{tt.emit}}, v)
				return
			}
			require.Equal(t, abi.StatusRetry, v.Status)
			require.Equal(t, tt.errno, abi.Errno(-v.RetryAfter.Milliseconds()))
			require.Empty(t, v.Emits)
			e := b.logs.find(tt.logged)
			require.NotNil(t, e, "the reason was not logged")
			require.Equal(t, map[string]string{"plugin": "p", "trace_id": "t-1", "message_id": "1-0", "stream": "s", "errno": tt.errno.String()}, e.attrs)
			requireCount(t, p, "discord\nnext", 1)
		})
	}
}

func TestEmitOutsideOfMemory(t *testing.T) {
	t.Parallel()
	v, err := handle(newBench(t, "").start(t, "emit_outside"), "")
	require.NoError(t, err)
	require.Equal(t, abi.ErrnoFault, abi.Errno(-v.RetryAfter.Milliseconds()))
}

func TestEmitLimitsOfACall(t *testing.T) {
	t.Parallel()
	t.Run("number", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, "")
		v, err := handle(b.start(t, "flood"), "p\nx")
		require.NoError(t, err)
		require.Len(t, v.Emits, abi.MaxEmits)
		require.EqualValues(t, abi.MaxEmits, v.RetryAfter.Milliseconds())
		var refusals int
		for _, e := range b.logs.all() {
			if strings.Contains(e.text, "an emit was refused") {
				refusals++
			}
		}
		require.Equal(t, maxRefusals, refusals, "a guest in a loop must not flood the log")
	})
	t.Run("bytes together", func(t *testing.T) {
		t.Parallel()
		doc := "p\n" + strings.Repeat("x", 60_000)
		v, err := handle(newBench(t, "").start(t, "flood"), doc)
		require.NoError(t, err)
		require.Len(t, v.Emits, abi.MaxEmitTotalBytes/len(doc))
	})
}

// An emit whose codec panics is an error of the host's; it must not take the daemon with it.
func TestPanicCostsTheCallOnly(t *testing.T) {
	t.Parallel()
	b := newBench(t, "")
	b.codec.onEmit = func(doc string) {
		if doc == "p\npanic" {
			panic("in a host function")
		}
	}
	p := b.start(t, "echo")
	requireCount(t, p, "p\ngood", 1)
	_, err := handle(p, "p\npanic")
	requireLine(t, err, `plugin "p": sgs_handle trapped: in a host function (recovered by wazero)`)
	require.NotNil(t, b.logs.find("stack trace of a trap"))
	requireCount(t, p, "p\ngood", 1)
	_, err = handle(p, "panicking")
	requireLine(t, err, `plugin "p": the message can't be written in the codec json: panic: in the codec`)
	_, err = handle(p, "unencodable")
	requireLine(t, err, `plugin "p": the message can't be written in the codec json: no such thing in this encoding`)
	requireCount(t, p, "p\ngood", 2)
}

func TestLogAndFail(t *testing.T) {
	t.Parallel()
	levels := map[string]string{"0": "DEBUG", "1": "INFO", "2": "WARN", "3": "ERROR", "9": "ERROR"}
	for payload, level := range levels {
		b := newBench(t, "")
		v, err := handle(b.start(t, "logs"), payload)
		require.NoError(t, err)
		require.Equal(t, payload, v.Reason)
		e := b.logs.find(payload)
		require.NotNil(t, e)
		require.Equal(t, level, e.level.String())
		require.Equal(t, map[string]string{"plugin": "p", "trace_id": "t-1", "message_id": "1-0", "stream": "s", "source": "log"}, e.attrs)
	}
	texts := map[string]string{
		"1 invalid \xff here": "1 invalid \ufffd here",
		// The limit falls into the middle of the last "ä".
		"1" + strings.Repeat("ä", abi.MaxTextBytes/2): "1" + strings.Repeat("ä", abi.MaxTextBytes/2-1),
		"1" + strings.Repeat("x", abi.MaxTextBytes):   "1" + strings.Repeat("x", abi.MaxTextBytes-1),
	}
	for payload, want := range texts {
		b := newBench(t, "")
		v, err := handle(b.start(t, "logs"), payload)
		require.NoError(t, err)
		require.Equal(t, want, v.Reason)
		require.Equal(t, want, b.logs.all()[0].text)
		cut := ""
		if len(payload) > abi.MaxTextBytes {
			cut = strconv.Itoa(len(payload))
		}
		require.Equal(t, cut, b.logs.all()[0].attrs["cut_from_bytes"])
		require.NotNil(t, b.logs.find("called log with a text outside"))
		require.NotNil(t, b.logs.find("called fail with a text outside"))
	}
}

func TestOutputReachesLog(t *testing.T) {
	t.Parallel()
	b := newBench(t, "")
	_, err := handle(b.start(t, "prints"), "one\r\n\ntwo\n"+strings.Repeat("y", abi.MaxTextBytes+5)+"\nrest")
	require.NoError(t, err)
	got := map[string][]string{}
	for _, e := range b.logs.all() {
		require.Equal(t, "p", e.attrs["plugin"])
		require.Equal(t, "t-1", e.attrs["trace_id"])
		got[e.attrs["source"]+" "+e.level.String()] = append(got[e.attrs["source"]+" "+e.level.String()], e.text)
	}
	want := []string{"one", "two", strings.Repeat("y", abi.MaxTextBytes), "rest"}
	require.Equal(t, map[string][]string{"stdout INFO": want, "stderr WARN": want}, got)
}

func TestDeadlineMS(t *testing.T) {
	t.Parallel()
	p := newBench(t, "").start(t, "deadline", withTimeout(time.Minute))
	v, err := handle(p, "")
	require.NoError(t, err)
	require.LessOrEqual(t, v.RetryAfter, time.Minute)
	require.Greater(t, v.RetryAfter, 30*time.Second)
}

// No environment, no arguments, no file: path_open ends with WASI's EBADF, since there is no folder to open it in.
func TestSandbox(t *testing.T) {
	t.Parallel()
	const badf = 8
	requireCount(t, newBench(t, "").start(t, "sandbox"), "", badf<<16)
}

func TestTableIsBounded(t *testing.T) {
	t.Parallel()
	p := newBench(t, "").start(t, "grow_table")
	v, err := handle(p, "!")
	require.NoError(t, err)
	require.LessOrEqual(t, v.RetryAfter.Milliseconds(), int64(maxTableElements>>10))
	require.Positive(t, v.RetryAfter)
}

func TestMemoryThatHasGrownLargeIsNotKept(t *testing.T) {
	t.Parallel()
	p := newBench(t, "").start(t, "grow", withMemory(units.MiB))
	requireCount(t, p, "good", 1)
	requireCount(t, p, "+", 2)    // 14 of 16 pages
	requireCount(t, p, "good", 1) // so this is another instance
	requireCount(t, p, "good", 2)
}

func TestCancelledCall(t *testing.T) {
	t.Parallel()
	for _, module := range []string{"loop", "sleep"} {
		b := newBench(t, "")
		p := b.start(t, module)
		requireCount(t, p, "good", 1)
		ctx, cancel := context.WithCancelCause(context.Background())
		lost := errors.New("the message is another worker's now")
		result := make(chan error, 1)
		go func() {
			_, err := p.Handle(ctx, nil, message("!"))
			result <- err
		}()
		if module == "loop" {
			b.logs.await(t, "begun")
		}
		cancel(lost)
		err := <-result
		require.ErrorIs(t, err, context.Canceled)
		require.ErrorIs(t, err, lost)
		require.NotContains(t, err.Error(), "\n")
		if module == "loop" {
			requireLine(t, err, `plugin "p": sgs_handle: cancelled: context canceled: the message is another worker's now`)
			require.EqualValues(t, 1, b.value(t, "sgstreamd_plugin_calls_total", "cancelled"))
			requireCount(t, p, "good", 1)
		}
	}
}
