package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sgstreamd/sgstreamd/abi"
	sgs "github.com/sgstreamd/sgstreamd/plugins/sdk/go"
)

// told is a message for a chat. Tests run side by side in one instance, which remembers limits: each has its own chat.
func told(chat string, fields sgs.Map) sgs.Message {
	payload := sgs.Map{"type": "message", "platform": "telegram", "channel_id": chat, "message_key": "sgs:in:1-0:0"}
	for key, v := range fields {
		payload[key] = v
	}
	return sgs.Message{Stream: "sg:stream:outbound:telegram", ID: "1-0", Platform: "telegram", TraceID: "T", Payload: payload}
}

var made = sgs.Answer{Body: []string{`{"ok":true,"result":{"message_id":1}}`}}

func refusal(status int, body string) sgs.Answer {
	return sgs.Answer{Status: status, Body: []string{body}}
}

func in(answers ...sgs.Answer) sgs.World { return sgs.World{Answers: answers} }

func sent(t *testing.T, r sgs.Request) sgs.Map {
	t.Helper()
	var body sgs.Map
	require.NoError(t, json.Unmarshal(r.Body, &body))
	return body
}

func TestAMessageBecomesARequest(t *testing.T) {
	t.Parallel()
	got := sgs.TestIn(in(made), told("-1001", sgs.Map{"text": "pick <one>", "reply_to": int64(7),
		"buttons": []any{[]any{"yes", sgs.Map{"label": "no", "value": "n"}}, []any{sgs.Map{"label": "read", "url": "https://a.example"}}}}))
	require.Equal(t, abi.StatusDone, got.Status, got.Reason)
	require.Len(t, got.Requests, 1)
	require.Equal(t, "POST", got.Requests[0].Method)
	require.Equal(t, "https://api.telegram.org/bot{bot-token}/sendMessage", got.Requests[0].URL)
	require.Equal(t, []string{"bot-token"}, got.Requests[0].Secrets)
	require.Equal(t, sgs.Map{
		"chat_id": "-1001", "text": "pick <one>",
		"reply_parameters": map[string]any{"message_id": 7.0, "allow_sending_without_reply": true},
		"reply_markup": map[string]any{"inline_keyboard": []any{
			[]any{map[string]any{"text": "yes", "callback_data": "yes"}, map[string]any{"text": "no", "callback_data": "n"}},
			[]any{map[string]any{"text": "read", "url": "https://a.example"}},
		}},
	}, sent(t, got.Requests[0]))
}

func TestReacts(t *testing.T) {
	t.Parallel()
	m := told("61", sgs.Map{"type": "reaction", "message_id": "9", "emoji": "👍"})
	got := sgs.TestIn(in(refusal(200, `{"ok":true,"result":true}`)), m)
	require.Equal(t, abi.StatusDone, got.Status, got.Reason)
	require.Equal(t, "https://api.telegram.org/bot{bot-token}/setMessageReaction", got.Requests[0].URL)
	require.Equal(t, sgs.Map{"chat_id": "61", "message_id": 9.0, "reaction": []any{map[string]any{"type": "emoji", "emoji": "👍"}}}, sent(t, got.Requests[0]))
}

func TestRejectsWhatTelegramCantTake(t *testing.T) {
	t.Parallel()
	for want, fields := range map[string]sgs.Map{
		`telegram: the payload is of the type "poll", which this adapter does not know; the types are message, file, buttons, reaction`: {"type": "poll"},
		`telegram: channel_id is "general"; a chat is a number, or the @name of a channel`:                                              {"text": "x", "channel_id": "general"},
		"telegram: reply_to and message_id are numbers":                                                                                 {"text": "x", "reply_to": "$e"},
		"telegram: the value of a button has 64 bytes at most":                                                                          {"text": "x", "buttons": []any{sgs.Map{"label": "x", "value": strings.Repeat("v", 65)}}},
		"telegram: the payload has embeds alone, and Telegram has none":                                                                 {"embeds": []any{sgs.Map{"title": "t"}}},
		"telegram: it takes 11 messages, and max_parts is 10":                                                                           {"text": strings.Repeat("x", 10*4096+1)},
	} {
		got := sgs.Test(told("62", fields))
		require.Equal(t, abi.StatusReject, got.Status, want)
		require.Equal(t, want, got.Reason)
		require.Empty(t, got.Requests)
	}
}

