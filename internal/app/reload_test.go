package app_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/sgstreamd/sgstreamd/envelope"
	"github.com/sgstreamd/sgstreamd/internal/redistest"
	"github.com/sgstreamd/sgstreamd/internal/toolchain"
)

// answerModule is the module that answers with its configuration, with a manifest.
func answerModule(t *testing.T, manifest string) []byte {
	t.Helper()
	bare, err := os.ReadFile(built.answer)
	require.NoError(t, err)
	module, err := toolchain.WithManifest(bare, []byte(manifest))
	require.NoError(t, err)
	return module
}

// put replaces a plugin's file in one step, as a careful operator does.
func put(t *testing.T, dir, name string, module []byte) {
	t.Helper()
	aside := filepath.Join(dir, name+".new")
	require.NoError(t, os.WriteFile(aside, module, 0o600))
	require.NoError(t, os.Rename(aside, filepath.Join(dir, name+".wasm")))
}

// answers are the payloads on the console's stream.
func answers(t *testing.T, c redis.UniversalClient) []map[string]any {
	t.Helper()
	return payloads(t, c, "sg:stream:outbound:console")
}

// payloads are those on a stream.
func payloads(t *testing.T, c redis.UniversalClient, stream string) (all []map[string]any) {
	t.Helper()
	entries, err := c.XRange(t.Context(), stream, "-", "+").Result()
	require.NoError(t, err)
	for _, e := range entries {
		doc, err := envelope.ToJSON([]byte(e.Values["data"].(string)))
		require.NoError(t, err)
		var payload map[string]any
		require.NoError(t, json.Unmarshal(doc, &payload))
		all = append(all, payload)
	}
	return all
}

// awaitAnswers waits until there are so many, and returns the last one's text.
func awaitAnswers(t *testing.T, c redis.UniversalClient, n int) string {
	t.Helper()
	eventually(t, fmt.Sprintf("%d answers", n), func() bool { return len(answers(t, c)) >= n })
	last, _ := answers(t, c)[n-1]["text"].(string)
	return last
}

// A hundred versions take over from each other under load, some of them written by an operator who copies slowly over the
// file in use. Every message is answered once.
func TestAHundredVersionsTakeOverUnderLoad(t *testing.T) {
	t.Parallel()
	const versions = 100
	r := redistest.Start(t)
	c := r.Client(t)
	dir := t.TempDir()
	put(t, dir, "answer", answerModule(t, `{"version":"0"}`))
	d := startDaemonOf(t, dir, "redis.url="+r.URL(), "inbound.processor=answer", "inbound.trace.enabled=false")
	admin := d.ready()
	stop, fed := make(chan struct{}), make(chan error, 1)
	var messages int64
	go func() {
		var err error
		messages, err = feed(t, c, stop)
		fed <- err
	}()
	for v := 1; v <= versions; v++ {
		module := answerModule(t, fmt.Sprintf(`{"version":"%d"}`, v))
		if v%10 == 0 {
			writeSlowly(t, filepath.Join(dir, "answer.wasm"), module)
		} else {
			put(t, dir, "answer", module)
		}
		d.line("plugin replaced", fmt.Sprintf(`"version":"%d"`, v))
	}
	close(stop)
	require.NoError(t, <-fed)
	require.Greater(t, messages, int64(10*versions), "there was no load")
	eventually(t, "everything is answered", func() bool {
		n, err := c.XLen(t.Context(), "sg:stream:outbound:console").Result()
		return err == nil && n >= messages && pending(t, c) == 0
	})
	seen := map[string]bool{}
	for _, a := range answers(t, c) {
		key := a["message_key"].(string)
		require.False(t, seen[key], "%s is answered twice", key)
		seen[key] = true
	}
	require.Len(t, seen, int(messages))
	dead, err := c.Exists(t.Context(), "sg:stream:dlq").Result()
	require.NoError(t, err)
	require.Zero(t, dead)
	_, metrics := get(t, admin, "/metrics")
	require.Contains(t, metrics, `sgstreamd_plugin_instances_busy{plugin="answer"} 0`)
	d.stop()
}

// feed writes messages of many channels until it is told to stop, and returns how many: a few hundred more than are answered
// at any moment, so that some are always in flight.
func feed(t *testing.T, c redis.UniversalClient, stop <-chan struct{}) (sent int64, err error) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return sent, nil
		case <-tick.C:
		}
		answered, err := c.XLen(t.Context(), "sg:stream:outbound:console").Result()
		if err != nil {
			return sent, err
		}
		if sent-answered > 300 {
			continue
		}
		_, err = c.Pipelined(t.Context(), func(p redis.Pipeliner) error {
			for n := range 100 {
				payload, err := envelope.FromJSON(fmt.Appendf(nil, `{"channel_key":"console:%d","platform":"console"}`, n%50))
				if err != nil {
					return err
				}
				p.XAdd(t.Context(), &redis.XAddArgs{Stream: "sg:stream:inbound", Values: []any{"data", payload}})
			}
			return nil
		})
		if err != nil {
			return sent, err
		}
		sent += 100
	}
}

