package consumer

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/sgstreamd/sgstreamd/abi"
	"github.com/sgstreamd/sgstreamd/internal/redistest"
)

// plain is a worker's configuration without what the guarantees add to a commit: order, lock and trace.
func plain(c *InboundConfig) {
	c.Order, c.Lock.Enabled, c.Trace.Enabled = OrderNone, false, false
}

// committer is a worker whose commits a test or benchmark makes by hand, one batch after the other.
type committer struct {
	*Worker
	t        testing.TB
	contexts contexts
	number   int
}

func newCommitter(t testing.TB, change func(*InboundConfig)) *committer {
	c, err := Dial(RedisConfig{URL: redistest.Start(t).URL()}, 1)
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	in := DefaultInbound()
	change(&in)
	cfg := Inbound("me", in, DefaultOutbound(), DefaultDeadLetters(), DefaultState())
	w := NewWorker(cfg, c, handlerFunc(echo), NewMetrics(nil), slog.New(slog.DiscardHandler))
	require.NoError(t, w.Prepare(context.Background()))
	return &committer{Worker: w, t: t, contexts: contexts{context.Background(), context.Background(), context.Background()}}
}

// fill sends n messages of 600 bytes, each of a channel of its own.
func (c *committer) fill(n int) {
	ctx := c.contexts.redis
	for ; n > 0; n -= maxBatch {
		p := c.redis.Pipeline()
		for range min(n, maxBatch) {
			c.number++
			p.XAdd(ctx, &redis.XAddArgs{Stream: c.cfg.Stream, Values: []any{"data", encode(map[string]any{
				"platform": platform, "channel_key": fmt.Sprint(c.number), "is_addressed": true, "content": strings.Repeat("x", 520),
			}), "ts", "1700000000.25", "trace_id", fmt.Sprint(c.number)}})
		}
		_, err := p.Exec(ctx)
		require.NoError(c.t, err)
	}
}

// fetched has n messages of 600 bytes fetched.
func (c *committer) fetched(n int) []*delivery {
	var deliveries []*delivery
	for len(deliveries) < n {
		accepted, err := c.fetch(c.contexts, n-len(deliveries))
		require.NoError(c.t, err)
		deliveries = append(deliveries, accepted...)
	}
	return deliveries
}

// taken has n messages of 600 bytes seen and taken, which claims them as well.
func (c *committer) taken(n int, step func(string, func())) []*delivery {
	last, err := c.redis.XInfoGroups(c.contexts.redis, c.cfg.Stream).Result()
	require.NoError(c.t, err)
	entries, err := c.look(c.contexts.redis, ask{last[0].LastDeliveredID, n, readBlock})
	require.NoError(c.t, err)
	c.noteSeen(seen{after: c.last, entries: entries})
	c.seen.after = last[0].LastDeliveredID
	var deliveries []*delivery
	step("take", func() { deliveries, err = c.take(c.contexts, n) })
	require.NoError(c.t, err)
	require.Len(c.t, deliveries, n)
	return deliveries
}

// batch has n messages of 600 bytes sent, fetched and claimed, each with an answer of 600 bytes that waits to be
// committed.
func (c *committer) batch(n int) []commitRequest {
	c.fill(n)
	deliveries := c.fetched(n)
	c.claim(c.contexts.redis, deliveries)
	return c.answered(deliveries)
}

// answered has an answer of 600 bytes for each delivery.
func (c *committer) answered(deliveries []*delivery) []commitRequest {
	batch := make([]commitRequest, len(deliveries))
	for i, d := range deliveries {
		written, err := c.emitOf(d, 0, abi.Emit{Platform: platform, Payload: d.entry.Message.Payload})
		require.NoError(c.t, err)
		batch[i] = commitRequest{d: d, o: outcome{verb: verbAck, told: toldDelivered}, emits: []emit{written}}
	}
	return batch
}

// commit commits the batch, and requires that everything of it was done.
func (c *committer) commit(batch []commitRequest) {
	answers := c.Worker.commit(c.contexts.redis, 0, batch)
	for i, r := range batch {
		require.Equal(c.t, "done", answers[i])
		r.d.ctx.end(nil)
		c.flight.remove(r.d)
	}
}

// commands is how many commands Redis has run so far, those of scripts included, and how many scripts.
func (c *committer) commands() (all, scripts int) {
	stats, err := c.redis.Info(c.contexts.redis, "commandstats").Result()
	require.NoError(c.t, err)
	for line := range strings.Lines(stats) {
		name, rest, _ := strings.Cut(strings.TrimPrefix(line, "cmdstat_"), ":calls=")
		n := 0
		if _, err := fmt.Sscanf(rest, "%d", &n); err != nil || name == "info" || name == "config|get" {
			continue
		}
		if all += n; name == "evalsha" || name == "eval" {
			scripts += n
		}
	}
	return all, scripts
}

