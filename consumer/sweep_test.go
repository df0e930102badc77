package consumer

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sgstreamd/sgstreamd/abi"
)

// auditEntry is what the audit hash says of one entry.
type auditEntry struct {
	What       string  `json:"what"`
	From       string  `json:"from"`
	By         string  `json:"by"`
	At         float64 `json:"at"`
	IdleMS     int64   `json:"idle_ms"`
	Deliveries int64   `json:"deliveries"`
}

func (r *rig) audited(id string) auditEntry {
	r.t.Helper()
	var e auditEntry
	require.NoError(r.t, json.Unmarshal([]byte(r.audit(id)), &e), "the audit of %s", id)
	return e
}

func TestASweepTakesOverFromADeadConsumerPageByPage(t *testing.T) {
	t.Parallel()
	r, _ := newRig(t)
	r.in.Autoclaim.PageSize = 2
	r.in.Autoclaim.Interval = time.Hour // one sweep has to do
	want := []string{}
	for i := range 7 {
		want = append(want, fmt.Sprint(i))
		r.send(want[i])
	}
	taken := r.readAs("crashed", 7)
	for _, m := range taken {
		r.claimAs("crashed", m.ID, time.Minute, 1)
	}
	before := float64(time.Now().UnixMilli()) / 1e3
	attempts := make(chan int64, 1000)
	w := r.start(func(_ context.Context, _ <-chan struct{}, m *abi.Message) (abi.Verdict, error) {
		attempts <- m.Attempt
		return answer(m), nil
	})
	r.awaitReplies(want...)
	r.awaitNothingPending()
	for _, m := range taken {
		require.EqualValues(t, 2, receive(t, attempts, "an attempt"))
		a := r.audited(m.ID)
		require.GreaterOrEqual(t, a.IdleMS, time.Minute.Milliseconds())
		require.InDelta(t, before, a.At, patience.Seconds())
		require.GreaterOrEqual(t, a.At, before)
		require.Equal(t, auditEntry{"claimed", "crashed", w.cfg.Consumer, a.At, a.IdleMS, 2}, a)
	}
	ttl, err := r.redis.TTL(r.ctx, r.in.Autoclaim.AuditKey+":"+r.in.Stream+":"+r.in.Group).Result()
	require.NoError(t, err)
	require.InDelta(t, r.in.Autoclaim.AuditTTL.Seconds(), ttl.Seconds(), patience.Seconds())
	require.EqualValues(t, 7, w.counted("sgstreamd_messages_reclaimed_total"))
}

func TestAnEntryWhoseAttemptsAreUsedUpIsDeadLetteredWithoutBeingRun(t *testing.T) {
	t.Parallel()
	r, _ := newRig(t)
	id := r.sendFields("data", encode(map[string]any{"content": "poison"}), "ts", "1", "trace_id", "tr", "extra", "kept")
	r.readAs("crashed", 1)
	r.claimAs("crashed", id, time.Hour, 3)
	tries := make(chan int64, 1000)
	w := r.start(failing(tries, abi.Verdict{}, nil))
	dead := r.awaitDeadLetters(1)[0]
	require.Regexp(t, `^used up its 3 attempts: worker "crashed" had not finished the last one when it was found idle for 36\d{5} ms$`, dead["error"])
	delete(dead, "error")
	require.Contains(t, dead, "ts")
	delete(dead, "ts")
	require.Equal(t, map[string]any{
		"original_stream": r.in.Stream, "original_msg_id": id, "attempt": "3", "trace_id": "tr",
		"data": string(encode(map[string]any{"content": "poison"})), "original_field:extra": "kept",
	}, dead)
	r.send("fine")
	r.awaitReplies("fine")
	r.awaitNothingPending()
	require.Empty(t, tries)
	require.Equal(t, "dead_lettered", r.audited(id).What)
	state, err := r.redis.HGet(r.ctx, r.in.Trace.Prefix+"tr", "state").Result()
	require.NoError(t, err)
	require.Equal(t, "ERRORED", state)
	require.EqualValues(t, 1, w.counted("sgstreamd_messages_dead_lettered_total"))
}

func TestAnEntryOfManyFieldsWhoseAttemptsAreUsedUpIsDeadLettered(t *testing.T) {
	t.Parallel()
	r, _ := newRig(t)
	id := r.sendFields(manyFields(6000)...)
	r.readAs("crashed", 1)
	r.claimAs("crashed", id, time.Hour, 3)
	r.start(echo)
	require.Equal(t, id, r.awaitDeadLetters(1)[0]["original_msg_id"])
	r.send("fine")
	r.awaitReplies("fine")
}

