package consumer

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sgstreamd/sgstreamd/abi"
)

// counts are the delivery counts of what is pending, in stream order.
func (r *rig) counts() []int64 {
	r.t.Helper()
	var counts []int64
	for _, p := range r.pending() {
		counts = append(counts, p.RetryCount)
	}
	return counts
}

func TestAMessageThatWaitsForItsTurnIsChargedOnlyWhenItBegins(t *testing.T) {
	t.Parallel()
	r, _ := newRig(t)
	r.in.Autoclaim.MinIdle = 300 * time.Millisecond
	s := newSlow()
	for _, content := range []string{"first", "second", "third"} {
		r.sendTo("c", true, content)
	}
	r.start(s.handle)
	receive(t, s.begun, "the first call")
	// Should the worker die now, the last two were handed to no plugin.
	eventually(t, "only the first is charged", func() bool { return slices.Equal(r.counts(), []int64{1, 0, 0}) })
	// Heartbeats keep what they find.
	calls := r.calls("evalsha")
	eventually(t, "a few heartbeats", func() bool { return r.calls("evalsha") > calls+10 })
	require.True(t, slices.Equal(r.counts(), []int64{1, 0, 0}))
	close(s.release)
	r.awaitReplies("first", "second", "third")
	r.awaitNothingPending()
}

func TestAMessageThatWaitsForALockIsChargedOnlyWhenItBegins(t *testing.T) {
	t.Parallel()
	r, _ := newRig(t)
	key := r.in.Lock.Prefix + "c"
	require.NoError(t, r.redis.Set(r.ctx, key, "foreign", 0).Err())
	calls := make(chan int64, 1000)
	id := r.sendTo("c", true, "waits")
	r.readAs("crashed", 1)
	r.claimAs("crashed", id, time.Hour, 1)
	r.start(attempts(calls))
	eventually(t, "it is shown as before it was taken over", func() bool {
		p := r.pending()
		return len(p) == 1 && p[0].Consumer == parkedConsumer && p[0].RetryCount == 1
	})
	require.NoError(t, r.redis.Del(r.ctx, key).Err())
	require.EqualValues(t, 2, receive(t, calls, "the call"))
	r.awaitReplies("waits")
	r.awaitNothingPending()
}

func TestASweepGoesOnAsSoonAsThereIsRoom(t *testing.T) {
	t.Parallel()
	r, _ := newRig(t)
	r.in.MaxInFlight, r.in.Autoclaim.PageSize, r.in.Autoclaim.Interval = 4, 3, time.Hour
	var want []string
	for _, content := range []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n"} {
		id := r.send(content)
		want = append(want, content)
		r.readAs("crashed", 1)
		r.claimAs("crashed", id, 2*time.Hour, 1)
	}
	r.send("new")
	r.start(echo)
	r.awaitReplies(append(want, "new")...)
	r.awaitNothingPending()
}

func TestAFailedMessageIsNotMistakenForALostRead(t *testing.T) {
	t.Parallel()
	r, p := newProxiedRig(t)
	r.in.Retry = RetryConfig{Base: time.Hour, Factor: 1, Cap: time.Hour}
	tries := make(chan int64, 1000)
	id := r.send("bad")
	r.readAs("crashed", 1)
	r.claimAs("crashed", id, 2*time.Hour, 1)
	r.start(failing(tries, abi.Verdict{Status: abi.StatusRetry}, nil))
	require.EqualValues(t, 2, receive(t, tries, "the try after the take-over"))
	p.Cut()
	// The worker looks for what a lost read may have brought before it reads anything else.
	r.send("fine")
	r.awaitReplies("fine")
	require.Empty(t, tries, "the failed message waits for its time")
}
