package consumer

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/sgstreamd/sgstreamd/abi"
)

// startToKill starts a worker with a client of its own. The kill is what Redis sees of one: the connections are closed, and
// the consumer never speaks again.
func (r *rig) startToKill(h handlerFunc) (w *run, kill func()) {
	c := r.dial(1)
	w = r.startWith(Inbound(Name(), r.in, r.out, r.dead, r.state), c, h)
	return w, func() { _ = c.Close() }
}

func TestTheWaitOutlivesAKill(t *testing.T) {
	t.Parallel()
	r, _ := newRig(t)
	r.in.Autoclaim.MinIdle, r.in.Lock.TTL = time.Hour, time.Hour // it is the schedule that brings it back
	tries := make(chan int64, 1000)
	begun := time.Now()
	_, kill := r.startToKill(failing(tries, abi.Verdict{Status: abi.StatusRetry, RetryAfter: 1500 * time.Millisecond}, nil))
	r.sendTo("c", true, "later")
	require.EqualValues(t, 1, receive(t, tries, "the first try"))
	eventually(t, "the failure is committed", func() bool { return len(r.log.lines("it will be tried again")) == 1 })
	kill()
	r.sendTo("c", true, "behind it")
	r.start(attempts(tries))
	require.EqualValues(t, 2, receive(t, tries, "the second try"))
	require.GreaterOrEqual(t, time.Since(begun), 1500*time.Millisecond)
	require.EqualValues(t, 1, receive(t, tries, "the call of the one behind it"))
	r.awaitReplies("later", "behind it")
	require.Equal(t, []string{"later", "behind it"}, r.replies())
}

// What waits in Redis for hours, for its next try or for its turn, looks alive to a peer that takes what is idle.
func TestWhatIsParkedIsKeptFromPeers(t *testing.T) {
	t.Parallel()
	r, _ := newRig(t)
	r.in.Autoclaim.MinIdle, r.in.Autoclaim.Enabled = time.Second, false
	tries := make(chan int64, 1000)
	r.start(failing(tries, abi.Verdict{Status: abi.StatusRetry, RetryAfter: time.Hour}, nil))
	for _, content := range []string{"failed", "second", "third"} {
		r.sendTo("c", false, content)
	}
	receive(t, tries, "the try")
	eventually(t, "all are parked", func() bool {
		p := r.pending()
		return len(p) == 3 && p[0].Consumer == parkedConsumer && p[1].Consumer == parkedConsumer && p[2].Consumer == parkedConsumer
	})
	begun := time.Now()
	eventually(t, "three times min_idle", func() bool {
		for i, p := range r.pending() {
			require.Less(t, p.Idle, r.in.Autoclaim.MinIdle)
			require.Equal(t, []int64{1, 0, 0}[i], p.RetryCount, "a touch is no delivery")
		}
		return time.Since(begun) > 3*r.in.Autoclaim.MinIdle
	})
	require.Empty(t, tries)
}

// What a worker gives back looks idle, so that a peer which knows no schedule takes it, too. No heartbeat may undo that.
func TestWhatIsDueIsAnybodys(t *testing.T) {
	t.Parallel()
	r, _ := newRig(t)
	w := NewWorker(Inbound(Name(), r.in, r.out, r.dead, r.state), r.redis, handlerFunc(echo), NewMetrics(nil), r.logger())
	for _, content := range []string{"given back", "waits"} {
		r.send(content)
	}
	for i, m := range r.readAs("worker", 2) {
		r.claimAs(parkedConsumer, m.ID, time.Hour, 0)
		due := redis.Z{Member: m.ID + " 0", Score: float64(i) * 1e15} // at once, and in the distant future
		require.NoError(t, r.redis.ZAdd(r.ctx, w.scheduleKey(), due).Err())
	}
	w.tend(r.ctx)
	p := r.pending()
	require.GreaterOrEqual(t, p[0].Idle, time.Hour)
	require.Less(t, p[1].Idle, time.Hour)
}

