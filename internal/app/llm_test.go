package app_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/sgstreamd/sgstreamd/envelope"
	"github.com/sgstreamd/sgstreamd/internal/redistest"
	"github.com/sgstreamd/sgstreamd/internal/toolchain"
)

// model is a language model's API: it streams its answers, and holds each of them in the middle until it is told to go on.
type model struct {
	*httptest.Server
	mu      sync.Mutex
	waiting int           // answers that are held
	changed chan struct{} // closed and renewed when their number changes
	goOn    chan struct{} // closed when answers are to be finished
}

func startModel(t *testing.T) *model {
	m := &model{changed: make(chan struct{}), goOn: make(chan struct{})}
	m.Server = httptest.NewServer(http.HandlerFunc(m.complete))
	t.Cleanup(m.Close)
	return m
}

func (m *model) complete(w http.ResponseWriter, r *http.Request) {
	var body struct{ Messages []struct{ Content string } }
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	send := func(event string) {
		fmt.Fprintf(w, "data: %s\n\n", event)
		_ = http.NewResponseController(w).Flush()
	}
	content := func(text string) string { return fmt.Sprintf(`{"choices":[{"index":0,"delta":{"content":%q}}]}`, text) }
	send(content("you said: "))
	m.held(1)
	select {
	case <-m.goOn:
	case <-r.Context().Done():
	}
	m.held(-1)
	for _, word := range strings.SplitAfter(body.Messages[len(body.Messages)-1].Content, " ") {
		send(content(word))
	}
	send(`{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}`)
	send("[DONE]")
}

// held counts an answer that is held, or is not any more.
func (m *model) held(n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.waiting += n
	close(m.changed)
	m.changed = make(chan struct{})
}

// await waits until so many answers are held at the same time.
func (m *model) await(t *testing.T, n int) {
	t.Helper()
	deadline := time.After(patience)
	for {
		m.mu.Lock()
		waiting, changed := m.waiting, m.changed
		m.mu.Unlock()
		if waiting == n {
			return
		}
		select {
		case <-changed:
		case <-deadline:
			t.Fatalf("%d of %d conversations at once", waiting, n)
		}
	}
}

// Two hundred conversations are in the middle of their answers at once when the daemon dies. Its successor answers each of
// them once, and no channel is stuck.
func TestTwoHundredConversationsSurviveTheirDaemon(t *testing.T) {
	t.Parallel()
	const conversations = 200
	m, r := startModel(t), redistest.Start(t)
	c := r.Client(t)
	dir, file := t.TempDir(), filepath.Join(t.TempDir(), "config.toml")
	require.NoError(t, toolchain.Build(t.Context(), "../../plugins/examples/llm", filepath.Join(dir, "llm.wasm"), io.Discard))
	require.NoError(t, os.WriteFile(file, fmt.Appendf(nil, `
		[inbound]
		processor = "llm"
		max_in_flight = %d
		autoclaim = { interval = "200ms", min_idle = "2s" }
		lock = { ttl = "2s" }
		[plugins.llm]
		timeout = "5m"
		[plugins.llm.http]
		origins = [%q]
		addresses = [%q]
		max_concurrent = %d
		timeout = "5m"
		[plugins.llm.config]
		base_url = %q
		model = "m"
		`, conversations, m.URL, strings.TrimPrefix(m.URL, "http://"), conversations, m.URL+"/v1"), 0o600))
	start := func() *process {
		return startProcess(t, "run", "--config", file, "--redis-url", r.URL(), "--plugins-dir", dir, "--set", "admin.listen=127.0.0.1:0",
			"--set", "log.format=json", "--set", "plugins.cache_dir="+built.cache)
	}
	victim := start()
	victim.ready()
	for i := range conversations {
		converseIn(t, c, i, "hello there")
	}
	m.await(t, conversations)
	victim.signal(syscall.SIGKILL)
	victim.exit()
	m.await(t, 0) // the server has noticed
	survivor := start()
	survivor.ready()
	m.await(t, conversations)
	close(m.goOn)
	awaitReplies(t, c, 1, conversations)
	for i := range conversations { // the next of each channel; the model is given the conversation so far
		converseIn(t, c, i, "and again")
	}
	awaitReplies(t, c, 2, conversations)
	require.Zero(t, pending(t, c))
	history, err := c.Get(t.Context(), "sg:state:llm:history:test:7").Result()
	require.NoError(t, err)
	for _, said := range []string{"hello there", "you said: hello there", "and again", "you said: and again"} {
		require.Equal(t, 1, strings.Count(history, `"`+said+`"`), history)
	}
	survivor.stop()
	keys, err := c.Keys(t.Context(), "sg:lock:*").Result()
	require.NoError(t, err)
	require.Empty(t, keys, "channels are locked")
}

func converseIn(t *testing.T, c redis.UniversalClient, channel int, text string) {
	t.Helper()
	payload, err := envelope.FromJSON(fmt.Appendf(nil,
		`{"channel_key":"test:%d","platform":"test","channel_id":"%d","content":%q,"message_id":"m","is_addressed":true}`, channel, channel, text))
	require.NoError(t, err)
	add(t, c, "sg:stream:inbound", "data", payload, "ts", "1700000000.5")
}

// awaitReplies waits for so many replies in each channel, and requires that there are no more.
func awaitReplies(t *testing.T, c redis.UniversalClient, each, channels int) {
	t.Helper()
	eventually(t, "every conversation has its replies", func() bool {
		n, err := c.XLen(t.Context(), "sg:stream:outbound:test").Result()
		return err == nil && n >= int64(each*channels) && pending(t, c) == 0
	})
	entries, err := c.XRange(t.Context(), "sg:stream:outbound:test", "-", "+").Result()
	require.NoError(t, err)
	byChannel := map[string]int{}
	for _, e := range entries {
		doc, err := envelope.ToJSON([]byte(e.Values["data"].(string)))
		require.NoError(t, err)
		var reply struct {
			ChannelID string `json:"channel_id"`
			Text      string
		}
		require.NoError(t, json.Unmarshal(doc, &reply))
		require.Contains(t, reply.Text, "you said: ")
		byChannel[reply.ChannelID]++
	}
	require.Len(t, byChannel, channels)
	for channel, n := range byChannel {
		require.Equal(t, each, n, "replies in channel %s", channel)
	}
}
