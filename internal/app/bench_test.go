package app_test

import (
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sgstreamd/sgstreamd/internal/loadtest"
	"github.com/sgstreamd/sgstreamd/internal/redistest"
)

// bench runs a small benchmark, and returns its report.
func bench(t *testing.T, args ...string) (r loadtest.Report) {
	t.Helper()
	out, errOut, code := run(t, "", append([]string{"bench", "--messages", "2000", "--rate", "2000", "--json"}, args...)...)
	require.Equal(t, 0, code, errOut)
	require.NoError(t, json.Unmarshal([]byte(out), &r), out)
	require.Contains(t, errOut, "throughput, 1 of 1: ")
	return r
}

// requireFigures asserts what holds on every machine.
func requireFigures(t *testing.T, f loadtest.Figures, replies int) {
	t.Helper()
	require.Equal(t, 2000, f.Messages)
	require.Equal(t, replies, f.Replies)
	require.Positive(t, f.Seconds)
	require.Positive(t, f.PerSecond)
	require.Positive(t, f.RedisCPU)
	require.Positive(t, f.RoundTrips)
	if f.Latency != nil {
		require.Positive(t, f.Latency.P50)
		require.LessOrEqual(t, f.Latency.P50, f.Latency.P90)
		require.LessOrEqual(t, f.Latency.P90, f.Latency.P99)
		require.LessOrEqual(t, f.Latency.P99, f.Latency.P999)
	}
}

func requireDaemon(t *testing.T, f loadtest.Figures, replies int) {
	t.Helper()
	requireFigures(t, f, replies)
	require.Positive(t, f.CPU)
	require.Positive(t, f.Resident)
	require.Greater(t, f.Allocations, 1.0, "what a message holds is allocated")
}

func TestBenchMeasuresTheDaemonBesideTheLoops(t *testing.T) {
	t.Parallel()
	r := bench(t, "--redis", "own")
	require.Equal(t, []any{"built in", "msgpack", 2000, 600, 1000, 1}, []any{r.Plugin, r.Codec, r.Messages, r.Size, r.Channels, r.Repeat})
	require.Equal(t, map[string]string{
		"inbound.order": "channel", "inbound.max_in_flight": "64", "inbound.lock.enabled": "true", "inbound.trace.enabled": "true",
	}, r.Settings)
	require.Positive(t, r.Machine.Cores)
	require.NotEmpty(t, r.Redis)

	requireDaemon(t, r.Throughput.Daemon, 2000)
	require.Nil(t, r.Throughput.Daemon.Latency)
	// A batch holds 128 messages at most, and takes a fetch, a claim and a commit; a message needs them once at most.
	require.Greater(t, r.Throughput.Daemon.RoundTrips, 3.0/128)
	require.Less(t, r.Throughput.Daemon.RoundTrips, 3.5)
	require.Len(t, r.Throughput.Bare, 3)
	for mode, replies := range map[string]int{loadtest.BareAck: 0, loadtest.BareFenced: 2000, loadtest.BareFull: 2000} {
		requireFigures(t, r.Throughput.Bare[mode], replies)
		require.Positive(t, r.Throughput.PerSecond[mode].Median)
	}
	// Eight reads of 256.
	require.InDelta(t, 2*8.0/2000, r.Throughput.Bare[loadtest.BareFenced].RoundTrips, 1e-9)
	require.InDelta(t, 3*8.0/2000, r.Throughput.Bare[loadtest.BareFull].RoundTrips, 1e-9)

	require.Equal(t, 2000, r.Latency.Rate)
	requireDaemon(t, r.Latency.Daemon, 2000)
	require.NotNil(t, r.Latency.Daemon.Latency)
	require.Len(t, r.Latency.Bare, 2, "a loop that does not answer has no latency")
	for _, mode := range []string{loadtest.BareFenced, loadtest.BareFull} {
		requireFigures(t, r.Latency.Bare[mode], 2000)
		require.NotNil(t, r.Latency.Bare[mode].Latency)
		require.Positive(t, r.Latency.P99[mode].Median)
	}
}

// What --set says reaches the daemon, and what the user keeps in Redis stays.
func TestBenchMeasuresAPluginWithTheSettingsOfTheCommandLine(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	c := r.Client(t)
	require.NoError(t, c.Set(t.Context(), "sg:bench:", "mine", 0).Err())
	report := bench(t, "--redis", r.URL(), "--plugin", filepath.Join(built.plugins, "echo.wasm"), "--bare", "none", "--rate", "0",
		"--set", "inbound.order=none", "--set", "inbound.lock.enabled=false", "--set", "inbound.trace.enabled=false",
		"--set", "plugins.bench.max_instances=50", "--size", "1000", "--channels", "3", "--set", "plugins.bench.timeout=1m")
	require.Equal(t, []any{"echo.wasm", "msgpack", 1000, 3}, []any{report.Plugin, report.Codec, report.Size, report.Channels})
	require.Equal(t, "50", report.Settings["plugins.bench.max_instances"])
	require.Equal(t, "none", report.Settings["inbound.order"])
	requireDaemon(t, report.Throughput.Daemon, 2000)
	require.Empty(t, report.Throughput.Bare)
	require.Nil(t, report.Latency)
	stats, err := c.Info(t.Context(), "commandstats").Result()
	require.NoError(t, err)
	require.NotContains(t, stats, "cmdstat_zadd:", "no order was kept")
	require.NotContains(t, stats, "cmdstat_expire:", "no trace was written")
	require.Contains(t, stats, "cmdstat_set:calls=1,", "no lock was taken")
	keys, err := c.Keys(t.Context(), "*").Result()
	require.NoError(t, err)
	require.Equal(t, []string{"sg:bench:"}, keys)
}

