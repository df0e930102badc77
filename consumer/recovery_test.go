package consumer

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
)

func TestAWorkerRecoversByItself(t *testing.T) {
	for name, breakIt := range map[string]func(r *rig) error{
		"flushed":           func(r *rig) error { return r.redis.FlushAll(r.ctx).Err() },
		"group destroyed":   func(r *rig) error { return r.redis.XGroupDestroy(r.ctx, r.in.Stream, r.in.Group).Err() },
		"stream deleted":    func(r *rig) error { return r.redis.Del(r.ctx, r.in.Stream).Err() },
		"scripts forgotten": func(r *rig) error { return r.redis.ScriptFlush(r.ctx).Err() },
		"connections killed": func(r *rig) error {
			return r.redis.Do(r.ctx, "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes").Err()
		},
		"our name was erased": func(r *rig) error {
			return r.redis.XGroupDelConsumer(r.ctx, r.in.Stream, r.in.Group, r.consumers()[0]).Err()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, _ := newRig(t)
			w := r.start(echo)
			r.send("before")
			r.awaitReplies("before")
			r.awaitNothingPending()
			eventually(t, "a read is blocked", func() bool { return r.blockedClients() == 1 })
			require.NoError(t, breakIt(r))
			r.send("after")
			eventually(t, "the next message is answered", func() bool { return slices.Contains(r.replies(), "after") })
			eventually(t, "the worker is ready", func() bool { return w.Ready() == nil })
			r.awaitNothingPending()
			require.NoError(t, w.stopped())
		})
	}
}

func TestAWorkerRecoversFromARedisThatComesBackEmpty(t *testing.T) {
	t.Parallel()
	r, server := newRig(t)
	w := r.start(echo)
	r.send("before")
	r.awaitReplies("before")
	server.Kill()
	eventually(t, "the worker says why", func() bool { return w.Ready() != nil })
	require.ErrorContains(t, w.Ready(), r.in.Stream)
	server.Restart()
	eventually(t, "redis answers the test again", func() bool { return Ping(r.ctx, r.redis) == nil })
	r.send("after")
	r.awaitReplies("after")
	r.awaitNothingPending()
	require.NotEmpty(t, r.log.lines("the stream is read again"))
}

func TestAWorkerWaitsForARedisThatIsAwayAtItsStart(t *testing.T) {
	t.Parallel()
	r, server := newRig(t)
	server.Kill()
	w := r.start(echo)
	eventually(t, "the worker says why", func() bool { return w.Ready() != nil && w.Ready().Error() != "not started" })
	server.Restart()
	eventually(t, "the worker is ready", func() bool { return w.Ready() == nil })
}

func TestAGroupThatStaysBrokenIsNoHotLoop(t *testing.T) {
	t.Parallel()
	r, _ := newRig(t)
	w := r.start(echo)
	r.send("before")
	r.awaitReplies("before")
	reads, creations, begun := r.calls("xreadgroup"), r.calls("xgroup|create"), time.Now()
	eventually(t, "two seconds of an outage", func() bool {
		require.NoError(t, r.redis.XGroupDestroy(r.ctx, r.in.Stream, r.in.Group).Err())
		return time.Since(begun) > 2*time.Second
	})
	require.Less(t, r.calls("xreadgroup")-reads, 25)
	require.Less(t, r.calls("xgroup|create")-creations, 25)
	require.Less(t, len(r.log.lines("level=WARN")), 25)
	r.send("after")
	eventually(t, "the next message is answered", func() bool { return slices.Contains(r.replies(), "after") })
	eventually(t, "the worker is ready", func() bool { return w.Ready() == nil })
}

func TestAStreamKeyOfTheWrongTypeIsOneClearLineAndMended(t *testing.T) {
	t.Parallel()
	r, _ := newRig(t)
	require.NoError(t, r.redis.Set(r.ctx, r.in.Stream, "x", 0).Err())
	w := r.start(echo)
	eventually(t, "several tries", func() bool { return r.calls("xgroup|create") >= 4 })
	require.ErrorContains(t, w.Ready(), `key "sg:stream:inbound" is not a stream; rename or delete it, or configure another stream`)
	require.Len(t, r.log.lines("is not a stream"), 1)
	require.NoError(t, r.redis.Del(r.ctx, r.in.Stream).Err())
	r.send("after")
	r.awaitReplies("after")

	// The same while it runs.
	require.NoError(t, r.redis.Set(r.ctx, r.in.Stream, "x", 0).Err())
	eventually(t, "the worker says why", func() bool { return w.Ready() != nil })
	require.NoError(t, r.redis.Del(r.ctx, r.in.Stream).Err())
	r.send("again")
	r.awaitReplies("after", "again")
}

