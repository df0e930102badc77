//go:build !wasip1

package sgs

import "testing"

func BenchmarkHandle(b *testing.B) {
	m := Message{Stream: "sg:stream:inbound", ID: "1700000000000-0", Attempt: 1, TS: 1700000000.25, Platform: "discord", Payload: Map{
		"channel_key": "discord:42", "platform": "discord", "channel_id": "42", "user_id": "7", "username": "ada", "display_name": nil,
		"content": "Could you sum up what we decided yesterday evening, please?", "message_id": "99", "timestamp": 1700000000.25,
		"attachments": []any{}, "is_dm": false, "member_roles": []any{"admin"}, "trace_id": "T", "is_addressed": true,
	}}
	doc, err := m.document(codecMsgpack)
	if err != nil {
		b.Fatal(err)
	}
	p := plugin{handle: func(c *Call) error { return c.Reply(c.Message.Text("content")) }}
	text, r, call := string(doc), &recorder{codec: codecMsgpack}, new(Call)
	b.ReportAllocs()
	for b.Loop() {
		r.result.Emits = r.result.Emits[:0]
		p.runHandle(call, r, text)
	}
}
