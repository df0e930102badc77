package consumer

import (
	"context"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sgstreamd/sgstreamd/abi"
	"github.com/sgstreamd/sgstreamd/internal/redistest"
)

// throughProxy puts a proxy in front of the node that serves a key.
func throughProxy(t *testing.T, c *redistest.Cluster, key string) *redistest.Proxy {
	t.Helper()
	node := c.NodeOf(key)
	p := redistest.NewProxy(t, node)
	c.Reroute(node, p)
	return p
}

func TestStateInAnotherSlotIsNeverBuiltOnAnOlderValue(t *testing.T) {
	t.Parallel()
	r, c := newApartRig(t)
	p := throughProxy(t, c, "sg:state:echo:n")
	r.in.Order, r.in.MaxAttempts = OrderNone, 1
	s := startState(t, r.redis)
	lost := p.DropReply("evalsha", "sg:state:echo:n", "ok")
	var want []string
	const messages = 40
	for i := range messages {
		r.send(fmt.Sprint(i))
		want = append(want, fmt.Sprint(i+1))
	}
	workers := []*run{r.start(counting(s, strconv.Itoa)), r.start(counting(s, strconv.Itoa))}
	r.awaitReplies(want...)
	receive(t, lost, "a lost reply")
	require.Equal(t, fmt.Sprint(messages), r.redis.Get(r.ctx, "sg:state:echo:n").Val())
	r.awaitNothingPending()
	conflicts := 0.0
	for _, w := range workers {
		require.NoError(t, w.stopped())
		conflicts += w.counted("sgstreamd_messages_returned_total")
	}
	require.NotZero(t, conflicts, "they were in each other's way")
	require.Empty(t, r.entries(r.dead.Stream), "a conflict is no failed try")
}

func TestStateOfSeveralSlotsIsLookedAtBeforeAnyOfItIsWritten(t *testing.T) {
	t.Parallel()
	r, _ := newApartRig(t)
	require.NoError(t, r.redis.Set(r.ctx, "sg:state:echo:stale", "new", 0).Err())
	require.NoError(t, r.redis.Set(r.ctx, "sg:state:echo:gone", "x", 0).Err())
	require.NoError(t, r.redis.HSet(r.ctx, "sg:state:echo:hash", "a", "b").Err())
	keys := []string{"a", "b", "d", "e", "f", "g"}
	r.in.MaxAttempts = 1
	tries := make(chan int64, 1000)
	r.start(func(_ context.Context, _ <-chan struct{}, m *abi.Message) (abi.Verdict, error) {
		v := answer(m)
		for _, key := range keys {
			v.Writes = append(v.Writes, abi.StateWrite{Key: contentOf(m) + key, Value: []byte("\x00v\xff")})
		}
		switch contentOf(m) {
		case "stale":
			tries <- m.Attempt
			if len(tries) == 1 {
				v.Reads = []abi.StateRead{{Key: "stale", Value: []byte("old"), Found: true}}
			} else {
				v = answer(m)
			}
		case "fine":
			v.Reads = []abi.StateRead{{Key: "stale", Value: []byte("new"), Found: true}, {Key: "none"}}
			v.Writes = append(v.Writes, abi.StateWrite{Key: "brief", Value: []byte("v"), TTL: time.Hour}, abi.StateWrite{Key: "gone", Delete: true})
		case "wrong":
			v.Writes = append(v.Writes, abi.StateWrite{Key: "hash", Value: []byte("v")})
		}
		return v, nil
	})
	r.send("stale")
	r.send("wrong")
	r.send("fine")
	r.awaitReplies("stale", "fine")
	require.Contains(t, r.awaitDeadLetters(1)[0]["error"], `key "sg:state:echo:hash" is a hash`)
	r.awaitNothingPending()
	require.EqualValues(t, 1, receive(t, tries, "the try"))
	require.EqualValues(t, 1, receive(t, tries, "the try behind the conflict"), "it is charged nothing")
	for _, key := range keys {
		require.Equal(t, "\x00v\xff", r.redis.Get(r.ctx, "sg:state:echo:fine"+key).Val())
		require.Zero(t, r.redis.Exists(r.ctx, "sg:state:echo:stale"+key).Val())
		require.Zero(t, r.redis.Exists(r.ctx, "sg:state:echo:wrong"+key).Val())
	}
	require.InDelta(t, time.Hour.Seconds(), r.redis.TTL(r.ctx, "sg:state:echo:brief").Val().Seconds(), patience.Seconds())
	require.Zero(t, r.redis.Exists(r.ctx, "sg:state:echo:gone").Val())
}

