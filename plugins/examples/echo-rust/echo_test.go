package echo_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tinylib/msgp/msgp"

	"github.com/sgstreamd/sgstreamd/abi"
	"github.com/sgstreamd/sgstreamd/internal/guesttest"
)

func TestEcho(t *testing.T) {
	t.Parallel()
	g := guesttest.Start(t, guesttest.Build(t, "."), nil, nil)
	m := abi.Message{Platform: "irc", TraceID: "T"}
	v, err := g.Handle(t, m, map[string]any{"content": "hé", "channel_id": "42", "message_id": "7"})
	require.NoError(t, err)
	require.Len(t, v.Emits, 1)
	require.Equal(t, map[string]any{
		"platform": "irc", "channel_id": "42", "type": "message", "text": "hé", "trace_id": "T", "reply_to": "7",
	}, guesttest.Payload(t, v.Emits[0]))
	v, err = g.Handle(t, m, map[string]any{})
	require.NoError(t, err)
	require.Equal(t, map[string]any{"platform": "irc", "channel_id": "", "type": "message", "text": "", "trace_id": "T"},
		guesttest.Payload(t, v.Emits[0]))
}

// A message of about 600 bytes, with the fields that a Stargazer gateway writes.
func BenchmarkEcho(b *testing.B) {
	g := guesttest.Start(b, guesttest.Build(b, "."), nil, nil)
	payload, err := msgp.AppendIntf(nil, map[string]any{
		"channel_key": "discord:42", "platform": "discord", "channel_id": "42", "user_id": "7", "username": "ada", "display_name": nil,
		"content":    "Could you sum up what we decided yesterday evening, please? And the day before, if it isn't too much.",
		"message_id": "1234567890123456789", "timestamp": 1700000000.25, "attachments": []any{}, "reply_to": nil, "embeds": nil,
		"room_name": "general", "is_dm": false, "guild_id": "123456789012345678", "member_roles": []any{"admin", "moderator"},
		"trace_id": "0af7651916cd43dd8448eb211c80319c", "enqueued_at": 1700000000.5, "is_addressed": true, "strangler_route": "default",
		"user_aliases": []any{"ada", "lovelace"}, "unified_user_id": "u-123456789", "reactions": "",
	})
	require.NoError(b, err)
	m := &abi.Message{
		Stream: "sg:stream:inbound", ID: "1700000000000-0", Attempt: 1, TS: 1700000000.25,
		TraceID: "0af7651916cd43dd8448eb211c80319c", Platform: "discord", ChannelKey: "discord:42", Payload: payload,
	}
	b.ReportMetric(float64(len(payload)), "payload-bytes")
	b.ReportAllocs()
	for b.Loop() {
		if v, err := g.Plugin.Handle(b.Context(), nil, m); err != nil || len(v.Emits) != 1 {
			b.Fatal(v, err)
		}
	}
}
