package webhook_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/sgstreamd/sgstreamd/abi"
	"github.com/sgstreamd/sgstreamd/host"
	"github.com/sgstreamd/sgstreamd/internal/guesttest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const key = "It's a Secret to Everybody"

// request is what the server got.
type request struct {
	header http.Header
	body   string
}

// receiver is a server that answers as f does, and tells what it got.
func receiver(t *testing.T, f http.HandlerFunc) (*httptest.Server, chan request) {
	got := make(chan request, 10)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		select {
		case got <- request{r.Header, string(body)}:
		default: // nobody looks
		}
		if r.Method != http.MethodPost || r.URL.Path != "/hook" {
			http.Error(w, r.Method+" "+r.URL.Path, http.StatusTeapot)
			return
		}
		f(w, r)
	}))
	t.Cleanup(s.Close)
	return s, got
}

// granted is the operator's configuration for the server, as README.md has it.
func granted(t *testing.T, s *httptest.Server, config map[string]any) func(*host.PluginConfig) {
	file := filepath.Join(t.TempDir(), "key")
	require.NoError(t, os.WriteFile(file, []byte(key+"\n"), 0o600))
	return func(c *host.PluginConfig) {
		c.HTTP.Origins = []string{s.URL}
		c.HTTP.Addresses = []string{strings.TrimPrefix(s.URL, "http://")}
		c.Secrets = map[string]host.SecretConfig{"signing-key": {
			File: file, Header: "X-Hub-Signature-256", Format: "sha256={hmac-sha256}", Origins: []string{s.URL},
		}}
		c.Config = map[string]any{"url": s.URL + "/hook"}
		for k, v := range config {
			c.Config[k] = v
		}
	}
}

func message() (abi.Message, map[string]any) {
	return abi.Message{Stream: "sg:stream:outbound:webhook", ID: "1-0", Attempt: 1, TS: 1700000000.25, TraceID: "T", Platform: "webhook"},
		map[string]any{"platform": "webhook", "channel_id": "42", "type": "message", "text": "grüß \"dich\"\n", "message_key": "K:1", "data": []byte{0, 1}}
}

func TestAMessageIsPostedAndSigned(t *testing.T) {
	t.Parallel()
	s, got := receiver(t, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusAccepted) })
	g := guesttest.Start(t, guesttest.Build(t, "."), nil, granted(t, s, map[string]any{"headers": map[string]any{"X-Team": "chat"}}))
	m, payload := message()
	v, err := g.Handle(t, m, payload)
	require.NoError(t, err)
	require.Equal(t, abi.StatusDone, v.Status, v.Reason)

	r := <-got
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(r.body))
	require.Equal(t, "sha256="+hex.EncodeToString(mac.Sum(nil)), r.header.Get("X-Hub-Signature-256"))
	require.Equal(t, "application/json", r.header.Get("Content-Type"))
	require.Equal(t, "K:1", r.header.Get("Idempotency-Key"))
	require.Equal(t, "chat", r.header.Get("X-Team"))
	require.JSONEq(t, `{"id":"K:1","ts":1700000000.25,"platform":"webhook","channel_id":"42","trace_id":"T","payload":{
		"platform":"webhook","channel_id":"42","type":"message","text":"grüß \"dich\"\n","message_key":"K:1","data":{"$binary":"AAE="}}}`, r.body)
	require.NotContains(t, g.Log.String(), key)

	// What has no key has one that is the same at each try.
	v, err = g.Handle(t, m, map[string]any{"text": "x"})
	require.NoError(t, err)
	require.Equal(t, abi.StatusDone, v.Status, v.Reason)
	r = <-got
	require.Equal(t, "sg:stream:outbound:webhook:1-0", r.header.Get("Idempotency-Key"))
	var doc map[string]any
	require.NoError(t, json.Unmarshal([]byte(r.body), &doc))
	require.Equal(t, map[string]any{
		"id": "sg:stream:outbound:webhook:1-0", "ts": 1700000000.25, "platform": "webhook", "channel_id": nil, "trace_id": "T", "payload": map[string]any{"text": "x"},
	}, doc)
}

