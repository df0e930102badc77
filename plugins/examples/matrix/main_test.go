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

func told(fields sgs.Map) sgs.Message {
	payload := sgs.Map{"type": "message", "platform": "matrix", "channel_id": "!room:example.org", "message_key": "sgs:in:1-0:0"}
	for key, v := range fields {
		payload[key] = v
	}
	return sgs.Message{Stream: "sg:stream:outbound:matrix", ID: "1-0", Platform: "matrix", Payload: payload}
}

var made = sgs.Answer{Body: []string{`{"event_id":"$1"}`}}

func in(answers ...sgs.Answer) sgs.World { return sgs.World{Answers: answers} }

func sent(t *testing.T, r sgs.Request) sgs.Map {
	t.Helper()
	var body sgs.Map
	require.NoError(t, json.Unmarshal(r.Body, &body))
	return body
}

func TestAMessageBecomesARequest(t *testing.T) {
	t.Parallel()
	m := told(sgs.Map{"text": "pick", "type": "buttons", "buttons": []any{"yes", sgs.Map{"label": "read", "url": "https://a.example"}}})
	got := sgs.TestIn(in(made), m)
	require.Equal(t, abi.StatusDone, got.Status, got.Reason)
	require.Len(t, got.Requests, 1)
	r := got.Requests[0]
	require.Equal(t, "PUT", r.Method)
	require.True(t, strings.HasPrefix(r.URL, "https://matrix-client.matrix.org/_matrix/client/v3/rooms/%21room%3Aexample.org/send/m.room.message/"), r.URL)
	require.True(t, strings.HasSuffix(r.URL, ".0"), r.URL)
	require.Equal(t, []string{"bot-token"}, r.Secrets)
	require.Equal(t, sgs.Map{"msgtype": "m.text", "body": "pick\n\n• yes\n• read: https://a.example", "m.mentions": map[string]any{}}, sent(t, r))
	require.Equal(t, got.Requests, sgs.TestIn(in(made), m).Requests, "another try has the same transaction id")
}

func TestRejectsWhatMatrixCantTake(t *testing.T) {
	t.Parallel()
	for want, fields := range map[string]sgs.Map{
		`matrix: the payload is of the type "poll", which this adapter does not know; the types are message, file, buttons, reaction`: {"type": "poll"},
		"matrix: channel_id is no room id, which begins with !; an alias has none of its own":                                         {"text": "x", "channel_id": "#room:example.org"},
		"matrix: reply_to and message_id are event ids, which begin with $":                                                           {"text": "x", "reply_to": "7"},
		"matrix: the payload has embeds alone, and Matrix has none":                                                                   {"embeds": []any{sgs.Map{"title": "t"}}},
		"matrix: it takes 13 events, and max_parts is 10":                                                                             {"text": strings.Repeat("x", 300_000)},
	} {
		got := sgs.Test(told(fields))
		require.Equal(t, abi.StatusReject, got.Status, want)
		require.Equal(t, want, got.Reason)
		require.Empty(t, got.Requests)
	}
}

