package consumer

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
	"github.com/tinylib/msgp/msgp"

	"github.com/sgstreamd/sgstreamd/abi"
	"github.com/sgstreamd/sgstreamd/envelope"
)

// orderLeft is what the order still holds: ids of channels with one message, and members of the others.
func (r *rig) orderLeft() []string {
	r.t.Helper()
	own := ownName(r.in.Stream, isCluster(r.redis)) + ":" + r.in.Group
	p := r.redis.TxPipeline() // both at one moment
	order, lanes := p.ZRange(r.ctx, "sg:order:"+own, 0, -1), p.HGetAll(r.ctx, "sg:lanes:"+own)
	_, err := p.Exec(r.ctx)
	require.NoError(r.t, err)
	left := order.Val()
	several := 0
	for _, id := range lanes.Val() {
		if id != "" {
			left = append(left, id)
		} else {
			several++
		}
	}
	require.LessOrEqual(r.t, several, len(left), "no lane is empty")
	return left
}

// awaitEmptyOrder waits until nothing is left behind of all that was ordered, parked and scheduled.
func (r *rig) awaitEmptyOrder() {
	r.t.Helper()
	eventually(r.t, "the order and the schedule are empty", func() bool {
		return len(r.orderLeft()) == 0 && r.redis.ZCard(r.ctx, "sg:schedule:"+r.in.Stream+":"+r.in.Group).Val() == 0
	})
}

// parade checks that the messages of a channel come one at a time, whoever handles them.
type parade struct {
	mu      sync.Mutex
	running map[string]string // by channel
	broken  []string
}

func (p *parade) enter(channel, content string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if other := p.running[channel]; other != "" {
		p.broken = append(p.broken, fmt.Sprintf("%s ran while %s did", content, other))
	}
	p.running[channel] = content
}

func (p *parade) leave(channel string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.running, channel)
}

// perChannel sorts replies, which are "<channel>/<number>", into their channels.
func perChannel(replies []string) map[string][]string {
	channels := map[string][]string{}
	for _, text := range replies {
		channel, number, _ := strings.Cut(text, "/")
		channels[channel] = append(channels[channel], number)
	}
	return channels
}

func TestTheMessagesOfAChannelTakeEffectInOrderInTheWholeFleet(t *testing.T) {
	t.Parallel()
	r, _ := newRig(t)
	const channels, each = 7, 40
	p := &parade{running: map[string]string{}}
	handle := func(_ context.Context, stop <-chan struct{}, m *abi.Message) (abi.Verdict, error) {
		if isDone(stop) {
			return abi.Verdict{}, abi.ErrNotStarted
		}
		content := contentOf(m)
		p.enter(m.ChannelKey, content)
		defer p.leave(m.ChannelKey)
		if strings.HasSuffix(content, "3") && m.Attempt < 3 { // every tenth fails twice
			return abi.Verdict{Status: abi.StatusRetry}, nil
		}
		return answer(m), nil
	}
	var workers []*run
	for range 3 {
		workers = append(workers, r.start(handle))
	}
	want, all := map[string][]string{}, []string{}
	for i := range each {
		for c := range channels {
			channel := fmt.Sprint("c", c)
			r.sendTo(channel, (i+c)%3 == 0, fmt.Sprintf("%s/%d", channel, i))
			want[channel] = append(want[channel], fmt.Sprint(i))
			all = append(all, fmt.Sprintf("%s/%d", channel, i))
		}
		if i == each/2 {
			require.NoError(t, workers[0].stopped())
			r.start(handle)
		}
	}
	r.awaitReplies(all...)
	require.Equal(t, want, perChannel(r.replies()))
	require.Empty(t, p.broken)
	r.awaitNothingPending()
	r.awaitEmptyOrder()
}

