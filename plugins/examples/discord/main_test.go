package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/sgstreamd/sgstreamd/abi"
	sgs "github.com/sgstreamd/sgstreamd/plugins/sdk/go"
)

// told is a message for a channel. Tests run side by side in one instance, which remembers limits: each has its own channel.
func told(channel string, fields sgs.Map) sgs.Message {
	payload := sgs.Map{"type": "message", "platform": "discord", "channel_id": channel, "message_key": "sgs:in:1-0:0"}
	for key, v := range fields {
		payload[key] = v
	}
	return sgs.Message{Stream: "sg:stream:outbound:discord", ID: "1-0", Platform: "discord", Payload: payload}
}

var made = sgs.Answer{Status: 200, Body: []string{`{"id":"1", "content":"x"}`}}

func answers(n int, a sgs.Answer) sgs.World {
	var w sgs.World
	for range n {
		w.Answers = append(w.Answers, a)
	}
	return w
}

// sent is the body of a request.
func sent(t *testing.T, r sgs.Request) map[string]any {
	t.Helper()
	var body map[string]any
	require.NoError(t, json.Unmarshal(r.Body, &body))
	return body
}

func TestAMessageBecomesARequest(t *testing.T) {
	t.Parallel()
	got := sgs.TestIn(answers(1, made), told("42", sgs.Map{
		"text": "hello @everyone", "reply_to": "7", "buttons": []any{"yes", sgs.Map{"label": "read", "url": "https://a.example"}},
		"embeds": []any{sgs.Map{"title": "t"}},
	}))
	require.Equal(t, abi.StatusDone, got.Status, got.Reason)
	require.Len(t, got.Requests, 1)
	r := got.Requests[0]
	require.Equal(t, "POST", r.Method)
	require.Equal(t, "https://discord.com/api/v10/channels/42/messages", r.URL)
	require.Equal(t, []string{"bot-token"}, r.Secrets)
	body := sent(t, r)
	require.LessOrEqual(t, len(body["nonce"].(string)), 25)
	delete(body, "nonce")
	want := map[string]any{
		"content": "hello @everyone", "enforce_nonce": true, "allowed_mentions": map[string]any{"parse": []any{}},
		"message_reference": map[string]any{"message_id": "7", "fail_if_not_exists": false},
		"embeds":            []any{map[string]any{"title": "t"}},
		"components": []any{map[string]any{"type": 1.0, "components": []any{
			map[string]any{"type": 2.0, "style": 2.0, "label": "yes", "custom_id": "yes"},
			map[string]any{"type": 2.0, "style": 5.0, "label": "read", "url": "https://a.example"},
		}}},
	}
	require.Empty(t, cmp.Diff(want, body))
}

// The reply goes to the first message, buttons and files to the last, and every one has its own nonce: the same at each try.
func TestALongMessageBecomesSeveral(t *testing.T) {
	t.Parallel()
	m := told("43", sgs.Map{"text": strings.Repeat("A sentence of words. ", 250), "reply_to": "7", "buttons": []any{"ok"}})
	got := sgs.TestIn(answers(3, made), m)
	require.Equal(t, abi.StatusDone, got.Status, got.Reason)
	require.Len(t, got.Requests, 3)
	nonces := map[any]bool{}
	for i, r := range got.Requests {
		body := sent(t, r)
		require.LessOrEqual(t, len(body["content"].(string)), 2000)
		require.Equal(t, i == 0, body["message_reference"] != nil)
		require.Equal(t, i == 2, body["components"] != nil)
		nonces[body["nonce"]] = true
	}
	require.Len(t, nonces, 3)
	require.Empty(t, cmp.Diff(got.Requests, sgs.TestIn(answers(3, made), m).Requests))
}

