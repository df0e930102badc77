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
		c.Secrets = map[string]host.SecretConfig{"bot-token": {File: file, Header: "Authorization", Format: "Bot {secret}", Origins: []string{web.URL}}}
		c.Config = map[string]any{"base_url": web.URL + "/api/v10"}
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
	s.faults = map[string][]string{
		"11": {"502"}, "12": {"slow"}, "13": {"drop"}, "14": {"drop after"}, "15": {"403"}, "16": {"malformed"}, "17": {"429"},
		"18": {"", "drop after"}, "19": {"", "429"},
	}
	g := start(t, s)
	t.Cleanup(func() {
		if strings.Contains(g.Log.String(), token) {
			t.Error("the log has the token in it")
		}
	})
	deliver := func(t *testing.T, channel string, fields map[string]any) abi.Verdict {
		t.Helper()
		payload := map[string]any{"platform": "discord", "type": "message", "channel_id": channel, "message_key": "k" + channel}
		for key, v := range fields {
			payload[key] = v
		}
		v, err := g.Handle(t, abi.Message{Stream: "out", ID: "1-0", Attempt: 1}, payload)
		require.NoError(t, err)
		return v
	}
	t.Run("a text, a reply and files", func(t *testing.T) {
		t.Parallel()
		v := deliver(t, "1", map[string]any{"text": "hi \"you\" 😀\n", "reply_to": "7", "files": []any{
			map[string]any{"name": "ä.png", "data": []byte{0, 0xff, '\r', '\n'}}, map[string]any{"name": "b.txt", "data": "text"},
		}})
		require.Equal(t, abi.StatusDone, v.Status, v.Reason)
		got := s.got("1")
		require.Len(t, got, 1)
		require.Equal(t, message{got[0].ID, "hi \"you\" 😀\n", "7", map[string]string{
			"ä.png image/png": "\x00\xff\r\n", "b.txt text/plain; charset=utf-8": "text"}}, got[0])
	})
	// Twelve messages, of which five are allowed in a window: the rest is waited for within the call.
	t.Run("more than the channel's limit", func(t *testing.T) {
		t.Parallel()
		text := strings.Repeat("Nothing but words, again and again. ", 480)
		v := deliver(t, "2", map[string]any{"text": text})
		require.Equal(t, abi.StatusDone, v.Status, v.Reason)
		var all []string
		for _, m := range s.got("2") {
			all = append(all, m.Content)
		}
		require.Greater(t, len(all), 5)
		require.Equal(t, strings.TrimSpace(text), strings.TrimSpace(strings.Join(all, " ")))
		s.mu.Lock()
		defer s.mu.Unlock()
		require.Equal(t, len(all), s.asked["2"], "no request was made that Discord would have refused")
	})
	// What goes wrong at first, and how the second try ends: with the message there once.
	for name, test := range map[string]struct {
		channel, reason string
		once            bool
		status          abi.Status
	}{
		"a broken server":            {"11", "discord: 502: <html>bad gateway</html>", true, abi.StatusRetry},
		"a slow server":              {"12", "there was no whole response within", true, abi.StatusRetry},
		"a dropped connection":       {"13", "EUNAVAILABLE", true, abi.StatusRetry},
		"a dropped connection after": {"14", "EUNAVAILABLE", true, abi.StatusRetry},
		"no access":                  {"15", "discord: 403: Missing Access (code 50001)", false, abi.StatusReject},
		"a malformed answer":         {"16", "not as Discord does", true, abi.StatusRetry},
		"a limit":                    {"17", "The resource is being rate limited", true, abi.StatusRetry},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := deliver(t, test.channel, map[string]any{"text": "hello"})
			require.Equal(t, test.status, v.Status)
			require.Contains(t, v.Reason, test.reason)
			if !test.once {
				require.Empty(t, s.got(test.channel))
				return
			}
			again(t, func() abi.Verdict { return deliver(t, test.channel, map[string]any{"text": "hello"}) })
			require.Len(t, s.got(test.channel), 1)
		})
	}
	t.Run("a connection that is dropped after the second part", func(t *testing.T) {
		t.Parallel()
		text := map[string]any{"text": strings.Repeat("words and words ", 300)}
		v := deliver(t, "18", text)
		require.Equal(t, abi.StatusRetry, v.Status)
		require.Contains(t, v.Reason, "(part 2 of 3)")
		again(t, func() abi.Verdict { return deliver(t, "18", text) })
		require.Len(t, s.got("18"), 3)
	})
	t.Run("a limit between two parts", func(t *testing.T) {
		t.Parallel()
		v := deliver(t, "19", map[string]any{"text": strings.Repeat("words and words ", 200)})
		require.Equal(t, abi.StatusDone, v.Status, v.Reason)
		require.Len(t, s.got("19"), 2)
	})
}
