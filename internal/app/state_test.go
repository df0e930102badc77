package app_test

import (
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sgstreamd/sgstreamd/internal/redistest"
)

func TestAPluginReadsItsStateFromRedis(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	c := r.Client(t)
	d := startDaemon(t, "redis.url="+r.URL(), "inbound.processor=counter", "state.prefix=kept:", "inbound.max_attempts=1")
	d.ready()
	say(t, c, "the first")
	answered(t, c, "message 1")
	require.NoError(t, c.Set(t.Context(), "kept:counter:count:test:1", "41", 0).Err())
	say(t, c, "another")
	answered(t, c, "message 42")

	require.NoError(t, c.Del(t.Context(), "kept:counter:count:test:1").Err())
	require.NoError(t, c.HSet(t.Context(), "kept:counter:count:test:1", "no", "text").Err())
	say(t, c, "one more")
	d.line("a kv_get was refused", "kept:counter:count:test:1", "is not a string", `"errno":"EUNAVAILABLE"`, `"plugin":"counter"`)
	d.line("message dead-lettered", "kv_get: EUNAVAILABLE: the value could not be read from Redis")
	d.stop()
}

func TestAPluginsCountersAreMetrics(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	c := r.Client(t)
	d := startDaemon(t, "redis.url="+r.URL(), "inbound.processor=moody")
	admin := d.ready()
	say(t, c, "count jokes_told")
	answered(t, c, "count jokes_told")
	_, body := get(t, admin, "/metrics")
	require.True(t, strings.Contains(body, `sgstreamd_plugin_custom_total{name="jokes_told",plugin="moody"} 1`), body)
	say(t, c, "count Jokes")
	d.line("message dead-lettered", "metric_add: EINVALID")
	d.stop()
}

func TestAPluginsStateIsKeptThroughAKill(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	c := r.Client(t)
	overrides := []string{"redis.url=" + r.URL(), "inbound.processor=counter"}
	d := startDaemon(t, overrides...)
	d.ready()
	for i := range 20 {
		say(t, c, "hello")
		answered(t, c, "message "+strconv.Itoa(i+1))
	}
	d.signal(syscall.SIGKILL)
	d = startDaemon(t, overrides...)
	d.ready()
	say(t, c, "and again")
	answered(t, c, "message 21")
	d.stop()
}