// Messages of a channel that are taken together are handled one after the other, whether the channel was empty before, had one message,
// or several.
func TestMessagesOfAChannelThatAreTakenTogetherTakeTurns(t *testing.T) {
	t.Parallel()
	r, _ := newRig(t)
	p := &parade{running: map[string]string{}}
	s := newSlow()
	r.start(func(ctx context.Context, stop <-chan struct{}, m *abi.Message) (abi.Verdict, error) {
		p.enter(m.ChannelKey, contentOf(m))
		defer p.leave(m.ChannelKey)
		if strings.HasPrefix(contentOf(m), "one") || strings.HasPrefix(contentOf(m), "several") {
			return s.handle(ctx, stop, m)
		}
		return answer(m), nil
	})
	r.sendTo("one", false, "one/0")
	r.sendTo("several", false, "several/0")
	r.sendTo("several", false, "several/1")
	receive(t, s.begun, "a call")
	receive(t, s.begun, "another channel's call")
	eventually(t, "three are in the order", func() bool { return len(r.orderLeft()) == 3 })
	want, all := map[string][]string{"one": {"0"}, "several": {"0", "1"}}, []string{"one/0", "several/0", "several/1"}
	together := r.redis.TxPipeline()
	for i := range 20 {
		for _, channel := range []string{"none", "one", "several", "only" + fmt.Sprint(i)} {
			number := fmt.Sprint(len(want[channel]))
			want[channel] = append(want[channel], number)
			all = append(all, channel+"/"+number)
			together.XAdd(r.ctx, &redis.XAddArgs{Stream: r.in.Stream, Values: []any{"data", encode(map[string]any{
				"platform": platform, "channel_key": channel, "is_addressed": i%2 == 0, "content": channel + "/" + number,
			})}})
		}
	}
	_, err := together.Exec(r.ctx)
	require.NoError(t, err)
	eventually(t, "all are taken", func() bool { return len(r.pending())+len(r.replies()) >= 83 })
	close(s.release)
	r.awaitReplies(all...)
	require.Equal(t, want, perChannel(r.replies()))
	require.Empty(t, p.broken)
	r.awaitNothingPending()
	r.awaitEmptyOrder()
}

// Where somebody has deleted what the lanes are kept in, the messages that are pending then may meet others of their channel. The
// order of those that wait, and of what comes later, is kept.
func TestADeletedOrderIsForgottenOnce(t *testing.T) {
	t.Parallel()
	for name, before := range map[string][]string{"one is pending": {"a"}, "another waits": {"a", "b"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, _ := newRig(t)
			r.in.Lock.Enabled, r.in.MaxInFlight = false, 10
			begun, release := make(chan string, 100), make(chan struct{})
			r.start(func(_ context.Context, _ <-chan struct{}, m *abi.Message) (abi.Verdict, error) {
				begun <- contentOf(m)
				if contentOf(m) < "d" {
					<-release
				}
				return answer(m), nil
			})
			want := before
			for _, content := range before {
				r.sendTo("c", true, content)
			}
			require.Equal(t, "a", receive(t, begun, "the first call"))
			eventually(t, "all are in the order", func() bool { return len(r.orderLeft()) == len(before) })
			require.NoError(t, r.redis.Del(r.ctx, "sg:lanes:"+r.in.Stream+":"+r.in.Group).Err())
			if len(before) == 1 {
				r.sendTo("c", true, "b")
				require.Equal(t, "b", receive(t, begun, "the call of what can't know better"))
				want = append(want, "b")
			}
			for _, content := range []string{"c", "d", "e"} {
				r.sendTo("c", true, content)
				want = append(want, content)
			}
			eventually(t, "all are taken", func() bool { return len(r.pending()) == 5 })
			require.Empty(t, begun)
			close(release)
			r.awaitReplies(want...)
			known := slices.DeleteFunc(r.replies(), func(text string) bool { return text == "a" })
			require.Equal(t, []string{"b", "c", "d", "e"}, known)
			r.awaitNothingPending()
			r.awaitEmptyOrder()
		})
	}
}

// What somebody has acknowledged behind the back of a daemon that is gone is swept out of the order.
func TestWhatIsInTheOrderAndNotPendingIsRemoved(t *testing.T) {
	t.Parallel()
	r, _ := newRig(t)
	own := r.in.Stream + ":" + r.in.Group
	for i := range 300 { // so that the hash is no list that one page has all of
		require.NoError(t, r.redis.HSet(r.ctx, "sg:lanes:"+own, fmt.Sprintf("3:%03d:", i)+strings.Repeat(":", 60), fmt.Sprint(i+1, "-0")).Err())
	}
	require.NoError(t, r.redis.HSet(r.ctx, "sg:lanes:"+own, "5:empty:"+strings.Repeat(":", 60), "").Err())
	several := "7:several:" + strings.Repeat(":", 60)
	require.NoError(t, r.redis.HSet(r.ctx, "sg:lanes:"+own, several, "").Err())
	for _, id := range []string{"00000000000000000005", "00000000000000000006"} {
		require.NoError(t, r.redis.ZAdd(r.ctx, "sg:order:"+own, redis.Z{Member: several + id + "-00000000000000000000"}).Err())
	}
	r.start(echo)
	eventually(t, "nothing is left", func() bool { return r.redis.Exists(r.ctx, "sg:lanes:"+own, "sg:order:"+own).Val() == 0 })
	require.NotEmpty(t, r.log.lines("messages of ordered channels are pending no more"))
}

