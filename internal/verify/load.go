package verify

import (
	"context"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/sgstreamd/sgstreamd/envelope"
)

const (
	// maxOutstanding is how many messages may be sent and not settled: with a bounded backlog, the workers decide how
	// fast the run goes.
	maxOutstanding = 5000
	// loadBatch is how many messages are sent together, at most.
	loadBatch = 100
	// loadTick is how often the load is topped up.
	loadTick = 10 * time.Millisecond
	// loadBurst is for how long a load that was held up is made up for.
	loadBurst = 200 * time.Millisecond
)

// load sends messages.
type load struct {
	server *server
	names  names
	book   *book
	seed   uint64
	traps  bool
	rate   int           // messages a second, at most
	ahead  time.Duration // of Redis's clock before ours

	next int // number of the next message
}

// run sends until sending is done. What it has begun to send then is seen through, unless ctx is done, too.
func (l *load) run(sending, ctx context.Context) error {
	budget, last := 0.0, time.Now()
	for pause(sending, loadTick) {
		now := time.Now()
		budget = min(budget+now.Sub(last).Seconds()*float64(l.rate), loadBurst.Seconds()*float64(l.rate))
		last = now
		n := min(int(budget), maxOutstanding-l.book.outstanding())
		budget -= float64(max(n, 0))
		for ; n > 0; n -= loadBatch {
			if err := l.send(ctx, min(n, loadBatch)); err != nil {
				return err
			}
		}
	}
	return nil
}

// send sends the next n messages, all in one step. Their entries' ids are given and not Redis's choice, so that what
// was added already, but whose reply was lost, is refused and not added twice.
func (l *load) send(ctx context.Context, n int) error {
	now := time.Now()
	adds := make([]*redis.XAddArgs, n)
	for i := range adds {
		c, id := l.book.enroll(recipeOf(l.seed, l.next, l.traps), uint64(now.Add(l.ahead).UnixMilli()))
		trace := l.names.traceID(l.next)
		adds[i] = &redis.XAddArgs{Stream: l.names.stream(), ID: id.String(), Values: []any{
			envelope.FieldData, c.payload(trace, now), envelope.FieldTS, envelope.FormatTS(now), envelope.FieldTraceID, trace,
		}}
		l.next++
	}
	return l.server.sure(ctx, func() error {
		_, err := l.server.client.TxPipelined(ctx, func(p redis.Pipeliner) error {
			for _, a := range adds {
				p.XAdd(ctx, a)
			}
			return nil
		})
		if err != nil && strings.Contains(err.Error(), "equal or smaller than the target stream top item") {
			err = nil
		}
		return err
	})
}
