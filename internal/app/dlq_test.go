package app_test

import (
	"encoding/json"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/sgstreamd/sgstreamd/internal/redistest"
)

// letterLine is a line of `dlq list --json`.
type letterLine struct {
	ID             string
	OriginalStream string `json:"original_stream"`
	OriginalID     string `json:"original_msg_id"`
	Attempt        int
	TraceID        string `json:"trace_id"`
	Error          string
	PayloadError   string `json:"payload_error"`
	Data           []byte
	Payload        struct{ Content string }
}

// dlq runs `sgstreamd dlq`, which has to work, and returns its standard output.
func dlq(t *testing.T, r *redistest.Server, args ...string) string {
	t.Helper()
	out, errOut, code := run(t, "", dlqArgs(r, args)...)
	require.Equal(t, 0, code, errOut)
	return out
}

func dlqArgs(r *redistest.Server, args []string) []string {
	return append(append([]string{"dlq"}, args...), "--redis-url", r.URL())
}

// listed are the dead letters as scripts see them.
func listed(t *testing.T, r *redistest.Server, args ...string) []letterLine {
	t.Helper()
	letters := []letterLine{}
	for line := range strings.Lines(dlq(t, r, append([]string{"list", "--json"}, args...)...)) {
		var l letterLine
		require.NoError(t, json.Unmarshal([]byte(line), &l))
		letters = append(letters, l)
	}
	return letters
}

// bury writes a dead letter as a Python worker does.
func bury(t *testing.T, c redis.UniversalClient, id, originalID, why, trace string) {
	t.Helper()
	require.NoError(t, c.XAdd(t.Context(), &redis.XAddArgs{Stream: "sg:stream:dlq", ID: id, Values: []any{
		"original_stream", "sg:stream:inbound", "original_msg_id", originalID, "error", why, "attempt", "3",
		"data", "\x81\xa7content\xa1" + originalID[:1], "ts", "1700000000.5", "trace_id", trace,
	}}).Err())
}

// contents are the payloads of what was replayed, in the order of the stream.
func contents(t *testing.T, c redis.UniversalClient, stream string) string {
	t.Helper()
	entries, err := c.XRange(t.Context(), stream, "-", "+").Result()
	require.NoError(t, err)
	all := ""
	for _, e := range entries {
		all += strings.TrimPrefix(e.Values["data"].(string), "\x81\xa7content\xa1")
	}
	return all
}

func TestARejectedMessageIsListedShownAndReplayed(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	c := r.Client(t)
	moody := startDaemon(t, "redis.url="+r.URL(), "inbound.processor=moody")
	moody.ready()
	id := say(t, c, "reject x")
	moody.line("message dead-lettered", id)

	letters := listed(t, r)
	require.Len(t, letters, 1)
	l := letters[0]
	require.Equal(t, letterLine{
		ID: l.ID, OriginalStream: "sg:stream:inbound", OriginalID: id, Attempt: 1, TraceID: "trace of reject x",
		Error: l.Error, Payload: struct{ Content string }{"reject x"},
	}, l)
	require.Contains(t, l.Error, "asked to reject")
	table := dlq(t, r, "list")
	require.Regexp(t, `(?m)^`+l.ID+` +\d+s +sg:stream:inbound +1 +trace of reject x +.*asked to reject`, table)
	require.Contains(t, dlq(t, r, "show", l.ID), `"content": "reject x"`)
	require.Contains(t, dlq(t, r, "show", l.ID, "--json"), `"content":"reject x"`)

	// The same processor rejects it again: a new letter, and no other.
	require.Regexp(t, `^`+l.ID+`: replayed to sg:stream:inbound as \d+-\d+\nreplayed 1, gone 0\n$`, dlq(t, r, "replay", l.ID))
	eventually(t, "a new letter", func() bool { return len(listed(t, r)) == 1 })
	again := listed(t, r)[0]
	require.NotEqual(t, l.ID, again.ID)
	require.NotEqual(t, id, again.OriginalID)
	require.Equal(t, l.ID+": already replayed or dropped\nreplayed 0, gone 1\n", dlq(t, r, "replay", l.ID))
	moody.stop()

	// One that is able to answer does, once.
	echo := startDaemon(t, "redis.url="+r.URL(), "inbound.processor=echo")
	echo.ready()
	require.Contains(t, dlq(t, r, "replay", again.ID, again.ID), "replayed 1, gone 0\n")
	require.Contains(t, dlq(t, r, "replay", again.ID), "replayed 0, gone 1\n")
	answered(t, c, "reject x")
	say(t, c, "after")
	answered(t, c, "after")
	require.Equal(t, []string{"reject x", "after"}, replies(t, c))
	require.Empty(t, listed(t, r))
	require.Zero(t, pending(t, c))
	echo.stop()
}

