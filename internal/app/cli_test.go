package app_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"github.com/stretchr/testify/require"

	"github.com/sgstreamd/sgstreamd/internal/redistest"
)

// run runs the program to its end and returns what it printed.
func run(t *testing.T, in string, args ...string) (out, errOut string, code int) {
	t.Helper()
	return runOf(t, strings.NewReader(in), args...)
}

func runOf(t *testing.T, in io.Reader, args ...string) (out, errOut string, code int) {
	t.Helper()
	return runProgram(t, built.plain, in, args...)
}

func runProgram(t *testing.T, program string, in io.Reader, args ...string) (out, errOut string, code int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	var o, e bytes.Buffer
	cmd.Env = append(os.Environ(), "XDG_CACHE_HOME="+filepath.Dir(built.cache))
	cmd.Stdin, cmd.Stdout, cmd.Stderr = in, &o, &e
	if err := cmd.Run(); err != nil {
		require.IsType(t, &exec.ExitError{}, err)
	}
	return o.String(), e.String(), cmd.ProcessState.ExitCode()
}

func TestDevAnswersWhatIsPiped(t *testing.T) {
	t.Parallel()
	out, errOut, code := run(t, "hello\n\nworld\n", "dev", "--plugins", built.plugins)
	require.Equal(t, 0, code, errOut)
	require.ElementsMatch(t, []string{"hello", "world"}, strings.Split(strings.TrimSpace(out), "\n"))
}

func TestDevAnswersLongLines(t *testing.T) {
	t.Parallel()
	lines := []string{"short", strings.Repeat("ä", 20_000), strings.Repeat("x", 3<<20), "last"}
	out, errOut, code := run(t, strings.Join(lines, "\n"), "dev", "--plugins", built.plugins)
	require.Equal(t, 0, code, errOut)
	printed := strings.Split(strings.TrimSuffix(out, "\n"), "\n")
	slices.Sort(lines)
	slices.Sort(printed)
	require.True(t, slices.Equal(lines, printed), "%d lines, %d bytes", len(printed), len(out))
}

// More than dev sends before it waits for the answers, many times over. The bound is generous for a daemon whose
// effort grows with the lines, and far too little for one whose effort grows with their square.
func TestDevAnswersManyLines(t *testing.T) {
	t.Parallel()
	begun := time.Now()
	var lines []string
	for i := range 3000 {
		lines = append(lines, "line "+strconv.Itoa(i))
	}
	out, errOut, code := runProgram(t, built.plain, strings.NewReader(strings.Join(lines, "\n")+"\n"), "dev", "--plugins", built.plugins)
	require.Equal(t, 0, code, errOut)
	printed := strings.Split(strings.TrimSuffix(out, "\n"), "\n")
	slices.Sort(lines)
	slices.Sort(printed)
	require.Equal(t, lines, printed)
	require.Less(t, time.Since(begun), 2*patience)
}

func TestDevSaysWhatItDidNotRead(t *testing.T) {
	t.Parallel()
	tooLong := strings.Repeat("x", 8<<20+1)
	out, errOut, code := run(t, "hello\n"+tooLong+"\nworld\n", "dev", "--plugins", built.plugins)
	require.Equal(t, 1, code)
	require.Contains(t, errOut, "standard input, line 2: is longer than 8388608 bytes, the most that a message may have; it and what follows were not sent\n")
	require.Equal(t, "hello\n", out, "what was sent is answered")

	out, errOut, code = run(t, "hello\n"+tooLong[1:]+"\n", "dev", "--plugins", built.plugins)
	require.Equal(t, 1, code)
	require.Regexp(t, `standard input, line 2: makes a message of \d{7} bytes, and 8388608 is the most; it and what follows were not sent\n`, errOut)
	require.Equal(t, "hello\n", out)

	folder, err := os.Open(t.TempDir())
	require.NoError(t, err)
	defer folder.Close()
	out, errOut, code = runOf(t, folder, "dev", "--plugins", built.plugins)
	require.Equal(t, 1, code)
	require.Regexp(t, `standard input, line 1: .*is a directory; it and what follows were not sent\n`, errOut)
	require.Empty(t, out)
}

// Opening the pipe would wait for a writer for ever.
func TestWhatIsNoFileAmongThePluginsIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	copyFile(t, filepath.Join(built.plugins, "echo.wasm"), filepath.Join(dir, "echo.wasm"))
	require.NoError(t, syscall.Mkfifo(filepath.Join(dir, "pipe.wasm"), 0o600))
	require.NoError(t, os.Mkdir(filepath.Join(dir, "folder.wasm"), 0o700))
	r := redistest.Start(t)
	d := startDaemonOf(t, dir, "redis.url="+r.URL())
	d.ready()
	d.line("plugin refused", "pipe.wasm: is not a regular file")
	d.line("plugin refused", "folder.wasm: is not a regular file")
	d.stop()
}

func TestRunSaysWhichFileItRead(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "config.toml")
	require.NoError(t, os.WriteFile(file, []byte("inbound.enabled = false\ninbound.stream = 'of the file'\n"), 0o600))
	for name, test := range map[string]struct {
		dir  string
		args []string
		want string
		warn bool
	}{
		"one that is there": {dir, nil, file, true},
		"one that is named": {t.TempDir(), []string{"--config", file}, file, false},
		"none":              {t.TempDir(), nil, "none", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// It ends at once, for want of the folder of the plugins.
			cmd := exec.CommandContext(t.Context(), built.plain, append([]string{"run", "--plugins-dir", "nowhere"}, append(test.args, embeddedAnywhere([]string{"run"})...)...)...)
			cmd.Dir, cmd.Env = test.dir, append(os.Environ(), "SG_INBOUND_STREAM=of the fleet")
			out, err := cmd.CombinedOutput()
			require.Error(t, err)
			require.Contains(t, string(out), `level=INFO msg="configuration read" file=`+test.want+"\n")
			warning := `level=WARN msg="a variable counts for nothing, since the file sets its key; remove one of the two" variable=SG_INBOUND_STREAM key=inbound.stream`
			require.Equal(t, test.warn, strings.Contains(string(out), warning), "%s", out)
		})
	}
}

