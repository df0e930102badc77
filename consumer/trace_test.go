package consumer

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sgstreamd/sgstreamd/abi"
)

func (r *rig) trace(id string) map[string]string {
	r.t.Helper()
	fields, err := r.redis.HGetAll(r.ctx, r.in.Trace.Prefix+id).Result()
	require.NoError(r.t, err)
	return fields
}

func TestTheTraceTellsOfAMessagesClaimAndCompletion(t *testing.T) {
	t.Parallel()
	r, _ := newRig(t)
	s := newSlow()
	w := r.start(s.handle)
	require.NoError(t, r.redis.HSet(r.ctx, r.in.Trace.Prefix+"tr", "state", "QUEUED", "gateway", "g1").Err())
	r.send("tr")
	receive(t, s.begun, "the call")
	trace := r.trace("tr")
	require.NotEmpty(t, trace["updated_at"])
	delete(trace, "updated_at")
	require.Equal(t, map[string]string{"state": "CLAIMED", "worker": w.cfg.Consumer, "attempt": "1", "gateway": "g1"}, trace)
	close(s.release)
	r.awaitReplies("tr")
	require.Equal(t, "COMPLETED", r.trace("tr")["state"])
	ttl := r.redis.TTL(r.ctx, r.in.Trace.Prefix+"tr").Val()
	require.InDelta(t, r.in.Trace.TTL.Seconds(), ttl.Seconds(), patience.Seconds())
}

func TestTheTraceTellsOfAMessagesFailure(t *testing.T) {
	t.Parallel()
	r, _ := newRig(t)
	r.in.Autoclaim.MinIdle, r.in.Retry = time.Hour, RetryConfig{Base: time.Hour, Factor: 1, Cap: time.Hour}
	tries := make(chan int64, 1000)
	first := r.start(failing(tries, abi.Verdict{Status: abi.StatusRetry, Reason: "no luck"}, nil))
	id := r.send("tr")
	eventually(t, "the failure", func() bool { return r.trace("tr")["state"] == "ERRORED" })
	require.Equal(t, "no luck", r.trace("tr")["error"])

	require.NoError(t, first.stopped())

	// A later try that goes well leaves no error behind.
	r.claimAs("crashed", id, 2*time.Hour, 2)
	w := r.start(echo)
	r.awaitReplies("tr")
	trace := r.trace("tr")
	require.Equal(t, "COMPLETED", trace["state"])
	require.Equal(t, "3", trace["attempt"])
	require.Equal(t, w.cfg.Consumer, trace["worker"])
	require.NotContains(t, trace, "error")
}

func TestATraceKeyOfAnotherTypeDisturbsNothing(t *testing.T) {
	t.Parallel()
	r, _ := newRig(t)
	require.NoError(t, r.redis.Set(r.ctx, r.in.Trace.Prefix+"tr", "somebody's", 0).Err())
	r.start(echo)
	r.send("tr")
	r.awaitReplies("tr")
	r.awaitNothingPending()
	require.Equal(t, "somebody's", r.redis.Get(r.ctx, r.in.Trace.Prefix+"tr").Val())
}

func TestATracesOwnExpiryIsKept(t *testing.T) {
	t.Parallel()
	r, _ := newRig(t)
	key := r.in.Trace.Prefix + "tr"
	require.NoError(t, r.redis.HSet(r.ctx, key, "state", "QUEUED").Err())
	require.NoError(t, r.redis.Expire(r.ctx, key, time.Minute).Err())
	r.start(echo)
	r.send("tr")
	r.awaitReplies("tr")
	require.LessOrEqual(t, r.redis.TTL(r.ctx, key).Val(), time.Minute)
}

func TestWithoutTracesNoneIsWritten(t *testing.T) {
	t.Parallel()
	r, _ := newRig(t)
	r.in.Trace.Enabled = false
	r.start(echo)
	r.send("tr")
	r.awaitReplies("tr")
	require.Empty(t, r.trace("tr"))
}
