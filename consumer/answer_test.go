package consumer

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"github.com/sgstreamd/sgstreamd/abi"
	"github.com/sgstreamd/sgstreamd/envelope"
)

func TestAMessageIsAnsweredAndAcknowledged(t *testing.T) {
	t.Parallel()
	r, _ := newRig(t)
	id := r.sendTo("test:1", false, "hello")
	seen := make(chan abi.Message, 1)
	before := float64(time.Now().UnixMicro()) / 1e6
	w := r.start(func(_ context.Context, _ <-chan struct{}, m *abi.Message) (abi.Verdict, error) {
		seen <- *m
		return answer(m), nil
	})

	m := receive(t, seen, "the call")
	m.Payload = nil
	require.Empty(t, cmp.Diff(abi.Message{
		Stream: r.in.Stream, ID: id, Attempt: 1, TS: 1700000000.25, TraceID: "hello", Platform: platform, ChannelKey: "test:1",
	}, m))

	r.awaitReplies("hello")
	e := r.entries(r.out.StreamOf(platform))[0]
	require.Len(t, e, 3, "an entry has the fields data, ts and trace_id: %v", e)
	require.Equal(t, "hello", e["trace_id"])
	var ts float64
	_, err := fmt.Sscanf(e["ts"].(string), "%f", &ts)
	require.NoError(t, err)
	require.InDelta(t, before, ts, patience.Seconds())
	require.Equal(t, map[string]any{
		"text": "hello", "platform": platform, "trace_id": "hello", "message_key": envelope.MessageKey(r.in.Stream, id, 0),
	}, decode(t, e["data"].(string)))

	require.NoError(t, w.stopped())
	require.Empty(t, r.pending())
	require.EqualValues(t, 1, w.counted("sgstreamd_messages_received_total"))
	require.EqualValues(t, 1, w.counted("sgstreamd_messages_completed_total"))
	require.Zero(t, w.counted("sgstreamd_messages_in_flight"))
}

func TestSeveralEmitsKeepTheirOrderAndHaveKeysOfTheirOwn(t *testing.T) {
	t.Parallel()
	r, _ := newRig(t)
	r.start(func(context.Context, <-chan struct{}, *abi.Message) (abi.Verdict, error) {
		v := abi.Verdict{Status: abi.StatusDone}
		for i := range 3 {
			v.Emits = append(v.Emits, abi.Emit{Platform: platform, Payload: encode(map[string]any{"text": fmt.Sprint(i)})})
		}
		v.Emits = append(v.Emits, abi.Emit{Stream: "elsewhere", Payload: encode(map[string]any{"text": "3", "message_key": "own"})})
		return v, nil
	})
	id := r.send("go")
	eventually(t, "the last emit", func() bool { return len(r.entries("elsewhere")) == 1 })
	for i, e := range append(r.entries(r.out.StreamOf(platform)), r.entries("elsewhere")...) {
		data := decode(t, e["data"].(string))
		require.Equal(t, fmt.Sprint(i), data["text"])
		if i < 3 {
			require.Equal(t, envelope.MessageKey(r.in.Stream, id, i), data["message_key"])
		} else {
			require.Equal(t, "own", data["message_key"])
		}
	}
}

func TestEntriesFromBeforeTheGroupAreRead(t *testing.T) {
	t.Parallel()
	r, _ := newRig(t)
	r.send("one")
	r.send("two")
	r.start(echo)
	r.awaitReplies("one", "two")
}

func TestNoMoreIsFetchedThanThereIsRoom(t *testing.T) {
	t.Parallel()
	r, _ := newRig(t)
	r.in.MaxInFlight = 3
	for i := range 20 {
		r.send(fmt.Sprint(i))
	}
	var now, most atomic.Int64
	begun, release := make(chan struct{}, 20), make(chan struct{})
	w := r.start(func(ctx context.Context, _ <-chan struct{}, m *abi.Message) (abi.Verdict, error) {
		most.Store(max(most.Load(), now.Add(1)))
		defer now.Add(-1)
		begun <- struct{}{}
		select {
		case <-release:
		case <-ctx.Done():
		}
		return answer(m), nil
	})
	for range 3 {
		receive(t, begun, "three calls")
	}
	// A full worker goes on sweeping; that it does shows that it had its chance to read.
	r.awaitSweeps(2)
	require.Len(t, r.pending(), 3)
	require.EqualValues(t, 3, w.counted("sgstreamd_messages_in_flight"))
	close(release)
	eventually(t, "all replies", func() bool { return len(r.replies()) == 20 })
	require.EqualValues(t, 3, most.Load())
}

func TestAPlatformNameThatNoLabelCanHoldIsCountedAsOther(t *testing.T) {
	t.Parallel()
	r, _ := newRig(t)
	long := string(make([]byte, abi.MaxNameBytes+1))
	for _, p := range []any{long, "\xff\xfe", 42, nil} {
		r.sendFields("data", encode(map[string]any{"platform": p, "content": "x"}))
	}
	w := r.start(echo)
	r.awaitReplies("x", "x", "x", "x")
	require.NoError(t, w.stopped())
	require.EqualValues(t, 4, w.counted("sgstreamd_messages_completed_total"))
	require.EqualValues(t, 1, testutil.ToFloat64(w.Worker.metrics.completed.WithLabelValues("processor", otherPlatforms)))
}

func TestAnAdaptersWorkerDeliversItsPlatformsStreamAndTakesOverFromACrashedGateway(t *testing.T) {
	t.Parallel()
	r, _ := newRig(t)
	r.out.Autoclaim = r.in.Autoclaim
	r.in.Stream, r.in.Group = r.out.StreamOf("chat"), r.out.GroupOf("chat") // what the rig looks at
	r.sendTo("c", true, "crashed on")
	r.readAs("gateway", 1)
	r.sendTo("c", true, "new")
	s := newSlow()
	w := r.startWith(Outbound(Name(), "chat", r.out, r.dead, r.state), r.dial(1), s.handle)
	// Addressed or not: a platform's messages need no lock.
	seen := map[string]int64{}
	for range 2 {
		m := receive(t, s.begun, "a delivery")
		seen[contentOf(&m)] = m.Attempt
	}
	require.Equal(t, map[string]int64{"crashed on": 2, "new": 1}, seen)
	require.Empty(t, r.trace("new"), "the trace is the processor's")
	close(s.release)
	require.NoError(t, w.stopped())
	require.Empty(t, r.pending())
	require.EqualValues(t, 2, w.counted("sgstreamd_messages_completed_total"))
}
