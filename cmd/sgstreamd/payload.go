package main

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"time"

	"github.com/sgstreamd/sgstreamd/envelope"
)

// inboundPayload is a message as a gateway of the fleet writes it: every field of the contract, msgpack.
func inboundPayload(m message) ([]byte, error) {
	// A number with a fraction becomes a float, which is what the contract wants of a time.
	now := json.RawMessage(envelope.FormatTS(time.Now()))
	doc, err := json.Marshal(map[string]any{
		"channel_key": m.platform + ":" + m.channel, "platform": m.platform, "channel_id": m.channel,
		"user_id": m.user, "username": "user" + m.user, "display_name": nil,
		"content": m.content, "message_id": rand.Text(), "timestamp": now,
		"attachments": []any{}, "reply_to": nil, "embeds": nil, "room_name": nil,
		"is_dm": m.direct, "guild_id": nil, "member_roles": []string{},
		"trace_id": m.trace, "enqueued_at": now, "is_addressed": true, "strangler_route": "",
		"user_aliases": []string{}, "unified_user_id": nil, "reactions": "",
	})
	if err != nil {
		return nil, fmt.Errorf("inbound payload: %w", err)
	}
	return envelope.FromJSON(doc)
}

// outboundPayload makes the payload of a reply, as a processor emits it.
func outboundPayload(m message) ([]byte, error) {
	doc, err := json.Marshal(map[string]any{
		"platform": m.platform, "channel_id": m.channel, "type": "message", "text": m.content, "trace_id": m.trace, "message_key": rand.Text(),
	})
	if err != nil {
		return nil, fmt.Errorf("outbound payload: %w", err)
	}
	return envelope.FromJSON(doc)
}