func TestRejectsWhatDiscordCantTake(t *testing.T) {
	t.Parallel()
	buttons := make([]any, 26)
	for i := range buttons {
		buttons[i] = "b"
	}
	for want, fields := range map[string]sgs.Map{
		`discord: the payload is of the type "poll", which this adapter does not know; the types are message, file, buttons, reaction`: {"type": "poll"},
		"discord: channel_id, reply_to and message_id are numbers of up to 20 digits":                                                  {"text": "x", "channel_id": "../users/@me"},
		"discord: it takes 11 messages, and max_parts is 10":                                                                           {"text": strings.Repeat("x", 20_001)},
		"discord: a message has 5 rows of 5 buttons at most":                                                                           {"text": "x", "buttons": buttons},
		"discord: the label of a button has 80 characters at most":                                                                     {"text": "x", "buttons": []any{strings.Repeat("ä", 81)}},
		"discord: the value of a button has 100 characters at most":                                                                    {"text": "x", "buttons": []any{sgs.Map{"label": "x", "value": strings.Repeat("v", 101)}}},
		"discord: a message has 10 embeds at most":                                                                                     {"text": "x", "embeds": make([]any, 11)},
		"discord: embeds: 0: can't be in JSON (part 1 of 1)":                                                                           {"text": "x", "embeds": []any{sgs.Ext{}}},
	} {
		got := sgs.Test(told("44", fields))
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
		{sgs.Answer{Status: 400, Body: []string{`{"code":50035,"message":"Invalid Form Body","errors":{"embeds":{"0":{"title":{"_errors":[{"code":"X","message":"Too long."}]}}}}}`}},
			refused, 0, "discord: 400: Invalid Form Body (code 50035): embeds.0.title: Too long. (part 1 of 1)"},
		{sgs.Answer{Status: 401, Body: []string{`{"message":"401: Unauthorized","code":0}`}}, refused, 0, "discord: 401: Unauthorized (part 1 of 1)"},
		{sgs.Answer{Status: 403, Body: []string{`{"message":"Missing Access","code":50001}`}}, refused, 0, "discord: 403: Missing Access (code 50001) (part 1 of 1)"},
		{sgs.Answer{Status: 404, Body: []string{`{"message":"Unknown Channel","code":10003}`}}, refused, 0, "discord: 404: Unknown Channel (code 10003) (part 1 of 1)"},
		{sgs.Answer{Status: 413, Body: []string{`{"message":"Request entity too large","code":40005}`}}, refused, 0, "discord: 413: Request entity too large (code 40005) (part 1 of 1)"},
		{sgs.Answer{Status: 429, Body: []string{`{"message":"You are being rate limited.","retry_after":64.57,"global":false}`}},
			again, 64570 * time.Millisecond, "discord: 429: You are being rate limited. (part 1 of 1)"},
		{sgs.Answer{Status: 429, Header: map[string]string{"retry-after": "120"}, Body: []string{"<html>error code: 1015</html>"}},
			again, 2 * time.Minute, "discord: 429: <html>error code: 1015</html> (part 1 of 1)"},
		{sgs.Answer{Status: 502, Body: []string{"bad\ngateway"}}, again, 0, "discord: 502: bad gateway (part 1 of 1)"},
		{sgs.Answer{Status: 503, Header: map[string]string{"retry-after": "3"}}, again, 3 * time.Second, "discord: 503 (part 1 of 1)"},
		{sgs.Answer{Status: 301}, refused, 0, "discord: 301 (part 1 of 1)"},
		{sgs.Answer{Status: 200, Body: []string{"<html>welcome</html>"}}, again, 0, "discord: answered 200, but not as Discord does; is base_url right? (part 1 of 1)"},
		{sgs.Answer{Status: 200, Body: []string{`{"id":`}, Errno: abi.ErrnoUnavailable, Text: "unexpected EOF"},
			again, 0, "discord: answered 200, and then http: EUNAVAILABLE: unexpected EOF (part 1 of 1)"},
		{sgs.Answer{Errno: abi.ErrnoUnavailable, Text: "no whole response"}, again, 0, "discord: http: EUNAVAILABLE: no whole response (part 1 of 1)"},
		{sgs.Answer{Errno: abi.ErrnoDenied, Text: "not allowed"}, again, 0, "discord: http: EDENIED: not allowed (part 1 of 1)"},
		{sgs.Answer{Errno: abi.ErrnoInvalid, Text: "malformed"}, refused, 0, "discord: http: EINVALID: malformed (part 1 of 1)"},
	} {
		got := sgs.TestIn(answers(1, test.answer), told("45"+string(rune('0'+i/10))+string(rune('0'+i%10)), sgs.Map{"text": "x"}))
		require.Equal(t, test.status, got.Status, "%+v", test)
		require.Equal(t, test.after, got.RetryAfter, "%+v", test)
		require.Equal(t, test.reason, got.Reason)
	}
}

