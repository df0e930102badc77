package consumer

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sgstreamd/sgstreamd/abi"
)

// counting is a handler that counts its messages in the state, and answers with the count.
func counting(s *State, value func(n int) string) handlerFunc {
	return func(ctx context.Context, _ <-chan struct{}, m *abi.Message) (abi.Verdict, error) {
		kept, found, err := s.Get(ctx, "echo", "n")
		if err != nil {
			return abi.Verdict{}, err
		}
		n := 0
		if found {
			if n, err = strconv.Atoi(strings.TrimRight(string(kept), "-")); err != nil {
				return abi.Verdict{}, err
			}
		}
		v := abi.Verdict{Status: abi.StatusDone, Emits: []abi.Emit{{Platform: platform, Payload: encode(map[string]any{"text": fmt.Sprint(n + 1)})}}}
		v.Reads = []abi.StateRead{{Key: "n", Value: kept, Found: found}}
		v.Writes = []abi.StateWrite{{Key: "n", Value: []byte(value(n + 1))}}
		return v, nil
	}
}

// countsEachMessageOnce lets two workers count messages of many channels under one key.
func countsEachMessageOnce(t *testing.T, r *rig, messages int, value func(n int) string) {
	r.in.Order, r.in.MaxAttempts = OrderNone, 1
	// No sweep and no heartbeat helps a message that was put back: it has to be on the schedule until it is handed out.
	r.in.Autoclaim.MinIdle, r.in.Lock.TTL = time.Hour, time.Hour
	s := startState(t, r.redis)
	var want []string
	for i := range messages {
		r.send(fmt.Sprint(i))
		want = append(want, fmt.Sprint(i+1))
	}
	workers := []*run{r.start(counting(s, value)), r.start(counting(s, value))}
	r.awaitReplies(want...)
	require.Equal(t, want, r.replies(), "each count once, and in the order in which they were committed")
	require.Equal(t, value(messages), r.redis.Get(r.ctx, "sg:state:echo:n").Val())
	r.awaitNothingPending()
	conflicts := 0.0
	for _, w := range workers {
		require.NoError(t, w.stopped())
		conflicts += w.counted("sgstreamd_messages_returned_total")
	}
	require.NotZero(t, conflicts, "they were in each other's way")
	require.Empty(t, r.entries(r.dead.Stream), "a conflict is no failed try")
}

func TestWhatIsComputedFromTheStateIsNeverBuiltOnAnOlderValue(t *testing.T) {
	t.Parallel()
	t.Run("small values", func(t *testing.T) {
		t.Parallel()
		r, _ := newRig(t)
		countsEachMessageOnce(t, r, 60, strconv.Itoa)
	})
	t.Run("large values", func(t *testing.T) {
		t.Parallel()
		r, _ := newRig(t)
		countsEachMessageOnce(t, r, 60, func(n int) string { return fmt.Sprint(n) + strings.Repeat("-", 5000) })
	})
	t.Run("embedded server", func(t *testing.T) {
		t.Parallel()
		countsEachMessageOnce(t, newEmbeddedRig(t), 10, strconv.Itoa)
	})
}

func TestStateIsWrittenWithTheAcknowledgementOrNotAtAll(t *testing.T) {
	t.Parallel()
	r, _ := newRig(t)
	require.NoError(t, r.redis.Set(r.ctx, "sg:state:echo:gone", "x", 0).Err())
	r.start(func(_ context.Context, _ <-chan struct{}, m *abi.Message) (abi.Verdict, error) {
		v := answer(m)
		switch contentOf(m) {
		case "keep":
			v.Writes = []abi.StateWrite{{Key: "kept", Value: []byte("\x00v\xff")}, {Key: "brief", Value: []byte("v"), TTL: time.Hour}, {Key: "gone", Delete: true}}
		case "reject":
			v.Status, v.Writes = abi.StatusReject, []abi.StateWrite{{Key: "rejected", Value: []byte("v")}}
		case "to no stream":
			v.Emits[0] = abi.Emit{Stream: "text", Payload: encode(nil)}
			v.Writes = []abi.StateWrite{{Key: "refused", Value: []byte("v")}}
		case "of another type":
			v.Reads = []abi.StateRead{{Key: "hash"}}
			v.Writes = []abi.StateWrite{{Key: "wrong", Value: []byte("v")}}
		case "over another type":
			v.Writes = []abi.StateWrite{{Key: "too", Value: []byte("v")}, {Key: "hash", Value: []byte("v")}}
		}
		return v, nil
	})
	require.NoError(t, r.redis.Set(r.ctx, "text", "x", 0).Err())
	require.NoError(t, r.redis.HSet(r.ctx, "sg:state:echo:hash", "a", "b").Err())
	for _, content := range []string{"keep", "reject", "to no stream", "of another type", "over another type"} {
		r.send(content)
	}
	dead := r.awaitDeadLetters(4)
	r.awaitReplies("keep")
	require.Contains(t, fmt.Sprint(dead), `key "sg:state:echo:hash" is not state of a plugin`)
	require.Contains(t, fmt.Sprint(dead), `key "sg:state:echo:hash" is a hash`)
	require.Equal(t, "\x00v\xff", r.redis.Get(r.ctx, "sg:state:echo:kept").Val())
	require.Negative(t, r.redis.TTL(r.ctx, "sg:state:echo:kept").Val())
	require.InDelta(t, time.Hour.Seconds(), r.redis.TTL(r.ctx, "sg:state:echo:brief").Val().Seconds(), patience.Seconds())
	require.ElementsMatch(t, []string{"sg:state:echo:kept", "sg:state:echo:brief", "sg:state:echo:hash"}, r.redis.Keys(r.ctx, "sg:state:*").Val())
}

func TestAWorkerThatHasLostItsMessageWritesNoState(t *testing.T) {
	t.Parallel()
	r, _ := newRig(t)
	begun, release := make(chan struct{}), make(chan struct{})
	w := r.start(func(_ context.Context, _ <-chan struct{}, m *abi.Message) (abi.Verdict, error) {
		begun <- struct{}{}
		<-release // deaf to its cancellation
		v := answer(m)
		v.Writes = []abi.StateWrite{{Key: "zombie", Value: []byte("v")}}
		return v, nil
	})
	id := r.send("taken")
	receive(t, begun, "the call")
	r.claimAs("thief", id, 0, 2)
	close(release)
	eventually(t, "the result is discarded", func() bool { return w.counted("sgstreamd_messages_fenced_total") == 1 })
	require.Empty(t, r.redis.Keys(r.ctx, "sg:state:*").Val())
}