func TestOnlyAddressedMessagesAreHeldToTheOrderWhereThatIsAsked(t *testing.T) {
	t.Parallel()
	r, _ := newRig(t)
	r.in.Order, r.in.Lock.Enabled = OrderAddressed, false
	s := newSlow()
	r.start(s.handle)
	r.sendTo("c", true, "first")
	receive(t, s.begun, "the first call")
	r.sendTo("c", true, "second")
	r.sendTo("c", false, "unaddressed")
	m := receive(t, s.begun, "a call beside it")
	require.Equal(t, "unaddressed", contentOf(&m))
	require.Len(t, r.orderLeft(), 2)
	close(s.release)
	r.awaitReplies("first", "second", "unaddressed")
	r.awaitEmptyOrder()
}

func TestWhatFollowsAFailedMessageWaitsUntilItIsDone(t *testing.T) {
	t.Parallel()
	for name, verdict := range map[string]abi.Verdict{
		"retried": {Status: abi.StatusRetry, RetryAfter: 700 * time.Millisecond}, "rejected": {Status: abi.StatusReject},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, _ := newRig(t)
			calls := make(chan string, 1000)
			begun := time.Now()
			handle := func(_ context.Context, _ <-chan struct{}, m *abi.Message) (abi.Verdict, error) {
				calls <- fmt.Sprintf("%s %d", contentOf(m), m.Attempt)
				if contentOf(m) == "first" && m.Attempt == 1 {
					return verdict, nil
				}
				return answer(m), nil
			}
			r.sendTo("c", false, "first")
			r.sendTo("c", false, "second")
			r.start(handle)
			r.start(handle)
			require.Equal(t, "first 1", receive(t, calls, "the first try"))
			if name == "retried" {
				require.Equal(t, "first 2", receive(t, calls, "the second try"))
				require.GreaterOrEqual(t, time.Since(begun), verdict.RetryAfter)
			}
			require.Equal(t, "second 1", receive(t, calls, "what follows"))
			r.awaitNothingPending()
			r.awaitEmptyOrder()
		})
	}
}

// Whatever becomes of the first of a channel behind the daemon's back, the others go on.
func TestAChannelIsNeverStuckBehindWhatIsGone(t *testing.T) {
	t.Parallel()
	for name, remove := range map[string]func(r *rig, id string){
		"acknowledged by hand": func(r *rig, id string) {
			require.NoError(r.t, r.redis.XAck(r.ctx, r.in.Stream, r.in.Group, id).Err())
		},
		"trimmed away": func(r *rig, id string) { require.NoError(r.t, r.redis.XDel(r.ctx, r.in.Stream, id).Err()) },
		"trimmed and acknowledged": func(r *rig, id string) {
			require.NoError(r.t, r.redis.XDel(r.ctx, r.in.Stream, id).Err())
			require.NoError(r.t, r.redis.XAck(r.ctx, r.in.Stream, r.in.Group, id).Err())
		},
		"no longer scheduled": func(r *rig, id string) {
			require.NoError(r.t, r.redis.Del(r.ctx, "sg:schedule:"+r.in.Stream+":"+r.in.Group).Err())
		},
		"taken by a peer that died": func(r *rig, id string) { r.claimAs("python", id, 0, 2) },
		"purged with its consumer": func(r *rig, id string) {
			require.NoError(r.t, r.redis.XGroupDelConsumer(r.ctx, r.in.Stream, r.in.Group, parkedConsumer).Err())
			require.NoError(r.t, r.redis.XGroupSetID(r.ctx, r.in.Stream, r.in.Group, id).Err())
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, _ := newRig(t)
			tries := make(chan int64, 1000)
			handle := func(_ context.Context, _ <-chan struct{}, m *abi.Message) (abi.Verdict, error) {
				if contentOf(m) == "first" && m.Attempt == 1 {
					tries <- m.Attempt
					return abi.Verdict{Status: abi.StatusRetry, RetryAfter: time.Hour}, nil
				}
				return answer(m), nil
			}
			first := r.sendTo("c", false, "first")
			r.start(handle)
			receive(t, tries, "the first try")
			r.sendTo("c", false, "second")
			r.sendTo("c", false, "third")
			eventually(t, "all are parked", func() bool {
				p := r.pending()
				return len(p) == 3 && p[0].Consumer == parkedConsumer && p[1].Consumer == parkedConsumer && p[2].Consumer == parkedConsumer
			})
			remove(r, first)
			eventually(t, "the others are answered", func() bool {
				replies := r.replies()
				return len(replies) >= 2 && replies[len(replies)-2] == "second" && replies[len(replies)-1] == "third"
			})
			r.awaitNothingPending()
			eventually(t, "nothing is left behind", func() bool { return len(r.orderLeft()) == 0 })
		})
	}
}