// The reply of a failed try's commit, or of a dead letter's, is lost: sent again, it does nothing again.
func TestAFailureWhoseReplyWasLostIsWrittenOnce(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		status  abi.Status
		in      string // in the lost request
		counter string
	}{
		"retried":  {abi.StatusRetry, "\r\nretry\r\n", "sgstreamd_messages_retried_total"},
		"rejected": {abi.StatusReject, "\r\ndead\r\n", "sgstreamd_messages_dead_lettered_total"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, p := newProxiedRig(t)
			r.in.Retry = RetryConfig{Base: time.Hour, Factor: 1, Cap: time.Hour}
			tries := make(chan int64, 1000)
			w := r.start(failing(tries, abi.Verdict{Status: c.status}, nil))
			r.send("fine") // from here on the server knows the scripts
			r.awaitReplies("fine")
			lost := p.DropReply("evalsha", c.in, "done")
			r.send("bad")
			receive(t, lost, "the lost reply")
			eventually(t, "the answer comes from the ledger", func() bool { return w.counted(c.counter) == 1 })
			require.Zero(t, w.counted("sgstreamd_messages_fenced_total"))
			require.Len(t, tries, 1)
			if c.status == abi.StatusReject {
				require.Len(t, r.entries(r.dead.Stream), 1)
				require.Empty(t, r.pending())
			} else {
				require.EqualValues(t, 1, r.redis.ZCard(r.ctx, w.scheduleKey()).Val())
				require.Equal(t, []int64{1}, r.counts())
			}
		})
	}
}

func TestCommitsThatAreReadyTogetherGoTogether(t *testing.T) {
	t.Parallel()
	r, _ := newRig(t)
	const messages = 200
	r.in.MaxInFlight = messages
	s := newSlow()
	w := r.start(s.handle)
	r.send("alone")
	receive(t, s.begun, "the lone call")
	s.release <- struct{}{}
	r.awaitReplies("alone") // nothing else is ready, or ever will be
	for i := range messages {
		r.send(fmt.Sprint(i))
	}
	for range messages {
		receive(t, s.begun, "a call")
	}
	close(s.release)
	eventually(t, "all are answered", func() bool { return len(r.replies()) == messages+1 })
	require.NoError(t, w.stopped())
	// A worker numbers its commits.
	require.Less(t, w.batches[0]+w.batches[1], uint64(messages/4))
}

// XGROUP DELCONSUMER destroys what is pending, so who has something pending is kept, however long it is dead.
func TestADeadConsumerIsKeptAsLongAsItHasSomethingPending(t *testing.T) {
	t.Parallel()
	r, _ := newRig(t)
	r.in.Autoclaim.MinIdle, r.in.MaxInFlight = 100*time.Millisecond, 1
	s := newSlow()
	w := r.start(s.handle)
	r.send("slow")
	receive(t, s.begun, "the call")
	held := r.send("held")
	r.readAs(namePrefix+"dead", 1)
	eventually(t, "it is idle for longer than the dead are kept", func() bool {
		for _, c := range r.redis.XInfoConsumers(r.ctx, r.in.Stream, r.in.Group).Val() {
			if c.Name == namePrefix+"dead" {
				return c.Idle > (deadAfter+1)*r.in.Autoclaim.MinIdle
			}
		}
		return false
	})
	r.awaitSweeps(2)
	require.Contains(t, r.consumers(), namePrefix+"dead")
	require.Len(t, r.pending(), 2)
	close(s.release)
	r.awaitReplies("slow", "held")
	eventually(t, "it is forgotten", func() bool { return len(r.consumers()) == 1 })
	require.Equal(t, []string{w.cfg.Consumer}, r.consumers())
	require.Equal(t, "claimed", r.audited(held).What)
}

// A worker that was cut off for as long as the dead are kept lives on under its name, and does nothing twice.
func TestAWorkerThatWasForgottenDoesNothingTwice(t *testing.T) {
	t.Parallel()
	r, p := newProxiedRig(t)
	r.in.Autoclaim.Enabled = false
	w := r.start(echo)
	r.send("before")
	r.awaitReplies("before")
	lost := p.DropReply("evalsha", "\r\nack\r\n", "done")
	r.send("once")
	receive(t, lost, "the commit's lost reply")
	p.Refuse(true)
	peer := NewWorker(Inbound(Name(), r.in, r.out, r.dead, r.state), r.redis, handlerFunc(echo), NewMetrics(nil), r.logger())
	require.NoError(t, peer.forget(r.ctx, w.cfg.Consumer, 0))
	require.Zero(t, r.redis.Exists(r.ctx, w.ledgerKey()).Val(), "its ledger goes with its name")
	require.Empty(t, r.consumers())
	p.Refuse(false)
	r.send("after")
	r.awaitReplies("before", "once", "after")
	r.awaitNothingPending()
	require.NoError(t, w.stopped())
}

