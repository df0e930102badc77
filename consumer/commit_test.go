package consumer

import (
	"fmt"
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

// What the messages of a batch have in common is sent once, whatever it is that they have in common, and in whatever order.
func TestEachMessageOfACommitHasItsOwnOutcome(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*InboundConfig){"plain": plain, "with order, lock and trace": func(*InboundConfig) {}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCommitter(t, change)
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