func TestWhatFollowsAMessageThatSomebodyAcknowledgedInFlightNeedNotWaitForAHeartbeat(t *testing.T) {
	t.Parallel()
	r, _ := newRig(t)
	r.in.Autoclaim.MinIdle, r.in.Lock.TTL = time.Hour, time.Hour
	s := newSlow()
	r.start(s.handle)
	id := r.sendTo("c", false, "acknowledged")
	receive(t, s.begun, "the call")
	r.sendTo("c", false, "next")
	eventually(t, "the next one is parked", func() bool { return len(r.orderLeft()) == 2 })
	require.NoError(t, r.redis.XAck(r.ctx, r.in.Stream, r.in.Group, id).Err())
	close(s.release)
	r.awaitReplies("next")
	r.awaitEmptyOrder()
}

func TestTheOrderOfAWorkerThatDiedIsKeptByTheOthers(t *testing.T) {
	t.Parallel()
	r, _ := newRig(t)
	s := newSlow()
	var want []string
	dead := r.start(s.handle)
	for i := range 10 {
		want = append(want, fmt.Sprint(i))
		r.sendTo("c", false, want[i])
	}
	receive(t, s.begun, "the call")
	eventually(t, "the others are parked", func() bool { return len(r.pending()) == 10 })
	// As a kill leaves it: nobody touches what it holds.
	r.claimAs("killed", r.firstID(), time.Hour, 1)
	require.NoError(t, dead.stopped())
	calls := make(chan int64, 1000)
	r.start(attempts(calls))
	r.start(attempts(calls))
	r.awaitReplies(want...)
	require.Equal(t, want, r.replies())
	require.EqualValues(t, 2, receive(t, calls, "the call of what was begun"))
	for range 9 {
		require.EqualValues(t, 1, receive(t, calls, "a call"), "what was parked was not tried")
	}
	r.awaitEmptyOrder()
}

func TestWhatAPythonPeerHasFetchedIsOrderedOnceItIsTakenOver(t *testing.T) {
	t.Parallel()
	r, _ := newRig(t)
	for _, content := range []string{"a", "b", "c"} {
		id := r.sendTo("c", false, content)
		r.readAs("python", 1)
		r.claimAs("python", id, time.Hour, 1)
	}
	r.sendTo("c", false, "d")
	p := &parade{running: map[string]string{}}
	r.start(func(_ context.Context, _ <-chan struct{}, m *abi.Message) (abi.Verdict, error) {
		p.enter("c", contentOf(m))
		defer p.leave("c")
		return answer(m), nil
	})
	r.awaitReplies("a", "b", "c", "d")
	require.Empty(t, p.broken)
	var taken []string
	for _, text := range r.replies() {
		if text != "d" {
			taken = append(taken, text)
		}
	}
	require.Equal(t, []string{"a", "b", "c"}, taken)
	r.awaitEmptyOrder()
}

