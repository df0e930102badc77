package host

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/alecthomas/units"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"
)

// served are the numbers that so many calls answer: each instance counts its own from 1.
func served(t *testing.T, p *Plugin, calls int, payload string) (numbers []int64) {
	t.Helper()
	for range calls {
		v, err := handle(p, payload)
		require.NoError(t, err)
		numbers = append(numbers, v.RetryAfter.Milliseconds())
	}
	return numbers
}

func TestAnInstanceIsReplacedAfterItsCalls(t *testing.T) {
	t.Parallel()
	b := newBench(t, "")
	p := b.start(t, "count", func(c *PluginConfig) { c.RecycleCalls = 3 })
	require.Equal(t, []int64{1, 2, 3, 1, 2, 3, 1}, served(t, p, 7, "p\n"))
	require.Equal(t, 1.0, testutil.ToFloat64(p.metrics.instances))
	p = b.start(t, "count", func(c *PluginConfig) { c.RecycleCalls = 0 })
	require.Equal(t, []int64{1, 2, 3, 4}, served(t, p, 4, "p\n"))
}

// A message that begins with '+' grows the memory by 13 pages, from one.
func TestAnInstanceIsReplacedWhenItsMemoryHasGrownBeyondTheMark(t *testing.T) {
	t.Parallel()
	b := newBench(t, "")
	p := b.start(t, "grow", func(c *PluginConfig) { c.RecycleMemory = 20 * pageSize * units.Base2Bytes(1) })
	require.Equal(t, []int64{1, 2, 1, 2, 1}, served(t, p, 5, "+"), "14 pages are below the mark, 27 are above")
	p = b.start(t, "grow", func(c *PluginConfig) { c.RecycleMemory = 32 * units.KiB })
	require.Equal(t, []int64{1, 2}, served(t, p, 2, "-"), "it is born above the mark, and has not grown")
}

func TestAPinnedModuleIsNoOther(t *testing.T) {
	t.Parallel()
	b := newBench(t, "")
	binary, err := os.ReadFile("testdata/count.wasm")
	require.NoError(t, err)
	sum := sha256.Sum256(binary)
	pin := hex.EncodeToString(sum[:])
	for _, pin := range []string{pin, strings.ToUpper(pin), ""} {
		p, err := b.load("count", func(c *PluginConfig) { c.SHA256 = pin })
		require.NoError(t, err)
		require.Equal(t, hex.EncodeToString(sum[:]), p.SHA256())
	}
	_, err = b.load("trap", func(c *PluginConfig) { c.SHA256 = pin })
	require.ErrorContains(t, err, ", and plugins.p.sha256 says otherwise; put the right file there, or change the pin")
	_, err = b.load("count", func(c *PluginConfig) { c.SHA256 = pin[1:] })
	require.ErrorContains(t, err, "write the 64 digits that sha256sum prints of the file")
}

// A version that takes over goes on with the names that the one before has counted under: a daemon's life has room for
// so many.
func TestCountersSurviveAReload(t *testing.T) {
	t.Parallel()
	b := newBench(t, "")
	first, err := b.load("count")
	require.NoError(t, err)
	first.metrics.own.named([]byte("a")).Add(1)
	require.NoError(t, first.Close(context.Background()))
	second, err := b.Load(context.Background(), "p", filepath.Join("testdata", "trap.wasm"), testConfig(), 1)
	require.NoError(t, err)
	second.metrics.own.named([]byte("a")).Add(1)
	require.Equal(t, 2.0, testutil.ToFloat64(second.metrics.own.named([]byte("a"))))
	require.Len(t, second.metrics.own.byName, 1)
}