// These change what the whole instance keeps, so they run one after the other, and before those that are parallel.
func TestWhatAnswersMean(t *testing.T) {
	refused, again := abi.StatusReject, abi.StatusRetry
	for _, test := range []struct {
		answer sgs.Answer
		status abi.Status
		after  time.Duration
		reason string
	}{
		{sgs.Answer{Status: 401, Body: []string{`{"errcode":"M_UNKNOWN_TOKEN","error":"Unrecognised access token"}`}}, refused, 0, "matrix: 401 M_UNKNOWN_TOKEN: Unrecognised access token (part 1 of 1)"},
		{sgs.Answer{Status: 403, Body: []string{`{"errcode":"M_FORBIDDEN","error":"no"}`}}, refused, 0, "matrix: 403 M_FORBIDDEN: no (part 1 of 1)"},
		{sgs.Answer{Status: 404, Body: []string{"404 page not found"}}, refused, 0, "matrix: 404: 404 page not found (part 1 of 1)"},
		{sgs.Answer{Status: 413, Body: []string{`{"errcode":"M_TOO_LARGE","error":"event too large"}`}}, refused, 0, "matrix: 413 M_TOO_LARGE: event too large (part 1 of 1)"},
		{sgs.Answer{Status: 503, Header: map[string]string{"retry-after": "3"}}, again, 3 * time.Second, "matrix: 503 (part 1 of 1)"},
		{sgs.Answer{Body: []string{"<html>"}}, again, 0, "matrix: answered 200, but not as a homeserver does; is base_url right? (part 1 of 1)"},
		{sgs.Answer{Errno: abi.ErrnoUnavailable, Text: "no whole response"}, again, 0, "matrix: http: EUNAVAILABLE: no whole response (part 1 of 1)"},
		{sgs.Answer{Errno: abi.ErrnoInvalid, Text: "malformed"}, refused, 0, "matrix: http: EINVALID: malformed (part 1 of 1)"},
		{sgs.Answer{Status: 429, Header: map[string]string{"retry-after": "0.1"}, Body: []string{`{"errcode":"M_LIMIT_EXCEEDED","error":"slow","retry_after_ms":99000}`}},
			again, 100 * time.Millisecond, "matrix: 429 M_LIMIT_EXCEEDED: slow (part 1 of 1)"},
	} {
		got := sgs.TestIn(in(test.answer), told(sgs.Map{"text": "x"}))
		require.Equal(t, test.status, got.Status, "%+v", test)
		require.Equal(t, test.after, got.RetryAfter, "%+v", test)
		require.Equal(t, test.reason, got.Reason)
	}
	got := sgs.TestIn(in(made), told(sgs.Map{"text": "x"}))
	require.Equal(t, abi.StatusRetry, got.Status, "the limit is remembered")
	require.Empty(t, got.Requests)
	require.Eventually(t, func() bool {
		return sgs.TestIn(in(made), told(sgs.Map{"text": "x"})).Status == abi.StatusDone
	}, 10*time.Second, 20*time.Millisecond)
}

// Between two parts a short limit is waited for, and a file is not uploaded again for it.
func TestWaitsForALimitBetweenParts(t *testing.T) {
	uploaded := sgs.Answer{Body: []string{`{"content_uri":"mxc://a/b"}`}}
	limited := sgs.Answer{Status: 429, Body: []string{`{"errcode":"M_LIMIT_EXCEEDED","error":"slow","retry_after_ms":50}`}}
	got := sgs.TestIn(in(made, limited, uploaded, limited, made), told(sgs.Map{"text": "x", "files": []any{sgs.Map{"name": "a.txt", "data": "x"}}}))
	require.Equal(t, abi.StatusDone, got.Status, got.Reason)
	require.Len(t, got.Requests, 5)
	require.Equal(t, "https://matrix-client.matrix.org/_matrix/media/v3/upload?filename=a.txt", got.Requests[2].URL)
	require.Equal(t, "mxc://a/b", sent(t, got.Requests[4])["url"])
}

func TestSettings(t *testing.T) {
	t.Cleanup(func() { require.NoError(t, sgs.TestConfigure(sgs.Map{})) })
	require.NoError(t, sgs.TestConfigure(sgs.Map{"base_url": "http://127.0.0.1:1/", "msgtype": "m.notice", "markdown": false, "max_parts": 1}))
	got := sgs.TestIn(in(made), told(sgs.Map{"text": "**x**"}))
	require.True(t, strings.HasPrefix(got.Requests[0].URL, "http://127.0.0.1:1/_matrix/"), got.Requests[0].URL)
	require.Equal(t, sgs.Map{"msgtype": "m.notice", "body": "**x**", "m.mentions": map[string]any{}}, sent(t, got.Requests[0]))
	require.Equal(t, abi.StatusReject, sgs.Test(told(sgs.Map{"text": strings.Repeat("x", 30_000)})).Status)
}
