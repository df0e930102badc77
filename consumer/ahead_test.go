package consumer

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sgstreamd/sgstreamd/abi"
)

// newAheadRig is a rig whose workers read ahead.
func newAheadRig(t *testing.T) *rig {
	r, _ := newRig(t)
	plain(&r.in)
	return r
}

func (r *rig) awaitBlockedRead() {
	r.t.Helper()
	eventually(r.t, "a read is blocked", func() bool { return r.blockedClients() == 1 })
}

func TestWhatIsReadAheadAtTheStopIsGivenBackUncharged(t *testing.T) {
	t.Parallel()
	r := newAheadRig(t)
	r.in.Autoclaim.MinIdle = time.Hour
	calls := make(chan int64, 1000)
	for i := range 3 {
		w := r.start(attempts(calls))
		r.awaitBlockedRead()
		w.stop()
		r.send(fmt.Sprint(i))
		require.NoError(t, w.stopped())
	}
	for _, p := range r.pending() {
		require.Equal(t, parkedConsumer, p.Consumer)
		require.Zero(t, p.RetryCount)
	}
	r.start(attempts(calls))
	r.awaitReplies("0", "1", "2")
	for range 3 {
		require.EqualValues(t, 1, receive(t, calls, "a call"))
	}
	require.Empty(t, calls)
	r.awaitNothingPending()
}

func TestAReadAheadWhoseReplyWasLostIsFoundAtOnceAndChargedNoAttempt(t *testing.T) {
	t.Parallel()
	r, p := newProxiedRig(t)
	plain(&r.in)
	r.in.Autoclaim.MinIdle = time.Hour
	calls := make(chan int64, 1000)
	w := r.start(attempts(calls))
	r.send("before")
	r.awaitReplies("before")
	receive(t, calls, "the first call")
	lost := p.DropReply("xreadgroup", "", "lost")
	r.send("lost")
	receive(t, lost, "the lost reply")
	r.awaitReplies("before", "lost")
	require.EqualValues(t, 1, receive(t, calls, "the call"))
	r.send("after")
	r.awaitReplies("before", "lost", "after")
	receive(t, calls, "the last call")
	r.awaitNothingPending()
	require.NoError(t, w.stopped())
	require.Empty(t, calls, "each was called once")
}

func TestAReadAheadLeavesRoomToWhatIsTriedAgain(t *testing.T) {
	t.Parallel()
	for _, most := range []int{1, 2, 7} {
		t.Run(fmt.Sprint(most), func(t *testing.T) {
			t.Parallel()
			r := newAheadRig(t)
			r.in.MaxInFlight = most
			running := make(chan struct{}, most) // has room for as many as may run
			w := r.start(func(_ context.Context, _ <-chan struct{}, m *abi.Message) (abi.Verdict, error) {
				select {
				case running <- struct{}{}:
					defer func() { <-running }()
				default:
					t.Error("more run than may be in flight")
				}
				if m.Attempt == 1 {
					return abi.Verdict{Status: abi.StatusRetry}, nil
				}
				return answer(m), nil
			})
			var want []string
			for i := range 30 {
				want = append(want, fmt.Sprint(i))
				r.send(want[i])
			}
			r.awaitReplies(want...)
			r.awaitNothingPending()
			require.NoError(t, w.stopped())
			require.Equal(t, most, w.flight.room(), "all room is free again")
		})
	}
}

// A message that comes alone takes two round trips where nothing has to be done for it to begin: it is read, and committed.
func TestAMessageThatComesAloneIsReadAndCommitted(t *testing.T) {
	t.Parallel()
	r := newAheadRig(t)
	r.teach()
	r.in.Autoclaim.Enabled = false
	r.start(echo)
	r.send("before")
	r.awaitReplies("before")
	r.awaitNothingPending()
	r.awaitBlockedRead()
	scripts, sent := r.calls("evalsha"), time.Now()
	r.send("alone")
	r.awaitReplies("before", "alone")
	r.awaitBlockedRead()
	// The look at what is due, once a second, is a script as well.
	require.LessOrEqual(t, r.calls("evalsha")-scripts, 2+int(time.Since(sent)/schedulePoll))
	require.Zero(t, r.calls("xread"))
}

