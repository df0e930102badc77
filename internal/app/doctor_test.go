package app_test

import (
	"encoding/json"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sgstreamd/sgstreamd/consumer"
	"github.com/sgstreamd/sgstreamd/internal/redistest"
)

// soundRedis is a Redis about which the doctor has nothing to say.
func soundRedis(t *testing.T, args ...string) *redistest.Server {
	t.Helper()
	return redistest.Start(t, append([]string{"--appendonly", "yes", "--appendfsync", "always"}, args...)...)
}

func TestDoctorFindsNothingAtASoundRedis(t *testing.T) {
	t.Parallel()
	r := soundRedis(t)
	out, errOut, code := run(t, "", "doctor", "--redis-url", r.URL())
	require.Equal(t, 0, code, errOut)
	require.Equal(t, "nothing found that would break a promise\n", out)
	require.Empty(t, errOut)
	out, errOut, code = run(t, "", "doctor", "--json", "--redis-url", r.URL())
	require.Equal(t, 0, code, errOut)
	require.Empty(t, out, "no object for nothing")
}

func TestDoctorPrintsALineEachTheWorstFirst(t *testing.T) {
	t.Parallel()
	r := soundRedis(t, "--appendfsync", "everysec", "--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru")
	args := []string{"doctor", "--redis-url", r.URL(), "--set", "inbound.lock.ttl=2m"}
	out, errOut, code := run(t, "", args...)
	require.Equal(t, 1, code)
	require.Equal(t, "sgstreamd: danger: 1, warning: 1\n", errOut)
	lines := strings.Split(strings.TrimSpace(out), "\n")
	require.Len(t, lines, 3)
	require.Equal(t, "danger   maxmemory-policy is allkeys-lru: Redis may evict streams; set maxmemory-policy noeviction", lines[0])
	require.True(t, strings.HasPrefix(lines[1], "warning  lock.ttl (2m0s) is above autoclaim.min_idle (1m0s): "), lines[1])
	require.True(t, strings.HasPrefix(lines[2], "notice   appendfsync is everysec: "), lines[2])

	out, _, code = run(t, "", append(args, "--json")...)
	require.Equal(t, 1, code)
	var first struct{ Severity, Subject, Problem, Remedy string }
	require.NoError(t, json.NewDecoder(strings.NewReader(out)).Decode(&first))
	require.Equal(t, "danger", first.Severity)
	require.Equal(t, lines[0][len("danger   "):], first.Subject+": "+first.Problem+"; "+first.Remedy)
	require.Equal(t, 3, strings.Count(out, "\n"))
}

func TestDoctorExitsWithZeroOnNotices(t *testing.T) {
	t.Parallel()
	r := soundRedis(t, "--appendfsync", "everysec")
	out, errOut, code := run(t, "", "doctor", "--redis-url", r.URL())
	require.Equal(t, 0, code, errOut)
	require.Contains(t, out, "notice   appendfsync is everysec")
	require.Empty(t, errOut)
}

func TestDoctorExaminesWhatIsConfigured(t *testing.T) {
	t.Parallel()
	r := soundRedis(t)
	c := r.Client(t)
	require.NoError(t, c.Set(t.Context(), "sg:stream:outbound:matrix", "x", 0).Err())
	require.NoError(t, c.Set(t.Context(), "sg:stream:inbound", "x", 0).Err())
	for settings, want := range map[string]string{
		"inbound.enabled=false":                           "nothing found",
		"outbound.platforms=matrix inbound.enabled=false": `danger   key "sg:stream:outbound:matrix" is a string`,
		"inbound.stream=mine":                             "nothing found",
		"outbound.platforms=discord":                      `danger   key "sg:stream:inbound" is a string`,
	} {
		args := []string{"doctor", "--redis-url", r.URL()}
		for _, s := range strings.Fields(settings) {
			args = append(args, "--set", s)
		}
		out, _, _ := run(t, "", args...)
		require.True(t, strings.HasPrefix(out, want), "%s: %s", settings, out)
		require.Equal(t, 1, strings.Count(out, "\n"))
	}
}

