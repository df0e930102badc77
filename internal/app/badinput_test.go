package app_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sgstreamd/sgstreamd/internal/redistest"
)

// After each kind of bad input, the daemon still answers the next good message.
func TestBadPayloadsAreDeadLettered(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	c := r.Client(t)
	d := startDaemon(t, "redis.url="+r.URL(), "inbound.processor=moody")
	d.ready()
	for name, test := range map[string]struct {
		values []any
		want   string
	}{
		"not msgpack":  {[]any{"data", "\xc1"}, "payload is not msgpack"},
		"not a map":    {[]any{"data", "\x93\x01\x02\x03"}, "payload is not a map"},
		"missing data": {[]any{"dat", "x"}, `no field "data"`},
		"32 MiB large": {[]any{"data", strings.Repeat("x", 32<<20)}, "payload is 33554432 bytes, more than the limit of 8388608"},
	} {
		id := add(t, c, "sg:stream:inbound", test.values...)
		d.line("message dead-lettered", id, strings.ReplaceAll(test.want, `"`, `\"`))
		say(t, c, "after "+name)
		answered(t, c, "after "+name)
	}
	dead, err := c.XRange(t.Context(), "sg:stream:dlq", "-", "+").Result()
	require.NoError(t, err)
	require.Len(t, dead, 4)
	require.Zero(t, pending(t, c))
}

func TestBadBehaviourCostsTheMessageOnly(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	c := r.Client(t)
	d := startDaemon(t, "redis.url="+r.URL(), "inbound.processor=moody", "plugins.moody.timeout=500ms",
		"inbound.autoclaim.interval=100ms", "inbound.autoclaim.min_idle=300ms")
	d.ready()
	for mood, want := range map[string]string{
		"retry": "asked to fail", "reject": "asked to reject", "panic": "asked to panic",
		"loop":     "sgs_handle: no result within 500ms (plugins.moody.timeout)",
		"sleep 1h": "sgs_handle: no result within 500ms (plugins.moody.timeout)",
	} {
		id := say(t, c, mood)
		d.line("message dead-lettered", id, want)
		say(t, c, "after "+mood)
		answered(t, c, "after "+mood)
	}
	say(t, c, "drop")
	eventually(t, "nothing is pending", func() bool { return pending(t, c) == 0 })
	require.Len(t, replies(t, c), 5, "a dropped message has no reply")
}

// Every hostile module of package host's corpus lies beside a good one; the daemon says which it refuses, and
// serves the good one.
func TestBadModulesAreRefusedBesideAGoodOne(t *testing.T) {
	t.Parallel()
	corpus, err := filepath.Glob("../../host/testdata/*.wasm")
	require.NoError(t, err)
	corpus = slices.DeleteFunc(corpus, func(file string) bool { return filepath.Base(file) == "echo.wasm" })
	require.NotEmpty(t, corpus)
	dir := t.TempDir()
	copyFile(t, filepath.Join(built.plugins, "echo.wasm"), filepath.Join(dir, "echo.wasm"))
	for _, file := range corpus {
		copyFile(t, file, filepath.Join(dir, filepath.Base(file)))
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "bad name.wasm"), nil, 0o600))
	r := redistest.Start(t)
	settings := []string{"redis.url=" + r.URL()}
	for _, file := range corpus {
		settings = append(settings, "plugins."+strings.TrimSuffix(filepath.Base(file), ".wasm")+".timeout=200ms")
	}
	d := startDaemonOf(t, dir, settings...)
	admin := d.ready()
	d.line("plugin refused", "bad name", "rename the file")
	d.line("plugin refused", "import", "did you mean emit?")
	say(t, r.Client(t), "hello")
	answered(t, r.Client(t), "hello")
	status, body := get(t, admin, "/readyz")
	require.Equal(t, 200, status, body)
	require.Contains(t, body, "did you mean emit?")
}

func TestStartIsRefusedInOneLine(t *testing.T) {
	t.Parallel()
	garbage := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(garbage, "echo.wasm"), []byte("no module"), 0o600))
	toml := filepath.Join(t.TempDir(), "bad.toml")
	require.NoError(t, os.WriteFile(toml, []byte("[inbound]\nmax_inflight = 3\n"), 0o600))
	for name, test := range map[string]struct {
		args []string
		code int
		want string
	}{
		"unknown key":      {[]string{"run", "--config", toml}, 2, "inbound.max_inflight: unknown key; did you mean inbound.max_in_flight?"},
		"missing file":     {[]string{"run", "--config", "/does/not/exist.toml"}, 2, "/does/not/exist.toml"},
		"unknown flag":     {[]string{"run", "--confg", toml}, 2, "unknown flag: --confg"},
		"unknown command":  {[]string{"rum"}, 2, `unknown command "rum"`},
		"no plugin folder": {[]string{"run", "--plugins-dir", "/does/not/exist"}, 1, `there is no folder "/does/not/exist"`},
		"no such plugin": {[]string{"run", "--plugins-dir", built.plugins, "--set", "inbound.processor=ecko"}, 1,
			`inbound.processor needs the plugin "ecko", but plugins.dir`},
		"bad processor":   {[]string{"run", "--plugins-dir", garbage}, 1, "not a WebAssembly module"},
		"nothing to send": {[]string{"send"}, 2, "nothing to send"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.Command(built.plain, append(test.args, embeddedAnywhere(test.args)...)...)
			out, err := cmd.CombinedOutput()
			require.Error(t, err)
			require.Equal(t, test.code, cmd.ProcessState.ExitCode(), "%s", out)
			require.Contains(t, string(out), test.want)
		})
	}
}

// embeddedAnywhere keeps the embedded servers and admin servers of parallel tests apart.
func embeddedAnywhere(args []string) []string {
	if args[0] != "run" {
		return nil
	}
	return []string{"--set", "redis.embedded_listen=127.0.0.1:0", "--set", "admin.listen=127.0.0.1:0", "--set", "plugins.cache_dir=" + built.cache}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(to, b, 0o600))
}
