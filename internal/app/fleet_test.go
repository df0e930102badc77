package app_test

import (
	"encoding/json"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sgstreamd/sgstreamd/internal/redistest"
)

// python runs peer.py with Debian's Python, which has redis and msgpack.
func python(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "/usr/bin/python3", append([]string{"testdata/peer.py"}, args...)...).CombinedOutput()
	require.NoError(t, err, "%s", out)
	return string(out)
}

func TestPythonPeersAreAnsweredExactlyOnce(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	python(t, r.URL(), "send", "2000", "50")
	d := startDaemon(t, "redis.url="+r.URL(), "inbound.processor=parrot")
	eventually(t, "nothing unread or pending", func() bool {
		groups, err := r.Client(t).XInfoGroups(t.Context(), "sg:stream:inbound").Result()
		return err == nil && len(groups) == 1 && groups[0].Pending == 0 && groups[0].Lag == 0
	})
	require.JSONEq(t, `{"answered": 2000, "pending": 0}`, python(t, r.URL(), "check", "2000", "50"))
	d.stop()
	consumers, err := r.Client(t).XInfoConsumers(t.Context(), "sg:stream:inbound", "sg:workers").Result()
	require.NoError(t, err)
	require.Empty(t, consumers, "the stopped daemon's name stays in the group")
}

func TestWorkOfAKilledDaemonIsTakenOver(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	c := r.Client(t)
	settings := []string{
		"redis.url=" + r.URL(), "inbound.processor=moody", "inbound.max_in_flight=4",
		"inbound.autoclaim.interval=200ms", "inbound.autoclaim.min_idle=1s",
	}
	victim := startDaemon(t, settings...)
	victim.ready()
	held := say(t, c, "sleep 20s")
	victim.line("sleeping")
	survivor := startDaemon(t, append(settings, "plugins.moody.timeout=1s", "inbound.max_attempts=2")...)
	survivor.ready()
	var want []string
	for _, content := range strings.Fields("a b c d e f g h i j k l m n o p q r s t u v w x y z") {
		say(t, c, content)
		want = append(want, content)
	}
	victim.signal(syscall.SIGKILL)
	victim.exit()

	for _, content := range want {
		answered(t, c, content)
	}
	eventually(t, "the held message in the dead letters, after the survivor's own try", func() bool {
		n, err := c.XLen(t.Context(), "sg:stream:dlq").Result()
		return err == nil && n == 1
	})
	require.Zero(t, pending(t, c))
	got := replies(t, c)
	slices.Sort(got)
	require.Equal(t, want, got, "every message is answered once")

	audit, err := c.HGet(t.Context(), "sg:autoclaim:audit:sg:stream:inbound:sg:workers", held).Result()
	require.NoError(t, err)
	var row struct {
		What, From, By string
		At             float64
	}
	require.NoError(t, json.Unmarshal([]byte(audit), &row))
	require.Equal(t, "claimed", row.What)
	require.NotEqual(t, row.From, row.By)
	require.Contains(t, survivor.line("message taken over", held), row.From)
	require.Positive(t, row.At)
}

func TestADaemonHoldsNoMoreThanItsPluginCanRun(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	c := r.Client(t)
	say(t, c, "sleep 1s")
	say(t, c, "next")
	d := startDaemon(t, "redis.url="+r.URL(), "inbound.processor=moody", "plugins.moody.max_instances=1")
	d.line("sleeping")
	require.EqualValues(t, 1, pending(t, c), "the other is left for whoever has room")
	answered(t, c, "next")
	d.stop()
}
