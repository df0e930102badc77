package consumer

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/sgstreamd/sgstreamd/internal/redistest"
)

// newWatchedRig is a rig at a primary and a replica with sentinels. The client old stays with the first primary.
func newWatchedRig(t *testing.T, args ...string) (r *rig, s *redistest.Sentinels, old *redis.Client) {
	t.Helper()
	s = redistest.StartSentinels(t, args...)
	return newRigAt(t, s.URL()), s, s.Primary.Client(t)
}

// sendSurely sends a message, and returns no error only when the replica has it.
func (r *rig) sendSurely(content string) error {
	c := r.redis.(*redis.Client).Conn()
	defer c.Close()
	data := encode(map[string]any{"platform": platform, "content": content})
	if err := c.XAdd(r.ctx, &redis.XAddArgs{Stream: r.in.Stream, Values: []any{"data", data, "trace_id", content}}).Err(); err != nil {
		return err
	}
	have, err := c.Wait(r.ctx, 1, time.Second).Result()
	if err == nil && have < 1 {
		err = context.DeadlineExceeded
	}
	return err
}

// Under load, every message that the replica had before the failover is answered once on the server that goes on.
func TestAWorkerFollowsThePrimary(t *testing.T) {
	for name, failOver := range map[string]func(s *redistest.Sentinels){
		"the primary dies":                      (*redistest.Sentinels).KillPrimary,
		"the primary steps back":                (*redistest.Sentinels).Promote,
		"the primary dies, and a sentinel, too": func(s *redistest.Sentinels) { s.KillSentinel(0); s.KillPrimary() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, s, _ := newWatchedRig(t)
			w := r.start(echo)
			stop := make(chan struct{})
			sent := r.flood(stop, r.sendSurely)
			eventually(t, "the load", func() bool { return len(r.replies()) > 200 })
			failOver(s)
			eventually(t, "a message after the failover", func() bool { return r.trySend("after") == nil })
			close(stop)
			want := append(receive(t, sent, "what was sent"), "after")
			// The lag of a server that was a replica is not to be trusted.
			eventually(t, "everything is answered", func() bool {
				settled, err := Settled(r.ctx, r.redis, r.in.Stream, r.in.Group)
				return err == nil && settled
			})
			counts := map[string]int{}
			for _, reply := range r.replies() {
				counts[reply]++
			}
			for _, content := range want {
				require.Equal(t, 1, counts[content], content)
			}
			eventually(t, "the worker is ready", func() bool { return w.Ready() == nil })
			require.NoError(t, w.stopped())
		})
	}
}

// keysOf are the message keys of the replies, by their texts.
func keysOf(t *testing.T, c Client, stream string) map[string][]any {
	t.Helper()
	messages, err := c.XRange(t.Context(), stream, "-", "+").Result()
	require.NoError(t, err)
	keys := map[string][]any{}
	for _, m := range messages {
		reply := decode(t, m.Values["data"].(string))
		text := reply["text"].(string)
		keys[text] = append(keys[text], reply["message_key"])
	}
	return keys
}

// What the replica had not got is undone: the message that it never saw, and the answer to one that it did see.
func TestAFailoverUndoesWhatTheReplicaHadNotGot(t *testing.T) {
	t.Parallel()
	r, s, old := newWatchedRig(t)
	slow := newSlow()
	r.start(slow.handle)
	require.NoError(t, r.sendSurely("answered twice"))
	require.EqualValues(t, 1, receive(t, slow.begun, "the call").Attempt)
	s.CutReplication()
	r.send("lost")
	receive(t, slow.begun, "the call of what is lost")
	close(slow.release)
	eventually(t, "both are answered and acknowledged", func() bool { return len(r.replies()) == 2 && len(r.pending()) == 0 })
	before := keysOf(t, old, r.out.StreamOf(platform))

	s.KillPrimary()
	eventually(t, "a message is taken", func() bool { return r.trySend("after") == nil })
	eventually(t, "the first one is answered again", func() bool { return len(r.replies()) == 2 })
	after := keysOf(t, r.redis, r.out.StreamOf(platform))
	require.Equal(t, before["answered twice"], after["answered twice"], "the same key tells that it is the same answer")
	require.NotContains(t, after, "lost")
	require.Len(t, after["after"], 1)
	r.awaitNothingPending()
}

