package consumer

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/sgstreamd/sgstreamd/abi"
	"github.com/sgstreamd/sgstreamd/internal/redistest"
)

// newApartRig is a rig at a Cluster whose names have no hash tag.
func newApartRig(t *testing.T) (*rig, *redistest.Cluster) {
	t.Helper()
	c := redistest.StartCluster(t)
	return newRigAt(t, c.URL()), c
}

// ownKey is a key that belongs to the inbound stream, in its slot.
func (r *rig) ownKey(kind string) string {
	return "sg:" + kind + ":{" + r.in.Stream + "}:" + r.in.Group
}

// keysOf are the message_keys of all that was answered.
func (r *rig) keysOf() []string {
	r.t.Helper()
	keys := []string{}
	for _, e := range r.entries(r.out.StreamOf(platform)) {
		key, _ := decode(r.t, e["data"].(string))["message_key"].(string)
		keys = append(keys, key)
	}
	return keys
}

func TestAWorkerDoesItsWorkOnAClusterWithoutAHashTagAndSaysWhatItCantPromise(t *testing.T) {
	t.Parallel()
	r, _ := newApartRig(t)
	r.in.Lock.TTL = time.Hour
	used := r.sendFields("data", encode(map[string]any{"platform": platform, "content": "used up"}), "trace_id", "used up", "extra", "kept")
	r.readAs("crashed", 1)
	r.claimAs("crashed", used, 2*time.Hour, 3)
	tries := make(chan int64, 1000)
	w := r.start(failing(tries, abi.Verdict{Status: abi.StatusRetry, Reason: "no luck"}, nil))
	r.sendTo("c", true, "fine")
	r.send("bad")
	r.awaitReplies("fine")
	for attempt := int64(1); attempt <= 3; attempt++ {
		require.Equal(t, attempt, receive(t, tries, "a try"))
	}
	dead := r.awaitDeadLetters(2)
	require.Contains(t, dead[0]["error"], `used up its 3 attempts: worker "crashed" had not finished the last one`)
	require.Equal(t, "3", dead[0]["attempt"])
	require.Equal(t, "kept", dead[0]["original_field:extra"])
	require.Equal(t, used, dead[0]["original_msg_id"])
	require.Equal(t, "no luck", dead[1]["error"])
	require.Equal(t, "3", dead[1]["attempt"])
	r.awaitNothingPending()
	require.NoError(t, w.measure(r.ctx))
	require.NoError(t, w.stopped())
	require.Equal(t, "COMPLETED", r.trace("fine")["state"])
	require.Equal(t, "no luck", r.trace("bad")["error"])
	require.Equal(t, "ERRORED", r.trace("used up")["state"])
	require.Equal(t, "3", r.trace("used up")["attempt"])
	require.Zero(t, r.redis.Exists(r.ctx, r.in.Lock.Prefix+"c").Val(), "the lock is released")
	require.Empty(t, r.orderLeft())
	require.Zero(t, r.redis.ZCard(r.ctx, r.ownKey("schedule")).Val())
	require.EqualValues(t, 2, w.counted("sgstreamd_messages_dead_lettered_total"))

	told := r.log.lines("no common hash tag")
	require.Len(t, told, 1)
	require.Contains(t, told[0], "apart: sg:stream:dlq, sg:state:echo:*, sg:lock:channel:*, sg:trace:*, sg:stream:outbound:*")
	require.Contains(t, told[0], "may be written twice")
}

func TestWithACommonHashTagNoSplitCommitIsMade(t *testing.T) {
	t.Parallel()
	r, c := newTaggedRig(t)
	w := r.start(echo)
	r.sendTo("c", true, "fine")
	r.awaitReplies("fine")
	require.NoError(t, w.stopped())
	node := c.NodeOf(r.in.Stream).Client(t)
	hashes := []string{w.scripts.commit.Hash()}
	for _, s := range []*redis.Script{w.scripts.fence, w.scripts.lock, w.scripts.apply, w.scripts.append, w.scripts.mark} {
		hashes = append(hashes, s.Hash())
	}
	known, err := node.ScriptExists(r.ctx, hashes...).Result()
	require.NoError(t, err)
	require.Equal(t, []bool{true, false, false, false, false, false}, known)
	require.Empty(t, r.log.lines("hash tag"))
}

