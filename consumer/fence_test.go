package consumer

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sgstreamd/sgstreamd/abi"
)

// slow is a handler whose calls last until they are released or cancelled.
type slow struct {
	begun   chan abi.Message
	release chan struct{}
	cause   chan error // why a call was cancelled
}

func newSlow() *slow {
	return &slow{begun: make(chan abi.Message, 1000), release: make(chan struct{}), cause: make(chan error, 1000)}
}

func (s *slow) handle(ctx context.Context, stop <-chan struct{}, m *abi.Message) (abi.Verdict, error) {
	if stop != nil && isDone(stop) {
		return abi.Verdict{}, abi.ErrNotStarted
	}
	s.begun <- *m
	select {
	case <-s.release:
		return answer(m), nil
	case <-ctx.Done():
		s.cause <- context.Cause(ctx)
		return abi.Verdict{}, context.Cause(ctx)
	}
}

func TestACallIsCancelledWhenAnotherConsumerTakesItsMessage(t *testing.T) {
	t.Parallel()
	r, _ := newRig(t)
	s := newSlow()
	w := r.start(s.handle)
	id := r.send("taken")
	receive(t, s.begun, "the call")
	r.claimAs("thief", id, 0, 2)
	require.ErrorIs(t, receive(t, s.cause, "the call's end"), errLost)
	eventually(t, "the loss is counted", func() bool { return w.counted("sgstreamd_messages_fenced_total") == 1 })
	p := r.pending()
	require.Len(t, p, 1)
	require.Equal(t, "thief", p[0].Consumer, "the heartbeat must not steal it back")
	require.EqualValues(t, 2, p[0].RetryCount)
	require.Empty(t, r.replies())
}

func TestAResultThatIsAnotherConsumersByNowIsNotWritten(t *testing.T) {
	for name, o := range map[string]abi.Verdict{
		"done":   {Status: abi.StatusDone},
		"reject": {Status: abi.StatusReject},
		"drop":   {Status: abi.StatusDrop},
		"retry":  {Status: abi.StatusRetry},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, _ := newRig(t)
			r.in.Autoclaim.MinIdle = time.Hour // and so no heartbeat comes first
			r.in.Lock.TTL = time.Hour
			s := newSlow()
			w := r.start(func(ctx context.Context, stop <-chan struct{}, m *abi.Message) (abi.Verdict, error) {
				v, err := s.handle(ctx, stop, m)
				v.Status = o.Status
				return v, err
			})
			id := r.send("taken")
			receive(t, s.begun, "the call")
			r.claimAs("thief", id, 0, 2)
			close(s.release)
			require.NoError(t, w.stopped())
			require.EqualValues(t, 1, w.counted("sgstreamd_messages_fenced_total"))
			require.Empty(t, r.replies())
			require.Empty(t, r.entries(r.dead.Stream))
			require.Equal(t, "thief", r.pending()[0].Consumer)
			require.Zero(t, r.redis.ZCard(r.ctx, w.scheduleKey()).Val())
		})
	}
}

func TestAResultOfAnOlderDeliveryIsNotWritten(t *testing.T) {
	t.Parallel()
	r, _ := newRig(t)
	r.in.Autoclaim.MinIdle = time.Hour
	r.in.Lock.TTL = time.Hour
	s := newSlow()
	w := r.start(s.handle)
	id := r.send("taken")
	receive(t, s.begun, "the call")
	// The same consumer, but a later delivery.
	r.claimAs(w.cfg.Consumer, id, 0, 2)
	close(s.release)
	require.NoError(t, w.stopped())
	require.EqualValues(t, 1, w.counted("sgstreamd_messages_fenced_total"))
	require.Empty(t, r.replies())
	require.Len(t, r.pending(), 1)
}

func TestAMessageThatSomebodyElseAcknowledgedIsNotAnsweredAgain(t *testing.T) {
	t.Parallel()
	r, _ := newRig(t)
	s := newSlow()
	w := r.start(s.handle)
	id := r.send("done elsewhere")
	receive(t, s.begun, "the call")
	require.NoError(t, r.redis.XAck(r.ctx, r.in.Stream, r.in.Group, id).Err())
	require.ErrorIs(t, receive(t, s.cause, "the call's end"), errLost)
	require.NoError(t, w.stopped())
	require.Empty(t, r.replies())
}

func TestTheHeartbeatKeepsALongCallOurs(t *testing.T) {
	t.Parallel()
	r, _ := newRig(t)
	r.in.Autoclaim.MinIdle = time.Second
	keepsALongCall(t, r)
}

func TestTheHeartbeatKeepsALongCallOursOnTheEmbeddedServer(t *testing.T) {
	t.Parallel()
	r := newEmbeddedRig(t)
	r.in.Autoclaim.MinIdle = time.Second
	keepsALongCall(t, r)
}

// keepsALongCall makes a call last three times min_idle while a second worker sweeps.
func keepsALongCall(t *testing.T, r *rig) {
	s := newSlow()
	w := r.start(s.handle)
	r.sendTo("c", true, "long")
	receive(t, s.begun, "the call")
	peer := r.start(s.handle)
	begun := time.Now()
	eventually(t, "the call has lasted three times min_idle", func() bool {
		p := r.pending()
		require.Len(t, p, 1)
		require.Equal(t, w.cfg.Consumer, p[0].Consumer)
		require.EqualValues(t, 1, p[0].RetryCount, "a heartbeat is no delivery")
		require.Less(t, p[0].Idle, r.in.Autoclaim.MinIdle)
		return time.Since(begun) > 3*r.in.Autoclaim.MinIdle
	})
	require.Zero(t, peer.counted("sgstreamd_messages_received_total"))
	close(s.release)
	r.awaitReplies("long")
	r.awaitNothingPending()
}

func TestAnEntryThatIsTrimmedInFlightIsStillAnswered(t *testing.T) {
	t.Parallel()
	r, _ := newRig(t)
	s := newSlow()
	w := r.start(s.handle)
	id := r.send("trimmed")
	receive(t, s.begun, "the call")
	require.NoError(t, r.redis.XDel(r.ctx, r.in.Stream, id).Err())
	// Longer than min_idle: neither the heartbeat nor the sweep may take it off the pending list.
	begun := time.Now()
	eventually(t, "several heartbeats", func() bool { return time.Since(begun) > 2*r.in.Autoclaim.MinIdle })
	require.Len(t, r.pending(), 1)
	close(s.release)
	r.awaitReplies("trimmed")
	r.awaitNothingPending()
	require.NoError(t, w.stopped())
	require.EqualValues(t, 1, w.counted("sgstreamd_messages_completed_total"))
}

func TestTheHeartbeatLeavesAloneWhatIsBeingGivenBack(t *testing.T) {
	t.Parallel()
	r, _ := newRig(t)
	w := NewWorker(Inbound(Name(), r.in, r.out, r.dead, r.state), r.redis, handlerFunc(echo), NewMetrics(nil), r.logger())
	r.send("in flight")
	r.send("given back")
	for i, m := range r.readAs(w.cfg.Consumer, 2) {
		r.claimAs(w.cfg.Consumer, m.ID, time.Hour, 1)
		d := &delivery{ctx: lateContext{parent: t.Context()}}
		d.entry.Message.ID, d.entry.Message.Attempt = m.ID, 1
		d.returning.Store(i == 1)
		w.flight.add(d)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); w.heartbeats(ctx) }()
	eventually(t, "a heartbeat", func() bool { return r.pending()[0].Idle < time.Hour })
	cancel()
	receive(t, done, "the heartbeat's end")
	require.GreaterOrEqual(t, r.pending()[1].Idle, time.Hour)
}