func TestWhatTheServerAnswers(t *testing.T) {
	t.Parallel()
	var answer atomic.Pointer[http.HandlerFunc]
	s, _ := receiver(t, func(w http.ResponseWriter, r *http.Request) { (*answer.Load())(w, r) })
	module := guesttest.Build(t, ".")
	g := guesttest.Start(t, module, nil, granted(t, s, nil))
	says := func(status int, retryAfter, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			if retryAfter != "" {
				w.Header().Set("Retry-After", retryAfter)
			}
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		}
	}
	for _, tt := range []struct {
		name   string
		answer http.HandlerFunc
		status abi.Status
		after  time.Duration
		reason string
	}{
		{"done", says(200, "", "ok"), abi.StatusDone, 0, ""},
		{"no content", says(204, "", ""), abi.StatusDone, 0, ""},
		{"done, and then cut", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			w.WriteHeader(200)
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}, abi.StatusDone, 0, ""},
		{"too many", says(429, "7", "slow down"), abi.StatusRetry, 7 * time.Second, "the webhook answered 429: slow down"},
		{"unavailable, without a time", says(503, "", ""), abi.StatusRetry, 0, "the webhook answered 503"},
		{"unavailable, with a bad time", says(503, "soon", ""), abi.StatusRetry, 0, "the webhook answered 503"},
		{"unavailable, until a time that has passed", says(503, "Sun, 06 Nov 1994 08:49:37 GMT", ""), abi.StatusRetry, 0, "the webhook answered 503"},
		{"timeout", says(408, "9", ""), abi.StatusRetry, 0, "the webhook answered 408"},
		{"too early", says(425, "", ""), abi.StatusRetry, 0, "the webhook answered 425"},
		{"server error", says(500, "", "<p>\noops\x00</p>\n"), abi.StatusRetry, 0, "the webhook answered 500: <p> oops </p>"},
		{"bad gateway", says(502, "", ""), abi.StatusRetry, 0, "the webhook answered 502"},
		{"bad request", says(400, "", `{"error":"no such team"}`), abi.StatusReject, 0, `the webhook answered 400: {"error":"no such team"}`},
		{"unauthorized", says(401, "", ""), abi.StatusReject, 0, "the webhook answered 401"},
		{"gone", says(410, "", strings.Repeat("x", 100_000)), abi.StatusReject, 0, "the webhook answered 410: " + strings.Repeat("x", 200)},
		{"moved", says(301, "", ""), abi.StatusReject, 0, "the webhook answered 301"},
		{"no answer", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, abi.StatusRetry, 0, "http_head: EUNAVAILABLE: EOF"},
	} {
		m, payload := message()
		answer.Store(&tt.answer)
		v, err := g.Handle(t, m, payload)
		require.NoError(t, err, tt.name)
		require.Equal(t, tt.status, v.Status, tt.name)
		require.Equal(t, tt.after, v.RetryAfter, tt.name)
		require.Equal(t, tt.reason, v.Reason, tt.name)
	}

	// A date is counted from now.
	m, payload := message()
	later := says(503, time.Now().Add(time.Hour).UTC().Format(http.TimeFormat), "")
	answer.Store(&later)
	v, err := g.Handle(t, m, payload)
	require.NoError(t, err)
	require.InDelta(t, time.Hour, v.RetryAfter, float64(time.Minute))

	s.Close()
	v, err = g.Handle(t, m, payload)
	require.NoError(t, err)
	require.Equal(t, abi.StatusRetry, v.Status)
	require.Contains(t, v.Reason, "connection refused")
}

// A server that never answers is a retry before the call's own deadline, and so no doubt of the daemon's.
func TestAServerThatDoesNotAnswer(t *testing.T) {
	t.Parallel()
	s, _ := receiver(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	grant := granted(t, s, nil)
	g := guesttest.Start(t, guesttest.Build(t, "."), nil, func(c *host.PluginConfig) {
		grant(c)
		c.Timeout = 2 * time.Second
	})
	m, payload := message()
	v, err := g.Handle(t, m, payload)
	require.NoError(t, err)
	require.Equal(t, abi.StatusRetry, v.Status)
	require.Regexp(t, `^http_head: EUNAVAILABLE: there was no whole response within 1\.\d+s$`, v.Reason)
}

func TestWhatTheOperatorHasToGrant(t *testing.T) {
	t.Parallel()
	s, _ := receiver(t, func(http.ResponseWriter, *http.Request) {})
	module := guesttest.Build(t, ".")
	for line, change := range map[string]func(*host.PluginConfig){
		"url":                      func(c *host.PluginConfig) { delete(c.Config, "url") },
		"http.origins":             func(c *host.PluginConfig) { c.HTTP.Origins = []string{"https://elsewhere.example"} },
		`the secret "signing-key"`: func(c *host.PluginConfig) { c.Secrets = nil },
		"headers":                  func(c *host.PluginConfig) { c.Config["headers"] = map[string]any{"X-Team": 7} },
		"ulr":                      func(c *host.PluginConfig) { c.Config["ulr"] = "x" },
		"headers.Content-type is set by the plugin itself; remove it": func(c *host.PluginConfig) {
			c.Config["headers"] = map[string]any{"Content-type": "text/plain"}
		},
	} {
		grant := granted(t, s, nil)
		g, err := guesttest.Load(t, module, nil, func(c *host.PluginConfig) {
			grant(c)
			change(c)
		})
		if err == nil {
			err = g.Plugin.Start(t.Context())
		}
		require.ErrorContains(t, err, line)
		require.NotContains(t, err.Error(), "\n")
	}
}

// After the first messages the memory of an instance stays as it is.
func TestMemoryDoesNotGrow(t *testing.T) {
	t.Parallel()
	s, _ := receiver(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") })
	g := guesttest.Start(t, guesttest.Build(t, "."), nil, granted(t, s, nil))
	m, payload := message()
	payload["text"] = strings.Repeat("x", 50_000)
	handle := func(times int) []uint64 {
		for range times {
			v, err := g.Handle(t, m, payload)
			require.NoError(t, err)
			require.Equal(t, abi.StatusDone, v.Status, v.Reason)
		}
		return g.Plugin.Memories()
	}
	early := handle(10)
	require.Len(t, early, 1)
	require.LessOrEqual(t, early[0], uint64(4<<20))
	require.Equal(t, early, handle(200))
}
