package app_test

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sgstreamd/sgstreamd/internal/loadtest"
	"github.com/sgstreamd/sgstreamd/internal/toolchain"
)

// prove measures one of the proofs on a small scale. What holds then says nothing, so it is not asserted.
func prove(t *testing.T, name string, change func(*loadtest.ProofOptions)) []loadtest.Claim {
	t.Helper()
	o := loadtest.ProofOptions{Binary: built.plain, Plugins: t.TempDir(), CacheDir: built.cache}
	change(&o)
	claims, err := loadtest.Prove(t.Context(), o, name)
	require.NoError(t, err)
	for _, c := range claims {
		require.NotEmpty(t, c.What)
		require.Positive(t, c.Bound)
	}
	return claims
}

func buildGuest(t *testing.T, dir, out string) string {
	t.Helper()
	require.NoError(t, toolchain.Build(context.WithoutCancel(t.Context()), filepath.Join(root, dir), out, io.Discard))
	return out
}

func TestCallsThatWaitAreMeasured(t *testing.T) {
	t.Parallel()
	claims := prove(t, loadtest.ProofCalls, func(o *loadtest.ProofOptions) {
		o.Asking = buildGuest(t, "plugins/testdata/ask", filepath.Join(o.Plugins, "ask.wasm"))
		o.Calls, o.Wait, o.CallMessages = 20, 200*time.Millisecond, 100
	})
	require.Len(t, claims, 2)
	require.LessOrEqual(t, claims[0].Measured, 1.0, "nothing is faster than the server")
	require.Positive(t, claims[0].Measured)
	require.Greater(t, claims[1].Measured, 10.0, "MB")
}

func TestMemoryIsMeasuredByTenths(t *testing.T) {
	t.Parallel()
	claims := prove(t, loadtest.ProofMemory, func(o *loadtest.ProofOptions) {
		buildGuest(t, "plugins/examples/echo-c", filepath.Join(o.Plugins, "echo-c.wasm"))
		o.Messages = 30_000
	})
	require.Len(t, claims, 1)
	require.Positive(t, claims[0].Measured)
}

// Any plugin will do in the place of the ten, if it takes what each of them can't do without.
func TestStartAndIdleAreMeasured(t *testing.T) {
	t.Parallel()
	stand := func(o *loadtest.ProofOptions) {
		module, err := os.ReadFile(built.answer)
		require.NoError(t, err)
		for _, name := range []string{"echo", "echo-assemblyscript", "echo-c", "echo-rust", "echo-zig", "llm", "router", "slack", "webhook"} {
			require.NoError(t, os.WriteFile(filepath.Join(o.Plugins, name+".wasm"), module, 0o600))
		}
		o.Starts, o.Idle = 2, 200*time.Millisecond
	}
	start := prove(t, loadtest.ProofStart, stand)
	require.Len(t, start, 1)
	require.Positive(t, start[0].Measured)
	idle := prove(t, loadtest.ProofIdle, stand)
	require.Len(t, idle, 1)
	require.GreaterOrEqual(t, idle[0].Measured, 0.0)
}