func TestBenchPrintsATable(t *testing.T) {
	t.Parallel()
	out, errOut, code := run(t, "", "bench", "--redis", "own", "--messages", "500", "--rate", "1000", "--bare", "full")
	require.Equal(t, 0, code, errOut)
	require.Regexp(t, `^plugin built in \(msgpack\); inbound.lock.enabled=true inbound.max_in_flight=64 inbound.order=channel inbound.trace.enabled=true
500 messages of 600 bytes in 500 channels
sgstreamd .*; \d+ cores, .*; Redis .*, of its own

as fast as possible +DAEMON/LOOP +MESSAGES/S +CPU µs +REDIS CPU µs +ALLOCATIONS +ROUND TRIPS +MEMORY MB
daemon +\d+ +[\d.]+ +[\d.]+ +[\d.]+ +[\d.]+ +\d+
bare loop, full +[\d.]+ +\d+ +[\d.]+ +[\d.]+

at 1000 messages/s +P50, DAEMON/LOOP +P99, DAEMON/LOOP +P50 MS .*
daemon +([\d.]+ +){8}\d+
bare loop, full +([\d.]+ +){7}[\d.]+
Latencies are of 500 messages\.
`, out)
}

func TestBenchLeavesNothingWhenItIsInterrupted(t *testing.T) {
	t.Parallel()
	for name, signal := range map[string]syscall.Signal{"by the user": syscall.SIGINT, "by the terminal's end": syscall.SIGHUP} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := redistest.Start(t)
			p := startProcess(t, "bench", "--redis", r.URL(), "--rate", "10", "--messages", "100000", "--bare", "none")
			p.line("throughput, 1 of 1: the daemon, ")
			p.signal(signal)
			require.Equal(t, 1, p.exit())
			p.line("sgstreamd: interrupted; nothing is left in Redis")
			requireNothingOfBench(t, r)
		})
	}
}

// requireNothingOfBench asserts that a Redis that was empty is so again, and that nobody works on it.
func requireNothingOfBench(t *testing.T, r *redistest.Server) {
	t.Helper()
	c := r.Client(t)
	keys, err := c.Keys(t.Context(), "*").Result()
	require.NoError(t, err)
	require.Empty(t, keys)
	eventually(t, "no daemon is left", func() bool {
		clients, err := c.ClientList(t.Context()).Result()
		return err == nil && strings.Count(clients, "\n") == 1
	})
}

// Nobody reads its progress any more, as after "2>&1 | head -1"; it goes on, and removes its keys.
func TestBenchLeavesNothingWhenItsErrorsAreNotRead(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	read, write, err := os.Pipe()
	require.NoError(t, err)
	require.NoError(t, read.Close())
	c := exec.Command(built.binary, "bench", "--redis", r.URL(), "--rate", "0", "--messages", "2000", "--bare", "none")
	c.Stderr = write
	out, err := c.Output()
	require.NoError(t, write.Close())
	require.NoError(t, err)
	require.Contains(t, string(out), "as fast as possible")
	requireNothingOfBench(t, r)
}

// Where Redis does not answer, a second interruption ends it at once, and says what is left.
func TestBenchEndsAtTheSecondInterruption(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	p := startProcess(t, "bench", "--redis", r.URL(), "--rate", "10", "--messages", "100000", "--bare", "none")
	run := strings.TrimPrefix(p.line("the names of this run's keys begin with "), "the names of this run's keys begin with ")
	p.line("throughput, 1 of 1: the daemon, ")
	c := r.Client(t)
	require.NoError(t, c.Do(t.Context(), "CLIENT", "PAUSE", "600000", "ALL").Err())
	p.signal(syscall.SIGINT)
	p.line("interrupted: what is left in Redis is being removed, unless there is another interruption")
	p.signal(syscall.SIGINT)
	require.Equal(t, 1, p.exit())
	p.line("sgstreamd: interrupted; keys that match " + run + "* or sg:*:" + run + "* are left in Redis: ")
}

// Before anything is written, one interruption is enough where nobody answers.
func TestBenchDoesNotWaitForAnAnswerAtItsBeginning(t *testing.T) {
	t.Parallel()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p := startProcess(t, "bench", "--redis", "redis://"+silent.Addr().String()+"/0")
	c, err := silent.Accept()
	require.NoError(t, err)
	p.signal(syscall.SIGINT)
	require.Equal(t, 1, p.exit())
	p.line("sgstreamd: interrupted; nothing is left in Redis")
	require.NoError(t, c.Close())
	require.NoError(t, silent.Close())
}