// With min-replicas-to-write the primary refuses what it can't replicate, and nothing is undone.
func TestAPrimaryThatNeedsItsReplicaUndoesNothing(t *testing.T) {
	t.Parallel()
	r, s, old := newWatchedRig(t)
	slow := newSlow()
	r.start(slow.handle)
	require.NoError(t, r.sendSurely("once"))
	receive(t, slow.begun, "the call")
	require.NoError(t, old.ConfigSet(r.ctx, "min-replicas-max-lag", "1").Err())
	require.NoError(t, old.ConfigSet(r.ctx, "min-replicas-to-write", "1").Err())
	s.CutReplication()
	eventually(t, "the primary takes no writes", func() bool {
		return redis.HasErrorPrefix(old.Set(r.ctx, "x", "", 0).Err(), "NOREPLICAS")
	})
	close(slow.release)
	eventually(t, "the commit is refused", func() bool { return len(r.log.lines("NOREPLICAS")) > 0 })
	require.Empty(t, r.replies())
	s.KillPrimary()
	r.awaitReplies("once")
	r.awaitNothingPending()
	require.Empty(t, slow.begun, "it was called once")
	require.Empty(t, r.log.lines("result discarded"))
}

func TestSentinelsThatDoNotKnowThePrimaryAreNoEmptyAnswer(t *testing.T) {
	t.Parallel()
	s := redistest.StartSentinels(t)
	r := newRigAt(t, s.URL())
	r.redco.URL = s.URLOf("typo")
	w := r.start(echo)
	eventually(t, "the worker says why", func() bool { return w.Ready() != nil && w.Ready().Error() != "not started" })
	require.ErrorContains(t, w.Ready(), `the sentinels know no primary "typo"; write the name that is in their configuration`)
	require.NotContains(t, w.Ready().Error(), "\n")
	require.Less(t, len(r.log.lines("level=WARN")), 25)

	r.redco.URL = s.URL() + "x"
	err := Ping(r.ctx, r.dial(1))
	require.ErrorContains(t, err, "WRONGPASS")
	require.NotContains(t, err.Error(), "\n")
	require.NotContains(t, err.Error(), redistest.SentinelPassword)
}

func TestASentinelsUserNeedsFewRights(t *testing.T) {
	t.Parallel()
	rights := append([]string{"--user", "daemon", "on", ">sesame"}, strings.Fields(leastRights)...)
	r, s, _ := newWatchedRig(t, rights...)
	s.Tell("ACL", "SETUSER", "watcher", "on", ">lookout", "resetchannels", "&+switch-master", "&+replica-reconf-done",
		"+hello", "+ping", "+subscribe", "+sentinel|get-master-addr-by-name", "+sentinel|sentinels", "+sentinel|ckquorum")
	r.redco.URL = strings.NewReplacer("://", "://daemon:sesame@", "sentinel_password="+redistest.SentinelPassword,
		"sentinel_username=watcher&sentinel_password=lookout").Replace(r.url)
	r.start(echo)
	r.send("before")
	r.awaitReplies("before")
	s.Promote()
	eventually(t, "a message is taken", func() bool { return r.trySend("after") == nil })
	eventually(t, "it is answered", func() bool { return slices.Contains(r.replies(), "after") })
	found, err := ExamineTopology(r.ctx, r.redis, r.redco, nil)
	require.NoError(t, err)
	require.Empty(t, found)
	s.Tell("ACL", "SETUSER", "watcher", "-sentinel|ckquorum")
	found, err = ExamineTopology(r.ctx, r.redis, r.redco, nil)
	require.NoError(t, err)
	require.Len(t, found, 1)
	isFinding(t, found[0], Notice, "SENTINEL CKQUORUM: the sentinels' user may not run it", "+sentinel|ckquorum")
}