func TestEmitsAndDeadLettersInOtherSlotsWhoseReplyWasLostAreWrittenOnce(t *testing.T) {
	t.Parallel()
	r, c := newApartRig(t)
	outbound := r.out.StreamOf(platform)
	answers, letters := throughProxy(t, c, outbound), (*redistest.Proxy)(nil)
	if c.NodeOf(r.dead.Stream) == c.NodeOf(outbound) {
		letters = answers
	} else {
		letters = throughProxy(t, c, r.dead.Stream)
	}
	r.start(func(_ context.Context, _ <-chan struct{}, m *abi.Message) (abi.Verdict, error) {
		v := answer(m)
		if contentOf(m) == "bad" {
			v.Status = abi.StatusReject
		}
		return v, nil
	})
	r.send("before")
	r.awaitReplies("before")
	lost := answers.DropReply("evalsha", outbound+"\r\n", "")
	r.send("once")
	receive(t, lost, "the lost reply")
	r.awaitReplies("before", "once")
	r.awaitNothingPending()

	r.send("bad")
	r.awaitDeadLetters(1)
	lost = letters.DropReply("evalsha", r.dead.Stream+"\r\n", "")
	r.send("bad")
	receive(t, lost, "the lost reply")
	r.awaitDeadLetters(2)
	r.awaitNothingPending()
	require.Len(t, r.entries(r.dead.Stream), 2)
	require.Len(t, r.replies(), 2)
}

func TestAMessageOfWhichOneEmitCantBeWrittenWritesNone(t *testing.T) {
	t.Parallel()
	r, _ := newApartRig(t)
	r.in.MaxAttempts = 2
	require.NoError(t, r.redis.Set(r.ctx, "text", "x", 0).Err())
	r.start(func(_ context.Context, _ <-chan struct{}, m *abi.Message) (abi.Verdict, error) {
		v := answer(m)
		switch contentOf(m) {
		case "bad":
			v.Emits = append(v.Emits, abi.Emit{Stream: "text", Payload: encode(nil)})
		case "many":
			v.Emits = append(v.Emits, abi.Emit{Stream: "elsewhere", Payload: encode(nil)}, answer(m).Emits[0])
		}
		return v, nil
	})
	r.send("bad")
	r.send("many")
	r.awaitReplies("many", "many")
	require.Len(t, r.entries("elsewhere"), 1)
	dead := r.awaitDeadLetters(1)[0]
	require.Equal(t, `key "text" is a string, not a stream; rename or delete it`, dead["error"])
	require.Equal(t, "2", dead["attempt"])
	r.awaitNothingPending()
}

// A stream that the dead letters go to may not take them. They must be known to be pending.
func TestADeadLetterThatCantBeWrittenToAnotherSlotStaysPending(t *testing.T) {
	t.Parallel()
	r, _ := newApartRig(t)
	require.NoError(t, r.redis.Set(r.ctx, r.dead.Stream, "x", 0).Err())
	used := r.send("used up")
	r.readAs("crashed", 1)
	r.claimAs("crashed", used, 2*time.Hour, 3)
	r.start(echo)
	eventually(t, "it is told", func() bool { return len(r.log.lines("its outcome can't be written")) > 1 })
	require.Len(t, r.pending(), 1)
	require.NoError(t, r.redis.Del(r.ctx, r.dead.Stream).Err())
	require.Contains(t, r.awaitDeadLetters(1)[0]["error"], "used up its 3 attempts")
	r.awaitNothingPending()
	require.Empty(t, r.replies(), "it was not run again")
}
