package host

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tetratelabs/wazero"
)

func TestARecursionEndsWithTheDeadline(t *testing.T) {
	t.Parallel()
	b := newBench(t, "")
	p := b.start(t, "recurse", withTimeout(200*time.Millisecond))
	_, err := handle(p, "p\n")
	requireLine(t, err, `plugin "p": sgs_handle: no result within 200ms (plugins.p.timeout)`)
	require.ErrorIs(t, err, ErrDeadline)
}

// A guest that never leaves its loop must not hold up the process: the garbage collector waits for every goroutine.
func TestALoopLetsTheProcessGoOn(t *testing.T) {
	t.Parallel()
	b := newBench(t, "")
	p := b.start(t, "loop", withTimeout(time.Hour))
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	done := handleAsync(ctx, p, nil, "!")
	for range 20 {
		runtime.GC()
	}
	cancel()
	require.ErrorIs(t, (<-done).err, context.Canceled)
}

// An instance that is interrupted at the very end of its call, in vain, serves no other one.
func TestAnInstanceThatWasInterruptedInVainIsNotUsedAgain(t *testing.T) {
	t.Parallel()
	b := newBench(t, "")
	p := b.start(t, "count")
	in := p.pool.take()
	ctx, cancel := context.WithCancel(context.Background())
	c := in.begin(ctx, nil, time.Now())
	c.ctx.bound()
	cancel()
	c.end()
	require.True(t, in.isWornOut())
	p.giveBack(in, time.Now())
	v, err := handle(p, "p\n")
	require.NoError(t, err)
	require.Equal(t, int64(1), v.RetryAfter.Milliseconds(), "a new instance")
}

// The host's globals lie behind the module's own, and no code of the module's may name them.
func TestAModuleCannotNameTheHostsGlobals(t *testing.T) {
	t.Parallel()
	const code = 0x0a
	for _, test := range []struct {
		instruction byte
		global      byte
		refused     bool
	}{
		{0x23, 0, false}, {0x24, 0, false}, {0x23, 1, true}, {0x24, 1, true}, {0x24, 2, true},
	} {
		instructions := []byte{test.instruction, test.global, 0x1a, 0x0b} // global.get n, drop, end
		if test.instruction == 0x24 {
			instructions = []byte{0x41, 0, test.instruction, test.global, 0x0b} // i32.const 0, global.set n, end
		}
		body := append([]byte{0}, instructions...)
		module := []byte("\x00asm\x01\x00\x00\x00")
		module = append(module, 1, 4, 1, 0x60, 0, 0)             // a function type
		module = append(module, 3, 2, 1, 0)                      // a function
		module = append(module, 5, 3, 1, 0, 1)                   // a memory
		module = append(module, 6, 6, 1, 0x7f, 1, 0x41, 0, 0x0b) // a global
		module = append(module, code, byte(len(body)+2), 1, byte(len(body)))
		module = append(module, body...)
		_, err := interruptible(module)
		if test.refused {
			require.ErrorIs(t, err, errGlobal)
		} else {
			require.NoError(t, err)
			requireCompiles(t, module)
		}
	}
}

// requireCompiles requires that the engine takes the module with the checks in it.
func requireCompiles(t *testing.T, module []byte) {
	t.Helper()
	checked, err := interruptible(module)
	require.NoError(t, err)
	require.NoError(t, compiles(checked))
}

func compiles(module []byte) error {
	ctx := context.Background()
	r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter().WithMemoryLimitPages(16))
	defer r.Close(ctx)
	return guard(func() error {
		_, err := r.CompileModule(ctx, module)
		return err
	})
}

// Whatever the engine takes, it takes with the checks in it.
func FuzzInterruptible(f *testing.F) {
	files, err := filepath.Glob("testdata/*.wasm")
	require.NoError(f, err)
	for _, file := range files {
		module, err := os.ReadFile(file)
		require.NoError(f, err)
		f.Add(module)
	}
	p := &Plugin{name: "p", cfg: DefaultPlugin()}
	f.Fuzz(func(t *testing.T, module []byte) {
		if checkHeader(module) != nil {
			return
		}
		bounded, err := p.boundSections(module)
		if err != nil {
			return
		}
		checked, err := interruptible(bounded)
		if compiles(bounded) != nil {
			return
		}
		require.NoError(t, err)
		require.NoError(t, compiles(checked))
		require.True(t, bytes.HasPrefix(checked, module[:8]))
	})
}
