package consumer

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/sgstreamd/sgstreamd/abi"
)

// newAdapterRig is a rig whose outbound workers have short time-outs.
func newAdapterRig(t *testing.T) *rig {
	r, _ := newRig(t)
	r.out.Retry, r.out.Autoclaim = r.in.Retry, r.in.Autoclaim
	return r
}

func (r *rig) startAdapter(h handlerFunc) *run {
	r.t.Helper()
	return r.startWith(Outbound(Name(), platform, r.out, r.dead, r.state), r.dial(1), h)
}

// reply appends a reply of that message_key to the platform's stream.
func (r *rig) reply(key, channel string) string {
	r.t.Helper()
	id, err := Send(r.ctx, r.redis, r.out.StreamOf(platform), 0, encode(map[string]any{"channel_id": channel, "message_key": key, "content": key}), "")
	require.NoError(r.t, err)
	return id
}

func (r *rig) awaitDelivered() {
	r.t.Helper()
	eventually(r.t, "the outbound stream is done", func() bool {
		_, there, err := groupInfo(r.ctx, r.redis, r.out.StreamOf(platform), r.out.GroupOf(platform))
		if err != nil || !there {
			return false
		}
		done, err := Settled(r.ctx, r.redis, r.out.StreamOf(platform), r.out.GroupOf(platform))
		return err == nil && done
	})
}

// delivered is what an adapter was called with.
type delivered struct {
	key     string
	attempt int64
	maybe   bool
}

// delivering is an adapter that tells of its calls, and answers by the attempt.
func delivering(calls chan<- delivered, by func(attempt int64) (abi.Verdict, error)) handlerFunc {
	return func(_ context.Context, _ <-chan struct{}, m *abi.Message) (abi.Verdict, error) {
		calls <- delivered{contentOf(m), m.Attempt, m.MaybeDelivered}
		return by(m.Attempt)
	}
}

// silent is a handler that answers nothing: what an adapter emitted here would come back to it.
func silent(h handlerFunc) handlerFunc {
	return func(ctx context.Context, stop <-chan struct{}, m *abi.Message) (abi.Verdict, error) {
		v, err := h(ctx, stop, m)
		v.Emits = nil
		return v, err
	}
}

func done(int64) (abi.Verdict, error) { return abi.Verdict{Status: abi.StatusDone}, nil }

func deliversOnce(t *testing.T, r *rig) {
	calls := make(chan delivered, 1000)
	r.reply("a", "1")
	r.reply("a", "1")
	r.reply("", "1") // what has no key can't be told apart
	r.reply("", "1")
	r.reply("a", "2")
	r.reply("b", "2")
	workers := []*run{r.startAdapter(delivering(calls, done)), r.startAdapter(delivering(calls, done))}
	r.awaitDelivered()
	again := 0.0
	for _, w := range workers {
		require.NoError(t, w.stopped())
		again += w.counted("sgstreamd_messages_already_delivered_total")
	}
	close(calls)
	times := map[string]int{}
	for c := range calls {
		times[c.key]++
		require.False(t, c.maybe)
	}
	require.Equal(t, map[string]int{"a": 1, "b": 1, "": 2}, times)
	require.EqualValues(t, 2, again)
	require.Zero(t, r.redis.HLen(r.ctx, "sg:delivering:"+r.out.StreamOf(platform)+":"+r.out.GroupOf(platform)).Val())
}

func TestAReplyIsDeliveredOnceHoweverOftenItIsPublished(t *testing.T) {
	t.Parallel()
	t.Run("in order", func(t *testing.T) {
		t.Parallel()
		r := newAdapterRig(t)
		deliversOnce(t, r)
	})
	t.Run("in no order", func(t *testing.T) {
		t.Parallel()
		r := newAdapterRig(t)
		r.out.Order = OrderNone
		deliversOnce(t, r)
	})
	t.Run("embedded server", func(t *testing.T) {
		t.Parallel()
		r := newEmbeddedRig(t)
		deliversOnce(t, r)
	})
}

func TestTwoOfOneKeyAreNotInFlightTogether(t *testing.T) {
	t.Parallel()
	r := newAdapterRig(t)
	s := newSlow()
	r.reply("a", "1")
	r.reply("a", "2")
	r.reply("b", "3")
	r.startAdapter(silent(s.handle))
	first, second := receive(t, s.begun, "a call"), receive(t, s.begun, "another call")
	require.ElementsMatch(t, []string{"a", "b"}, []string{contentOf(&first), contentOf(&second)})
	close(s.release)
	r.awaitDelivered()
	require.Empty(t, s.begun)
}