func TestAResultThatAnEarlierMessageOvertakesIsMadeAgainAfterIt(t *testing.T) {
	t.Parallel()
	r, _ := newRig(t)
	r.in.Autoclaim.MinIdle, r.in.Lock.TTL = time.Minute, time.Minute // the early one turns up when the test says so
	early := r.sendTo("c", true, "early")
	r.readAs("python", 1)
	s := newSlow()
	w := r.start(s.handle)
	r.sendTo("c", true, "late")
	receive(t, s.begun, "the late one's call")
	r.claimAs("python", early, time.Hour, 1)
	eventually(t, "the early one is known", func() bool { return len(r.orderLeft()) == 2 })
	close(s.release)
	r.awaitReplies("early", "late")
	require.Equal(t, []string{"early", "late"}, r.replies())
	require.NoError(t, w.stopped())
	require.EqualValues(t, 1, w.counted("sgstreamd_messages_returned_total"))
	require.Empty(t, r.pending())
}

func TestManyMessagesOfOneChannelLeaveRoomForTheOthers(t *testing.T) {
	t.Parallel()
	r, _ := newRig(t)
	r.in.MaxInFlight = 4
	s := newSlow()
	r.start(s.handle)
	for i := range 100 {
		r.sendTo("hot", i%2 == 0, fmt.Sprint(i))
	}
	r.sendTo("cold", true, "cold")
	first, second := receive(t, s.begun, "the hot one's call"), receive(t, s.begun, "the other's call")
	require.ElementsMatch(t, []string{"0", "cold"}, []string{contentOf(&first), contentOf(&second)})
	close(s.release)
	eventually(t, "all are answered", func() bool { return len(r.replies()) == 101 })
	r.awaitEmptyOrder()
}

func TestSoManyMayWaitAndNoMore(t *testing.T) {
	t.Parallel()
	r, _ := newRig(t)
	const most, sent = 50, 5_000
	s := newSlow()
	data := encode(map[string]any{"platform": platform, "channel_key": "hot", "content": "x"})
	p := r.redis.Pipeline()
	for range sent {
		p.XAdd(r.ctx, &redis.XAddArgs{Stream: r.in.Stream, Values: []any{"data", data}})
	}
	_, err := p.Exec(r.ctx)
	require.NoError(t, err)
	c := contexts{r.ctx, r.ctx, r.ctx}
	w := NewWorker(Inbound(Name(), r.in, r.out, r.dead, r.state), r.dial(1), handlerFunc(s.handle), NewMetrics(nil), r.logger())
	w.grouped, w.unread, w.mostOrdered = true, true, most
	w.contended = time.Now().Add(time.Hour) // the script reads
	require.NoError(t, w.Prepare(r.ctx))
	require.NoError(t, w.round(c))
	require.Len(t, w.flight.all(), 1)
	require.Less(t, len(r.orderLeft()), most+1025, "no more than one step reads")
	require.NoError(t, w.round(c))
	require.True(t, w.full)
	require.False(t, w.unread)
	waiting := r.orderLeft()
	for _, p := range r.pending()[most/2:] {
		require.NoError(t, r.redis.XAck(r.ctx, r.in.Stream, r.in.Group, p.ID).Err())
	}
	w.tend(r.ctx)
	require.Less(t, len(r.orderLeft()), len(waiting))
	w.unread = true // as after every message that is done
	require.NoError(t, w.round(c))
	require.Greater(t, len(r.orderLeft()), most, "there is room for more")
	close(s.release)
}

func TestAFetchWhoseReplyWasLostKeepsTheOrder(t *testing.T) {
	t.Parallel()
	r, p := newProxiedRig(t)
	r.in.Autoclaim.MinIdle = time.Hour
	calls := make(chan int64, 1000)
	r.start(attempts(calls))
	r.sendTo("c", false, "before")
	r.awaitReplies("before")
	lost := p.DropReply("evalsha", "", "taken")
	r.sendTo("c", false, "lost")
	receive(t, lost, "the lost reply")
	r.sendTo("c", false, "after")
	r.awaitReplies("before", "lost", "after")
	require.Equal(t, []string{"before", "lost", "after"}, r.replies())
	for range 3 {
		require.EqualValues(t, 1, receive(t, calls, "a call"))
	}
	r.awaitEmptyOrder()
}

