package consumer

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sgstreamd/sgstreamd/abi"
)

func TestAReadThatIsBlockedAtTheStopSwallowsNothing(t *testing.T) {
	t.Parallel()
	r, _ := newRig(t)
	w := r.start(func(_ context.Context, stop <-chan struct{}, m *abi.Message) (abi.Verdict, error) {
		if stop != nil && isDone(stop) {
			return abi.Verdict{}, abi.ErrNotStarted
		}
		return answer(m), nil
	})
	for i := range 5 { // once more, with a worker that has read before
		r.send(fmt.Sprint(i))
	}
	r.awaitReplies("0", "1", "2", "3", "4")
	blocked := r.calls("xreadgroup")
	eventually(t, "a read is blocked", func() bool { return r.blockedClients() == 1 && r.calls("xreadgroup") >= blocked })
	w.stop()
	r.send("late")
	require.NoError(t, w.stopped())
	require.Empty(t, r.pending())
	r.start(echo)
	eventually(t, "the late one is answered", func() bool { return len(r.replies()) == 6 })
}

// givesBackWhatWasNotBegun stops a worker while one message is being handled and others wait for its channel.
func givesBackWhatWasNotBegun(t *testing.T, r *rig) {
	r.in.Autoclaim.MinIdle = time.Hour
	r.in.Lock.TTL = time.Hour
	s := newSlow()
	w := r.start(s.handle)
	r.sendTo("c", true, "in flight")
	receive(t, s.begun, "the call")
	r.sendTo("c", true, "waiting for its turn")
	require.NoError(t, r.redis.Set(r.ctx, r.in.Lock.Prefix+"d", "somebody else", 0).Err())
	r.sendTo("d", true, "waiting for the lock")
	eventually(t, "all are fetched", func() bool { return len(r.pending()) == 3 })

	w.stop()
	eventually(t, "two are given back", func() bool {
		back := 0
		for _, p := range r.pending() {
			if p.RetryCount == 0 {
				back++
			}
		}
		return back == 2
	})
	require.NoError(t, r.redis.Del(r.ctx, r.in.Lock.Prefix+"d").Err())
	tries := make(chan int64, 1000)
	begun := time.Now()
	r.start(attempts(tries))
	// The one that waits for its turn still has to wait for the lock that the first worker holds.
	require.EqualValues(t, 1, receive(t, tries, "the second worker's call"))
	require.Less(t, time.Since(begun), 4*time.Second, "it is taken at once, although min_idle is an hour")
	close(s.release)
	require.EqualValues(t, 1, receive(t, tries, "the second worker's second call"))
	r.awaitReplies("in flight", "waiting for its turn", "waiting for the lock")
	r.awaitNothingPending()
	receive(t, w.ended, "the first worker's end")
	require.NoError(t, w.err)
	require.EqualValues(t, 1, w.counted("sgstreamd_messages_completed_total"))
}

func TestWhatWasNotBegunAtTheStopIsGivenBackAndTakenAtOnce(t *testing.T) {
	t.Parallel()
	r, _ := newRig(t)
	givesBackWhatWasNotBegun(t, r)
}

func TestAWorkerThatRunsAlreadyTakesAtOnceWhatAPeerGivesBack(t *testing.T) {
	t.Parallel()
	r, _ := newRig(t)
	r.in.Autoclaim.MinIdle, r.in.Autoclaim.Interval = time.Hour, time.Hour
	r.in.Lock.TTL = time.Hour
	s := newSlow()
	w := r.start(s.handle)
	require.NoError(t, r.redis.Set(r.ctx, r.in.Lock.Prefix+"c", "somebody else", 0).Err())
	r.sendTo("c", true, "waiting")
	eventually(t, "it is fetched", func() bool { return len(r.pending()) == 1 })
	tries := make(chan int64, 1000)
	r.start(attempts(tries))
	r.awaitSweeps(0)
	require.NoError(t, w.stopped())
	require.Empty(t, s.begun)
	require.NoError(t, r.redis.Del(r.ctx, r.in.Lock.Prefix+"c").Err())
	stopped := time.Now()
	require.EqualValues(t, 1, receive(t, tries, "the peer's call"))
	require.Less(t, time.Since(stopped), 3*time.Second)
	r.awaitReplies("waiting")
}

func TestTheDrainsEndCancelsGivesBackAndSaysSo(t *testing.T) {
	t.Parallel()
	r, _ := newRig(t)
	r.in.Autoclaim.MinIdle = time.Hour
	s := newSlow()
	w := r.start(s.handle)
	r.sendTo("c", true, "cut")
	receive(t, s.begun, "the call")
	w.stop()
	nothingWithin(t, readBlock+200*time.Millisecond, w.ended, "the worker ended with a call in flight")
	require.ErrorContains(t, w.Ready(), "draining")
	w.cut(ErrDrainCut)
	require.ErrorIs(t, receive(t, s.cause, "the call's end"), ErrDrainCut)
	require.ErrorContains(t, w.stopped(), "1 messages were cut short")
	p := r.pending()
	require.Len(t, p, 1)
	require.EqualValues(t, 1, p[0].RetryCount, "the try was begun, so it is charged")
	require.GreaterOrEqual(t, p[0].Idle, time.Hour, "anybody may take it at once")
	require.Equal(t, parkedConsumer, p[0].Consumer)
	require.NotContains(t, r.consumers(), w.cfg.Consumer, "nothing of its name is left")
	n, err := r.redis.Exists(r.ctx, r.in.Lock.Prefix+"c").Result()
	require.NoError(t, err)
	require.Zero(t, n, "the lock is released")

	tries := make(chan int64, 1000)
	r.start(attempts(tries))
	require.EqualValues(t, 2, receive(t, tries, "the next worker's call"))
	r.awaitReplies("cut")
}

func TestAStopAndCutAtOnceChargesNothingThatWasNotBegun(t *testing.T) {
	t.Parallel()
	r, _ := newRig(t)
	s := newSlow()
	w := r.start(s.handle)
	r.sendTo("c", true, "begun")
	receive(t, s.begun, "the call")
	for i := range 20 {
		r.sendTo("c", true, fmt.Sprint(i))
	}
	eventually(t, "all are fetched", func() bool { return len(r.pending()) == 21 })
	w.cut(ErrDrainCut)
	w.stop()
	require.ErrorContains(t, w.stopped(), "1 messages were cut short")
	p := r.pending()
	require.Len(t, p, 21)
	require.EqualValues(t, 1, p[0].RetryCount)
	for _, p := range p[1:] {
		require.Zero(t, p.RetryCount)
	}
}

func TestTheNameOfAWorkerThatLeavesNothingIsRemoved(t *testing.T) {
	t.Parallel()
	r, _ := newRig(t)
	w := r.start(echo)
	r.send("one")
	r.awaitReplies("one")
	require.Contains(t, r.consumers(), w.cfg.Consumer)
	require.NoError(t, w.stopped())
	require.Empty(t, r.consumers())
}

func TestAWorkerStopsWhileRedisIsAway(t *testing.T) {
	t.Parallel()
	r, server := newRig(t)
	s := newSlow()
	w := r.start(s.handle)
	r.send("stuck")
	receive(t, s.begun, "the call")
	server.Kill()
	close(s.release)
	w.stop()
	w.cut(ErrDrainCut)
	begun := time.Now()
	require.ErrorContains(t, w.stopped(), "1 messages were cut short")
	require.Less(t, time.Since(begun), 2*lastWords+time.Second)
}