func TestAnAdapterIsToldWhetherATryBeforeMayHaveDelivered(t *testing.T) {
	t.Parallel()
	retry := abi.Verdict{Status: abi.StatusRetry}
	for name, c := range map[string]struct {
		by   func(attempt int64) (abi.Verdict, error)
		want []delivered
	}{
		"the plugin says that it was not": {func(attempt int64) (abi.Verdict, error) {
			if attempt < 3 {
				return retry, nil
			}
			return done(attempt)
		}, []delivered{{"k", 1, false}, {"k", 2, false}, {"k", 3, false}}},
		"the plugin has trapped": {func(attempt int64) (abi.Verdict, error) {
			if attempt == 1 {
				return abi.Verdict{}, errors.New("trapped")
			}
			return done(attempt)
		}, []delivered{{"k", 1, false}, {"k", 2, true}}},
		"the first may have, the second has not": {func(attempt int64) (abi.Verdict, error) {
			switch attempt {
			case 1:
				return abi.Verdict{}, errors.New("trapped")
			case 2:
				return retry, nil
			}
			return done(attempt)
		}, []delivered{{"k", 1, false}, {"k", 2, true}, {"k", 3, true}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newAdapterRig(t)
			calls := make(chan delivered, 1000)
			r.reply("k", "c")
			r.startAdapter(delivering(calls, c.by))
			for _, want := range c.want {
				require.Equal(t, want, receive(t, calls, "a call"))
			}
			r.awaitDelivered()
			r.reply("k", "c")
			r.awaitDelivered()
			require.Empty(t, calls, "in the end it was")
		})
	}
}

func TestADeliveryThatAWorkersDeathLeftOpenMayHaveBeenMade(t *testing.T) {
	t.Parallel()
	r := newAdapterRig(t)
	s := newSlow()
	r.startAdapter(silent(s.handle))
	id := r.reply("k", "c")
	require.False(t, receive(t, s.begun, "the first call").MaybeDelivered)
	// As a kill leaves it.
	require.NoError(t, r.redis.Do(r.ctx, "XCLAIM", r.out.StreamOf(platform), r.out.GroupOf(platform), "killed", 0, id,
		"IDLE", time.Hour.Milliseconds(), "RETRYCOUNT", 1, "JUSTID").Err())
	calls := make(chan delivered, 1000)
	r.startAdapter(delivering(calls, done))
	receive(t, s.cause, "the first call's end")
	select {
	case c := <-calls:
		require.Equal(t, delivered{"k", 2, true}, c)
	case m := <-s.begun:
		require.True(t, m.MaybeDelivered)
		close(s.release)
	}
	r.awaitDelivered()
}

func TestALostReplyMakesNoDeliveryDoubtful(t *testing.T) {
	t.Parallel()
	r, p := newProxiedRig(t)
	calls := make(chan delivered, 1000)
	r.startAdapter(delivering(calls, done))
	r.reply("a", "c")
	receive(t, calls, "the first call")
	r.awaitDelivered()
	lost := p.DropReply("evalsha", "\r\nb\r\n", "ok")
	r.reply("b", "c")
	receive(t, lost, "the lost reply")
	require.Equal(t, delivered{"b", 1, false}, receive(t, calls, "the call"))
	r.awaitDelivered()
	require.Empty(t, calls)
}

func TestTheMemoryOfDeliveriesIsBounded(t *testing.T) {
	t.Parallel()
	r := newAdapterRig(t)
	r.out.Once = OnceConfig{Enabled: true, TTL: time.Hour, Max: 3}
	calls := make(chan delivered, 1000)
	r.startAdapter(delivering(calls, done))
	for i := range 5 {
		r.reply(fmt.Sprint(i), "c")
		receive(t, calls, "a call")
	}
	r.awaitDelivered()
	key := "sg:delivered:" + r.out.StreamOf(platform) + ":" + r.out.GroupOf(platform)
	require.Equal(t, []string{"2", "3", "4"}, r.redis.ZRange(r.ctx, key, 0, -1).Val())
	require.InDelta(t, time.Hour.Seconds(), r.redis.TTL(r.ctx, key).Val().Seconds(), patience.Seconds())
	// What is older than the memory reaches back is forgotten with the next delivery.
	require.NoError(t, r.redis.ZAdd(r.ctx, key, redis.Z{Score: float64(time.Now().Add(-time.Hour - time.Second).UnixMilli()), Member: "3"}).Err())
	r.reply("5", "c")
	r.awaitDelivered()
	require.Equal(t, []string{"2", "4", "5"}, r.redis.ZRange(r.ctx, key, 0, -1).Val())
}