// A group that is destroyed under a blocked read, or a stream of another type, is noticed, told, and mended.
func TestAReadAheadSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	r := newAheadRig(t)
	w := r.start(echo)
	r.send("before")
	r.awaitReplies("before")
	r.awaitBlockedRead()
	require.NoError(t, r.redis.XGroupDestroy(r.ctx, r.in.Stream, r.in.Group).Err())
	eventually(t, "the group is there again", func() bool {
		groups, err := r.redis.XInfoGroups(r.ctx, r.in.Stream).Result()
		return err == nil && len(groups) == 1
	})
	r.send("after")
	// A group that is made anew delivers what is in the stream.
	eventually(t, "it is answered", func() bool { return slices.Contains(r.replies(), "after") })
	require.NoError(t, r.redis.Set(r.ctx, r.in.Stream, "x", 0).Err())
	eventually(t, "the worker says why", func() bool { return w.Ready() != nil })
	require.ErrorContains(t, w.Ready(), "WRONGTYPE")
	require.NoError(t, r.redis.Del(r.ctx, r.in.Stream).Err())
	r.send("mended")
	eventually(t, "it is answered", func() bool { return slices.Contains(r.replies(), "mended") })
}

// However much is read ahead, something is left to what is tried again and to what peers give back, or it need not wait long.
func TestAReadAheadNeverTakesAllRoomForLong(t *testing.T) {
	t.Parallel()
	r := newAheadRig(t)
	for room := range 600 {
		for _, flowing := range []bool{true, false} {
			r.in.MaxInFlight = room + 1
			w := NewWorker(Inbound("me", r.in, r.out, r.dead, r.state), r.redis, handlerFunc(echo), NewMetrics(nil), r.logger())
			w.flowing, w.nextDue = flowing, time.Now().Add(readBlock/5)
			a := w.askAhead(ask{count: maxRead, block: readBlock})
			require.Positive(t, a.count)
			require.LessOrEqual(t, a.count, room+1)
			if a.count == room+1 {
				require.LessOrEqual(t, a.block, readBlock/5)
			}
			w.nextDue = time.Now().Add(schedulePoll)
			w.dueIn(readBlock / 10)
			if a := w.askAhead(ask{count: maxRead, block: readBlock}); a.count == room+1 {
				require.LessOrEqual(t, a.block, readBlock/10, "what this worker has put on the schedule is not forgotten")
			}
			w.flight.reserve(a.count)
			require.Equal(t, room+1-a.count, w.flight.room())
		}
	}
}

// As long as the stream has more than is asked for, there is less reason to leave room: nothing waits for long.
func TestAReadAheadAsksForMoreWhileTheStreamFlows(t *testing.T) {
	t.Parallel()
	r := newAheadRig(t)
	r.in.MaxInFlight = 80
	w := NewWorker(Inbound("me", r.in, r.out, r.dead, r.state), r.redis, handlerFunc(echo), NewMetrics(nil), r.logger())
	asked := func() int { return w.askAhead(ask{count: maxRead, block: readBlock}).count }
	require.Equal(t, 40, asked())
	w.asked = 2
	w.noteSeen(seen{entries: make([]seenEntry, 2)})
	require.Equal(t, 70, asked())
	w.noteSeen(seen{entries: make([]seenEntry, 1)})
	require.Equal(t, 40, asked())
}

// What is being read ahead is pending before it is known here. It must not be mistaken for what a lost read has moved, or it
// would be handled twice.
func TestWhatIsBeingReadAheadIsNotTakenForLost(t *testing.T) {
	t.Parallel()
	r := newAheadRig(t)
	calls := make(chan int64, 10)
	w := NewWorker(Inbound("me", r.in, r.out, r.dead, r.state), r.redis, handlerFunc(attempts(calls)), NewMetrics(nil), r.logger())
	require.NoError(t, w.Prepare(r.ctx))
	stopping, stop := context.WithCancel(r.ctx)
	c := contexts{stopping, r.ctx, r.ctx}
	r.send("read")
	r.readAs("me", 1)
	w.grouped, w.nextSweep, w.nextDue = true, time.Now().Add(time.Hour), time.Now().Add(time.Hour)
	w.readLost, w.watching = true, true
	require.NoError(t, w.round(c))
	require.Equal(t, w.flight.limit, w.flight.room(), "it is not taken")
	w.watching = false
	require.NoError(t, w.round(c))
	require.EqualValues(t, 1, receive(t, calls, "the call of what was lost indeed"))
	stop()
	w.hands.running.Wait()
}