// The reply to a claim is lost, and the worker is cut off for so long that the message, which the claim had parked, is due
// again. Were it handed out before the claim is sent again, the same try would be begun twice.
func TestWhatWasPutBackIsNotHandedOutBeforeItsOldHandlingIsOver(t *testing.T) {
	t.Parallel()
	r, _ := newRig(t)
	w := NewWorker(Inbound(Name(), r.in, r.out, r.dead, r.state), r.redis, handlerFunc(echo), NewMetrics(nil), r.logger())
	require.NoError(t, r.redis.Set(r.ctx, r.in.Lock.Prefix+"c", "somebody else", 0).Err())
	id := r.sendTo("c", true, "busy")
	r.readAs(w.cfg.Consumer, 1)
	d := &delivery{}
	d.entry.Message.ID, d.entry.Message.ChannelKey, d.entry.Message.Attempt, d.entry.Addressed = id, "c", 1, true
	w.flight.add(d)
	claim := func() string {
		w.claim(r.ctx, []*delivery{d})
		return d.claimed
	}
	handedOut := func() int {
		// It is due now.
		require.NoError(t, r.redis.ZAddXX(r.ctx, w.scheduleKey(), redis.Z{Member: id + " 0"}).Err())
		reply, err := w.scripts.reclaim.Run(r.ctx, r.redis, w.reclaimKeys(), w.reclaimArgs(modeDue, "-")...).Slice()
		require.NoError(t, err)
		return len(list(reply[1]))
	}
	require.Equal(t, "busy", claim())
	require.NoError(t, r.redis.Del(r.ctx, r.in.Lock.Prefix+"c").Err())
	require.Zero(t, handedOut())
	require.Equal(t, "fenced", claim(), "sent again, it is told that the message is not in its hands")
	w.flight.remove(d)
	require.Equal(t, 1, handedOut())
	require.Equal(t, []int64{1}, r.counts())
}

// A worker that comes back after it was cut off is told that its message is another's, whatever became of it meanwhile.
func TestAResultThatComesLateIsDiscardedWhateverBecameOfItsMessage(t *testing.T) {
	t.Parallel()
	for name, meanwhile := range map[string]abi.Verdict{
		"answered":          {Status: abi.StatusDone},
		"dropped":           {Status: abi.StatusDrop},
		"dead-lettered":     {Status: abi.StatusReject},
		"waits for a retry": {Status: abi.StatusRetry, RetryAfter: time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, p := newProxiedRig(t)
			begun, release := make(chan struct{}, 1000), make(chan struct{})
			late := r.start(func(_ context.Context, _ <-chan struct{}, m *abi.Message) (abi.Verdict, error) {
				begun <- struct{}{}
				<-release // deaf to its cancellation
				return answer(m), nil
			})
			id := r.send("late") // no channel: neither its lock nor its order comes before the fence
			receive(t, begun, "the call")
			p.Refuse(true)
			r.redco.URL = r.url
			other := r.start(func(context.Context, <-chan struct{}, *abi.Message) (abi.Verdict, error) { return meanwhile, nil })
			eventually(t, "another worker has dealt with it", func() bool {
				return other.counted("sgstreamd_messages_completed_total")+other.counted("sgstreamd_messages_dead_lettered_total")+
					other.counted("sgstreamd_messages_retried_total") == 1
			})
			require.Equal(t, late.cfg.Consumer, r.audited(id).From)
			before := r.pending()
			p.Refuse(false)
			close(release)
			eventually(t, "the result is discarded", func() bool { return late.counted("sgstreamd_messages_fenced_total") == 1 })
			require.Empty(t, r.replies())
			require.Len(t, r.pending(), len(before))
			if len(before) > 0 {
				require.Equal(t, parkedConsumer, r.pending()[0].Consumer)
				require.Equal(t, before[0].RetryCount, r.pending()[0].RetryCount)
			}
			require.Empty(t, begun, "it is not run again")
		})
	}
}