// A channel whose limit is used up is not asked again before its time; others are.
func TestLeavesAChannelAloneThatIsUsedUp(t *testing.T) {
	t.Parallel()
	last := sgs.Answer{Body: []string{`{"id":"1"}`}, Header: map[string]string{"x-ratelimit-remaining": "0", "x-ratelimit-reset-after": "20.5"}}
	require.Equal(t, abi.StatusDone, sgs.TestIn(answers(1, last), told("46", sgs.Map{"text": "x"})).Status)
	got := sgs.TestIn(answers(1, made), told("46", sgs.Map{"text": "x"}))
	require.Equal(t, abi.StatusRetry, got.Status)
	require.InDelta(t, 20.5, got.RetryAfter.Seconds(), 5)
	require.Contains(t, got.Reason, "discord: the rate limit is used up; the next request may be made in ")
	require.Empty(t, got.Requests)
	require.Equal(t, abi.StatusDone, sgs.TestIn(answers(1, made), told("47", sgs.Map{"text": "x"})).Status)
}

// Later parts wait within the call where that is short, and else the message is tried again as a whole.
func TestWaitsForALimitBetweenParts(t *testing.T) {
	t.Parallel()
	text := sgs.Map{"text": strings.Repeat("words ", 500)}
	limited := func(after string) sgs.Answer {
		return sgs.Answer{Status: 429, Body: []string{`{"message":"slow down","retry_after":` + after + `,"global":false}`}}
	}
	got := sgs.TestIn(sgs.World{Answers: []sgs.Answer{made, limited("0.05"), made}}, told("48", text))
	require.Equal(t, abi.StatusDone, got.Status, got.Reason)
	require.Len(t, got.Requests, 3)
	require.Equal(t, sent(t, got.Requests[1]), sent(t, got.Requests[2]))
	got = sgs.TestIn(sgs.World{Answers: []sgs.Answer{made, limited("60")}}, told("49", text))
	require.Equal(t, abi.StatusRetry, got.Status)
	require.InDelta(t, 60, got.RetryAfter.Seconds(), 5)
	require.Contains(t, got.Reason, "(part 2 of 2)")
}

func TestReacts(t *testing.T) {
	t.Parallel()
	got := sgs.TestIn(answers(1, sgs.Answer{Status: 204}), told("50", sgs.Map{"type": "reaction", "message_id": "9", "emoji": "👍"}))
	require.Equal(t, abi.StatusDone, got.Status, got.Reason)
	require.Equal(t, "PUT", got.Requests[0].Method)
	require.Equal(t, "https://discord.com/api/v10/channels/50/messages/9/reactions/%F0%9F%91%8D/@me", got.Requests[0].URL)
}

// It runs before those that are parallel: it changes the settings of all.
func TestSettingsAndTheGlobalLimit(t *testing.T) {
	t.Cleanup(func() { require.NoError(t, sgs.TestConfigure(sgs.Map{})) })
	require.NoError(t, sgs.TestConfigure(sgs.Map{"base_url": "http://127.0.0.1:1/api/", "allowed_mentions": []any{"users"}, "max_parts": 1}))
	got := sgs.TestIn(answers(1, made), told("51", sgs.Map{"text": "x"}))
	require.Equal(t, "http://127.0.0.1:1/api/channels/51/messages", got.Requests[0].URL)
	require.Equal(t, map[string]any{"parse": []any{"users"}}, sent(t, got.Requests[0])["allowed_mentions"])
	require.Equal(t, abi.StatusReject, sgs.Test(told("51", sgs.Map{"text": strings.Repeat("x", 2001)})).Status)

	limited := sgs.Answer{Status: 429, Body: []string{`{"message":"slow down","retry_after":0.2,"global":true}`}}
	require.Equal(t, abi.StatusRetry, sgs.TestIn(answers(1, limited), told("52", sgs.Map{"text": "x"})).Status)
	got = sgs.TestIn(answers(1, made), told("53", sgs.Map{"text": "x"}))
	require.Equal(t, abi.StatusRetry, got.Status)
	require.Empty(t, got.Requests)
	require.Eventually(t, func() bool {
		return sgs.TestIn(answers(1, made), told("53", sgs.Map{"text": "x"})).Status == abi.StatusDone
	}, 10*time.Second, 20*time.Millisecond)
}
