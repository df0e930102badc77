package loadtest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/sgstreamd/sgstreamd/consumer"
	"github.com/sgstreamd/sgstreamd/internal/redistest"
)

// newTestRun is a run on a Redis of the test's own, without a daemon.
func newTestRun(t *testing.T) *run {
	t.Helper()
	s, err := openServer(t.Context(), consumer.RedisConfig{URL: redistest.Start(t).URL()}, false, "")
	require.NoError(t, err)
	t.Cleanup(s.close)
	return &run{Options: Options{Size: 600, Channels: 10}, server: s, names: newNames()}
}

// Each loop settles every message, and with as few round trips as it can have.
func TestTheLoopsSettleEverything(t *testing.T) {
	for mode, want := range map[string]struct {
		roundTrips, replies int
	}{
		BareAck: {6, 0}, BareFenced: {6, 600}, BareFull: {9, 600}, // of three reads
	} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			r := newTestRun(t)
			s := r.begin(work{messages: 600}, mode, 600)
			b, err := newBare(t.Context(), r.server.client, s.names, mode)
			require.NoError(t, err)
			require.NoError(t, s.loader.fill(t.Context(), 600))
			require.NoError(t, b.run(t.Context(), 600))
			require.Equal(t, want.roundTrips, b.roundTrips)
			pending, err := r.server.client.XPending(t.Context(), s.names.stream(), group).Result()
			require.NoError(t, err)
			require.Zero(t, pending.Count)
			require.EqualValues(t, want.replies, r.server.client.XLen(t.Context(), s.names.replies()).Val())
			locks, err := r.server.client.Keys(t.Context(), s.names.lock()+"*").Result()
			require.NoError(t, err)
			require.Empty(t, locks)
			traces, err := r.server.client.Keys(t.Context(), s.names.trace()+"*").Result()
			require.NoError(t, err)
			require.Len(t, traces, map[string]int{BareFull: 600}[mode])
			upTo, settled, err := r.server.settled(t.Context(), s.names)
			require.NoError(t, err)
			require.Equal(t, *s.loader.last.Load(), upTo)
			require.Equal(t, 600, settled)
		})
	}
}

// Another worker's message is left alone, as the daemon leaves it.
func TestTheFenceHolds(t *testing.T) {
	for _, mode := range []string{BareFenced, BareFull} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			r := newTestRun(t)
			s := r.begin(work{}, mode, 1)
			b, err := newBare(t.Context(), r.server.client, s.names, mode)
			require.NoError(t, err)
			require.NoError(t, s.loader.fill(t.Context(), 1))
			read, err := r.server.client.XReadGroup(t.Context(), &redis.XReadGroupArgs{
				Group: group, Consumer: "another", Streams: []string{s.names.stream(), ">"},
			}).Result()
			require.NoError(t, err)
			require.EqualError(t, b.settle(t.Context(), read[0].Messages), "0 of 1 messages were settled")
			// It is its own now, but at the second delivery.
			require.NoError(t, r.server.client.XClaim(t.Context(), &redis.XClaimArgs{
				Stream: s.names.stream(), Group: group, Consumer: bareName, Messages: []string{read[0].Messages[0].ID},
			}).Err())
			require.EqualError(t, b.settle(t.Context(), read[0].Messages), "0 of 1 messages were settled")
		})
	}
}

func TestAPacedPassTimesEveryMessage(t *testing.T) {
	t.Parallel()
	r := newTestRun(t)
	f, err := r.barePass(t.Context(), work{messages: 200, rate: 2000}, BareFull)
	require.NoError(t, err)
	require.Equal(t, 200, f.Replies)
	require.Positive(t, f.Latency.P50)
	require.LessOrEqual(t, f.Latency.P50, f.Latency.P999)
	require.GreaterOrEqual(t, f.Seconds, 0.099, "no message is sent before its time")
}