// What others keep in Redis is not put at risk, and what can't be written is learned before anything was.
func TestBenchRefusesARedisThatCantBeMeasuredOn(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"one that evicts": {[]string{"--maxmemory", "1gb", "--maxmemory-policy", "allkeys-lru"},
			"sgstreamd: redis has a maxmemory with the policy allkeys-lru, and would remove keys of others to make room; measure with --redis own\n"},
		"one without room": {[]string{"--maxmemory", "11mb"},
			"and 10000 messages of 600 bytes take some 20 MB; send fewer with --messages, or measure with --redis own\n"},
		"a replica":                 {[]string{"--replicaof", "127.0.0.1 1"}, " is a replica, which takes no writes; name its primary\n"},
		"one that needs more":       {[]string{"--requirepass", "secret"}, "/0 does not answer as it should: NOAUTH Authentication required.\n"},
		"one that can't be scanned": {[]string{"--rename-command", "SCAN", ""}, ": ERR unknown command 'scan'"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := redistest.Start(t, c.args...)
			_, errOut, code := run(t, "", "bench", "--redis", r.URL(), "--messages", "10000", "--rate", "0")
			require.Equal(t, 1, code)
			require.Contains(t, errOut, c.want)
			require.Equal(t, 1, strings.Count(errOut, "\n"), errOut)
		})
	}
}

// A plugin that fails is not measured, and why it does is said.
func TestBenchSaysWhyAPluginFails(t *testing.T) {
	t.Parallel()
	_, errOut, code := run(t, "", "bench", "--redis", "own", "--messages", "100", "--rate", "0", "--bare", "none",
		"--plugin", "../../host/testdata/alloc_overflow.wasm", "--set", "inbound.max_attempts=1")
	require.Equal(t, 1, code)
	require.Regexp(t, `(?m)^sgstreamd: the plugin does not handle the messages, of which \d+ went to the dead letters; the first because: "plugin \\"bench\\": sgs_alloc trapped: `, errOut)
}

func TestBenchSaysWhatIsWrongWithItsFlags(t *testing.T) {
	t.Parallel()
	noModule := filepath.Join(t.TempDir(), "no.wasm")
	require.NoError(t, os.WriteFile(noModule, []byte("text"), 0o600))
	for args, want := range map[string]string{
		"--messages 0":         `flag --messages: is 0; write 1 to 5000000`,
		"--size 100":           `flag --size: is 100; write 520 to 1048576`,
		"--channels 0":         `flag --channels: is 0; write 1 to 1000000`,
		"--rate -1":            `flag --rate: is -1; write 0 to 1000000`,
		"--repeat 0":           `flag --repeat: is 0; write 1 to 100`,
		"--bare nck":           `flag --bare: there is no loop "nck"; write some of ack,fenced,full, or none`,
		"--bare ack,ack":       `flag --bare: "ack" is there twice; remove one`,
		"--plugin " + noModule: `flag --plugin: `,
		"--plugin " + filepath.Join(built.plugins, "console.wasm"): `console.wasm is an adapter, and gets no messages; name a processor`,
		"--set plugins.other.timeout=1s":                           `flag --set: plugins.other.timeout is another plugin's; the one that is measured has the table plugins.bench`,
		"--plugins-dir x":                                          `flag --set: plugins.dir is the benchmark's own, and can't be set; remove it`,
		"--redis=":                                                 `flag --redis: is empty; write own, or a URL`,
		"--redis own --redis-url redis://h:1/0":                    `--redis and --redis-url both name a Redis; remove one`,
		"--redis own --set redis.url=redis://h:1/0":                `flag --set: redis.url counts for nothing with --redis own; remove it`,
		"--plugin ../../host/testdata/lacks_handle.wasm":           `flag --plugin: `,
		"--set inbound.stream=x":                                   `flag --set: inbound.stream is the benchmark's own, and can't be set; remove it`,
		"--set inbound.order=any":                                  `inbound.order`,
		"--redis redis://h:1/0 --redis-url x":                      `--redis and --redis-url both name a Redis; remove one`,
		"now":                                                      `unknown command "now"`,
	} {
		_, errOut, code := run(t, "", append([]string{"bench"}, strings.Fields(args)...)...)
		require.Equal(t, 2, code, args)
		require.Contains(t, errOut, want, args)
		require.Equal(t, 2, strings.Count(errOut, "\n"), "one line, and where to read more: %s", errOut)
	}
	for redis, want := range map[string]string{
		"redis+cluster://127.0.0.1:1": "sgstreamd: redis.url: bench works on a single server; name one of yours, or write --redis own\n",
		"redis://127.0.0.1:1/0":       "sgstreamd: redis.url: redis://127.0.0.1:1/0 does not answer as it should: dial tcp 127.0.0.1:1: connect: connection refused\n",
	} {
		_, errOut, code := run(t, "", "bench", "--redis", redis)
		require.Equal(t, 1, code)
		require.Equal(t, want, errOut)
	}
}