func TestADryRunChangesNothingAndReplaysKeepTheChannelsOrder(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	c := r.Client(t)
	// Dead-lettered in another order than they were sent in.
	for i, original := range []string{"5-0", "3-0", "4-0", "1-0", "2-0"} {
		bury(t, c, fmt.Sprintf("100-%d", i), original, "no luck", "tr")
	}
	before := dlq(t, r, "list", "--json")
	out := dlq(t, r, "replay", "--all", "--dry-run")
	require.Regexp(t, `(?s)^ID .* TO .*100-3 .*100-4 .*100-1 .*100-2 .*100-0 .*\nwould replay 5, gone 0\n$`, out)
	require.Contains(t, dlq(t, r, "drop", "--all", "--dry-run"), "would drop 5, gone 0\n")
	require.Equal(t, before, dlq(t, r, "list", "--json"))
	require.Empty(t, contents(t, c, "sg:stream:inbound"))

	require.Equal(t, "replayed 2, gone 0\n", dlq(t, r, "replay", "--all", "--limit", "2"))
	require.Equal(t, "12", contents(t, c, "sg:stream:inbound"))
	require.Contains(t, dlq(t, r, "replay", "100-0", "100-2", "100-3"), "100-3: already replayed or dropped\n")
	require.Equal(t, "replayed 1, gone 0\n", dlq(t, r, "replay", "--trace", "tr", "--to", "sg:stream:other"))
	require.Equal(t, "replayed 0, gone 0\n", dlq(t, r, "replay", "--all"))
	require.Equal(t, "1245", contents(t, c, "sg:stream:inbound"), "ids are replayed in the channel's order, too")
	require.Equal(t, "3", contents(t, c, "sg:stream:other"))
}

func TestAReplayThatIsKilledGoesOnWhereItWas(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	c := r.Client(t)
	const n = 5200
	var want []string
	pipe := c.Pipeline()
	for i := range n {
		want = append(want, fmt.Sprint(n-i))
		pipe.XAdd(t.Context(), &redis.XAddArgs{Stream: "sg:stream:dlq", Values: []any{
			"original_stream", "sg:stream:inbound", "original_msg_id", fmt.Sprintf("%d-0", i+1), "data", want[i],
		}})
	}
	_, err := pipe.Exec(t.Context())
	require.NoError(t, err)
	victim := startProcess(t, dlqArgs(r, []string{"replay", "--all"})...)
	_, err = c.XRead(t.Context(), &redis.XReadArgs{Streams: []string{"sg:stream:inbound", "$"}, Count: 1, Block: patience}).Result()
	require.NoError(t, err)
	victim.signal(syscall.SIGKILL)
	victim.exit()
	left, err := c.XLen(t.Context(), "sg:stream:dlq").Result()
	require.NoError(t, err)
	require.Equal(t, fmt.Sprintf("replayed %d, gone 0\n", left), dlq(t, r, "replay", "--all"))
	entries, err := c.XRange(t.Context(), "sg:stream:inbound", "-", "+").Result()
	require.NoError(t, err)
	var got []string
	for _, e := range entries {
		got = append(got, e.Values["data"].(string))
	}
	require.Equal(t, want, got, "each once, and in order")
}

