package consumer

import (
	"context"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/sgstreamd/sgstreamd/abi"
	"github.com/sgstreamd/sgstreamd/internal/redistest"
)

// newProxiedRig is a rig whose workers reach the server through a proxy; the test itself does not.
func newProxiedRig(t *testing.T) (*rig, *redistest.Proxy) {
	t.Helper()
	r, s := newRig(t)
	r.teach()
	p := redistest.NewProxy(t, s)
	r.redco.URL = p.URL()
	return r, p
}

// attempts is a handler that answers and tells of every call's attempt.
func attempts(calls chan<- int64) handlerFunc {
	return func(_ context.Context, _ <-chan struct{}, m *abi.Message) (abi.Verdict, error) {
		calls <- m.Attempt
		return answer(m), nil
	}
}

func TestABatchWhoseReadReplyWasLostIsFoundAtOnceAndChargedNoAttempt(t *testing.T) {
	t.Parallel()
	r, p := newProxiedRig(t)
	r.in.Autoclaim.MinIdle = time.Hour
	calls := make(chan int64, 1000)
	r.start(attempts(calls))
	r.send("before")
	r.awaitReplies("before")
	receive(t, calls, "the first call")

	lost := p.DropReply("evalsha", "", "taken")
	r.send("lost")
	receive(t, lost, "the lost reply")
	r.awaitReplies("before", "lost")
	require.EqualValues(t, 1, receive(t, calls, "the call"))
	r.awaitNothingPending()
	r.send("after")
	r.awaitReplies("before", "lost", "after")
}

func TestALostBatchIsFoundInAStreamThatBeganAnew(t *testing.T) {
	t.Parallel()
	r, p := newProxiedRig(t)
	r.in.Autoclaim.MinIdle = time.Hour
	w := r.start(echo)
	r.send("before")
	r.awaitReplies("before")
	require.NoError(t, r.redis.FlushAll(r.ctx).Err())
	eventually(t, "the group is there again", func() bool {
		groups, err := r.redis.XInfoGroups(r.ctx, r.in.Stream).Result()
		return err == nil && len(groups) == 1 && w.Ready() == nil
	})
	lost := p.DropReply("evalsha", "", "1-1")
	// An id that is less than all that were read before.
	require.NoError(t, r.redis.XAdd(r.ctx, &redis.XAddArgs{
		Stream: r.in.Stream, ID: "1-1", Values: []any{"data", encode(map[string]any{"content": "lost"})},
	}).Err())
	receive(t, lost, "the lost reply")
	r.awaitReplies("lost")
}

func TestAMessageThatFailedIsNotMistakenForOneOfALostRead(t *testing.T) {
	t.Parallel()
	r, p := newProxiedRig(t)
	r.in.Autoclaim.MinIdle = time.Hour
	r.in.Retry = RetryConfig{Base: time.Hour, Factor: 1, Cap: time.Hour}
	tries := make(chan int64, 1000)
	r.start(failing(tries, abi.Verdict{Status: abi.StatusRetry}, nil))
	r.send("bad")
	receive(t, tries, "the first try")
	eventually(t, "the failure is committed", func() bool { return len(r.log.lines("it will be tried again")) == 1 })

	lost := p.DropReply("evalsha", "", "taken")
	r.send("fine")
	receive(t, lost, "the lost reply")
	r.awaitReplies("fine")
	require.Empty(t, tries, "it waits for its time")
}

func TestACommitWhoseReplyWasLostIsWrittenOnce(t *testing.T) {
	t.Parallel()
	r, p := newProxiedRig(t)
	calls := make(chan int64, 1000)
	w := r.start(attempts(calls))
	r.send("before") // from here on the server knows the scripts
	r.awaitReplies("before")
	receive(t, calls, "the first call")

	lost := p.DropReply("evalsha", "\r\nack\r\n", "done")
	r.send("once")
	receive(t, lost, "the lost reply")
	r.awaitReplies("before", "once")
	r.awaitNothingPending()
	r.send("after")
	r.awaitReplies("before", "once", "after")
	require.NoError(t, w.stopped())
	require.EqualValues(t, 3, w.counted("sgstreamd_messages_completed_total"))
	require.Zero(t, w.counted("sgstreamd_messages_fenced_total"), "the answer comes from the ledger")
}

func TestAClaimWhoseReplyWasLostStillHoldsItsLock(t *testing.T) {
	t.Parallel()
	r, p := newProxiedRig(t)
	calls := make(chan int64, 1000)
	r.start(attempts(calls))
	r.sendTo("c", true, "before")
	r.awaitReplies("before")
	receive(t, calls, "the first call")

	lost := p.DropReply("evalsha", "sg:lock:channel:other", "taken")
	r.in.Lock.TTL = time.Hour
	r.sendTo("other", true, "lost")
	receive(t, lost, "the lost reply")
	require.EqualValues(t, 1, receive(t, calls, "the call"))
	r.awaitReplies("before", "lost")
}

func TestConnectionsThatAreCutLoseNothing(t *testing.T) {
	t.Parallel()
	r, p := newProxiedRig(t)
	r.in.Autoclaim.MinIdle = time.Hour
	s := newSlow()
	w := r.start(s.handle)
	r.send("one")
	receive(t, s.begun, "the call")
	p.Refuse(true)
	eventually(t, "the worker says that it can't read", func() bool { return w.Ready() != nil })
	close(s.release)
	r.send("two")
	p.Refuse(false)
	r.awaitReplies("one", "two")
	require.EqualValues(t, 1, receive(t, s.begun, "the second call").Attempt)
	r.awaitNothingPending()
	eventually(t, "the worker is ready again", func() bool { return w.Ready() == nil })
}
