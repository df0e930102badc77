package consumer

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
)

// contentsOf are the data of a stream's entries.
func (c *committer) contentsOf(stream string) []string {
	messages, err := c.redis.XRange(c.contexts.redis, stream, "-", "+").Result()
	require.NoError(c.t, err)
	data := []string{}
	for _, m := range messages {
		data = append(data, m.Values["data"].(string))
	}
	return data
}

// bothWays tests what is the same whether an order, locks and traces are kept or not.
func bothWays(t *testing.T, test func(t *testing.T, c *committer)) {
	t.Parallel()
	for name, change := range map[string]func(*InboundConfig){"plain": plain, "with order, lock and trace": func(*InboundConfig) {}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, newCommitter(t, change))
		})
	}
}

// breakCommit puts something in front of a line of commit.lua.
func (c *committer) breakCommit(line, before string) {
	broken := strings.Replace(commitLua, line, before+line, 1)
	require.NotEqual(c.t, commitLua, broken)
	c.scripts.commit = redis.NewScript(prelude + orderLua + stateLua + broken)
}

// What the messages of a batch have in common is sent once, whatever it is that they have in common, and in whatever order.
func TestEachMessageOfACommitHasItsOwnOutcome(t *testing.T) {
	bothWays(t, func(t *testing.T, c *committer) {
		ctx := c.contexts.redis
		const rounds = 3
		c.fill(8 * rounds)
		deliveries := c.fetched(8 * rounds)
		c.claim(ctx, deliveries)
		batch := make([]commitRequest, len(deliveries))
		want, emitted, other, dead, parked := make([]string, len(batch)), []string{}, []string{}, []string{}, map[string]int64{}
		for i, d := range deliveries {
			id := d.entry.Message.ID
			one, two := emit{"out", "t", []byte(fmt.Sprint(i))}, emit{"other", "t", []byte(fmt.Sprint(i, " too"))}
			r := commitRequest{d: d, o: outcome{verb: verbAck}}
			want[i] = "done"
			switch i % 8 {
			case 0, 1:
				r.emits, emitted = []emit{one}, append(emitted, string(one.payload))
			case 2:
				r.emits, emitted, other = []emit{two, one}, append(emitted, string(one.payload)), append(other, string(two.payload))
			case 3: // without an answer
			case 4:
				r.o, r.delay, parked[id] = outcome{verb: verbRetry, reason: "again"}, time.Hour, 1
			case 5:
				r.o, dead = outcome{verb: verbDead, reason: "no"}, append(dead, d.fields.Get("data"))
			case 6:
				r.o, parked[id] = outcome{verb: verbReturn, uncharged: true}, 0
			case 7:
				r.emits, want[i] = []emit{one}, "fenced"
				require.NoError(t, c.redis.XClaimJustID(ctx, &redis.XClaimArgs{Stream: c.cfg.Stream, Group: c.cfg.Group, Consumer: "thief", Messages: []string{id}}).Err())
			}
			batch[i] = r
		}
		require.Equal(t, want, c.Worker.commit(ctx, 0, batch))

		require.Equal(t, emitted, c.contentsOf("out"))
		require.Equal(t, other, c.contentsOf("other"))
		require.Equal(t, dead, c.contentsOf(c.cfg.DeadLetters.Stream))
		pending, err := c.redis.XPendingExt(ctx, &redis.XPendingExtArgs{Stream: c.cfg.Stream, Group: c.cfg.Group, Start: "-", End: "+", Count: 1000}).Result()
		require.NoError(t, err)
		require.Len(t, pending, 3*rounds)
		for _, p := range pending {
			if p.Consumer == "thief" {
				continue
			}
			require.Equal(t, parkedConsumer, p.Consumer)
			require.Equal(t, parked[p.ID], p.RetryCount)
		}
		for i, d := range deliveries {
			if d.trace == "" {
				continue
			}
			state := map[int]string{4: "ERRORED", 5: "ERRORED", 6: "CLAIMED", 7: "CLAIMED"}[i%8]
			require.Equal(t, orElse(state, "COMPLETED"), c.redis.HGet(ctx, d.trace, "state").Val())
			require.Positive(t, c.redis.TTL(ctx, d.trace).Val())
			require.Zero(t, c.redis.Exists(ctx, d.lock.key).Val(), "the lock is released, also of what is another's")
		}
	})
}