func TestMarksThatNobodyComesBackToAreRemoved(t *testing.T) {
	t.Parallel()
	r := newAdapterRig(t)
	key := "sg:delivering:" + r.out.StreamOf(platform) + ":" + r.out.GroupOf(platform)
	for i := range 999 {
		require.NoError(t, r.redis.HSet(r.ctx, key, fmt.Sprint("old", i), "1700000000000 1-1 1 0").Err())
	}
	s := newSlow()
	r.startAdapter(silent(s.handle))
	r.reply("new", "c")
	receive(t, s.begun, "the call")
	require.Equal(t, []string{"new"}, r.redis.HKeys(r.ctx, key).Val())
	close(s.release)
}

func TestAMemoryOfAnotherTypeStallsDeliveriesUntilItIsMended(t *testing.T) {
	t.Parallel()
	r := newAdapterRig(t)
	key := "sg:delivered:" + r.out.StreamOf(platform) + ":" + r.out.GroupOf(platform)
	require.NoError(t, r.redis.Set(r.ctx, key, "x", 0).Err())
	calls := make(chan delivered, 1000)
	r.startAdapter(delivering(calls, done))
	r.reply("k", "c")
	eventually(t, "the log names the key", func() bool { return len(r.log.lines("key \\\""+key+"\\\" is not")) > 0 })
	require.Empty(t, calls)
	require.NoError(t, r.redis.Del(r.ctx, key).Err())
	require.Equal(t, delivered{"k", 1, false}, receive(t, calls, "the call"), "no try is charged")
	r.awaitDelivered()
}

func TestWithoutItsMemoryAnAdapterIsCalledForEachReply(t *testing.T) {
	t.Parallel()
	r := newAdapterRig(t)
	r.out.Once.Enabled = false
	calls := make(chan delivered, 1000)
	r.startAdapter(delivering(calls, done))
	r.reply("k", "c")
	r.reply("k", "c")
	receive(t, calls, "a call")
	receive(t, calls, "another call")
	r.awaitDelivered()
	require.Empty(t, r.redis.Keys(r.ctx, "sg:deliver*").Val())
}

// An adapter whose delivery succeeded and whose commit was refused for the state is called again, and told.
func TestAConflictAfterADeliveryIsDoubtful(t *testing.T) {
	t.Parallel()
	r := newAdapterRig(t)
	calls := make(chan delivered, 1000)
	key := r.state.PrefixOf(r.out.AdapterOf(platform)) + "n"
	r.startAdapter(func(_ context.Context, _ <-chan struct{}, m *abi.Message) (abi.Verdict, error) {
		calls <- delivered{contentOf(m), m.Attempt, m.MaybeDelivered}
		v := abi.Verdict{Status: abi.StatusDone}
		if len(calls) == 1 {
			v.Reads = []abi.StateRead{{Key: "n"}}
			if err := r.redis.Set(r.ctx, key, "other", 0).Err(); err != nil {
				return v, err
			}
		}
		return v, nil
	})
	r.reply("k", "c")
	r.awaitDelivered()
	require.Len(t, calls, 2)
	require.Equal(t, delivered{"k", 1, false}, <-calls)
	require.Equal(t, delivered{"k", 1, true}, <-calls)
}

// What was delivered before an earlier reply of its channel turned up is not delivered again after it.
func TestADeliveryIsNotOvertaken(t *testing.T) {
	t.Parallel()
	r := newAdapterRig(t)
	r.out.Autoclaim.MinIdle = time.Hour
	stream, group := r.out.StreamOf(platform), r.out.GroupOf(platform)
	require.NoError(t, ensureGroup(r.ctx, r.redis, stream, group))
	early := r.reply("early", "c")
	require.NoError(t, r.redis.Do(r.ctx, "XREADGROUP", "GROUP", group, "python", "STREAMS", stream, ">").Err())
	calls := make(chan string, 1000)
	begun, release := make(chan struct{}), make(chan struct{})
	r.startAdapter(func(ctx context.Context, _ <-chan struct{}, m *abi.Message) (abi.Verdict, error) {
		calls <- contentOf(m)
		if contentOf(m) == "late" {
			close(begun)
			select {
			case <-release:
			case <-ctx.Done():
			}
		}
		return abi.Verdict{Status: abi.StatusDone}, nil
	})
	r.reply("late", "c")
	receive(t, begun, "the late one's call")
	require.NoError(t, r.redis.Do(r.ctx, "XCLAIM", stream, group, "python", 0, early, "IDLE", 2*time.Hour.Milliseconds(), "JUSTID").Err())
	eventually(t, "the early one is taken over", func() bool {
		return r.redis.ZCard(r.ctx, "sg:order:"+stream+":"+group).Val() == 2
	})
	close(release)
	r.awaitDelivered()
	require.Len(t, calls, 2)
	require.Equal(t, "late", <-calls)
	require.Equal(t, "early", <-calls)
}
