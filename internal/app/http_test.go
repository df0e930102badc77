package app_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sgstreamd/sgstreamd/internal/redistest"
)

const apiKey = "sk-a-key-that-nobody-may-see"

// fetching are the settings of a daemon whose plugin moody may ask the server, with a key.
func fetching(t *testing.T, r *redistest.Server, s *httptest.Server) []string {
	file := filepath.Join(t.TempDir(), "key")
	require.NoError(t, os.WriteFile(file, []byte(apiKey+"\n"), 0o600))
	return []string{
		"redis.url=" + r.URL(), "inbound.processor=moody", "inbound.max_attempts=1", "plugins.moody.http.origins=" + s.URL,
		"plugins.moody.http.addresses=" + strings.TrimPrefix(s.URL, "http://"),
		"plugins.moody.secrets.key.file=" + file, "plugins.moody.secrets.key.origins=" + s.URL,
	}
}

// A plugin reads a response as it arrives, and the key that it goes with is seen by the server alone.
func TestAPluginAsksAServerWithASecret(t *testing.T) {
	t.Parallel()
	seen := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+apiKey {
			http.Error(w, "no key", http.StatusUnauthorized)
			return
		}
		if r.URL.Path == "/cut" {
			w.Header().Set("Content-Length", "1000")
			fmt.Fprint(w, "the key was ", apiKey)
			return
		}
		fmt.Fprint(w, "first part, ")
		_ = http.NewResponseController(w).Flush()
		select {
		case <-seen:
		case <-r.Context().Done():
		}
		fmt.Fprint(w, "your key is ", apiKey)
	}))
	t.Cleanup(s.Close)
	r := redistest.Start(t)
	c := r.Client(t)
	d := startDaemon(t, fetching(t, r, s)...)
	admin := d.ready()
	say(t, c, "fetch "+s.URL+"/")
	d.line("arrived: first part")
	close(seen)
	answered(t, c, "first part, your key is [redacted]")

	say(t, c, "fetch "+s.URL+"/cut")
	d.line("message dead-lettered", "http: EUNAVAILABLE: unexpected EOF")
	say(t, c, "fetch http://169.254.169.254/latest/meta-data/")
	d.line("message dead-lettered", "http: EDENIED: http://169.254.169.254 is not in plugins.moody.http.origins")
	_, body := get(t, admin, "/metrics")
	for _, line := range []string{`{outcome="2xx",plugin="moody"} 1`, `{outcome="unavailable",plugin="moody"} 1`, `{outcome="denied",plugin="moody"} 1`} {
		require.Contains(t, body, "sgstreamd_plugin_http_requests_total"+line)
	}
	letters, err := c.XRange(t.Context(), "sg:stream:dlq", "-", "+").Result()
	require.NoError(t, err)
	require.Len(t, letters, 2)
	d.stop()
	for _, text := range []string{d.log(), body, fmt.Sprint(letters), fmt.Sprint(replies(t, c))} {
		require.NotContains(t, text, apiKey)
	}
}

// What a server sends beyond the end of its answer is nobody's, and the client's word of it does not quote it.
func TestASecretBeyondTheEndOfAnAnswer(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfineyou sent %s", r.Header.Get("Authorization"))
		_, _ = io.Copy(io.Discard, conn)
	}))
	t.Cleanup(s.Close)
	r := redistest.Start(t)
	c := r.Client(t)
	d := startDaemon(t, fetching(t, r, s)...)
	d.ready()
	say(t, c, "fetch "+s.URL+"/")
	answered(t, c, "fine")
	d.line("Unsolicited response received on idle HTTP channel")
	d.stop()
	require.NotContains(t, d.log(), apiKey)
	require.NotContains(t, d.log(), "you sent")
}

// A message whose call ends has its request ended, too: the daemon stops in good order with an answer outstanding.
func TestARequestEndsWithTheDrain(t *testing.T) {
	t.Parallel()
	asked, gone := make(chan struct{}), make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(asked)
		<-r.Context().Done()
		close(gone)
	}))
	t.Cleanup(s.Close)
	r := redistest.Start(t)
	c := r.Client(t)
	d := startDaemon(t, append(fetching(t, r, s), "drain.timeout=100ms")...)
	d.ready()
	say(t, c, "fetch "+s.URL+"/")
	<-asked
	d.signal(os.Interrupt)
	<-gone
	<-d.done
	require.EqualValues(t, 1, pending(t, c), "it was given back")
}

func TestAMissingSecretIsOneClearLine(t *testing.T) {
	t.Parallel()
	_, errOut, code := run(t, "", "run", "--plugins-dir", built.plugins, "--set", "inbound.processor=moody", "--set", "admin.listen=", "--set", "redis.embedded_listen=127.0.0.1:0",
		"--set", "plugins.moody.secrets.key.env=SGSTREAMD_NO_SUCH", "--set", "plugins.moody.secrets.key.origins=https://a.example")
	require.Equal(t, 1, code, errOut)
	require.Contains(t, errOut, `plugin "moody": plugins.moody.secrets.key: the environment variable SGSTREAMD_NO_SUCH is not set; set it for the daemon, or remove the table`)
}