// writeSlowly truncates the file and writes it in pieces, as cp does.
func writeSlowly(t *testing.T, path string, module []byte) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_TRUNC, 0)
	require.NoError(t, err)
	for len(module) > 0 {
		n := min(len(module), 64)
		_, err := f.Write(module[:n])
		require.NoError(t, err)
		module = module[n:]
	}
	require.NoError(t, f.Close())
}

func TestABadFileLeavesTheOldVersionServing(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	c := r.Client(t)
	dir := t.TempDir()
	put(t, dir, "answer", answerModule(t, `{}`))
	d := startDaemonOf(t, dir, "redis.url="+r.URL(), "inbound.processor=answer")
	admin := d.ready()
	for n, bad := range []struct {
		module []byte
		want   string
	}{
		{[]byte("no module"), "is not a WebAssembly module"},
		{answerModule(t, `{"kind":"adapter"}`), "says in its manifest that it is a adapter"},
		{answerModule(t, `{"secrets":["token"]}`)[:200], "is truncated or corrupt"},
		{answerModule(t, `{"config":{"type":"object","required":["text"]}}`), "plugins.answer.config: missing property 'text'"},
	} {
		put(t, dir, "answer", bad.module)
		d.line("plugin refused", bad.want)
		say(t, c, "hello")
		awaitAnswers(t, c, n+1)
		status, body := get(t, admin, "/readyz")
		require.Equal(t, 200, status)
		require.Contains(t, body, bad.want)
		_, metrics := get(t, admin, "/metrics")
		require.Contains(t, metrics, fmt.Sprintf(`sgstreamd_plugin_loads_total{outcome="refused",plugin="answer"} %d`, n+1))
	}
	require.NoError(t, os.Remove(filepath.Join(dir, "answer.wasm")))
	d.line("its file is gone; the version that was loaded serves on")
	say(t, c, "hello")
	awaitAnswers(t, c, 5)
	put(t, dir, "answer", answerModule(t, `{"version":"good"}`))
	d.line("plugin replaced", `"version":"good"`)
	_, body := get(t, admin, "/readyz")
	require.Equal(t, "ready\n", body)
	d.stop()
}

func TestAnAdapterThatIsDroppedInStartsItsPlatform(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	c := r.Client(t)
	dir := t.TempDir()
	put(t, dir, "answer", answerModule(t, `{}`))
	d := startDaemonOf(t, dir, "redis.url="+r.URL(), "inbound.processor=answer", "outbound.platforms=auto", "outbound.adapters.chat=talk")
	d.ready()
	readers := func(platform string) int {
		consumers, err := c.XInfoConsumers(t.Context(), "sg:stream:outbound:"+platform, "stargazer_gateways").Result()
		if err != nil {
			return 0
		}
		return len(consumers)
	}
	delivered := func(n int64) {
		eventually(t, "delivered", func() bool {
			groups, err := c.XInfoGroups(t.Context(), "sg:stream:outbound:chat").Result()
			return err == nil && len(groups) == 1 && groups[0].EntriesRead >= n && groups[0].Pending == 0
		})
	}
	for round := range 3 {
		put(t, dir, "talk", answerModule(t, `{"kind":"adapter","version":"`+strconv.Itoa(round)+`"}`))
		d.line("plugin added", `"version":"`+strconv.Itoa(round)+`"`)
		add(t, c, "sg:stream:outbound:chat", "data", "\x81\xa4text\xa2hi")
		delivered(int64(round) + 1)
		require.Equal(t, 0, readers("talk"), "it delivers to chat, and not to the platform of its own name")
		require.NoError(t, os.Remove(filepath.Join(dir, "talk.wasm")))
		eventually(t, "the platform is left", func() bool { return readers("chat") == 0 })
	}
	// What has become a processor reads no platform any more.
	put(t, dir, "talk", answerModule(t, `{"kind":"adapter","version":"3"}`))
	add(t, c, "sg:stream:outbound:chat", "data", "\x81\xa4text\xa2hi")
	delivered(4)
	put(t, dir, "talk", answerModule(t, `{"kind":"processor"}`))
	eventually(t, "the platform is left", func() bool { return readers("chat") == 0 })
	d.stop()
}