func TestAnOrderKeyOfAnotherTypeIsOneClearLineAndMended(t *testing.T) {
	t.Parallel()
	for _, prefix := range []string{"sg:order:", "sg:lanes:"} {
		t.Run(prefix, func(t *testing.T) {
			t.Parallel()
			r, _ := newRig(t)
			key := prefix + r.in.Stream + ":" + r.in.Group
			require.NoError(t, r.redis.Set(r.ctx, key, "x", 0).Err())
			w := r.start(echo)
			r.send("waits")
			eventually(t, "the worker says why", func() bool { return w.Ready() != nil && strings.Contains(w.Ready().Error(), "WRONGTYPE") })
			require.Contains(t, w.Ready().Error(), key)
			require.NotContains(t, w.Ready().Error(), "\n")
			require.Empty(t, r.pending(), "nothing is read whose order can't be kept")
			require.NoError(t, r.redis.Del(r.ctx, key).Err())
			r.awaitReplies("waits")
		})
	}
}

func TestTheOrderIsKeptOnTheEmbeddedServerToo(t *testing.T) {
	t.Parallel()
	r := newEmbeddedRig(t)
	var want []string
	for i := range 12 {
		want = append(want, fmt.Sprint(i))
		r.sendTo("c", i%2 == 0, want[i])
	}
	r.start(echo)
	r.start(echo)
	r.awaitReplies(want...)
	require.Equal(t, want, r.replies())
	r.awaitNothingPending()
	r.awaitEmptyOrder()
}

func TestRepliesToAChannelAreDeliveredInOrder(t *testing.T) {
	t.Parallel()
	r, _ := newRig(t)
	r.out.Retry = r.in.Retry
	stream := r.out.StreamOf(platform)
	for i := range 20 {
		_, err := Send(r.ctx, r.redis, stream, 0, encode(map[string]any{"channel_id": "c", "content": fmt.Sprint(i)}), "")
		require.NoError(t, err)
	}
	delivered := make(chan string, 1000)
	for range 2 {
		r.startWith(Outbound(Name(), platform, r.out, r.dead, r.state), r.dial(1), func(_ context.Context, _ <-chan struct{}, m *abi.Message) (abi.Verdict, error) {
			if contentOf(m) == "7" && m.Attempt == 1 {
				return abi.Verdict{Status: abi.StatusRetry}, nil
			}
			delivered <- contentOf(m)
			return abi.Verdict{}, nil
		})
	}
	for i := range 20 {
		require.Equal(t, fmt.Sprint(i), receive(t, delivered, "a delivery"))
	}
}

// lane asks order.lua for the lane of a payload.
func (r *rig) lane(mode string, data []byte) string {
	r.t.Helper()
	script := redis.NewScript(prelude + orderLua + "return lane_of({ 'ts', '1', 'data', ARGV[5] }) or ''")
	lane, err := script.Run(r.ctx, r.redis, []string{"s", "t", "o"}, "g", "c", mode, "channel_key", data).Text()
	require.NoError(r.t, err)
	return lane
}

// laneBy is the lane of a payload by what Go reads from it.
func laneBy(mode string, data []byte) string {
	e, err := envelope.Decode("s", "1-1", 1, envelope.Fields{"data", string(data)}, 1<<30)
	if err != nil || e.Message.ChannelKey == "" || mode == OrderAddressed && !e.Addressed {
		return ""
	}
	lane := fmt.Sprintf("%d:%s:", len(e.Message.ChannelKey), e.Message.ChannelKey)
	return lane + strings.Repeat(":", max(65-len(lane), 0))
}

func TestTheScriptsReadAPayloadAsTheDaemonDoes(t *testing.T) {
	t.Parallel()
	rigs := map[string]*rig{"redis": nil, "embedded": newEmbeddedRig(t)}
	rigs["redis"], _ = newRig(t)
	var payloads [][]byte
	seed := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		payloads = append(payloads, randomPayload(seed))
	}
	for name, r := range rigs {
		for _, mode := range []string{OrderChannel, OrderAddressed} {
			found := 0
			for _, p := range payloads {
				want := laneBy(mode, p)
				require.Equal(t, want, r.lane(mode, p), "%s, %s: % x", name, mode, p)
				require.Equal(t, want, laneOf(mode, "channel_key", string(p)), "%s, %s: % x", name, mode, p)
				if want != "" {
					found++
				}
			}
			require.Greater(t, found, 30, "the payloads are of some use")
		}
		require.Empty(t, r.lane(OrderNone, encode(map[string]any{"channel_key": "c"})))
	}
}