func TestAMessageThatIsDeliveredAgainInFlightIsAnsweredOnce(t *testing.T) {
	t.Parallel()
	r, _ := newRig(t)
	r.in.Autoclaim.MinIdle, r.in.Lock.TTL = time.Hour, time.Hour // no heartbeat comes first
	s := newSlow()
	w := r.start(s.handle)
	r.send("twice")
	receive(t, s.begun, "the call")
	require.NoError(t, r.redis.XGroupDestroy(r.ctx, r.in.Stream, r.in.Group).Err())
	receive(t, s.begun, "the call of the second delivery")
	require.EqualValues(t, 2, w.counted("sgstreamd_messages_in_flight"))
	s.release <- struct{}{}
	r.awaitReplies("twice")
	eventually(t, "one call is over, the other is not", func() bool { return w.flight.limit-w.flight.room() == 1 })
	close(s.release)
	require.NoError(t, w.stopped())
	require.Equal(t, []string{"twice"}, r.replies())
	require.Zero(t, w.flight.limit-w.flight.room(), "nothing is left in flight")
}

func TestRedisWithoutMemoryStallsTheWorkAndFailsNoMessage(t *testing.T) {
	t.Parallel()
	r, _ := newRig(t)
	s := newSlow()
	r.start(s.handle)
	r.send("warm-up")
	r.send("stalled")
	receive(t, s.begun, "the first call")
	receive(t, s.begun, "the second call")
	require.NoError(t, r.redis.ConfigSet(r.ctx, "maxmemory", "1").Err())
	close(s.release)
	eventually(t, "the commit is refused", func() bool { return len(r.log.lines("it will be sent again")) > 0 })
	require.NoError(t, r.redis.ConfigSet(r.ctx, "maxmemory", "0").Err())
	r.awaitReplies("warm-up", "stalled")
	r.awaitNothingPending()
	require.Empty(t, r.log.lines("it will be tried again"))
}

func TestTheMonitorWarnsBeforeTheStreamIsTrimmedUnread(t *testing.T) {
	t.Parallel()
	r, _ := newRig(t)
	require.NoError(t, ensureGroup(r.ctx, r.redis, r.in.Stream, r.in.Group))
	cfg := Inbound(Name(), r.in, r.out, r.dead, r.state)
	cfg.MaxLen = 10
	registry := prometheus.NewRegistry()
	w := &run{Worker: NewWorker(cfg, r.redis, handlerFunc(echo), NewMetrics(registry), r.logger()), t: t, metrics: registry}
	for i := range 7 {
		r.send(fmt.Sprint(i))
	}
	require.NoError(t, w.measure(r.ctx))
	require.Empty(t, r.log.lines("about to be trimmed"))
	r.send("7")
	r.readAs("somebody", 3)
	require.NoError(t, w.measure(r.ctx))
	require.Len(t, r.log.lines("about to be trimmed"), 1)
	require.EqualValues(t, 5, w.counted("sgstreamd_stream_lag_entries"))
	require.EqualValues(t, 3, w.counted("sgstreamd_stream_pending_entries"))
}

func TestSettledIsAStreamThatIsReadAndAcknowledgedToItsEnd(t *testing.T) {
	t.Parallel()
	r, _ := newRig(t)
	settled := func() bool {
		ok, err := Settled(context.Background(), r.redis, r.in.Stream, r.in.Group)
		require.NoError(t, err)
		return ok
	}
	require.True(t, settled(), "no stream")
	require.NoError(t, ensureGroup(r.ctx, r.redis, r.in.Stream, r.in.Group))
	require.True(t, settled(), "an empty stream")
	id := r.send("one")
	require.False(t, settled(), "unread")
	r.readAs("somebody", 1)
	require.False(t, settled(), "pending")
	require.NoError(t, r.redis.XAck(r.ctx, r.in.Stream, r.in.Group, id).Err())
	require.True(t, settled(), "acknowledged")
}
