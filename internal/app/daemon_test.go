package app_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/sgstreamd/sgstreamd/envelope"
)

// patience is how long a test waits for something that has to happen.
const patience = 60 * time.Second

// process is a running daemon.
type process struct {
	t    *testing.T
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended

	mu    sync.Mutex
	lines []string
	grown chan struct{} // closed and renewed with every line
}

// startDaemon runs `sgstreamd run` with the settings, each key=value, until the test is over. In its folder are the plugins
// that the settings name, and echo: to load more takes its time.
func startDaemon(t *testing.T, settings ...string) *process {
	t.Helper()
	dir, all := t.TempDir(), strings.Join(append(settings, "echo"), " ")
	files, err := filepath.Glob(filepath.Join(built.plugins, "*.wasm"))
	require.NoError(t, err)
	for _, file := range files {
		if name := strings.TrimSuffix(filepath.Base(file), ".wasm"); strings.Contains(all, name) {
			require.NoError(t, os.Symlink(file, filepath.Join(dir, filepath.Base(file))))
		}
	}
	return startDaemonOf(t, dir, settings...)
}

// startDaemonOf is startDaemon with a folder of plugins of its own.
func startDaemonOf(t *testing.T, plugins string, settings ...string) *process {
	t.Helper()
	args := []string{"run", "--plugins-dir", plugins}
	for _, s := range append([]string{
		"plugins.cache_dir=" + built.cache, "admin.listen=127.0.0.1:0", "log.format=json", "log.level=debug",
	}, settings...) {
		args = append(args, "--set", s)
	}
	return startProcess(t, args...)
}

func startProcess(t *testing.T, args ...string) *process {
	t.Helper()
	p := &process{t: t, cmd: exec.Command(built.binary, args...), done: make(chan struct{}), grown: make(chan struct{})}
	p.cmd.Dir = t.TempDir()
	stderr, err := p.cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, p.cmd.Start())
	go p.read(stderr)
	t.Cleanup(func() {
		p.cmd.Process.Kill()
		<-p.done
		if t.Failed() {
			t.Logf("the log of %v:\n%s", p.cmd.Args, p.log())
		}
	})
	return p
}

func (p *process) read(stderr io.Reader) {
	defer close(p.done)
	s := bufio.NewScanner(stderr)
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		p.mu.Lock()
		p.lines = append(p.lines, s.Text())
		close(p.grown)
		p.grown = make(chan struct{})
		p.mu.Unlock()
	}
	p.cmd.Wait()
}

func (p *process) log() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.lines, "\n")
}

// line waits for a line of the log that holds every one of the texts, and returns it.
func (p *process) line(texts ...string) string {
	p.t.Helper()
	deadline := time.After(patience)
	for from := 0; ; {
		p.mu.Lock()
		lines, grown := p.lines[from:], p.grown
		from = len(p.lines)
		p.mu.Unlock()
		for _, l := range lines {
			if holds(l, texts) {
				return l
			}
		}
		select {
		case <-grown:
		case <-p.done:
			if from == len(p.lines) {
				p.t.Fatalf("the daemon ended without a line that holds %q", texts)
			}
		case <-deadline:
			p.t.Fatalf("no line holds %q", texts)
		}
	}
}

func holds(line string, texts []string) bool {
	for _, t := range texts {
		if !strings.Contains(line, t) {
			return false
		}
	}
	return true
}

// ready waits until the daemon is, and returns the admin server's address.
func (p *process) ready() string {
	p.t.Helper()
	var l struct{ Admin string }
	require.NoError(p.t, json.Unmarshal([]byte(p.line("sgstreamd is ready")), &l))
	return l.Admin
}

func (p *process) signal(s os.Signal) {
	p.t.Helper()
	require.NoError(p.t, p.cmd.Process.Signal(s))
}

// exit waits for the process's end and returns its exit code.
func (p *process) exit() int {
	p.t.Helper()
	select {
	case <-p.done:
	case <-time.After(patience):
		p.t.Fatal("the daemon does not end")
	}
	return p.cmd.ProcessState.ExitCode()
}

// stop asks for a drain and expects it to be complete.
func (p *process) stop() {
	p.t.Helper()
	p.signal(syscall.SIGTERM)
	require.Equal(p.t, 0, p.exit(), "exit code of a complete drain")
}

// eventually waits for a state of Redis, which sends no signal, or of an HTTP endpoint.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	require.Eventually(t, is, patience, 20*time.Millisecond, what)
}

// say puts an inbound message on the stream, as a gateway of the fleet does.
func say(t *testing.T, c redis.UniversalClient, content string) string {
	t.Helper()
	return sayAs(t, c, content, false)
}

// sayAs says whether the message is addressed: those of one channel are handled one at a time.
func sayAs(t *testing.T, c redis.UniversalClient, content string, addressed bool) string {
	t.Helper()
	doc, err := json.Marshal(map[string]any{
		"channel_key": "test:1", "platform": "test", "channel_id": "1", "content": content, "message_id": content,
		"is_addressed": addressed, "trace_id": "trace of " + content,
	})
	require.NoError(t, err)
	payload, err := envelope.FromJSON(doc)
	require.NoError(t, err)
	return add(t, c, "sg:stream:inbound", "data", payload, "ts", "1700000000.5", "trace_id", "trace of "+content)
}

func add(t *testing.T, c redis.UniversalClient, stream string, values ...any) string {
	t.Helper()
	id, err := c.XAdd(t.Context(), &redis.XAddArgs{Stream: stream, Values: values}).Result()
	require.NoError(t, err)
	return id
}

// replies are the texts on the platform's outbound stream, in order.
func replies(t *testing.T, c redis.UniversalClient) []string {
	t.Helper()
	entries, err := c.XRange(t.Context(), "sg:stream:outbound:test", "-", "+").Result()
	require.NoError(t, err)
	var texts []string
	for _, e := range entries {
		doc, err := envelope.ToJSON([]byte(e.Values["data"].(string)))
		require.NoError(t, err)
		var payload struct{ Text string }
		require.NoError(t, json.Unmarshal(doc, &payload))
		texts = append(texts, payload.Text)
	}
	return texts
}

// answered waits until the message was answered.
func answered(t *testing.T, c redis.UniversalClient, content string) {
	t.Helper()
	eventually(t, fmt.Sprintf("an answer to %q", content), func() bool {
		for _, text := range replies(t, c) {
			if text == content {
				return true
			}
		}
		return false
	})
}

// pending is how many entries the workers' group has not acknowledged.
func pending(t *testing.T, c redis.UniversalClient) int64 {
	t.Helper()
	p, err := c.XPending(t.Context(), "sg:stream:inbound", "sg:workers").Result()
	require.NoError(t, err)
	return p.Count
}

// get asks the admin server.
func get(t *testing.T, addr, path string) (int, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+path, nil)
	require.NoError(t, err)
	r.Close = true
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(body)
}