// randomPayload is a map of every kind of value, with the daemon's keys somewhere in it, and also where they mean
// nothing.
func randomPayload(seed *rand.Rand) []byte {
	var keys []string
	for i := range seed.IntN(30) {
		keys = append(keys, fmt.Sprint("key", i))
	}
	for _, name := range []string{"channel_key", "is_addressed"} {
		if seed.IntN(4) > 0 {
			at := seed.IntN(len(keys) + 1)
			keys = append(keys[:at], append([]string{name}, keys[at:]...)...)
		}
	}
	b := msgp.AppendMapHeader(nil, uint32(len(keys)))
	for _, key := range keys {
		b = msgp.AppendString(b, key)
		switch {
		case key == "channel_key" && seed.IntN(5) > 0:
			b = msgp.AppendString(b, strings.Repeat("c:\x00ü;", seed.IntN(60))+"1")
		case key == "is_addressed" && seed.IntN(5) > 0:
			b = msgp.AppendBool(b, seed.IntN(2) == 0)
		case key == "channel_key":
			b = msgp.AppendInt64(b, 7)
		default:
			b = appendRandom(b, seed, 0)
		}
	}
	return b
}

func appendRandom(b []byte, seed *rand.Rand, depth int) []byte {
	n := seed.IntN(18)
	switch size := []int{0, 3, 40, 300, 70_000}[seed.IntN(4)+seed.IntN(100)/99]; n {
	case 0:
		return msgp.AppendNil(b)
	case 1:
		return msgp.AppendFloat32(b, 1.5)
	case 2:
		return msgp.AppendFloat64(b, 1.5)
	case 3:
		return msgp.AppendBytes(b, make([]byte, size))
	case 4, 5:
		return msgp.AppendString(b, strings.Repeat("x", size))
	case 6, 7, 8:
		return msgp.AppendInt64(b, []int64{-1, -40, -200, -40_000, -3_000_000_000, 5}[seed.IntN(6)])
	case 9, 10, 11:
		return msgp.AppendUint64(b, []uint64{1, 200, 300, 70_000, 1 << 40}[seed.IntN(5)])
	case 12, 13:
		ext := msgp.RawExtension{Type: 7, Data: make([]byte, []int{1, 2, 4, 8, 16, 5, 300, 70_000}[seed.IntN(8)])}
		b, _ = msgp.AppendExtension(b, &ext)
		return b
	case 14:
		return msgp.AppendString(b, "«channel_key\xa4fake")
	}
	if depth == 2 {
		return msgp.AppendBool(b, true)
	}
	elements := []int{0, 2, 5, 17}[seed.IntN(4)]
	if n == 15 {
		b = msgp.AppendArrayHeader(b, uint32(elements))
		for range elements {
			b = appendRandom(b, seed, depth+1)
		}
		return b
	}
	b = msgp.AppendMapHeader(b, uint32(elements))
	for i := range elements {
		b = msgp.AppendString(b, []string{"channel_key", "is_addressed", fmt.Sprint("k", i)}[min(i, 2)])
		b = appendRandom(b, seed, depth+1)
	}
	return b
}

// FuzzLane holds that no payload makes a script fail, or read a lane from what is none.
func FuzzLane(f *testing.F) {
	f.Add([]byte("\x81\xabchannel_key\xa1c"))
	f.Add([]byte("\xdf\xff\xff\xff\xff\xabchannel_key"))
	f.Add([]byte("\x82\xa1a\xdd\xff\xff\xff\xff\xabchannel_key\xa1c"))
	f.Add([]byte("\x82\xabchannel_key\xd9\x05hello\xacis_addressed\xc3"))
	e, err := StartEmbedded("127.0.0.1:0")
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(e.Close)
	c, err := Dial(RedisConfig{URL: e.URL()}, 1)
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = c.Close() })
	script := redis.NewScript(prelude + orderLua + "return lane_of({ 'data', ARGV[5] }) or ''")
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, mode := range []string{OrderChannel, OrderAddressed} {
			lane, err := script.Run(t.Context(), c, []string{"s", "t", "o"}, "g", "c", mode, "channel_key", data).Text()
			require.NoError(t, err)
			require.Equal(t, lane, laneOf(mode, "channel_key", string(data)), "the worker and the scripts agree")
			// What is no payload may have a lane, and is dead-lettered in its order. What is one has the right one,
			// unless it names its channel twice.
			if want := laneBy(mode, data); want != "" && strings.Count(string(data), "channel_key") == 1 && strings.Count(string(data), "is_addressed") < 2 {
				require.Equal(t, want, lane)
			}
		}
	})
}