func TestALockInAnotherSlotIsWaitedForAndReleased(t *testing.T) {
	t.Parallel()
	r, _ := newApartRig(t)
	key := r.in.Lock.Prefix + "c"
	require.NoError(t, r.redis.Set(r.ctx, key, "foreign", 0).Err())
	calls := make(chan int64, 1000)
	r.start(attempts(calls))
	r.sendTo("c", true, "waits")
	begun := time.Now()
	eventually(t, "it has waited", func() bool { return time.Since(begun) > 2*r.in.Autoclaim.MinIdle })
	require.Empty(t, calls)
	require.Equal(t, "foreign", r.redis.Get(r.ctx, key).Val())
	eventually(t, "it is parked between two looks at the lock, and charged nothing", func() bool {
		p := r.pending()
		return len(p) == 1 && p[0].Consumer == parkedConsumer && p[0].RetryCount == 0
	})
	require.NoError(t, r.redis.Del(r.ctx, key).Err())
	require.EqualValues(t, 1, receive(t, calls, "the call"))
	r.awaitReplies("waits")
	eventually(t, "the lock is released", func() bool { return r.redis.Exists(r.ctx, key).Val() == 0 })

	require.NoError(t, r.redis.HSet(r.ctx, r.in.Lock.Prefix+"d", "a", "b").Err())
	r.sendTo("d", true, "bad")
	require.Contains(t, r.awaitDeadLetters(1)[0]["error"], `key "sg:lock:channel:d" is not a lock`)
}

func TestALockInAnotherSlotIsRenewedAndFencesWhenItIsStolen(t *testing.T) {
	t.Parallel()
	r, _ := newApartRig(t)
	s := newSlow()
	w := r.start(s.handle)
	r.sendTo("c", true, "robbed")
	receive(t, s.begun, "the call")
	require.Equal(t, "CLAIMED", r.trace("robbed")["state"])
	key := r.in.Lock.Prefix + "c"
	token := r.redis.Get(r.ctx, key).Val()
	require.NotEmpty(t, token)
	begun := time.Now()
	eventually(t, "the call has lasted three times the TTL", func() bool {
		require.Equal(t, token, r.redis.Get(r.ctx, key).Val())
		return time.Since(begun) > 3*r.in.Lock.TTL
	})
	require.NoError(t, r.redis.Set(r.ctx, key, "thief", 0).Err())
	require.ErrorIs(t, receive(t, s.cause, "the call's end"), errLost)
	eventually(t, "the loss is counted", func() bool { return w.counted("sgstreamd_messages_fenced_total") == 1 })
	require.Equal(t, "thief", r.redis.Get(r.ctx, key).Val())
	require.Empty(t, r.replies())
}

func TestAClaimThatComesTooLateHoldsNoLockInAnotherSlot(t *testing.T) {
	t.Parallel()
	r, _ := newApartRig(t)
	require.NoError(t, ensureGroup(r.ctx, r.redis, r.in.Stream, r.in.Group))
	w := NewWorker(Inbound(Name(), r.in, r.out, r.dead, r.state), r.redis, nil, NewMetrics(nil), r.logger())
	d := w.accept(contexts{working: r.ctx}, w.decode("1-1", 1, "", nil))
	defer d.ctx.end(nil)
	lock := heldLock{r.in.Lock.Prefix + "c", "token"}
	require.Equal(t, []string{"gone"}, w.askClaims(r.ctx, []*delivery{d}, []heldLock{lock}))
	require.Zero(t, r.redis.Exists(r.ctx, lock.key).Val())
}

// What is known to be lost writes nothing to any slot.
func TestOnAClusterWithoutAHashTagAResultThatIsAnothersIsNotWritten(t *testing.T) {
	for name, steal := range map[string]func(r *rig, id string){
		"the message": func(r *rig, id string) { r.claimAs("thief", id, 0, 2) },
		"the lock": func(r *rig, _ string) {
			require.NoError(r.t, r.redis.Set(r.ctx, r.in.Lock.Prefix+"c", "thief", 0).Err())
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, _ := newApartRig(t)
			r.in.Autoclaim.MinIdle, r.in.Lock.TTL = time.Hour, time.Hour // no heartbeat comes first
			begun, release := make(chan struct{}), make(chan struct{})
			w := r.start(func(_ context.Context, _ <-chan struct{}, m *abi.Message) (abi.Verdict, error) {
				begun <- struct{}{}
				<-release
				v := answer(m)
				v.Writes = []abi.StateWrite{{Key: "zombie", Value: []byte("v")}}
				return v, nil
			})
			id := r.sendTo("c", true, "taken")
			receive(t, begun, "the call")
			steal(r, id)
			close(release)
			eventually(t, "the result is discarded", func() bool { return w.counted("sgstreamd_messages_fenced_total") == 1 })
			require.NoError(t, w.stopped())
			require.Empty(t, r.replies())
			require.Zero(t, r.redis.Exists(r.ctx, "sg:state:echo:zombie").Val())
			require.Len(t, r.pending(), 1)
			require.Equal(t, "CLAIMED", r.trace("taken")["state"])
		})
	}
}

