package consumer

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sgstreamd/sgstreamd/abi"
)

// newEmbeddedRig is a rig at the in-process server.
func newEmbeddedRig(t *testing.T) *rig {
	t.Helper()
	e, err := StartEmbedded("127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(e.Close)
	return newRigAt(t, e.URL())
}

func TestTheWholeLoopRunsOnTheEmbeddedServer(t *testing.T) {
	t.Parallel()
	r := newEmbeddedRig(t)
	r.in.Trace.TTL = time.Second
	r.send("fine")
	tries := make(chan int64, 1000)
	w := r.start(failing(tries, abi.Verdict{Status: abi.StatusRetry, Reason: "no luck"}, nil))
	id := r.send("bad")
	for attempt := int64(1); attempt <= 3; attempt++ {
		require.Equal(t, attempt, receive(t, tries, "a try"))
	}
	dead := r.awaitDeadLetters(1)[0]
	require.Equal(t, id, dead["original_msg_id"])
	require.Equal(t, "3", dead["attempt"])
	r.sendTo("c", true, "fine")
	eventually(t, "the replies", func() bool { return len(r.replies()) == 2 })
	eventually(t, "the trace expires", func() bool {
		n, err := r.redis.Exists(r.ctx, r.in.Trace.Prefix+"fine").Result()
		require.NoError(t, err)
		return n == 0
	})
	require.NoError(t, w.stopped())
	require.Empty(t, r.pending())
	require.NotContains(t, r.consumers(), w.cfg.Consumer)
}

func TestTheEmbeddedServerHandsOverWhatADeadWorkerHeld(t *testing.T) {
	t.Parallel()
	r := newEmbeddedRig(t)
	r.in.Autoclaim.PageSize = 2
	r.in.Autoclaim.Interval = time.Hour // one sweep has to do
	want := []string{"0", "1", "2", "3", "4"}
	for _, content := range want {
		r.sendTo("c", true, content)
	}
	for _, m := range r.readAs("crashed", 5) {
		r.claimAs("crashed", m.ID, time.Minute, 1)
	}
	require.NoError(t, r.redis.Set(r.ctx, r.in.Lock.Prefix+"c", "crashed", 300*time.Millisecond).Err())
	r.start(echo)
	r.awaitReplies(want...)
	require.Equal(t, want, r.replies(), "in the order of the stream")
	r.awaitNothingPending()
}

func TestTheEmbeddedServerFindsALostRead(t *testing.T) {
	t.Parallel()
	r := newEmbeddedRig(t)
	r.in.Autoclaim.MinIdle = time.Hour
	cfg := Inbound(Name(), r.in, r.out, r.dead, r.state)
	r.send("lost")
	r.readAs(cfg.Consumer, 1)
	w := NewWorker(cfg, r.redis, handlerFunc(echo), NewMetrics(nil), r.logger())
	w.grouped, w.readLost = true, true
	require.NoError(t, w.round(contexts{r.ctx, r.ctx, r.ctx}))
	require.Equal(t, 1, len(w.flight.all()))
	require.EqualValues(t, 1, w.flight.all()[0].entry.Message.Attempt)
}

func TestTheEmbeddedServerTakesBackWhatWasNotBegun(t *testing.T) {
	t.Parallel()
	r := newEmbeddedRig(t)
	givesBackWhatWasNotBegun(t, r)
}

func TestASecondEmbeddedServerAtTheSameAddressIsRefusedInWords(t *testing.T) {
	t.Parallel()
	e, err := StartEmbedded("127.0.0.1:0")
	require.NoError(t, err)
	defer e.Close()
	_, err = StartEmbedded(e.server.Addr())
	require.ErrorContains(t, err, "redis.embedded_listen")
	require.ErrorContains(t, err, "is another one running?")
}

func TestTheEmbeddedServersTimeoutsElapse(t *testing.T) {
	t.Parallel()
	r := newEmbeddedRig(t)
	require.NoError(t, r.redis.Set(r.ctx, "k", "v", 50*time.Millisecond).Err())
	eventually(t, "the key expires", func() bool { return r.redis.Get(context.Background(), "k").Err() != nil })
}
