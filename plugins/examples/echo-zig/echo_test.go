package echo_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tinylib/msgp/msgp"
	"go.uber.org/goleak"

	"github.com/sgstreamd/sgstreamd/abi"
	"github.com/sgstreamd/sgstreamd/host"
	"github.com/sgstreamd/sgstreamd/internal/guesttest"
	"github.com/sgstreamd/sgstreamd/internal/toolchain"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// inbound is a message of about 600 bytes, as gateways write them.
func inbound(t testing.TB) *abi.Message {
	payload, err := msgp.AppendIntf(nil, map[string]any{
		"channel_key": "discord:42", "platform": "discord", "channel_id": "42", "user_id": "7", "username": "ada", "display_name": nil,
		"content":    "Could you sum up what we decided yesterday evening, please? It was about the next release, and who writes the notes for it.",
		"message_id": "99", "timestamp": 1700000000.25, "attachments": []any{}, "reply_to": nil, "embeds": nil, "room_name": "general",
		"is_dm": false, "guild_id": "1234567890", "member_roles": []any{"admin", "writer"}, "trace_id": "T", "enqueued_at": 1700000000.5,
		"is_addressed": true, "strangler_route": "new", "user_aliases": []any{"ada", "lovelace"}, "unified_user_id": nil, "reactions": "",
	})
	require.NoError(t, err)
	return &abi.Message{
		Stream: "sg:stream:inbound", ID: "1700000000000-0", Attempt: 1, TS: 1700000000.25, TraceID: "T",
		Platform: "discord", ChannelKey: "discord:42", Payload: payload,
	}
}

func TestEcho(t *testing.T) {
	t.Parallel()
	g := guesttest.Start(t, guesttest.Build(t, "."), nil, nil)
	v, err := g.Handle(t, abi.Message{Platform: "irc", TraceID: "T"}, map[string]any{"content": "grüß dich", "channel_id": "4", "message_id": "m"})
	require.NoError(t, err)
	require.Equal(t, abi.StatusDone, v.Status)
	require.Len(t, v.Emits, 1)
	require.Equal(t, "irc", v.Emits[0].Platform)
	require.Equal(t, map[string]any{
		"platform": "irc", "channel_id": "4", "type": "message", "text": "grüß dich", "trace_id": "T", "reply_to": "m",
	}, guesttest.Payload(t, v.Emits[0]))

	v, err = g.Handle(t, abi.Message{Platform: "irc"}, map[string]any{"content": 7})
	require.NoError(t, err)
	require.Equal(t, map[string]any{"platform": "irc", "channel_id": "", "type": "message", "text": "", "trace_id": ""}, guesttest.Payload(t, v.Emits[0]))
}

// After the first calls the memory of an instance stays as it is, whatever it handles.
func TestMemoryDoesNotGrow(t *testing.T) {
	t.Parallel()
	g := guesttest.Start(t, guesttest.Build(t, "."), nil, func(c *host.PluginConfig) { c.MaxInstances = 1 })
	m := inbound(t)
	handle := func(times int) []uint64 {
		for range times {
			v, err := g.Plugin.Handle(t.Context(), nil, m)
			require.NoError(t, err)
			require.Len(t, v.Emits, 1)
		}
		return g.Plugin.Memories()
	}
	early := handle(10)
	require.Len(t, early, 1)
	require.LessOrEqual(t, early[0], uint64(2<<20))
	require.Equal(t, early, handle(10_000))
}

// bare is the module without its manifest.
func bare(t *testing.T, path string) string {
	module, err := os.ReadFile(path)
	require.NoError(t, err)
	module, err = toolchain.WithManifest(module, nil)
	require.NoError(t, err)
	out := filepath.Join(t.TempDir(), "bare.wasm")
	require.NoError(t, os.WriteFile(out, module, 0o600))
	return out
}

func TestWithoutAManifest(t *testing.T) {
	t.Parallel()
	module := guesttest.Build(t, ".")
	g := guesttest.Start(t, bare(t, module), nil, nil)
	v, err := g.Handle(t, abi.Message{Platform: "irc"}, map[string]any{"content": "x"})
	require.NoError(t, err)
	require.Equal(t, abi.StatusRetry, v.Status)
	require.Equal(t, "the module has no manifest that says codec msgpack; build it with sgstreamd plugin build", v.Reason)
}

// BenchmarkEcho is one call with all that the host does around it.
func BenchmarkEcho(b *testing.B) {
	g := guesttest.Start(b, guesttest.Build(b, "."), nil, nil)
	m := inbound(b)
	b.ReportAllocs()
	for b.Loop() {
		v, err := g.Plugin.Handle(b.Context(), nil, m)
		if err != nil || len(v.Emits) != 1 {
			b.Fatal(err, v)
		}
	}
}