func TestOnAClusterWithoutAHashTagChannelsKeepTheirOrder(t *testing.T) {
	t.Parallel()
	r, _ := newApartRig(t)
	const channels, each = 5, 20
	p := &parade{running: map[string]string{}}
	handle := func(_ context.Context, stop <-chan struct{}, m *abi.Message) (abi.Verdict, error) {
		if isDone(stop) {
			return abi.Verdict{}, abi.ErrNotStarted
		}
		content := contentOf(m)
		p.enter(m.ChannelKey, content)
		defer p.leave(m.ChannelKey)
		if strings.HasSuffix(content, "3") && m.Attempt < 3 {
			return abi.Verdict{Status: abi.StatusRetry}, nil
		}
		return answer(m), nil
	}
	r.start(handle)
	r.start(handle)
	want, all := map[string][]string{}, []string{}
	for i := range each {
		for c := range channels {
			channel, number := fmt.Sprint("c", c), fmt.Sprint(i)
			r.sendTo(channel, i%2 == 0, channel+"/"+number)
			want[channel], all = append(want[channel], number), append(all, channel+"/"+number)
		}
	}
	r.awaitReplies(all...)
	require.Equal(t, want, perChannel(r.replies()))
	require.Empty(t, p.broken)
	r.awaitNothingPending()
	eventually(t, "the order is empty", func() bool { return len(r.orderLeft()) == 0 })
}

// A worker that dies behind its emits and before the acknowledgement leaves a message that is answered again.
func TestAnAnswerWhoseAcknowledgementIsLostComesTwiceUnderOneMessageKey(t *testing.T) {
	t.Parallel()
	user := append([]string{"--user", "daemon", "on", ">sesame"}, strings.Fields(leastRights+" +cluster|slots")...)
	c := redistest.StartCluster(t, user...)
	r := newRigAt(t, c.URL())
	r.redco.URL = strings.Replace(r.url, "://", "://daemon:sesame@", 1)
	s := newSlow()
	w := r.start(s.handle)
	r.sendTo("c", true, "twice")
	receive(t, s.begun, "the call")
	node := c.NodeOf(r.in.Stream).Client(t)
	require.NoError(t, node.Do(r.ctx, "ACL", "SETUSER", "daemon", "-xack").Err())
	close(s.release)
	eventually(t, "the answer is there, and the acknowledgement is not", func() bool {
		return len(r.replies()) == 1 && len(r.log.lines("redis script failed")) > 0
	})
	w.stop()
	w.cut(ErrDrainCut)
	receive(t, w.ended, "the worker's end")
	require.Len(t, r.pending(), 1)

	require.NoError(t, node.Do(r.ctx, "ACL", "SETUSER", "daemon", "+xack").Err())
	r.start(echo)
	r.awaitReplies("twice", "twice")
	keys := r.keysOf()
	require.NotEmpty(t, keys[0])
	require.Equal(t, keys[0], keys[1])
	r.awaitNothingPending()
}

func TestAUserWithTheLeastRightsCanDoAllTheWorkInSeveralSlots(t *testing.T) {
	t.Parallel()
	user := append([]string{"--user", "daemon", "on", ">sesame"}, strings.Fields(leastRights+" +cluster|slots")...)
	c := redistest.StartCluster(t, user...)
	r := newRigAt(t, c.URL())
	r.redco.URL = strings.Replace(r.url, "://", "://daemon:sesame@", 1)
	r.in.MaxAttempts = 1
	w := r.start(func(_ context.Context, _ <-chan struct{}, m *abi.Message) (abi.Verdict, error) {
		v := answer(m)
		v.Writes = []abi.StateWrite{{Key: contentOf(m), Value: []byte("v")}}
		if contentOf(m) == "bad" {
			v.Status = abi.StatusReject
		}
		return v, nil
	})
	r.sendTo("c", true, "fine")
	r.send("bad")
	r.awaitReplies("fine")
	r.awaitDeadLetters(1)
	require.NoError(t, w.stopped())
	for _, node := range c.Nodes {
		log, err := node.Client(t).Do(r.ctx, "ACL", "LOG").Slice()
		require.NoError(t, err)
		require.Empty(t, log, "nothing was refused")
	}

	for _, node := range c.Nodes {
		rights := strings.Replace("reset on >sesame "+leastRights+" +cluster|slots", "~sg:lock:channel:*", "", 1)
		command := []any{"ACL", "SETUSER", "daemon"}
		for _, right := range strings.Fields(rights) {
			command = append(command, right)
		}
		require.NoError(t, node.Client(t).Do(r.ctx, command...).Err())
	}
	without := r.start(echo)
	eventually(t, "the worker says why", func() bool { return without.Ready() != nil && without.Ready().Error() != "not started" })
	require.Contains(t, without.Ready().Error(), "grant it")
	require.Contains(t, without.Ready().Error(), `key "sg:lock:channel:-"`)
}

