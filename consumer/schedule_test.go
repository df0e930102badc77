package consumer

import (
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sgstreamd/sgstreamd/abi"
)

func TestTheWaitGrowsUpToItsCap(t *testing.T) {
	t.Parallel()
	c := RetryConfig{Base: 2 * time.Second, Factor: 4, Cap: 5 * time.Minute, Jitter: 20}
	for attempt, want := range map[int64]time.Duration{
		1: 2 * time.Second, 2: 8 * time.Second, 3: 32 * time.Second, 4: 128 * time.Second, 5: 5 * time.Minute, 1000: 5 * time.Minute,
	} {
		require.Equal(t, want, c.delay(attempt, 0.5), "attempt %d", attempt)
		require.InDelta(t, 0.8*float64(want), float64(c.delay(attempt, 0)), 1)
		require.InDelta(t, 1.2*float64(want), float64(c.delay(attempt, 1)), 1)
	}
	require.Zero(t, (&RetryConfig{Factor: 2, Cap: time.Hour}).delay(5, 0.5), "no base, no wait")
}

func TestAFailedMessageWaitsAsLongAsItsPluginSays(t *testing.T) {
	t.Parallel()
	r, _ := newRig(t)
	r.in.Retry = RetryConfig{Base: time.Hour, Factor: 1, Cap: time.Hour}
	tries := make(chan int64, 1000)
	begun := time.Now()
	r.start(failing(tries, abi.Verdict{Status: abi.StatusRetry, RetryAfter: time.Second, Reason: "busy"}, nil))
	r.send("later")
	require.EqualValues(t, 1, <-tries)
	require.EqualValues(t, 2, <-tries)
	// min_idle is 300 ms, and sweeps come every 50 ms: they leave alone what is not due.
	require.GreaterOrEqual(t, time.Since(begun), time.Second)
	require.EqualValues(t, 3, <-tries)
	require.GreaterOrEqual(t, time.Since(begun), 2*time.Second)
}

func TestTheWaitOutlivesItsWorker(t *testing.T) {
	t.Parallel()
	r, _ := newRig(t)
	r.in.Autoclaim.MinIdle = time.Hour
	tries := make(chan int64, 1000)
	begun := time.Now()
	first := r.start(failing(tries, abi.Verdict{Status: abi.StatusRetry, RetryAfter: 1500 * time.Millisecond}, nil))
	r.send("later")
	<-tries
	require.NoError(t, first.stopped())
	r.start(echo)
	r.awaitReplies("later")
	require.GreaterOrEqual(t, time.Since(begun), 1500*time.Millisecond)
	require.Empty(t, r.pending())
	left, err := r.redis.ZCard(r.ctx, first.scheduleKey()).Result()
	require.NoError(t, err)
	require.Zero(t, left, "nothing stays on the schedule")
}

func TestWhatSomebodyElseHasTakenIsNoLongerScheduled(t *testing.T) {
	t.Parallel()
	r, _ := newRig(t)
	r.in.Retry = RetryConfig{Base: time.Hour, Factor: 1, Cap: time.Hour}
	tries := make(chan int64, 1000)
	w := r.start(failing(tries, abi.Verdict{Status: abi.StatusRetry}, nil))
	id := r.send("taken")
	<-tries
	eventually(t, "it is on the schedule", func() bool { return r.redis.ZCard(r.ctx, w.scheduleKey()).Val() == 1 })
	require.NoError(t, w.stopped())
	// A Python worker takes it, for its second try, and dies.
	r.claimAs("python", id, 2*time.Hour, 2)
	r.start(echo)
	r.awaitReplies("taken")
}

func TestAScheduleOfAnotherTypeLeavesRetriesToAutoclaim(t *testing.T) {
	t.Parallel()
	r, _ := newRig(t)
	tries := make(chan int64, 1000)
	key := "sg:schedule:" + r.in.Stream + ":" + r.in.Group
	require.NoError(t, r.redis.Set(r.ctx, key, "no schedule", 0).Err())
	r.start(failing(tries, abi.Verdict{Status: abi.StatusRetry}, nil))
	r.send("tried")
	for want := int64(1); want <= 3; want++ {
		require.Equal(t, want, <-tries)
	}
	require.Equal(t, "no schedule", r.redis.Get(r.ctx, key).Val())
}

func TestAMessageWhoseLockIsNoLockIsTriedAsOftenAsAnyOther(t *testing.T) {
	t.Parallel()
	r, _ := newRig(t)
	r.in.Autoclaim.MinIdle = time.Hour
	require.NoError(t, r.redis.HSet(r.ctx, r.in.Lock.Prefix+"c", "a", "b").Err())
	for _, content := range []string{"one", "two", "three"} {
		r.sendTo("c", true, content)
	}
	r.start(echo)
	for _, dead := range r.awaitDeadLetters(3) {
		require.Equal(t, "3", dead["attempt"])
		require.Contains(t, dead["error"], "is not a lock")
	}
	r.awaitNothingPending()
}

func TestWhatCannotBeBuriedDoesNotStandBeforeWhatIsDue(t *testing.T) {
	t.Parallel()
	r, _ := newRig(t)
	r.in.Autoclaim.MinIdle, r.in.Autoclaim.PageSize = time.Hour, 2
	require.NoError(t, r.redis.Set(r.ctx, r.dead.Stream, "no stream", 0).Err())
	key := "sg:schedule:" + r.in.Stream + ":" + r.in.Group
	for _, content := range []string{"used up", "used up too", "and this", "fine"} {
		id, count := r.send(content), int64(3)
		if content == "fine" {
			count = 1
		}
		r.readAs("crashed", 1)
		r.claimAs("crashed", id, 0, count)
		require.NoError(t, r.redis.Do(r.ctx, "ZADD", key, 0, id+" "+strconv.FormatInt(count, 10)).Err())
	}
	r.start(echo)
	r.awaitReplies("fine")
	require.Len(t, r.pending(), 3, "what can't be buried is kept")
}