func TestFiltersAndCounts(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	c := r.Client(t)
	for i, why := range []string{"no result within 500ms", "no result within 30s", "asked to reject", "no result within 1m30s"} {
		bury(t, c, fmt.Sprintf("%d000-0", i+1), fmt.Sprintf("%d-0", i+1), why, fmt.Sprintf("tr%d", i+1))
	}
	require.Equal(t, "COUNT  NEWEST  ERROR\n3      4000-0  no result within <n>\n1      3000-0  asked to reject\n", dlq(t, r, "list", "--count"))
	require.Equal(t, `{"count":1,"newest":"2000-0","error":"no result within <n>"}`+"\n", dlq(t, r, "list", "--count", "--json", "--trace", "tr2"))
	for want, args := range map[string][]string{
		"1000-0 2000-0 3000-0 4000-0": {"--limit", "0"},
		"3000-0 4000-0":               {"--limit", "2"},
		"1000-0 2000-0 4000-0":        {"--error", "within"},
		"2000-0 4000-0":               {"--error", "within <n>", "--limit", "2"},
		"3000-0":                      {"--trace", "tr3"},
		"2000-0 3000-0":               {"--since", "1970-01-01T00:00:02Z", "--until", "1970-01-01T00:00:03Z"},
		"":                            {"--since", "1h"},
	} {
		var ids []string
		for _, l := range listed(t, r, args...) {
			ids = append(ids, l.ID)
		}
		require.Equal(t, want, strings.Join(ids, " "), args)
	}
	require.Equal(t, "replayed 3, gone 0\n", dlq(t, r, "replay", "--error", "no result within <n>"))
	require.Equal(t, "dropped 0, gone 0\n", dlq(t, r, "drop", "--stream", "sg:stream:elsewhere", "--yes"))
	require.Equal(t, "dropped 1, gone 0\n", dlq(t, r, "drop", "--stream", "sg:stream:inbound", "--yes"))
	require.Equal(t, "3000-0: already replayed or dropped\ndropped 0, gone 1\n", dlq(t, r, "drop", "3000-0"))
	require.Empty(t, dlq(t, r, "list")+dlq(t, r, "list", "--count"))
}

func TestALongListSaysThatThereAreMore(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	c := r.Client(t)
	for i, want := range []string{"", "sgstreamd: these are the newest 50; --limit 0 lists all\n"} {
		for n := range 50 {
			bury(t, c, fmt.Sprintf("%d-%d", i+1, n), "1-0", "no luck", "")
		}
		out, errOut, code := run(t, "", dlqArgs(r, []string{"list"})...)
		require.Equal(t, 0, code)
		require.Equal(t, 1+50, strings.Count(out, "\n"))
		require.Contains(t, strings.TrimSpace(out), fmt.Sprintf("\n%d-49 ", i+1))
		require.Equal(t, want, errOut)
	}
}

func TestDeadLettersThatNobodyCanDecodeAreListedShownAndReplayed(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	c := r.Client(t)
	d := startDaemon(t, "redis.url="+r.URL())
	d.ready()
	d.line("message dead-lettered", add(t, c, "sg:stream:inbound", "data", "\xc1\x1b[2J"))
	d.line("message dead-lettered", add(t, c, "sg:stream:inbound", "dat", "x"))
	d.stop()
	letters := listed(t, r)
	require.Len(t, letters, 2)
	require.Equal(t, "\xc1\x1b[2J", string(letters[0].Data))
	require.Contains(t, letters[0].PayloadError, "payload is not msgpack")
	require.Contains(t, dlq(t, r, "show", letters[0].ID), "00000000  c1 1b 5b 32 4a ")
	require.Contains(t, dlq(t, r, "show", letters[1].ID), "original_field:dat  x\n")
	require.Equal(t, "replayed 2, gone 0\n", dlq(t, r, "replay", "--all", "--to", "sg:stream:other"))
	back, err := c.XRange(t.Context(), "sg:stream:other", "-", "+").Result()
	require.NoError(t, err)
	require.Equal(t, "\xc1\x1b[2J", back[0].Values["data"])
	require.Equal(t, "x", back[1].Values["dat"])
}

func TestReplayReachesTheEmbeddedServer(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	addr := l.Addr().String()
	require.NoError(t, l.Close())
	d := startDaemon(t, "redis.embedded_listen="+addr, "inbound.processor=moody")
	d.ready()
	embedded := []string{"--set", "redis.embedded_listen=" + addr}
	_, errOut, code := run(t, "", append([]string{"send", "--content", "reject"}, embedded...)...)
	require.Equal(t, 0, code, errOut)
	d.line("message dead-lettered")
	out, errOut, code := run(t, "", append([]string{"dlq", "replay", "--all"}, embedded...)...)
	require.Equal(t, 0, code, errOut)
	require.Equal(t, "replayed 1, gone 0\n", out)
	d.stop()
	_, errOut, code = run(t, "", append([]string{"dlq", "list"}, embedded...)...)
	require.Equal(t, 1, code)
	require.Contains(t, errOut, `redis.url is "embedded": no daemon runs here, or --config is missing`)
}