// Each of the pipes that commits go through has its own place in the ledger, so what the one sends again is known whatever
// the other has sent since.
func TestACommitThatIsSentAgainIsAnsweredFromTheLedgerOfItsPipe(t *testing.T) {
	t.Parallel()
	c := newCommitter(t, func(*InboundConfig) {})
	ctx := c.contexts.redis
	first, second := c.batch(3), c.batch(2)
	// One message of the first is another's, so that there is more to remember than that all went well.
	require.NoError(t, c.redis.XClaimJustID(ctx, &redis.XClaimArgs{Stream: c.cfg.Stream, Group: c.cfg.Group, Consumer: "thief", Messages: []string{first[1].d.entry.Message.ID}}).Err())
	want := []string{"done", "fenced", "done"}
	require.Equal(t, want, c.Worker.commit(ctx, 0, first))
	require.Equal(t, []string{"done", "done"}, c.Worker.commit(ctx, 1, second))
	for range 2 {
		c.batches[0]--
		require.Equal(t, want, c.Worker.commit(ctx, 0, first))
		c.batches[1]--
		require.Equal(t, []string{"done", "done"}, c.Worker.commit(ctx, 1, second))
	}
	require.Len(t, c.contentsOf(c.cfg.Emits.StreamOf(platform)), 4, "nothing is written twice")
	require.Equal(t, []string{"gone", "fenced", "gone"}, c.Worker.commit(ctx, 0, first), "a new batch is not mistaken for an old one")
}

// Redis refuses what takes memory at a script's first write only. What is acknowledged without an answer writes nothing until the
// batch's end, so the refusal may meet a message behind it; it is no failure of that one, nor of any other.
func TestABatchThatRedisHasNoMemoryForIsSentAgainWhole(t *testing.T) {
	bothWays(t, func(t *testing.T, c *committer) {
		batch := c.batch(4)
		batch[0].emits, batch[2].emits = nil, nil
		require.NoError(t, c.redis.ConfigSet(c.contexts.redis, "maxmemory", "1").Err())
		_, err := c.runCommit(c.contexts.redis, 0, batch, func(error) bool { return true })
		require.ErrorContains(t, err, "OOM ")
		require.NoError(t, c.redis.ConfigSet(c.contexts.redis, "maxmemory", "0").Err())
		require.Equal(t, []string{"done", "done", "done", "done"}, c.Worker.commit(c.contexts.redis, 0, batch))
		require.Len(t, c.contentsOf(c.cfg.Emits.StreamOf(platform)), 2)
	})
}

// An error that nobody has thought of is that of one message: those before it and behind it are committed.
func TestAnErrorInACommitIsOneMessages(t *testing.T) {
	t.Parallel()
	c := newCommitter(t, func(*InboundConfig) {})
	c.breakCommit("  refused = verbs[verb]()\n", "  if ARGV[first] == 'poison' then error('a bug') end\n")
	batch := c.batch(4)
	for _, poisoned := range []int{1, 2} {
		batch[poisoned].emits[0].payload = []byte("poison")
	}
	answers := c.Worker.commit(c.contexts.redis, 0, batch)
	require.Equal(t, []string{"done", "done"}, []string{answers[0], answers[3]})
	for _, poisoned := range []int{1, 2} {
		require.Contains(t, answers[poisoned], "a bug")
	}
	require.Len(t, c.contentsOf(c.cfg.Emits.StreamOf(platform)), 2)
	pending, err := c.redis.XPending(c.contexts.redis, c.cfg.Stream, c.cfg.Group).Result()
	require.NoError(t, err)
	require.Equal(t, batch[1].d.entry.Message.ID, pending.Lower)
	require.EqualValues(t, 2, pending.Count)
	c.batches[0]--
	require.Equal(t, answers, c.Worker.commit(c.contexts.redis, 0, batch), "the ledger knows it")
}