func TestDoctorMakesNoTerminalObey(t *testing.T) {
	t.Parallel()
	r := soundRedis(t)
	require.NoError(t, r.Client(t).Set(t.Context(), "in\x1b[2J", "x", 0).Err())
	out, _, code := run(t, "", "doctor", "--redis-url", r.URL(), "--set", "inbound.stream=in\x1b[2J")
	require.Equal(t, 1, code)
	require.NotContains(t, out, "\x1b")
	require.Contains(t, out, `in\x1b[2J`)
}

func TestDoctorRefusesInOneLine(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		args string
		code int
		want string
	}{
		"an argument":     {"doctor all", 2, `unknown command "all"`},
		"a wrong setting": {"doctor --set inbound.max_in_flight=0", 2, "inbound.max_in_flight is 0"},
		"redis away":      {"doctor --set redis.url=redis://127.0.0.1:1/0", 1, "connection refused"},
		"no daemon":       {"doctor --set redis.embedded_listen=127.0.0.1:1", 1, `redis.url is "embedded": no daemon runs here`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out, errOut, code := run(t, "", strings.Fields(test.args)...)
			require.Equal(t, test.code, code, errOut)
			require.Contains(t, errOut, test.want)
			require.Empty(t, out)
		})
	}
	out, _, code := run(t, "", "doctor", "--help")
	require.Equal(t, 0, code)
	require.Contains(t, out, "Examples:")
}

func TestADaemonLogsWhatTheDoctorFindsAndStarts(t *testing.T) {
	t.Parallel()
	r := soundRedis(t, "--maxmemory-policy", "allkeys-lru", "--maxmemory", "100mb", "--appendfsync", "everysec")
	d := startDaemon(t, "redis.url="+r.URL(), "inbound.lock.ttl=2m")
	d.ready()
	d.line(`"level":"ERROR"`, "doctor: maxmemory-policy is allkeys-lru: ", `"severity":"danger"`)
	d.line(`"level":"WARN"`, "doctor: lock.ttl (2m0s)")
	d.line(`"level":"INFO"`, "doctor: appendfsync is everysec")
	say(t, r.Client(t), "hello")
	answered(t, r.Client(t), "hello")
	d.stop()
}

func TestADaemonAtASoundRedisHasNothingOfTheDoctorInItsLog(t *testing.T) {
	t.Parallel()
	d := startDaemon(t, "redis.url="+soundRedis(t).URL())
	d.ready()
	require.NotContains(t, d.log(), "doctor")
}

// The ACL rule in the doctor's page is enough to see everything.
func TestDoctorPageHasAnACLRuleThatIsEnough(t *testing.T) {
	t.Parallel()
	rule := regexp.MustCompile(`(?m)^ {4}user doctor (.*)$`).FindStringSubmatch(page(t, "docs/doctor.md"))
	require.NotNil(t, rule)
	r := soundRedis(t)
	c := r.Client(t)
	args := []any{"acl", "setuser", "doctor", ">secret"}
	for _, word := range strings.Fields(rule[1]) {
		args = append(args, word)
	}
	require.NoError(t, c.Do(t.Context(), args...).Err())
	d := startDaemon(t, "redis.url="+r.URL())
	d.ready()
	say(t, c, "hello")
	answered(t, c, "hello")
	at := (&url.URL{Scheme: "redis", User: url.UserPassword("doctor", "secret"), Host: r.Addr()}).String()
	out, errOut, code := run(t, "", "doctor", "--redis-url", at, "--set", "outbound.platforms=test")
	require.Equal(t, 0, code, errOut)
	require.Equal(t, "nothing found that would break a promise\n", out)
}

func TestDoctorPageHasTheSeverities(t *testing.T) {
	t.Parallel()
	doc := page(t, "docs/doctor.md")
	for _, s := range []consumer.Severity{consumer.Notice, consumer.Warning, consumer.Danger} {
		row(t, doc, s.String())
	}
}