func TestDLQRefusesInOneLine(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	c := r.Client(t)
	bury(t, c, "1-0", "1-0", "no luck", "tr")
	require.NoError(t, c.Set(t.Context(), "sg:text", "x", 0).Err())
	for name, test := range map[string]struct {
		args string
		code int
		want string
	}{
		"nothing meant":       {"replay", 2, "which dead letters? Name ids, a filter such as --since 2h, or --all"},
		"only a limit":        {"replay --limit 5", 2, "which dead letters?"},
		"ids and filters":     {"replay 1-0 --since 2h", 2, "ids go without filters"},
		"ids and all":         {"drop 1-0 --all", 2, "ids go without filters"},
		"all and filters":     {"replay --all --trace x", 2, "--all goes without filters"},
		"half an id":          {"replay 1", 2, `"1" is not the id of a dead letter; write it in full`},
		"no id":               {"show", 2, "accepts 1 arg(s), received 0"},
		"half an id shown":    {"show 1", 2, "write it in full"},
		"no time":             {"list --since yesterday", 2, `flag --since: "yesterday" is neither a duration such as 2h nor a time`},
		"times exchanged":     {"list --since 1h --until 2h", 2, "flag --since: it is later than --until"},
		"negative limit":      {"list --limit -1", 2, "flag --limit: it is negative"},
		"negative drop limit": {"drop --all --limit -1", 2, "flag --limit: it is negative"},
		"drop without a yes":  {"drop --all", 2, "look with --dry-run, then add --yes"},
		"not there":           {"show 7-0", 1, "dead letter 7-0 is not there"},
		"target no stream":    {"replay --all --to sg:text", 1, `key "sg:text" is a string, not a stream; rename or delete it`},
		"letters no stream":   {"list --set dead_letters.stream=sg:text", 1, `key "sg:text" is not a stream`},
		"redis away":          {"list --set redis.url=redis://127.0.0.1:1/0", 1, "connection refused"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			args := append([]string{"dlq"}, strings.Fields(test.args)...)
			if !strings.Contains(test.args, "redis.url") {
				args = append(args, "--redis-url", r.URL())
			}
			out, errOut, code := run(t, "", args...)
			require.Equal(t, test.code, code, errOut)
			require.Contains(t, errOut, test.want)
			require.Empty(t, out)
		})
	}
}

func TestEveryDLQCommandHelps(t *testing.T) {
	t.Parallel()
	for _, command := range []string{"dlq", "dlq list", "dlq show", "dlq replay", "dlq drop"} {
		out, _, code := run(t, "", append(strings.Fields(command), "--help")...)
		require.Equal(t, 0, code)
		require.Contains(t, out, "Examples:", command)
	}
}

// The ACL rule in the operator's page is enough for all of it, and for no more than the dead letters need.
func TestDeadLettersPageHasAnACLRuleThatIsEnough(t *testing.T) {
	t.Parallel()
	rule := regexp.MustCompile(`(?m)^ {4}user operator (.*)$`).FindStringSubmatch(page(t, "docs/dead-letters.md"))
	require.NotNil(t, rule)
	r := redistest.Start(t)
	c := r.Client(t)
	args := []any{"acl", "setuser", "operator", ">secret"}
	for _, word := range strings.Fields(rule[1]) {
		args = append(args, word)
	}
	require.NoError(t, c.Do(t.Context(), args...).Err())
	bury(t, c, "1-0", "1-0", "no luck", "tr")
	bury(t, c, "2-0", "2-0", "no luck", "tr")
	at := (&url.URL{Scheme: "redis", User: url.UserPassword("operator", "secret"), Host: r.Addr()}).String()
	for _, command := range []string{"list", "list --limit 0", "list --count", "show 1-0", "replay 1-0", "drop --all --yes"} {
		_, errOut, code := run(t, "", append(strings.Fields("dlq "+command), "--redis-url", at)...)
		require.Equal(t, 0, code, "%s: %s", command, errOut)
	}
	require.Equal(t, "1", contents(t, c, "sg:stream:inbound"))
}
