package consumer

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sgstreamd/sgstreamd/abi"
)

// crowd is a handler that knows how many of its calls ran at the same time.
type crowd struct {
	now, most atomic.Int64
	order     chan string
}

func (c *crowd) handle(_ context.Context, _ <-chan struct{}, m *abi.Message) (abi.Verdict, error) {
	n := c.now.Add(1)
	defer c.now.Add(-1)
	for most := c.most.Load(); n > most && !c.most.CompareAndSwap(most, n); most = c.most.Load() {
	}
	c.order <- contentOf(m)
	return answer(m), nil
}

func TestAddressedMessagesOfAChannelAreHandledOneAtATimeInTheFleet(t *testing.T) {
	t.Parallel()
	r, _ := newRig(t)
	r.in.MaxInFlight = 5
	want := []string{}
	for i := range 40 {
		want = append(want, fmt.Sprint(i))
		r.sendTo("c", true, want[i])
	}
	c := &crowd{order: make(chan string, 1000)}
	r.start(c.handle)
	r.start(c.handle)
	r.awaitReplies(want...)
	r.awaitNothingPending()
	require.EqualValues(t, 1, c.most.Load())
}

func TestOneWorkerKeepsTheOrderOfAChannel(t *testing.T) {
	t.Parallel()
	r, _ := newRig(t)
	want := []string{}
	for i := range 30 {
		want = append(want, fmt.Sprint(i))
		r.sendTo("c", true, want[i])
	}
	c := &crowd{order: make(chan string, 1000)}
	r.start(c.handle)
	for i := range want {
		require.Equal(t, want[i], receive(t, c.order, "a call"))
	}
}

func TestUnaddressedMessagesAndOtherChannelsRunAtTheSameTime(t *testing.T) {
	t.Parallel()
	r, _ := newRig(t)
	r.in.Order = OrderAddressed
	s := newSlow()
	r.start(s.handle)
	r.sendTo("c", true, "addressed")
	r.sendTo("c", false, "unaddressed")
	r.sendTo("c", false, "unaddressed too")
	r.sendTo("d", true, "of another channel")
	r.sendTo("", true, "of no channel")
	for range 5 {
		receive(t, s.begun, "a call beside the others")
	}
	close(s.release)
}

func TestALockThatSomebodyElseHoldsIsWaitedForAndNotReleased(t *testing.T) {
	t.Parallel()
	r, _ := newRig(t)
	key := r.in.Lock.Prefix + "c"
	require.NoError(t, r.redis.Set(r.ctx, key, "foreign", 0).Err())
	calls := make(chan int64, 1000)
	r.start(attempts(calls))
	r.sendTo("c", true, "waits")
	// It waits for longer than min_idle and is neither run nor lost nor charged.
	begun := time.Now()
	eventually(t, "it has waited", func() bool { return time.Since(begun) > 2*r.in.Autoclaim.MinIdle })
	require.Empty(t, calls)
	require.Equal(t, "foreign", r.redis.Get(r.ctx, key).Val())
	eventually(t, "it is parked between two looks at the lock, and charged nothing", func() bool {
		p := r.pending()
		return len(p) == 1 && p[0].Consumer == parkedConsumer && p[0].RetryCount == 0
	})
	require.NoError(t, r.redis.Del(r.ctx, key).Err())
	require.EqualValues(t, 1, receive(t, calls, "the call"))
	r.awaitReplies("waits")
}

func TestALockIsRenewedWhileTheCallRuns(t *testing.T) {
	t.Parallel()
	r, _ := newRig(t)
	r.in.Lock.TTL = time.Second
	s := newSlow()
	r.start(s.handle)
	r.sendTo("c", true, "long")
	receive(t, s.begun, "the call")
	key := r.in.Lock.Prefix + "c"
	token := r.redis.Get(r.ctx, key).Val()
	require.NotEmpty(t, token)
	begun := time.Now()
	eventually(t, "the call has lasted three times the TTL", func() bool {
		require.Equal(t, token, r.redis.Get(r.ctx, key).Val())
		return time.Since(begun) > 3*r.in.Lock.TTL
	})
	close(s.release)
	r.awaitReplies("long")
	require.Zero(t, r.redis.Exists(r.ctx, key).Val(), "it is released with the commit")
}

func TestAStolenLockFencesTheResultAndCancelsTheCall(t *testing.T) {
	t.Parallel()
	r, _ := newRig(t)
	s := newSlow()
	w := r.start(s.handle)
	r.sendTo("c", true, "robbed")
	receive(t, s.begun, "the call")
	key := r.in.Lock.Prefix + "c"
	require.NoError(t, r.redis.Set(r.ctx, key, "thief", 0).Err())
	require.ErrorIs(t, receive(t, s.cause, "the call's end"), errLost)
	eventually(t, "the loss is counted", func() bool { return w.counted("sgstreamd_messages_fenced_total") == 1 })
	require.Empty(t, r.replies())
	require.Equal(t, "thief", r.redis.Get(r.ctx, key).Val())
	// The message itself is still the group's: it comes back when the thief is done.
	require.NoError(t, r.redis.Del(r.ctx, key).Err())
	require.EqualValues(t, 2, receive(t, s.begun, "the next try").Attempt)
}

func TestAResultWhoseLockIsAnothersIsNotWritten(t *testing.T) {
	t.Parallel()
	r, _ := newRig(t)
	r.in.Autoclaim.MinIdle, r.in.Lock.TTL = time.Hour, time.Hour // no heartbeat comes first
	s := newSlow()
	w := r.start(s.handle)
	r.sendTo("c", true, "robbed")
	receive(t, s.begun, "the call")
	key := r.in.Lock.Prefix + "c"
	require.NoError(t, r.redis.Set(r.ctx, key, "thief", 0).Err())
	close(s.release)
	require.NoError(t, w.stopped())
	require.Empty(t, r.replies())
	require.Len(t, r.pending(), 1)
	require.Equal(t, "thief", r.redis.Get(r.ctx, key).Val())
}

func TestTheLockOfAMessageThatWasTakenAwayIsReleased(t *testing.T) {
	t.Parallel()
	r, _ := newRig(t)
	r.in.Lock.TTL = time.Hour
	s := newSlow()
	r.start(s.handle)
	id := r.sendTo("c", true, "taken")
	receive(t, s.begun, "the call")
	r.claimAs("thief", id, 0, 2)
	receive(t, s.cause, "the call's end")
	eventually(t, "the thief can lock the channel", func() bool { return r.redis.Exists(r.ctx, r.in.Lock.Prefix+"c").Val() == 0 })
}

func TestALockKeyThatIsNoLockIsAFailedTryInWords(t *testing.T) {
	t.Parallel()
	r, _ := newRig(t)
	r.in.MaxAttempts = 1
	require.NoError(t, r.redis.HSet(r.ctx, r.in.Lock.Prefix+"c", "a", "b").Err())
	r.start(echo)
	r.sendTo("c", true, "bad")
	require.Contains(t, r.awaitDeadLetters(1)[0]["error"], `key "sg:lock:channel:c" is not a lock`)
	r.sendTo("d", true, "fine")
	r.awaitReplies("fine")
}

func TestWithoutLocksAndOrderAddressedMessagesRunAtTheSameTime(t *testing.T) {
	t.Parallel()
	r, _ := newRig(t)
	r.in.Lock.Enabled, r.in.Order = false, OrderNone
	s := newSlow()
	r.start(s.handle)
	r.sendTo("c", true, "one")
	r.sendTo("c", true, "two")
	receive(t, s.begun, "a call")
	receive(t, s.begun, "another call")
	close(s.release)
}
