package bench

import (
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/sgstreamd/sgstreamd/internal/toolchain"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestRunCountsEveryCall(t *testing.T) {
	t.Parallel()
	module := filepath.Join(t.TempDir(), "echo.wasm")
	require.NoError(t, toolchain.Build(t.Context(), "../../plugins/examples/echo-c", module, io.Discard))
	o := Options{Module: module, Payload: Payload600(), Duration: 50 * time.Millisecond, Concurrency: []int{1, 3}}
	var all []Result
	require.NoError(t, Run(t.Context(), o, func(r Result) { all = append(all, r) }))
	require.Len(t, all, 2)
	for i, n := range o.Concurrency {
		r := all[i]
		require.Equal(t, n, r.Concurrency)
		require.NotZero(t, r.Calls)
		require.Equal(t, map[string]int{"done": r.Calls}, r.Statuses)
		require.Positive(t, r.PerSecond)
		require.LessOrEqual(t, r.P50, r.P99)
		require.GreaterOrEqual(t, r.Memory, uint64(64<<10))
	}
}

// What the module asks for is granted, so that an adapter with secrets can be measured.
func TestRunGrantsWhatIsAskedFor(t *testing.T) {
	t.Parallel()
	module := filepath.Join(t.TempDir(), "webhook.wasm")
	require.NoError(t, toolchain.Build(t.Context(), "../../plugins/examples/webhook", module, io.Discard))
	secret := filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(secret, []byte("not-a-real-secret"), 0o600))
	o := Options{
		Module: module, Payload: Payload600(), Duration: 20 * time.Millisecond, Concurrency: []int{2}, Secret: secret,
		Config: map[string]any{"url": "https://example.org/hook"},
	}
	var got Result
	require.NoError(t, Run(t.Context(), o, func(r Result) { got = r }))
	require.Equal(t, map[string]int{"done": got.Calls}, got.Statuses)
}

func TestRunSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	none := func(Result) { t.Error("there is nothing to report") }
	require.ErrorContains(t, Run(t.Context(), Options{Payload: []byte("[]")}, none), "payload: document is not a map")
	require.ErrorContains(t, Run(t.Context(), Options{Payload: []byte("{}"), Module: "nowhere.wasm"}, none), "nowhere.wasm")
}

func TestPayloadIsAsLargeAsItSays(t *testing.T) {
	t.Parallel()
	require.InDelta(t, 600, len(Payload600()), 100)
}