// A batch is one round trip, however many messages it holds, and each of its messages costs so many commands. Where they
// have become fewer, the number is to be lowered.
func TestACommitIsOneRoundTrip(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*InboundConfig)
		most   int // commands for a message
	}{
		"plain": {plain, 2}, "with order, lock and trace": {func(*InboundConfig) {}, 8},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCommitter(t, test.change)
			c.commit(c.batch(1)) // Redis learns the script
			cost := func(n int) int {
				batch := c.batch(n)
				before, scripts := c.commands()
				c.commit(batch)
				after, scriptsAfter := c.commands()
				require.Equal(t, 1, scriptsAfter-scripts, "a batch of %d", n)
				return after - before
			}
			one, many := cost(1), cost(maxBatch)
			perMessage := (many - one) / (maxBatch - 1)
			require.Equal(t, one+(maxBatch-1)*perMessage, many, "every message costs the same")
			require.LessOrEqual(t, perMessage, test.most)
		})
	}
}

// spent is the time that Redis has spent in scripts and reads.
func (c *committer) spent() (us float64) {
	stats, err := c.redis.Info(c.contexts.redis, "commandstats").Result()
	require.NoError(c.t, err)
	for line := range strings.Lines(stats) {
		name, rest, _ := strings.Cut(strings.TrimPrefix(line, "cmdstat_"), ":")
		calls, n := 0, 0
		if _, err := fmt.Sscanf(rest, "calls=%d,usec=%d", &calls, &n); err == nil && (name == "evalsha" || name == "xreadgroup" && c.cfg.Order == OrderNone) {
			us += float64(n)
		}
	}
	return us
}

// BenchmarkScripts is one message of a batch in each of the steps that it takes with a Redis on this machine, with one emit of 600
// bytes. What Redis spends in the scripts is redis-us/op.
func BenchmarkScripts(b *testing.B) {
	for name, change := range map[string]func(*InboundConfig){"plain": plain, "full": func(*InboundConfig) {}} {
		for _, step := range []string{"fetch", "claim", "take", "commit"} {
			if name == "plain" && (step == "take" || step == "claim") {
				continue // there is nothing to do: a benchmark of that would never end
			}
			for _, size := range []int{1, maxBatch} {
				b.Run(fmt.Sprintf("%s/%s/%d", name, step, size), func(b *testing.B) {
					c := newCommitter(b, change)
					c.commit(c.batch(1)) // Redis learns the scripts
					b.ReportAllocs()
					b.ResetTimer()
					us := 0.0
					for done := 0; done < b.N; done += size {
						b.StopTimer()
						us += c.oneStep(b, step, size)
					}
					b.ReportMetric(us/float64(b.N), "redis-us/op")
				})
			}
		}
	}
}

// oneStep takes a batch through all steps and measures one.
func (c *committer) oneStep(b *testing.B, measured string, size int) (us float64) {
	step := func(name string, do func()) {
		if name != measured {
			do()
			return
		}
		before := c.spent()
		b.StartTimer()
		do()
		b.StopTimer()
		us = c.spent() - before
	}
	c.fill(size)
	var deliveries []*delivery
	if measured == "take" {
		deliveries = c.taken(size, step)
		c.commit(c.answered(deliveries))
		return us
	}
	step("fetch", func() { deliveries = c.fetched(size) })
	step("claim", func() { c.claim(c.contexts.redis, deliveries) })
	batch := c.answered(deliveries)
	step("commit", func() { c.commit(batch) })
	return us
}

// BenchmarkWorker is one message of many on its whole way through a worker: fetch, claim, a handler that answers at once,
// commit.
func BenchmarkWorker(b *testing.B) {
	for name, change := range map[string]func(*InboundConfig){"plain": plain, "full": func(*InboundConfig) {}} {
		b.Run(name, func(b *testing.B) {
			c := newCommitter(b, change)
			handled := make(chan struct{}, b.N)
			c.handler = handlerFunc(func(_ context.Context, _ <-chan struct{}, m *abi.Message) (abi.Verdict, error) {
				handled <- struct{}{}
				return abi.Verdict{Status: abi.StatusDone, Emits: []abi.Emit{{Platform: platform, Payload: m.Payload}}}, nil
			})
			c.fill(b.N)
			stopping, stop := context.WithCancel(context.Background())
			ended := make(chan error, 1)
			b.ReportAllocs()
			b.ResetTimer()
			go func() { ended <- c.Run(stopping, context.Background()) }()
			for range b.N {
				<-handled
			}
			c.handling.Wait() // all of it is committed
			b.StopTimer()
			stop()
			require.NoError(b, <-ended)
		})
	}
}
