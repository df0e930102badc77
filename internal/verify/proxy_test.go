package verify

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
)

func TestProxyBreaksConnections(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	p, err := newProxy(r.server.dial)
	require.NoError(t, err)
	t.Cleanup(p.close)
	c := redis.NewClient(&redis.Options{Addr: p.addr(), MaxRetries: -1, DialerRetries: 1, PoolSize: 1})
	t.Cleanup(func() { _ = c.Close() })
	ctx := t.Context()
	require.NoError(t, c.Ping(ctx).Err())

	p.cut()
	require.Eventually(t, func() bool { return c.Ping(ctx).Err() == nil }, 10*time.Second, time.Millisecond, "a new connection works")

	p.refuse(true)
	require.Error(t, c.Ping(ctx).Err())
	p.refuse(false)
	require.Eventually(t, func() bool { return c.Ping(ctx).Err() == nil }, 10*time.Second, time.Millisecond)

	p.loseReply("incr")
	require.NoError(t, c.Ping(ctx).Err(), "another command's reply is not lost")
	require.Error(t, c.Incr(ctx, "n").Err())
	require.Equal(t, "1", r.server.client.Get(ctx, "n").Val(), "the command was run")
	require.NoError(t, c.Incr(ctx, "n").Err(), "it is lost once")
}

// Only a worker's own connections are ever closed.
func TestClientKillMeansOneWorkerOnly(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	f := &fleet{server: r.server, names: r.names}
	chaos := newChaos(r.server, r.names, f, r.book)
	var clients []*redis.Client
	for i := range 2 {
		p, err := newProxy(r.server.dial)
		require.NoError(t, err)
		t.Cleanup(p.close)
		f.workers = append(f.workers, &worker{fleet: f, number: i + 1, proxy: p})
		o, err := redis.ParseURL(r.server.urlFor(p, r.names.client(i+1)))
		require.NoError(t, err)
		o.MaxRetries, o.PoolSize = -1, 1
		c := redis.NewClient(o)
		t.Cleanup(func() { _ = c.Close() })
		require.NoError(t, c.Ping(t.Context()).Err())
		clients = append(clients, c)
	}
	require.NoError(t, chaos.clientKill(t.Context(), f.workers[0]))
	ids := func() (names []string) {
		list, err := r.server.client.ClientList(t.Context()).Result()
		require.NoError(t, err)
		for i := range 2 {
			if containsField(list, "name="+r.names.client(i+1)) {
				names = append(names, r.names.client(i+1))
			}
		}
		return names
	}
	require.Equal(t, []string{r.names.client(2)}, ids())
	require.NoError(t, clients[1].Ping(t.Context()).Err())
}

func containsField(list, field string) bool { return slices.Contains(strings.Fields(list), field) }