func TestWhatAnswersMean(t *testing.T) {
	t.Parallel()
	refused, again := abi.StatusReject, abi.StatusRetry
	for i, test := range []struct {
		answer sgs.Answer
		status abi.Status
		after  time.Duration
		reason string
	}{
		{refusal(400, `{"ok":false,"error_code":400,"description":"Bad Request: chat not found"}`), refused, 0, "telegram: 400: Bad Request: chat not found (part 1 of 1)"},
		{refusal(401, `{"ok":false,"error_code":401,"description":"Unauthorized"}`), refused, 0, "telegram: 401: Unauthorized (part 1 of 1)"},
		{refusal(403, `{"ok":false,"error_code":403,"description":"Forbidden: bot was blocked by the user"}`), refused, 0, "telegram: 403: Forbidden: bot was blocked by the user (part 1 of 1)"},
		{refusal(429, `{"ok":false,"error_code":429,"description":"Too Many Requests: retry after 35","parameters":{"retry_after":35}}`),
			again, 35 * time.Second, "telegram: 429: Too Many Requests: retry after 35 (part 1 of 1)"},
		{refusal(502, "<html>bad gateway</html>"), again, 0, "telegram: 502: <html>bad gateway</html> (part 1 of 1)"},
		{refusal(200, "<html>hello</html>"), again, 0, "telegram: answered 200, but not as Telegram does; is base_url right? (part 1 of 1)"},
		{sgs.Answer{Errno: abi.ErrnoUnavailable, Text: "no whole response"}, again, 0, "telegram: http: EUNAVAILABLE: no whole response (part 1 of 1)"},
		{sgs.Answer{Errno: abi.ErrnoInvalid, Text: "malformed"}, refused, 0, "telegram: http: EINVALID: malformed (part 1 of 1)"},
	} {
		got := sgs.TestIn(in(test.answer), told("63"+string(rune('0'+i)), sgs.Map{"text": "x"}))
		require.Equal(t, test.status, got.Status, "%+v", test)
		require.Equal(t, test.after, got.RetryAfter, "%+v", test)
		require.Equal(t, test.reason, got.Reason)
		require.Empty(t, got.Emits)
	}
}

// long is a text of three parts.
var long = strings.TrimSpace(strings.Repeat("words and words ", 700))

// What is delivered is done; the rest is a message of its own, which starts where the first one ended.
func TestTheRestBecomesAMessageOfItsOwn(t *testing.T) {
	t.Parallel()
	for chat, failure := range map[string]sgs.Answer{
		"641": refusal(429, `{"ok":false,"error_code":429,"description":"Too Many Requests","parameters":{"retry_after":300}}`),
		"642": refusal(502, ""),
		"643": {Errno: abi.ErrnoUnavailable, Text: "unexpected EOF"},
	} {
		m := told(chat, sgs.Map{"text": long, "reply_to": "7", "buttons": []any{"ok"}, "files": []any{sgs.Map{"name": "a.png", "data": []byte{0, 1}}}})
		got := sgs.TestIn(in(made, failure), m)
		require.Equal(t, abi.StatusDone, got.Status, got.Reason)
		require.Len(t, got.Requests, 2)
		require.Len(t, got.Emits, 1)
		e := got.Emits[0]
		require.Equal(t, "telegram", e.Platform)
		require.Equal(t, "T", e.Payload.Text("trace_id"))
		require.Nil(t, e.Payload["message_key"], "it has one of its own")
		if chat == "641" {
			continue // the chat is left alone for five minutes
		}
		next := sgs.TestIn(in(made, made, made), sgs.Message{Stream: "out", ID: "2-0", Platform: "telegram", Payload: e.Payload})
		require.Equal(t, abi.StatusDone, next.Status, next.Reason)
		require.Len(t, next.Requests, 3)
		first, second, third := sent(t, got.Requests[0]), sent(t, next.Requests[0]), sent(t, next.Requests[1])
		require.Equal(t, long, first.Text("text")+" "+second.Text("text")+" "+third.Text("text"))
		require.NotNil(t, first["reply_parameters"])
		require.Nil(t, second["reply_parameters"])
		require.Equal(t, "https://api.telegram.org/bot{bot-token}/sendPhoto", next.Requests[2].URL)
		require.Contains(t, string(next.Requests[2].Body), `[[{"callback_data":"ok","text":"ok"}]]`)
		require.Contains(t, string(next.Requests[2].Body), "\r\n\r\n\x00\x01\r\n")
	}
}

func TestWaitsForALimitBetweenParts(t *testing.T) {
	t.Parallel()
	limited := refusal(429, `{"ok":false,"error_code":429,"description":"Too Many Requests","parameters":{"retry_after":0.05}}`)
	got := sgs.TestIn(in(made, limited, made, made), told("65", sgs.Map{"text": long}))
	require.Equal(t, abi.StatusDone, got.Status, got.Reason)
	require.Len(t, got.Requests, 4)
	require.Empty(t, got.Emits)
}

// A refusal in the middle says which part it was; nothing is sent again.
func TestARefusalBetweenParts(t *testing.T) {
	t.Parallel()
	got := sgs.TestIn(in(made, refusal(403, `{"ok":false,"error_code":403,"description":"Forbidden: bot was kicked"}`)), told("66", sgs.Map{"text": long}))
	require.Equal(t, abi.StatusReject, got.Status)
	require.Equal(t, "telegram: 403: Forbidden: bot was kicked (part 2 of 3)", got.Reason)
}