// What is not the run's stays, whatever it is called.
func TestOnlyTheRunsKeysAreRemoved(t *testing.T) {
	t.Parallel()
	r := newTestRun(t)
	c := r.server.client
	mine := []string{"sg:bench:", "sg:bench:another:1:in", "sg:order:sg:stream:inbound:sg:workers", "sg:stream:inbound"}
	for _, key := range mine {
		require.NoError(t, c.Set(t.Context(), key, "mine", 0).Err())
	}
	r.names = r.names.next()
	for _, prefix := range []string{"", "sg:schedule:", "sg:commit:", "sg:order:", "sg:lanes:"} {
		for i := range 3 {
			require.NoError(t, c.Set(t.Context(), fmt.Sprint(prefix, r.names.stream(), i), "", 0).Err())
		}
	}
	require.NoError(t, r.server.cleanUp(r.names))
	keys, err := c.Keys(t.Context(), "*").Result()
	require.NoError(t, err)
	require.ElementsMatch(t, mine, keys)
}

// A pipeline is one round trip, however many commands it holds.
func TestTheCounterCountsRoundTrips(t *testing.T) {
	t.Parallel()
	r := newTestRun(t)
	counter, err := newCounter(r.server.dial)
	require.NoError(t, err)
	defer counter.close()
	client := redis.NewClient(&redis.Options{Addr: counter.addr(), PoolSize: 1, MaxRetries: -1})
	defer client.Close()
	together := func() {
		_, err := client.Pipelined(t.Context(), func(p redis.Pipeliner) error {
			for range 10 {
				p.Ping(t.Context())
			}
			return nil
		})
		require.NoError(t, err)
	}
	// The client says hello on a connection for single commands, and on another for those that are sent together.
	require.NoError(t, client.Ping(t.Context()).Err())
	together()
	before := counter.count()
	for range 10 {
		require.NoError(t, client.Ping(t.Context()).Err())
	}
	require.Equal(t, 10.0, counter.count()-before)
	together()
	require.Equal(t, 11.0, counter.count()-before)
	// More than the proxy carries at a time, there and back.
	require.NoError(t, client.Set(t.Context(), "large", strings.Repeat("x", 1<<20), 0).Err())
	require.NoError(t, client.Get(t.Context(), "large").Err())
	require.Equal(t, 13.0, counter.count()-before)
}

// Each reply is held against its own message. The replies come in another order, and one of them twice.
func TestTheWatcherTimesEachMessageByItself(t *testing.T) {
	t.Parallel()
	r := newTestRun(t)
	l := newLoader(r.server.client, r.names, &r.Options, 5)
	for i := range l.sent {
		l.sent[i].Store(int64(-time.Duration(i) * time.Hour))
	}
	for _, number := range []int{0, 3, 4, 3, 2} { // 0 is of the warm-up, and 1 is not answered
		require.NoError(t, l.client.XAdd(t.Context(), &redis.XAddArgs{Stream: r.names.replies(), Values: []any{
			"data", payload(r.names, number, 1, 600, time.Now()),
		}}).Err())
	}
	w := &watcher{loader: l, from: "0-0", over: make(chan struct{})}
	close(w.over)
	require.NoError(t, w.run(t.Context(), 1, 4))
	var hours []int
	for _, wait := range w.waits {
		hours = append(hours, int(wait.Hours()))
	}
	require.Equal(t, []int{3, 4, 2}, hours)
}

// A message whose time came while Redis kept the loader waiting has waited since then.
func TestALoaderThatIsHeldUpCountsFromTheMessagesTime(t *testing.T) {
	t.Parallel()
	r := newTestRun(t)
	l := newLoader(r.server.client, r.names, &r.Options, 11)
	require.NoError(t, r.server.client.Do(t.Context(), "CLIENT", "PAUSE", "1000", "ALL").Err())
	require.NoError(t, l.pace(t.Context(), 11, 1000))
	var sent []time.Duration
	for i := range l.sent {
		sent = append(sent, time.Duration(l.sent[i].Load()))
	}
	// The first kept all others waiting, and they are sent together, each with its own time.
	for i := 2; i < len(sent); i++ {
		require.Equal(t, time.Millisecond, sent[i]-sent[i-1], "%v", sent)
	}
}
