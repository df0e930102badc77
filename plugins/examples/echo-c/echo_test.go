package echo

import (
	"strings"
	"testing"

	"github.com/alecthomas/units"
	"github.com/stretchr/testify/require"
	"github.com/tinylib/msgp/msgp"
	"go.uber.org/goleak"

	"github.com/sgstreamd/sgstreamd/abi"
	"github.com/sgstreamd/sgstreamd/host"
	"github.com/sgstreamd/sgstreamd/internal/guesttest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func message(t testing.TB, content string) *abi.Message {
	payload, err := msgp.AppendIntf(nil, map[string]any{
		"channel_key": "discord:42", "platform": "discord", "channel_id": "42", "user_id": "7", "username": "ada", "display_name": nil,
		"content": content, "message_id": "99", "timestamp": 1700000000.25, "attachments": []any{}, "is_dm": false, "member_roles": []any{"admin"},
		"trace_id": "T", "is_addressed": true, "room_name": "general", "guild_id": "1234567890", "embeds": nil, "user_aliases": []any{"Ada", "countess"},
		"enqueued_at": 1700000000.5, "strangler_route": "new", "unified_user_id": "u-7", "reactions": "",
	})
	require.NoError(t, err)
	return &abi.Message{
		Stream: "sg:stream:inbound", ID: "1700000000000-0", Attempt: 1, TS: 1700000000.25, TraceID: "T", Platform: "discord", ChannelKey: "discord:42", Payload: payload,
	}
}

func TestAnswersWithTheMessagesText(t *testing.T) {
	t.Parallel()
	g := guesttest.Start(t, guesttest.Build(t, "."), nil, nil)
	v, err := g.Plugin.Handle(t.Context(), nil, message(t, "hello"))
	require.NoError(t, err)
	require.Equal(t, abi.StatusDone, v.Status)
	require.Len(t, v.Emits, 1)
	require.Equal(t, "discord", v.Emits[0].Platform)
	require.Equal(t, map[string]any{
		"platform": "discord", "channel_id": "42", "type": "message", "text": "hello", "trace_id": "T", "reply_to": "99",
	}, guesttest.Payload(t, v.Emits[0]))
}

func TestCallsDoNotGrowTheMemory(t *testing.T) {
	t.Parallel()
	const calls = 20_000
	g := guesttest.Start(t, guesttest.Build(t, "."), nil, func(c *host.PluginConfig) {
		c.MemoryLimit, c.MaxInstances = 1*units.MiB, 1
	})
	large := message(t, strings.Repeat("x", 200_000))
	for i := range calls {
		m := message(t, "hello")
		if i%1000 == 0 {
			m = large
		}
		v, err := g.Plugin.Handle(t.Context(), nil, m)
		require.NoError(t, err)
		require.Equal(t, abi.StatusDone, v.Status, v.Reason)
	}
	require.NotContains(t, g.Log.String(), "WARN")
}

func BenchmarkEcho(b *testing.B) {
	g := guesttest.Start(b, guesttest.Build(b, "."), nil, func(c *host.PluginConfig) { c.MaxInstances = 1 })
	m := message(b, strings.Repeat("Could you sum up what we decided? ", 6))
	b.SetBytes(int64(len(m.Payload)))
	for b.Loop() {
		if v, err := g.Plugin.Handle(b.Context(), nil, m); err != nil || v.Status != abi.StatusDone {
			b.Fatal(v, err)
		}
	}
}