// Where what is sent of several messages can't be read, they are left alone, and Redis is not kept busy with them.
func TestARunOfACommitThatCanNotBeReadFailsAsAWhole(t *testing.T) {
	t.Parallel()
	c := newCommitter(t, func(*InboundConfig) {})
	c.breakCommit("    verb, attempt, count, streams =", "    if ARGV[i] == 'dead' then error('a bug') end\n")
	batch := c.batch(4)
	batch[1].o, batch[1].emits = outcome{verb: verbDead, reason: "no"}, nil
	answers := c.Worker.commit(c.contexts.redis, 0, batch)
	require.Equal(t, "done", answers[0])
	for _, answer := range answers[1:] {
		require.Contains(t, answer, "a bug")
	}
	require.Len(t, c.contentsOf(c.cfg.Emits.StreamOf(platform)), 1)
}

func TestAMessageThatIsInABatchTwiceIsCommittedOnce(t *testing.T) {
	bothWays(t, func(t *testing.T, c *committer) {
		batch := c.batch(2)
		require.Equal(t, []string{"done", "done", "gone"}, c.Worker.commit(c.contexts.redis, 0, append(batch, batch[0])))
		require.Len(t, c.contentsOf(c.cfg.Emits.StreamOf(platform)), 2)
	})
}

// A key of the order that is of another type is learned of before anything is written.
func TestACommitWhoseOrderIsOfAnotherTypeWritesNothing(t *testing.T) {
	t.Parallel()
	for name, key := range map[string]func(*Worker) string{"order": (*Worker).orderKey, "lanes": (*Worker).lanesKey} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCommitter(t, func(*InboundConfig) {})
			ctx, key := c.contexts.redis, key(c.Worker)
			batch := c.batch(2)
			require.NoError(t, c.redis.Rename(ctx, c.lanesKey(), "aside").Err())
			require.NoError(t, c.redis.Set(ctx, key, "x", 0).Err())
			_, err := c.runCommit(ctx, 0, batch, func(error) bool { return true })
			require.ErrorContains(t, err, "WRONGTYPE")
			require.Empty(t, c.contentsOf(c.cfg.Emits.StreamOf(platform)))
			require.NoError(t, c.redis.Rename(ctx, "aside", c.lanesKey()).Err())
			require.NoError(t, c.redis.Del(ctx, c.orderKey()).Err())
			require.Equal(t, []string{"done", "done"}, c.Worker.commit(ctx, 0, batch))
		})
	}
}

// What waited for a message is handed out as soon as that is committed, and not when the schedule is looked at next.
func TestACommitSaysThatTheNextOfTheChannelIsDue(t *testing.T) {
	t.Parallel()
	c := newCommitter(t, func(*InboundConfig) {})
	ctx := c.contexts.redis
	for _, channel := range []string{"busy", "busy", "calm"} {
		require.NoError(t, c.redis.XAdd(ctx, &redis.XAddArgs{Stream: c.cfg.Stream, Values: []any{"data", encode(map[string]any{
			"platform": platform, "channel_key": channel, "content": channel,
		}), "ts", "1700000000.25", "trace_id", channel}}).Err())
	}
	deliveries := c.fetched(2)
	c.claim(ctx, deliveries)
	batch := c.answered(deliveries)
	c.commit(batch[1:])
	require.False(t, c.due.Load(), "nothing waited for this one")
	c.commit(batch[:1])
	require.True(t, c.due.Load())
}