func TestPendingEntriesThatWereTrimmedAreAcknowledgedAndAudited(t *testing.T) {
	t.Parallel()
	r, _ := newRig(t)
	gone := r.send("gone")
	r.readAs("crashed", 1)
	require.NoError(t, r.redis.XDel(r.ctx, r.in.Stream, gone).Err())
	kept := r.send("kept")
	r.readAs("crashed", 1)
	w := r.start(echo)
	r.awaitReplies("kept")
	r.awaitNothingPending()
	require.Equal(t, "trimmed", r.audited(gone).What)
	require.Equal(t, "crashed", r.audited(gone).From)
	require.Equal(t, "claimed", r.audited(kept).What)
	require.EqualValues(t, 1, w.counted("sgstreamd_messages_trimmed_total"))
	require.Len(t, r.log.lines("trimmed off the stream"), 1)
}

func TestASweepLeavesAloneWhatIsInFlightHere(t *testing.T) {
	t.Parallel()
	r, _ := newRig(t)
	s := newSlow()
	w := r.start(s.handle)
	id := r.send("slow")
	receive(t, s.begun, "the call")
	// As if every heartbeat had been late: each sweep sees an entry that has long been idle.
	before := r.calls("xinfo|consumers")
	eventually(t, "five sweeps", func() bool {
		r.claimAs(w.cfg.Consumer, id, time.Hour, 1)
		return r.calls("xinfo|consumers") > before+5
	})
	require.Empty(t, s.begun, "it must not be run twice")
	require.Empty(t, r.audit(id))
	close(s.release)
	r.awaitReplies("slow")
	r.awaitNothingPending()
}

func TestASweepWithoutRoomStillDeadLetters(t *testing.T) {
	t.Parallel()
	r, _ := newRig(t)
	r.in.MaxInFlight = 1
	s := newSlow()
	r.start(s.handle)
	r.send("slow")
	receive(t, s.begun, "the call")
	used, left := r.send("used up"), r.send("left")
	r.readAs("crashed", 2)
	r.claimAs("crashed", left, time.Hour, 1)
	r.claimAs("crashed", used, time.Hour, 3)
	require.Equal(t, used, r.awaitDeadLetters(1)[0]["original_msg_id"])
	r.awaitSweeps(1)
	for _, p := range r.pending() {
		if p.ID == left {
			require.Equal(t, "crashed", p.Consumer, "without room, nothing is taken")
		}
	}
	close(s.release)
	r.awaitReplies("slow", "left")
}

func TestWithoutAutoclaimNothingIsTaken(t *testing.T) {
	t.Parallel()
	r, _ := newRig(t)
	r.in.Autoclaim.Enabled = false
	r.send("abandoned")
	id := r.readAs("crashed", 1)[0].ID
	r.claimAs("crashed", id, time.Hour, 1)
	r.start(echo)
	r.send("fine")
	r.awaitReplies("fine")
	r.send("fine again")
	r.awaitReplies("fine", "fine again")
	require.Equal(t, "crashed", r.pending()[0].Consumer)
}

func TestAnAuditKeyOfTheWrongTypeKeepsNothingFromBeingTaken(t *testing.T) {
	t.Parallel()
	r, _ := newRig(t)
	require.NoError(t, r.redis.Set(r.ctx, r.in.Autoclaim.AuditKey+":"+r.in.Stream+":"+r.in.Group, "x", 0).Err())
	r.send("abandoned")
	r.claimAs("crashed", r.readAs("crashed", 1)[0].ID, time.Hour, 1)
	attempts := make(chan int64, 1000)
	r.start(func(_ context.Context, _ <-chan struct{}, m *abi.Message) (abi.Verdict, error) {
		attempts <- m.Attempt
		return answer(m), nil
	})
	require.EqualValues(t, 2, receive(t, attempts, "the call"))
	r.awaitReplies("abandoned")
	r.awaitNothingPending()
}

func TestConsumersThatAreDeadAndHaveNothingPendingAreForgotten(t *testing.T) {
	t.Parallel()
	r, _ := newRig(t)
	r.in.Autoclaim.MinIdle = 100 * time.Millisecond
	require.NoError(t, ensureGroup(r.ctx, r.redis, r.in.Stream, r.in.Group))
	for _, name := range []string{namePrefix + "dead", "somebody-else"} {
		require.NoError(t, r.redis.XGroupCreateConsumer(r.ctx, r.in.Stream, r.in.Group, name).Err())
	}
	r.start(echo)
	eventually(t, "the dead one is forgotten", func() bool {
		for _, name := range r.consumers() {
			if name == namePrefix+"dead" {
				return false
			}
		}
		return true
	})
	require.Contains(t, r.consumers(), "somebody-else")
}
