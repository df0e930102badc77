package verify

import (
	"context"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/sgstreamd/sgstreamd/abi"
	"github.com/sgstreamd/sgstreamd/consumer"
	"github.com/sgstreamd/sgstreamd/envelope"
	"github.com/sgstreamd/sgstreamd/host"
	"github.com/sgstreamd/sgstreamd/internal/redistest"
)

var testTime = time.Unix(1_700_000_000, 500_000_000)

// The module that is committed, and the one that its source makes now, do what they are ordered to.
func TestGuestDoesWhatItIsOrdered(t *testing.T) {
	t.Parallel()
	built := filepath.Join(t.TempDir(), "built.wasm")
	cmd := exec.CommandContext(t.Context(), "make", "--no-print-directory", "guest", "GUEST="+built)
	cmd.Dir = "../.."
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	for name, file := range map[string]string{"committed": "guest/guest.wasm", "built": built} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			module, err := os.ReadFile(file)
			require.NoError(t, err)
			p := loadGuest(t, module)
			for name, test := range map[string]struct {
				recipe  recipe
				attempt int64
				status  abi.Status
				reason  string
				trap    bool
			}{
				"one emit":             {recipe{number: 7, sequence: 3, channel: 5, emits: 1}, 1, abi.StatusDone, "", false},
				"three emits":          {recipe{number: 1 << 20, sequence: 70_000, channel: 199, emits: 3}, 300, abi.StatusDone, "", false},
				"fails at first":       {recipe{emits: 1, retries: 2}, 2, abi.StatusRetry, "ordered to fail", false},
				"succeeds then":        {recipe{emits: 1, retries: 2}, 3, abi.StatusDone, "", false},
				"traps at first":       {recipe{emits: 1, traps: 1, retries: 1}, 1, 0, "", true},
				"fails after the trap": {recipe{emits: 1, traps: 1, retries: 1}, 2, abi.StatusRetry, "ordered to fail", false},
				"poison by trap":       {recipe{emits: 1, doom: doomTrap}, 9, 0, "", true},
				"poison by reject":     {recipe{emits: 1, doom: doomReject}, 1, abi.StatusReject, "ordered to be rejected", false},
				"counts from nothing":  {recipe{emits: 1, channel: 3, counts: true}, 1, abi.StatusDone, "", false},
				"counts on":            {recipe{emits: 1, channel: 7, counts: true}, 1, abi.StatusDone, "", false},
				"slow":                 {recipe{emits: 1, sleep: 30 * time.Millisecond}, 1, abi.StatusDone, "", false},
			} {
				t.Run(name, func(t *testing.T) {
					begun := time.Now()
					v, err := p.Handle(t.Context(), nil, message(test.recipe, test.attempt))
					if test.trap {
						require.ErrorIs(t, err, host.ErrTrap)
						return
					}
					require.NoError(t, err)
					require.Equal(t, test.status, v.Status)
					require.Equal(t, test.reason, v.Reason)
					require.GreaterOrEqual(t, time.Since(begun), test.recipe.sleep)
					if v.Status == abi.StatusDone {
						requireEmits(t, test.recipe, int(test.attempt), v.Emits)
						require.Equal(t, counted(test.recipe), v.Writes)
					}
				})
			}
		})
	}
}

func TestGuestRejectsWhatIsNotVerifys(t *testing.T) {
	t.Parallel()
	p := loadGuest(t, guest)
	for _, payload := range [][]byte{{0x80}, {0x81, 0xa6, 'v', 'e', 'r', 'i', 'f', 'y', 0xc0}, recipe{filler: 1}.payload("", testTime)[:1]} {
		v, err := p.Handle(t.Context(), nil, &abi.Message{Stream: "s", ID: "1-0", Attempt: 1, Payload: payload})
		if err != nil {
			require.ErrorContains(t, err, "payload")
			continue
		}
		require.Equal(t, abi.StatusReject, v.Status)
		require.Contains(t, v.Reason, "no orders")
	}
}

func loadGuest(t *testing.T, module []byte) *host.Plugin {
	t.Helper()
	client, err := consumer.Dial(consumer.RedisConfig{URL: redistest.Start(t).URL()}, 0)
	require.NoError(t, err)
	state := consumer.StartState(client, consumer.DefaultState())
	t.Cleanup(func() {
		state.Close()
		require.NoError(t, client.Close())
	})
	require.NoError(t, client.Set(t.Context(), "sg:state:guest:c7", []byte{0xff, 1, 0, 0}, 0).Err())
	h, err := host.New(t.Context(), host.Options{State: state, Codecs: envelope.Codecs(), Log: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry()})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, h.Close(context.Background())) })
	file := filepath.Join(t.TempDir(), "guest.wasm")
	require.NoError(t, os.WriteFile(file, module, 0o600))
	cfg := host.DefaultPlugin()
	cfg.MemoryLimit = 64 << 10
	p, err := h.Load(t.Context(), "guest", file, cfg, 1)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.Close(context.Background())) })
	return p
}

func message(c recipe, attempt int64) *abi.Message {
	c.filler = 200
	return &abi.Message{Stream: "s", ID: "1-0", Attempt: attempt, TraceID: "T", Platform: "verify", ChannelKey: "verify:c5", Payload: c.payload("T", testTime)}
}

func requireEmits(t *testing.T, c recipe, attempt int, emits []abi.Emit) {
	t.Helper()
	require.Len(t, emits, c.emits)
	for n, e := range emits {
		require.Equal(t, "verify", e.Platform)
		tag, err := readTag(e.Payload)
		require.NoError(t, err)
		require.Equal(t, []int{c.number, c.sequence, n, c.emits, attempt}, tag.numbers)
	}
}

// counted is what the recipe has the guest write to its state, where channel c7 stands at 511.
func counted(c recipe) []abi.StateWrite {
	switch {
	case !c.counts:
		return nil
	case c.channel == 7:
		return []abi.StateWrite{{Key: "c7", Value: []byte{0, 2, 0, 0}}}
	}
	return []abi.StateWrite{{Key: channelID(c.channel), Value: []byte{1, 0, 0, 0}}}
}
