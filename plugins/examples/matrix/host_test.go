package main

import (
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/sgstreamd/sgstreamd/abi"
	"github.com/sgstreamd/sgstreamd/host"
	"github.com/sgstreamd/sgstreamd/internal/guesttest"
	sgs "github.com/sgstreamd/sgstreamd/plugins/sdk/go"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start runs the module in a real host, which may reach the server and nothing else.
func start(t *testing.T, s *server) *guesttest.Guest {
	t.Helper()
	web := httptest.NewServer(s)
	t.Cleanup(web.Close)
	file := filepath.Join(t.TempDir(), "token")
	require.NoError(t, os.WriteFile(file, []byte(token+"\n"), 0o600))
	return guesttest.Start(t, guesttest.Build(t, "."), nil, func(c *host.PluginConfig) {
		c.HTTP.Origins, c.HTTP.Addresses = []string{web.URL}, []string{strings.TrimPrefix(web.URL, "http://")}
		c.Timeout, c.HTTP.Timeout = time.Minute, 8*time.Second
		secret := host.DefaultSecret()
		secret.File, secret.Origins = file, []string{web.URL}
		c.Secrets = map[string]host.SecretConfig{"bot-token": secret}
		c.Config = map[string]any{"base_url": web.URL}
	})
}

// again delivers as the daemon does: where the message is to be tried again, after the time that it wants.
func again(t *testing.T, deliver func() abi.Verdict) {
	t.Helper()
	for range 100 {
		v := deliver()
		if v.Status == abi.StatusDone {
			return
		}
		require.Equal(t, abi.StatusRetry, v.Status, v.Reason)
		<-time.After(v.RetryAfter)
	}
	require.FailNow(t, "it is never done")
}

func TestDeliversInARealHost(t *testing.T) {
	t.Parallel()
	s := newServer()
	room := func(n string) string { return "!r" + n + ":example.org" }
	for n, faults := range map[string][]string{
		"11": {"502"}, "12": {"slow"}, "13": {"drop"}, "14": {"drop after"}, "15": {"forbidden"}, "16": {"malformed"}, "17": {"limit"},
		"18": {"", "drop after"},
	} {
		s.faults[room(n)] = faults
	}
	g := start(t, s)
	t.Cleanup(func() {
		if strings.Contains(g.Log.String(), token) {
			t.Error("the log has the token in it")
		}
	})
	deliver := func(t *testing.T, n string, fields map[string]any) abi.Verdict {
		t.Helper()
		payload := map[string]any{"platform": "matrix", "type": "message", "channel_id": room(n), "message_key": "k" + n}
		for key, v := range fields {
			payload[key] = v
		}
		v, err := g.Handle(t, abi.Message{Stream: "out", ID: "1-0", Attempt: 1}, payload)
		require.NoError(t, err)
		return v
	}
	// A limit holds for the whole instance: what it makes a message wait for is tried again.
	done := func(t *testing.T, n string, fields map[string]any) {
		t.Helper()
		again(t, func() abi.Verdict { return deliver(t, n, fields) })
	}
	t.Run("a text, a reply and a file", func(t *testing.T) {
		t.Parallel()
		done(t, "1", map[string]any{"text": "hi **you** 😀", "reply_to": "$e/+:x", "files": []any{map[string]any{"name": "ä b.png", "data": []byte{0, 0xff}}}})
		got := s.got(room("1"))
		require.Len(t, got, 2)
		require.Equal(t, "m.room.message", got[0].kind)
		require.Equal(t, sgs.Map{
			"msgtype": "m.text", "body": "hi **you** 😀", "format": "org.matrix.custom.html", "formatted_body": "hi <strong>you</strong> 😀",
			"m.mentions": map[string]any{}, "m.relates_to": map[string]any{"m.in_reply_to": map[string]any{"event_id": "$e/+:x"}},
		}, got[0].content)
		uri := got[1].content.Text("url")
		require.Equal(t, sgs.Map{
			"msgtype": "m.image", "body": "ä b.png", "filename": "ä b.png", "url": uri, "m.mentions": map[string]any{},
			"info": map[string]any{"mimetype": "image/png", "size": 2.0},
		}, got[1].content)
		require.Equal(t, "ä b.png image/png \x00\xff", s.media[uri])
	})
	t.Run("a reaction", func(t *testing.T) {
		t.Parallel()
		done(t, "2", map[string]any{"type": "reaction", "message_id": "$e", "emoji": "👍"})
		got := s.got(room("2"))
		require.Len(t, got, 1)
		require.Equal(t, event{kind: "m.reaction", content: sgs.Map{
			"m.relates_to": map[string]any{"rel_type": "m.annotation", "event_id": "$e", "key": "👍"}}}, got[0])
	})
	// What goes wrong at first, and how the second try ends: with the event there once.
	for name, test := range map[string]struct {
		n, reason string
		status    abi.Status
	}{
		"a broken server":            {"11", "matrix: 502: <html>bad gateway</html>", abi.StatusRetry},
		"a slow server":              {"12", "there was no whole response within", abi.StatusRetry},
		"a dropped connection":       {"13", "EUNAVAILABLE", abi.StatusRetry},
		"a dropped connection after": {"14", "EUNAVAILABLE", abi.StatusRetry},
		"no access":                  {"15", "matrix: 403 M_FORBIDDEN: User not in room", abi.StatusReject},
		"a malformed answer":         {"16", "not as a homeserver does", abi.StatusRetry},
		"a limit":                    {"17", "429 M_LIMIT_EXCEEDED: Too Many Requests", abi.StatusRetry},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text := map[string]any{"text": "hello"}
			v := deliver(t, test.n, text)
			for strings.Contains(v.Reason, "the rate limit is used up") { // another room's
				<-time.After(v.RetryAfter)
				v = deliver(t, test.n, text)
			}
			require.Equal(t, test.status, v.Status)
			require.Contains(t, v.Reason, test.reason)
			if test.status == abi.StatusReject {
				require.Empty(t, s.got(room(test.n)))
				return
			}
			done(t, test.n, text)
			require.Len(t, s.got(room(test.n)), 1)
		})
	}
	t.Run("a connection that is dropped after the second part", func(t *testing.T) {
		t.Parallel()
		text := strings.TrimSpace(strings.Repeat("words and words ", 4000))
		done(t, "18", map[string]any{"text": text})
		var all []string
		for _, e := range s.got(room("18")) {
			all = append(all, e.content.Text("body"))
		}
		require.Len(t, all, 3)
		require.Equal(t, text, strings.Join(all, " "))
	})
}