func TestHangupTakesThePluginsConfigurationAnew(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	c := r.Client(t)
	dir, file := t.TempDir(), filepath.Join(t.TempDir(), "config.toml")
	put(t, dir, "answer", answerModule(t, `{"config":{"type":"object","properties":{"text":{"type":"string"}}}}`))
	configure := func(text string, more string) {
		require.NoError(t, os.WriteFile(file, []byte("[inbound]\nprocessor = \"answer\"\n"+more+"[plugins.answer.config]\ntext = "+text+"\n"), 0o600))
	}
	configure(`"one"`, "")
	d := startProcess(t, "run", "--config", file, "--redis-url", r.URL(), "--plugins-dir", dir, "--set", "admin.listen=127.0.0.1:0", "--set", "log.format=json")
	admin := d.ready()
	say(t, c, "hello")
	require.Equal(t, "one", awaitAnswers(t, c, 1))

	configure(`"two"`, "max_in_flight = 7\n")
	d.signal(syscall.SIGHUP)
	d.line("takes effect with the next start only", `"table":"inbound"`)
	d.line("the plugins' configuration was taken anew")
	say(t, c, "hello")
	require.Equal(t, "two", awaitAnswers(t, c, 2))

	configure(`3`, "")
	d.signal(syscall.SIGHUP)
	d.line("plugin refused", "plugins.answer.config.text: got number, want string")
	say(t, c, "hello")
	require.Equal(t, "two", awaitAnswers(t, c, 3))

	configure(`"four`, "")
	d.signal(syscall.SIGHUP)
	d.line("the configuration is not taken anew", "config.toml")
	say(t, c, "hello")
	require.Equal(t, "two", awaitAnswers(t, c, 4))

	configure(`"five"`, "")
	d.signal(syscall.SIGHUP)
	eventually(t, "nothing is refused any more", func() bool { _, body := get(t, admin, "/readyz"); return body == "ready\n" })
	say(t, c, "hello")
	require.Equal(t, "five", awaitAnswers(t, c, 5))
	d.stop()
}

func TestAVersionThatAsksForMoreWaitsForTheOperatorsWord(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	dir := t.TempDir()
	lock := filepath.Join(dir, "plugins.lock.json")
	put(t, dir, "answer", answerModule(t, `{"version":"1","limits":{"memory":"1MiB"}}`))
	settings := []string{"redis.url=" + r.URL(), "inbound.processor=answer"}
	d := startDaemonOf(t, dir, settings...)
	admin := d.ready()
	require.FileExists(t, lock)

	put(t, dir, "answer", answerModule(t, `{"version":"2","limits":{"memory":"2MiB","timeout":"10s"}}`))
	want := "memory of 2MiB, a timeout of 10s; if it may, run sgstreamd plugin grant answer"
	d.line("plugin refused", want)
	_, body := get(t, admin, "/readyz")
	require.Contains(t, body, want)

	grant := func() string {
		out, err := exec.Command(built.plain, "plugin", "grant", "answer", "--plugins-dir", dir).CombinedOutput()
		require.NoError(t, err, "%s", out)
		return string(out)
	}
	require.Equal(t, "granted to answer: memory of 2MiB\ngranted to answer: a timeout of 10s\n", grant())
	require.Equal(t, "answer asks for no more than it was granted\n", grant())
	d.line("plugin replaced", `"version":"2"`)
	d.stop()

	require.NoError(t, os.WriteFile(lock, []byte("{"), 0o600))
	d = startDaemonOf(t, dir, settings...)
	require.Equal(t, 1, d.exit())
	require.Contains(t, d.log(), "plugins.lock.json can't be read")
}

func TestALockFileThatCannotBeWrittenKeepsNoPluginOut(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	dir := t.TempDir()
	put(t, dir, "answer", answerModule(t, `{}`))
	d := startDaemonOf(t, dir, "redis.url="+r.URL(), "inbound.processor=answer", "plugins.lock_file="+filepath.Join(dir, "none", "lock.json"))
	d.ready()
	d.line("what plugins are granted can't be remembered", "name a file that can be written")
	say(t, r.Client(t), "hello")
	awaitAnswers(t, r.Client(t), 1)
	d.stop()
}

// A plugin that takes its time to begin holds up no other one.
func TestAPluginThatHangsWhileItIsLoadedHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	c := r.Client(t)
	dir := t.TempDir()
	put(t, dir, "answer", answerModule(t, `{"version":"1"}`))
	d := startDaemonOf(t, dir, "redis.url="+r.URL(), "inbound.processor=answer", "plugins.hangs.timeout=1h")
	d.ready()
	copyFile(t, "../../host/testdata/initialize_loop.wasm", filepath.Join(dir, "hangs.wasm"))
	for _, version := range []string{"2", "3"} {
		put(t, dir, "answer", answerModule(t, `{"version":"`+version+`"}`))
		d.line("plugin replaced", `"version":"`+version+`"`)
	}
	say(t, c, "hello")
	awaitAnswers(t, c, 1)
	d.stop()
}