// The README promises it of a fresh clone.
func TestMakeRunAnswersWhatIsPiped(t *testing.T) {
	t.Parallel()
	cmd := exec.CommandContext(t.Context(), "make", "--no-print-directory", "run")
	cmd.Dir = "../.."
	var o, e bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader("hello\nworld\n"), &o, &e
	require.NoError(t, cmd.Run(), e.String())
	require.ElementsMatch(t, []string{"hello", "world"}, strings.Split(strings.TrimSpace(o.String()), "\n"))
}

func TestDevSaysWhatWasNotAnswered(t *testing.T) {
	t.Parallel()
	out, errOut, code := run(t, "reject\nhello\n", "dev", "--plugins", built.plugins, "--processor", "moody")
	require.Equal(t, 1, code, errOut)
	require.Equal(t, "hello\n", out)
	require.Contains(t, errOut, "1 messages could not be answered")
	require.Contains(t, errOut, "asked to reject")
}

func TestSendReachesTheEmbeddedServer(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	addr := l.Addr().String()
	require.NoError(t, l.Close())
	d := startDaemon(t, "redis.embedded_listen="+addr, "outbound.platforms=console")
	d.line("embedded redis", "for development")
	d.ready()
	out, errOut, code := run(t, "", "send", "--set", "redis.embedded_listen="+addr, "--content", "by flags", "--trace-id", "T1")
	require.Equal(t, 0, code, errOut)
	require.Regexp(t, `^\d+-\d+\n$`, out)
	d.line(`"msg":"by flags"`, `"plugin":"console"`, `"trace_id":"T1"`)

	_, errOut, code = run(t, `{"platform":"console","channel_id":"1","type":"message","text":"by document"}`,
		"send", "--set", "redis.embedded_listen="+addr, "--json", "--stream", "sg:stream:outbound:console")
	require.Equal(t, 0, code, errOut)
	d.line(`"msg":"by document"`, `"plugin":"console"`)
	d.stop()
}

func TestNoPlatformIsAWarning(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	d := startDaemon(t, "redis.url="+r.URL(), "inbound.enabled=false")
	d.line(`"level":"WARN"`, "outbound.platforms is empty")
	d.ready()
	keys, err := r.Client(t).Keys(t.Context(), "*").Result()
	require.NoError(t, err)
	require.Empty(t, keys, "no stream is read, and no group made")
	d.stop()
}

func TestConfigCheckPrintsWhatIsInForce(t *testing.T) {
	t.Parallel()
	out, errOut, code := run(t, "", "config", "check", "--redis-url", "redis://me:secret@h:1/2", "--config", "../../config.toml")
	require.Equal(t, 0, code, errOut)
	require.Contains(t, out, `redis://me:xxxxx@h:1/2`)
	require.NotContains(t, out+errOut, "secret")
	require.Contains(t, out, "max_in_flight = 64")
}

func TestVersionNamesTheContract(t *testing.T) {
	t.Parallel()
	out, _, code := run(t, "", "version")
	require.Equal(t, 0, code)
	require.Contains(t, out, "abi sgs_v1")
}

func TestEveryCommandHelps(t *testing.T) {
	t.Parallel()
	for _, command := range []string{"", "run", "dev", "send", "config", "config check", "version", "dlq", "verify", "plugin", "plugin new", "plugin build", "plugin test", "plugin inspect", "plugin check", "plugin bench"} {
		out, _, code := run(t, "", append(strings.Fields(command), "--help")...)
		require.Equal(t, 0, code)
		require.Contains(t, out, "Examples:", command)
	}
}

func TestMetricsFollowTheConventions(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	d := startDaemon(t, "redis.url="+r.URL(), "inbound.processor=moody")
	admin := d.ready()
	say(t, r.Client(t), "hello")
	say(t, r.Client(t), "reject")
	answered(t, r.Client(t), "hello")
	d.line("message dead-lettered")
	var body string
	eventually(t, "the stream is measured", func() bool {
		_, body = get(t, admin, "/metrics")
		return strings.Contains(body, "sgstreamd_stream_lag_entries{")
	})
	for _, want := range []string{
		`sgstreamd_messages_received_total{platform="test",role="processor"} 2`,
		`sgstreamd_messages_completed_total{platform="test",role="processor"} 1`,
		`sgstreamd_messages_dead_lettered_total{platform="test",role="processor"} 1`,
		`sgstreamd_message_handling_seconds_count{platform="test",role="processor"} 2`,
		`sgstreamd_message_latency_seconds_count{platform="test",role="processor"} 1`,
		`sgstreamd_plugin_instances{plugin="moody"}`, `sgstreamd_plugin_instances_busy{plugin="moody"} 0`,
		`sgstreamd_stream_pending_entries{group="sg:workers",stream="sg:stream:inbound"}`,
		`sgstreamd_stream_lag_entries{group="sg:workers",stream="sg:stream:inbound"}`,
	} {
		require.Contains(t, body, want)
	}
	problems, err := promlint.New(strings.NewReader(body)).Lint()
	require.NoError(t, err)
	require.Empty(t, problems)
	d.stop()
}
