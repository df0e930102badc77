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
		secret := host.DefaultSecret()
		secret.File, secret.Header, secret.Origins = file, "", []string{web.URL}
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
	s.faults = map[string][]string{
		"11": {"502"}, "12": {"slow"}, "13": {"drop"}, "14": {"drop after"}, "15": {"blocked"}, "16": {"malformed"}, "17": {"flood"},
		"18": {"", "flood"}, "19": {"", "long flood"}, "-20": {"moved"},
	}
	g := start(t, s)
	t.Cleanup(func() {
		if strings.Contains(g.Log.String(), token) {
			t.Error("the log has the token in it")
		}
	})
	deliver := func(t *testing.T, chat string, fields map[string]any) abi.Verdict {
		t.Helper()
		payload := map[string]any{"platform": "telegram", "type": "message", "channel_id": chat, "message_key": "k" + chat}
		for key, v := range fields {
			payload[key] = v
		}
		v, err := g.Handle(t, abi.Message{Stream: "out", ID: "1-0", Attempt: 1, Platform: "telegram", TraceID: "T"}, payload)
		require.NoError(t, err)
		return v
	}
	t.Run("a file with its caption, a reply and buttons", func(t *testing.T) {
		t.Parallel()
		v := deliver(t, "1", map[string]any{"type": "file", "name": "ä.png", "data": []byte{0, 0xff, '\r', '\n'}, "text": "see 😀", "reply_to": "7", "buttons": []any{"ok"}})
		require.Equal(t, abi.StatusDone, v.Status, v.Reason)
		require.Equal(t, []call{{"sendPhoto", map[string]any{
			"chat_id": "1", "caption": "see 😀", "reply_parameters": `{"allow_sending_without_reply":true,"message_id":7}`,
			"reply_markup": `{"inline_keyboard":[[{"callback_data":"ok","text":"ok"}]]}`,
		}, "photo ä.png image/png \x00\xff\r\n"}}, s.done("1"))
	})
	// Telegram can't tell a message that is sent again: after a connection that was dropped late, it is there twice.
	for name, test := range map[string]struct {
		chat, reason string
		status       abi.Status
		times        int
	}{
		"a broken server":            {"11", "telegram: 502: <html>bad gateway</html>", abi.StatusRetry, 1},
		"a slow server":              {"12", "there was no whole response within", abi.StatusRetry, 1},
		"a dropped connection":       {"13", "EUNAVAILABLE", abi.StatusRetry, 1},
		"a dropped connection after": {"14", "EUNAVAILABLE", abi.StatusRetry, 2},
		"a blocked bot":              {"15", "telegram: 403: Forbidden: bot was blocked by the user", abi.StatusReject, 0},
		"a malformed answer":         {"16", "not as Telegram does", abi.StatusRetry, 1},
		"a flood":                    {"17", "429: Too Many Requests: retry after 1", abi.StatusRetry, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text := map[string]any{"text": "hello"}
			v := deliver(t, test.chat, text)
			require.Equal(t, test.status, v.Status)
			require.Contains(t, v.Reason, test.reason)
			if v.Status == abi.StatusRetry {
				again(t, func() abi.Verdict { return deliver(t, test.chat, text) })
			}
			require.Len(t, s.done(test.chat), test.times)
		})
	}
	texts := func(calls []call) []string {
		var all []string
		for _, c := range calls {
			all = append(all, c.fields["text"].(string))
		}
		return all
	}
	t.Run("a flood between two parts", func(t *testing.T) {
		t.Parallel()
		v := deliver(t, "18", map[string]any{"text": long})
		require.Equal(t, abi.StatusDone, v.Status, v.Reason)
		require.Empty(t, v.Emits)
		require.Equal(t, long, strings.Join(texts(s.done("18")), " "))
	})
	t.Run("a long flood between two parts", func(t *testing.T) {
		t.Parallel()
		v := deliver(t, "19", map[string]any{"text": long})
		require.Equal(t, abi.StatusDone, v.Status, v.Reason)
		require.Len(t, v.Emits, 1)
		rest := guesttest.Payload(t, v.Emits[0])
		require.Equal(t, "telegram", v.Emits[0].Platform)
		require.Equal(t, "19", rest["channel_id"])
		require.Equal(t, long, texts(s.done("19"))[0]+" "+strings.ReplaceAll(rest["text"].(string), "\n", " "))
	})
	t.Run("a group that has moved", func(t *testing.T) {
		t.Parallel()
		v := deliver(t, "-20", map[string]any{"text": "hello"})
		require.Equal(t, abi.StatusDone, v.Status, v.Reason)
		require.Equal(t, []string{"hello"}, texts(s.done("-100200300")))
	})
}