func TestAStreamWhoseOwnKeysCantBeInItsSlotIsRefusedInWords(t *testing.T) {
	t.Parallel()
	r := newClusterRig(t)
	r.in.Stream = "a}b"
	w := NewWorker(Inbound(Name(), r.in, r.out, r.dead, r.state), r.redis, nil, NewMetrics(nil), r.logger())
	err := w.Prepare(r.ctx)
	require.ErrorContains(t, err, `key "sg:commit:{a}b}:sg:workers:`)
	require.ErrorContains(t, err, `is in another Cluster slot than stream "a}b"; give the stream a hash tag`)
	isFinding(t, r.examined()[0], Danger, `a}b: it is not read; key "sg:commit:{a}b}:sg:workers:`)
	require.Zero(t, r.redis.Exists(r.ctx, r.in.Stream).Val())

	for _, name := range []string{"{sg}:in", "a{b", "{}x{y}", "plain"} {
		r.in.Stream = name
		w := NewWorker(Inbound(Name(), r.in, r.out, r.dead, r.state), r.redis, nil, NewMetrics(nil), r.logger())
		if name == "{}x{y}" {
			require.Error(t, w.checkOwnKeys(), name)
			continue
		}
		require.NoError(t, w.checkOwnKeys(), name)
	}
}

func TestOnAClusterWithoutAHashTagAResultThatAnEarlierMessageOvertakesIsMadeAgain(t *testing.T) {
	t.Parallel()
	r, _ := newApartRig(t)
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

func TestOnAClusterWithoutAHashTagWhatFollowsAMessageThatIsGoneNeedNotWait(t *testing.T) {
	t.Parallel()
	r, _ := newApartRig(t)
	r.in.Autoclaim.MinIdle, r.in.Lock.TTL = time.Hour, time.Hour // no heartbeat comes first
	s := newSlow()
	r.start(s.handle)
	id := r.sendTo("c", true, "acknowledged")
	receive(t, s.begun, "the call")
	r.sendTo("c", true, "next")
	eventually(t, "the next one is parked", func() bool { return len(r.orderLeft()) == 2 })
	require.NoError(t, r.redis.XAck(r.ctx, r.in.Stream, r.in.Group, id).Err())
	close(s.release)
	r.awaitReplies("next")
	eventually(t, "the order is empty", func() bool { return len(r.orderLeft()) == 0 })
}

func TestOnAClusterWithoutAHashTagAReplyIsDeliveredOnce(t *testing.T) {
	t.Parallel()
	r, _ := newApartRig(t)
	r.out.Retry, r.out.Autoclaim = r.in.Retry, r.in.Autoclaim
	calls := make(chan delivered, 1000)
	w := r.startAdapter(delivering(calls, func(attempt int64) (abi.Verdict, error) {
		if attempt == 1 {
			return abi.Verdict{Status: abi.StatusRetry, Reason: "no luck"}, nil
		}
		return done(attempt)
	}))
	r.reply("a", "1")
	r.reply("a", "2")
	r.awaitDelivered()
	require.NoError(t, w.stopped())
	close(calls)
	finished := 0
	for c := range calls {
		if c.attempt > 1 {
			finished++
		}
	}
	require.Equal(t, 1, finished)
	require.EqualValues(t, 1, w.counted("sgstreamd_messages_completed_total"))
	require.EqualValues(t, 1, w.counted("sgstreamd_messages_already_delivered_total"))
}

// Whether enough replicas have a commit counts in every slot that it writes to.
func TestEmitsInOtherSlotsWaitForReplicas(t *testing.T) {
	t.Parallel()
	r, c := newApartRig(t)
	require.NotSame(t, c.NodeOf(r.in.Stream), c.NodeOf(r.out.StreamOf(platform)))
	c.AddReplica(c.NodeOf(r.in.Stream))
	cfg := Inbound(Name(), r.in, r.out, r.dead, r.state)
	cfg.WaitReplicas, cfg.WaitTimeout = 1, 2*time.Second
	w := r.startWith(cfg, r.dial(1), echo)
	r.send("fine")
	r.awaitReplies("fine")
	require.NoError(t, w.stopped())
	require.EqualValues(t, 1, w.counted("sgstreamd_commits_unconfirmed_total"), "the answer's node has no replica")
}
