package consumer

import (
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/sgstreamd/sgstreamd/internal/redistest"
)

// increment is a script that is not the same when it is run twice.
func increment() *redis.Script { return redis.NewScript("return { redis.call('INCR', KEYS[1]) }") }

// durable is a client whose scripts wait for one replica, and how many of them have waited in vain.
func (r *rig) durable(timeout time.Duration) (redis.UniversalClient, *int) {
	short := 0
	return newDurably(r.dial(1), 1, timeout, func() { short++ }, r.logger()), &short
}

func TestAScriptThatIsRunDurablyWaitsForTheReplica(t *testing.T) {
	t.Parallel()
	r, s, _ := newWatchedRig(t)
	c, short := r.durable(patience)
	reply, err := increment().Run(r.ctx, c, []string{"n"}).Slice()
	require.NoError(t, err)
	require.Equal(t, []any{int64(1)}, reply)
	require.Equal(t, "1", s.Replica.Client(t).Get(r.ctx, "n").Val(), "it is there at once")
	require.Zero(t, *short)

	s.CutReplication()
	c, short = r.durable(50 * time.Millisecond)
	for i := range 2 {
		begun := time.Now()
		reply, err = increment().Run(r.ctx, c, []string{"n"}).Slice()
		require.NoError(t, err, "it is run all the same")
		require.Equal(t, []any{int64(2 + i)}, reply)
		require.GreaterOrEqual(t, time.Since(begun), 50*time.Millisecond)
	}
	require.Equal(t, 2, *short)
	require.Len(t, r.log.lines("too few replicas are known to have a commit"), 1, "a change is told once")
	require.Equal(t, "1", s.Replica.Client(t).Get(r.ctx, "n").Val())

	s.RestoreReplication()
	eventually(t, "the replica has a commit again", func() bool {
		require.NoError(t, increment().Run(r.ctx, c, []string{"n"}).Err())
		return len(r.log.lines("replicas have the commits again")) == 1
	})
}

func TestWithoutAReplicaToWaitForTheClientIsItself(t *testing.T) {
	t.Parallel()
	r, _ := newRig(t)
	require.Same(t, r.redis, newDurably(r.redis, 0, time.Second, nil, r.logger()))
}

func TestAScriptThatIsRunDurablyFollowsItsSlot(t *testing.T) {
	t.Parallel()
	r, c := newTaggedRig(t)
	replica := c.AddReplica(c.NodeOf("{sg}"))
	d, short := r.durable(patience)
	require.NoError(t, increment().Run(r.ctx, d, []string{"{sg}n"}).Err())
	require.Zero(t, *short)
	require.Equal(t, "1", readOnly(t, replica).Get(r.ctx, "{sg}n").Val(), "it is there at once")
	c.Promote(replica)
	eventually(t, "the new primary is found", func() bool { return increment().Run(r.ctx, d, []string{"{sg}n"}).Err() == nil })
	require.Equal(t, "2", r.redis.Get(r.ctx, "{sg}n").Val())
}

// readOnly is a connection that reads from a Cluster's replica.
func readOnly(t *testing.T, s *redistest.Server) *redis.Conn {
	t.Helper()
	c := s.Client(t).Conn()
	t.Cleanup(func() { _ = c.Close() })
	require.NoError(t, c.ReadOnly(t.Context()).Err())
	return c
}

// A Redis that can't tell who has a commit is taken for one where nobody has it.
func TestAWaitThatIsRefusedIsToldAndUndoesNothing(t *testing.T) {
	t.Parallel()
	r, _ := newRig(t, "--user", "default", "on", "nopass", "~*", "+@all", "-wait")
	c, short := r.durable(time.Second)
	require.NoError(t, increment().Run(r.ctx, c, []string{"n"}).Err())
	require.Equal(t, 1, *short)
	require.Contains(t, r.log.lines("too few replicas")[0], "NOPERM")
	require.Equal(t, "1", r.redis.Get(r.ctx, "n").Val())
}

// A worker counts a message as completed only after the wait.
func TestAWorkerWaitsForItsReplicas(t *testing.T) {
	t.Parallel()
	r, s, _ := newWatchedRig(t)
	cfg := Inbound(Name(), r.in, r.out, r.dead, r.state)
	cfg.WaitReplicas, cfg.WaitTimeout = 1, patience
	w := r.startWith(cfg, r.dial(1), echo)
	r.send("safe")
	eventually(t, "it is completed", func() bool { return w.counted("sgstreamd_messages_completed_total") == 1 })
	require.EqualValues(t, 1, s.Replica.Client(t).XLen(r.ctx, r.out.StreamOf(platform)).Val(), "the replica has the answer")
	require.Zero(t, w.counted("sgstreamd_commits_unconfirmed_total"))
	require.NoError(t, w.stopped())

	s.CutReplication()
	cfg.WaitTimeout = 50 * time.Millisecond
	w = r.startWith(cfg, r.dial(1), echo)
	r.send("not known to be safe")
	eventually(t, "it is completed all the same", func() bool { return w.counted("sgstreamd_messages_completed_total") == 1 })
	require.EqualValues(t, 1, w.counted("sgstreamd_commits_unconfirmed_total"))
	r.awaitNothingPending()
}
