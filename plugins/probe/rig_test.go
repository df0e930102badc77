package probe

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tinylib/msgp/msgp"

	"github.com/sgstreamd/sgstreamd/abi"
	"github.com/sgstreamd/sgstreamd/envelope"
	"github.com/sgstreamd/sgstreamd/host"
)

// probe is one of them, loaded, with a server that it may ask and one that is gone.
type probe struct {
	*host.Plugin
	server, gone string // origins
	log          *text
}

const secretValue = "the-secret-of-the-test"

// start loads the probe of a language. Its state has the key "k".
func start(t *testing.T, lang string, config map[string]any) (*probe, error) {
	t.Helper()
	return load(t, module(lang), config)
}

func load(t *testing.T, file string, config map[string]any) (*probe, error) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(answer))
	t.Cleanup(server.Close)
	gone := httptest.NewServer(nil)
	gone.Close()
	p := &probe{server: server.URL, gone: gone.URL, log: &text{}}
	h, err := host.New(t.Context(), host.Options{
		CacheDir: built.cache, Codecs: envelope.Codecs(), State: kept{"k": "kept"},
		Log: slog.New(slog.NewTextHandler(p.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, h.Close(context.WithoutCancel(t.Context()))) })
	cfg := host.DefaultPlugin()
	cfg.Config = config
	for _, origin := range []string{p.server, p.gone} {
		cfg.HTTP.Origins = append(cfg.HTTP.Origins, origin)
		cfg.HTTP.Addresses = append(cfg.HTTP.Addresses, strings.TrimPrefix(origin, "http://"))
	}
	secret := host.DefaultSecret()
	secret.File, secret.Origins = filepath.Join(t.TempDir(), "secret"), []string{p.server}
	require.NoError(t, os.WriteFile(secret.File, []byte(secretValue), 0o600))
	cfg.Secrets = map[string]host.SecretConfig{"token": secret}
	if p.Plugin, err = h.Load(t.Context(), "probe", file, cfg, 1); err != nil {
		return nil, err
	}
	return p, p.Start(t.Context())
}

// answer is the server: it says in x-probe what it was asked, and the body is in several pieces.
func answer(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	said := r.Method + " " + r.Header.Get("X-Test") + " " + string(body)
	if r.Header.Get("Authorization") == "Bearer "+secretValue {
		said += " authorized"
	}
	pieces := []string{"a body of more than ", "sixteen bytes, \xc3", "\xa4"}
	switch r.URL.Path {
	case "/events":
		pieces = []string{": hello\n\ndata: a\r\n\r\nda", "ta: b\ndata:c\nid: 1\n\nevent: x\ndata: \xc3", "\xbc\n\n", "data: cut short"}
	case "/busy":
		w.WriteHeader(http.StatusTooManyRequests)
		return
	}
	w.Header().Set("X-Probe", strings.TrimSpace(said))
	for _, piece := range pieces {
		_, _ = io.WriteString(w, piece)
		w.(http.Flusher).Flush()
	}
}

type step = map[string]any

// message is one whose payload has the steps, and more.
func message(t testing.TB, more map[string]any, steps ...any) *abi.Message {
	t.Helper()
	payload := map[string]any{"steps": steps, "channel_id": "7", "content": "hello"}
	for key, value := range more {
		payload[key] = value
	}
	doc, err := msgp.AppendIntf(nil, payload)
	require.NoError(t, err)
	return &abi.Message{
		Stream: "sg:stream:inbound", ID: "1700000000000-0", Attempt: 3, TS: 1700000000.5, TraceID: "T", Platform: "irc", ChannelKey: "irc:7",
		Payload: doc,
	}
}

// do has the probe go through steps, and returns what it reports, line by line, and its verdict.
func (p *probe) do(t testing.TB, more map[string]any, steps ...any) ([]string, abi.Verdict) {
	t.Helper()
	v, err := p.Handle(t.Context(), nil, message(t, more, steps...))
	require.NoError(t, err)
	require.Equal(t, abi.StatusDone, v.Status, v.Reason)
	require.NotEmpty(t, v.Emits)
	last := v.Emits[len(v.Emits)-1]
	require.Equal(t, "irc", last.Platform)
	payload := decode(t, last.Payload)
	require.Equal(t, "message", payload["type"])
	said, ok := payload["text"].(string)
	require.True(t, ok)
	return strings.Split(said, "\n"), v
}

func decode(t testing.TB, payload []byte) map[string]any {
	t.Helper()
	v, rest, err := msgp.ReadMapStrIntfBytes(payload, nil)
	require.NoError(t, err)
	require.Empty(t, rest)
	return v
}

// kept is state that does not change.
type kept map[string]string

// Get implements host.State.
func (k kept) Get(_ context.Context, _, key string) ([]byte, bool, error) {
	value, ok := k[key]
	return []byte(value), ok, nil
}

// text collects what is written to it. It is safe for concurrent use.
type text struct {
	mu  sync.Mutex
	all strings.Builder
}

// Write implements io.Writer.
func (t *text) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.all.Write(b)
}

// String is all that was written.
func (t *text) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.all.String()
}