// A payload of small values, and its channel behind them all, must not keep Redis busy for long.
func TestAPayloadOfManyValuesKeepsRedisFromNobody(t *testing.T) {
	t.Parallel()
	r, _ := newRig(t)
	r.in.Autoclaim.MinIdle = time.Hour
	const fields, each = 400, 1500
	data := msgp.AppendMapHeader(nil, fields+1)
	for i := range fields {
		data = msgp.AppendArrayHeader(msgp.AppendString(data, fmt.Sprint(i)), each)
		for range each {
			data = msgp.AppendInt(data, 1)
		}
	}
	data = msgp.AppendString(msgp.AppendString(data, "channel_key"), "c")
	require.Empty(t, r.lane(OrderChannel, data), "it is not looked for so far behind")
	require.Empty(t, laneOf(OrderChannel, "channel_key", string(data)), "nor by the worker")
	script := redis.NewScript(prelude + orderLua + "lane_of({ 'data', ARGV[5] }) return walked_in_all")
	walked, err := script.Run(r.ctx, r.redis, []string{"s", "t", "o"}, "g", "c", OrderChannel, "channel_key", data).Int()
	require.NoError(t, err)
	require.LessOrEqual(t, walked, 5001)
	const sent = 40
	for range sent {
		r.sendFields("data", data)
	}
	w := NewWorker(Inbound(Name(), r.in, r.out, r.dead, r.state), r.redis, handlerFunc(echo), NewMetrics(nil), r.logger())
	require.NoError(t, w.Prepare(r.ctx))
	for read := 0; read < sent; {
		reply, err := w.scripts.fetch.Run(r.ctx, r.redis, w.scriptKeys().keys, w.scriptArgs(sent, mostOrdered)...).Slice()
		require.NoError(t, err)
		require.NotEmpty(t, reply[2:], "each step gets on")
		require.Less(t, len(reply[2:]), 20, "and ends when it has walked over so many")
		read += len(reply[2:])
	}
}

// Where somebody has deleted the hash of the lanes, it is made anew from the sorted set by whoever puts something into it first: here
// it is a failed message of another channel that is tried again.
func TestADeletedHashOfLanesIsMadeAnewByARetry(t *testing.T) {
	t.Parallel()
	r, _ := newRig(t)
	r.in.Autoclaim.MinIdle, r.in.Autoclaim.Interval, r.in.Lock.TTL = time.Hour, time.Hour, time.Hour
	begun, release := make(chan string, 100), make(chan struct{})
	w := r.start(func(ctx context.Context, _ <-chan struct{}, m *abi.Message) (abi.Verdict, error) {
		content := contentOf(m)
		begun <- content
		switch {
		case content == "other" && m.Attempt == 1:
			return abi.Verdict{Status: abi.StatusRetry, RetryAfter: 200 * time.Millisecond}, nil
		case content == "x1" || content == "other":
			select {
			case <-release:
			case <-ctx.Done():
			}
		}
		return answer(m), nil
	})
	r.sendTo("x", false, "x1")
	require.Equal(t, "x1", receive(t, begun, "the first call"))
	r.sendTo("x", false, "x2")
	r.sendTo("z", false, "other")
	require.Equal(t, "other", receive(t, begun, "the second call"))
	require.NoError(t, r.redis.Del(r.ctx, w.lanesKey()).Err())
	require.Equal(t, "other", receive(t, begun, "its second try"))
	r.sendTo("x", false, "x3")
	r.sendTo("y", false, "y1")
	require.Equal(t, "y1", receive(t, begun, "the call behind it"), "x3 waits for x1 and x2")
	close(release)
	r.awaitNothingPending()
	require.Less(t, slices.Index(r.replies(), "x1"), slices.Index(r.replies(), "x2"))
	require.Less(t, slices.Index(r.replies(), "x2"), slices.Index(r.replies(), "x3"))
}