func TestFollowsAGroupThatHasMoved(t *testing.T) {
	t.Parallel()
	moved := refusal(400, `{"ok":false,"error_code":400,"description":"Bad Request: group chat was upgraded to a supergroup chat","parameters":{"migrate_to_chat_id":-10067}}`)
	got := sgs.TestIn(in(moved, made), told("-67", sgs.Map{"text": "x"}))
	require.Equal(t, abi.StatusDone, got.Status, got.Reason)
	require.Equal(t, "-10067", sent(t, got.Requests[1]).Text("chat_id"))
	got = sgs.TestIn(in(made), told("-67", sgs.Map{"text": "x"}))
	require.Equal(t, abi.StatusDone, got.Status, got.Reason)
	require.Equal(t, "-10067", sent(t, got.Requests[0]).Text("chat_id"), "it is remembered")
}

func TestASmallTextIsTheCaption(t *testing.T) {
	t.Parallel()
	files := []any{sgs.Map{"name": "a.txt", "data": "one"}, sgs.Map{"name": "b.png", "data": "two"}}
	got := sgs.TestIn(in(made, made), told("68", sgs.Map{"type": "file", "text": "see", "files": files}))
	require.Equal(t, abi.StatusDone, got.Status, got.Reason)
	require.Len(t, got.Requests, 2)
	require.Contains(t, string(got.Requests[0].Body), "name=\"caption\"\r\n\r\nsee\r\n")
	require.NotContains(t, string(got.Requests[1].Body), "caption")
	got = sgs.TestIn(in(made, made, made), told("68", sgs.Map{"type": "file", "text": strings.Repeat("x", 1025), "files": files}))
	require.Equal(t, abi.StatusDone, got.Status, got.Reason)
	require.Len(t, got.Requests, 3)
}

// It runs before those that are parallel: it changes the settings of all.
func TestSettings(t *testing.T) {
	t.Cleanup(func() { require.NoError(t, sgs.TestConfigure(sgs.Map{})) })
	require.NoError(t, sgs.TestConfigure(sgs.Map{"base_url": "http://127.0.0.1:1/", "parse_mode": "HTML", "link_previews": false, "when_unsure": "reject", "max_parts": 2}))
	got := sgs.TestIn(in(made), told("69", sgs.Map{"text": "<b>x</b>"}))
	require.Equal(t, abi.StatusDone, got.Status, got.Reason)
	require.Equal(t, "http://127.0.0.1:1/bot{bot-token}/sendMessage", got.Requests[0].URL)
	require.Equal(t, sgs.Map{"chat_id": "69", "text": "<b>x</b>", "parse_mode": "HTML", "link_preview_options": map[string]any{"is_disabled": true}}, sent(t, got.Requests[0]))
	require.Equal(t, abi.StatusReject, sgs.Test(told("69", sgs.Map{"text": long})).Status)

	wrong := refusal(400, `{"ok":false,"error_code":400,"description":"Bad Request: can't parse entities: Unsupported start tag \"x\" at byte offset 0"}`)
	got = sgs.TestIn(in(wrong, made), told("69", sgs.Map{"text": "<x>"}))
	require.Equal(t, abi.StatusDone, got.Status, got.Reason)
	require.Equal(t, sgs.Map{"chat_id": "69", "text": "<x>", "link_preview_options": map[string]any{"is_disabled": true}}, sent(t, got.Requests[1]))

	m := told("69", sgs.Map{"text": "x"})
	m.MaybeDelivered = true
	got = sgs.Test(m)
	require.Equal(t, abi.StatusReject, got.Status)
	require.Equal(t, "telegram: an earlier try may have delivered it, and when_unsure is reject", got.Reason)
	require.Empty(t, got.Requests)
	dropped := sgs.Answer{Errno: abi.ErrnoUnavailable, Text: "unexpected EOF"}
	got = sgs.TestIn(in(dropped), told("69", sgs.Map{"text": "x"}))
	require.Equal(t, abi.StatusReject, got.Status)
	require.Equal(t, "telegram: http: EUNAVAILABLE: unexpected EOF (part 1 of 1); it may have been delivered, and when_unsure is reject", got.Reason)
	refused := sgs.Answer{Errno: abi.ErrnoUnavailable, Text: "dial tcp 127.0.0.1:1: connect: connection refused"}
	require.Equal(t, abi.StatusRetry, sgs.TestIn(in(refused), told("69", sgs.Map{"text": "x"})).Status, "nothing was sent")

	require.NoError(t, sgs.TestConfigure(sgs.Map{}))
	require.Equal(t, abi.StatusDone, sgs.TestIn(in(made), m).Status, "by default it is sent again")
}
