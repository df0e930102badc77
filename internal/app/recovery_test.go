package app_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sgstreamd/sgstreamd/internal/redistest"
)

func TestDaemonWaitsForRedis(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	r.Kill()
	d := startDaemon(t, "redis.url="+r.URL())
	d.line("waiting for redis", "connection refused")
	r.Restart()
	admin := d.ready()
	status, body := get(t, admin, "/readyz")
	require.Equal(t, 200, status, body)
	say(t, r.Client(t), "hello")
	answered(t, r.Client(t), "hello")
	d.stop()
}

func TestDaemonStopsWhileItWaitsForRedis(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	r.Kill()
	d := startDaemon(t, "redis.url="+r.URL())
	d.line("waiting for redis")
	d.stop()
}

func TestDaemonOutlivesRedis(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	d := startDaemon(t, "redis.url="+r.URL())
	admin := d.ready()
	r.Kill()
	eventually(t, "/readyz says that redis is gone", func() bool {
		status, body := get(t, admin, "/readyz")
		return status == 503 && strings.Contains(body, "redis: ")
	})
	status, body := get(t, admin, "/healthz")
	require.Equal(t, 200, status, body)
	r.Restart()
	say(t, r.Client(t), "hello")
	answered(t, r.Client(t), "hello")
	eventually(t, "/readyz says ready", func() bool {
		status, _ := get(t, admin, "/readyz")
		return status == 200
	})
	d.stop()
}

func TestDaemonOutlivesAFlush(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	c := r.Client(t)
	d := startDaemon(t, "redis.url="+r.URL())
	d.ready()
	for _, content := range []string{"one", "two", "three"} {
		say(t, c, content)
		answered(t, c, content)
		require.NoError(t, c.FlushAll(t.Context()).Err())
	}
	say(t, c, "four")
	answered(t, c, "four")
	require.NoError(t, c.XGroupDestroy(t.Context(), "sg:stream:inbound", "sg:workers").Err())
	say(t, c, "five")
	answered(t, c, "five")
	d.stop()
}
