package app

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/sgstreamd/sgstreamd/abi"
	"github.com/sgstreamd/sgstreamd/internal/config"
	"github.com/sgstreamd/sgstreamd/internal/toolchain"
)

// A thousand versions of a plugin, each of which has handled a message, leave the memory where it was: the heap, and the
// machine code, which lies outside of it. It does not run beside others, since it looks at the whole process.
func TestAThousandReloadsLeaveTheMemoryWhereItWas(t *testing.T) {
	cfg := config.Default()
	cfg.Plugins.Dir, cfg.Plugins.CacheDir = t.TempDir(), config.CacheOff
	cfg.Inbound.Processor = "count"
	d := &daemon{Options: Options{Config: cfg, Log: slog.New(slog.DiscardHandler)}, registry: prometheus.NewRegistry(), loaded: make(chan loaded)}
	d.stopping, d.stop = context.WithCancel(t.Context())
	defer d.stop()
	d.working, d.endWork = context.WithCancelCause(t.Context())
	defer d.endWork(nil)
	bare, err := os.ReadFile("../../host/testdata/count.wasm")
	require.NoError(t, err)
	reload := func(version int) {
		module, err := toolchain.WithManifest(bare, fmt.Appendf(nil, `{"version":"%d"}`, version))
		require.NoError(t, err)
		// A section that differs makes other machine code of it for the engine.
		require.NoError(t, os.WriteFile(filepath.Join(cfg.Plugins.Dir, "aside"), module, 0o600))
		require.NoError(t, os.Rename(filepath.Join(cfg.Plugins.Dir, "aside"), filepath.Join(cfg.Plugins.Dir, "count.wasm")))
	}
	reload(0)
	require.NoError(t, d.loadPlugins())
	defer func() { require.NoError(t, d.plugins.close(t.Context())) }()
	require.NoError(t, d.startPlugins())
	rounds := func(from, to int) (heap uint64, code int) {
		for version := from; version < to; version++ {
			reload(version)
			d.scan()
			require.True(t, d.settle(<-d.loaded))
			s := d.plugins.slots["count"]
			require.Equal(t, fmt.Sprint(version), s.current.Load().Manifest().Version)
			v, err := s.Handle(t.Context(), nil, &abi.Message{Payload: []byte{0x80}})
			require.NoError(t, err)
			require.Equal(t, int64(1), v.RetryAfter.Milliseconds(), "an instance of its own")
		}
		d.plugins.retired.Wait()
		for range 3 { // finalizers free the code, and what they let go of is garbage only then
			runtime.GC()
		}
		debug.FreeOSMemory()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		maps, err := os.ReadFile("/proc/self/maps")
		require.NoError(t, err)
		return m.HeapAlloc, bytes.Count(maps, []byte("r-xp"))
	}
	heap, code := rounds(1, 200)
	heapAfter, codeAfter := rounds(200, 1000)
	require.Less(t, heapAfter, heap+800*1024, "a kilobyte a reload would be more")
	require.LessOrEqual(t, codeAfter, code+8)
}
