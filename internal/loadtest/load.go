package loadtest

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/sgstreamd/sgstreamd/envelope"
)

// fillBatch is how many messages are sent together when the stream is filled.
const fillBatch = 500

// loader sends messages.
type loader struct {
	client         *redis.Client
	names          names
	channels, size int

	next int            // number of the next message
	sent []atomic.Int64 // by the message's number: when it was sent, in ns since zero
	zero time.Time
	last atomic.Pointer[string] // id of the last message's entry; nil while more are to be sent
}

func newLoader(c *redis.Client, n names, o *Options, messages int) *loader {
	return &loader{client: c, names: n, channels: o.Channels, size: o.Size, sent: make([]atomic.Int64, messages), zero: time.Now()}
}

// fill sends n messages as fast as they are taken.
func (l *loader) fill(ctx context.Context, n int) error {
	var last string
	for n > 0 {
		batch := min(n, fillBatch)
		var err error
		if last, err = l.send(ctx, batch, func(int) time.Time { return time.Now() }); err != nil {
			return err
		}
		n -= batch
	}
	l.last.Store(&last)
	return nil
}

// pace sends n messages, so many a second. A message whose time had come while Redis kept the one before it waiting
// counts as sent at its time, since it would have been there; one that the loader's own timer was late for does not.
func (l *loader) pace(ctx context.Context, n, rate int) error {
	begun, last := time.Now(), ""
	free := begun
	due := func(i int) time.Time { return begun.Add(time.Duration(i) * time.Second / time.Duration(rate)) }
	for done := 0; done < n; {
		if !pause(ctx, time.Until(due(done))) {
			return ctx.Err()
		}
		now, ready := time.Now(), 1
		for done+ready < n && !due(done+ready).After(now) {
			ready++
		}
		first := done
		var err error
		last, err = l.send(ctx, ready, func(i int) time.Time {
			if at := due(first + i); at.Before(free) {
				return at
			}
			return now
		})
		if err != nil {
			return err
		}
		free = time.Now()
		done += ready
	}
	l.last.Store(&last)
	return nil
}

// send sends the next n messages in one round trip, and returns the last one's id; at tells when each counts as sent.
func (l *loader) send(ctx context.Context, n int, at func(i int) time.Time) (string, error) {
	var adds []*redis.StringCmd
	_, err := l.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i := range n {
			when := at(i)
			l.sent[l.next].Store(int64(when.Sub(l.zero)))
			adds = append(adds, p.XAdd(ctx, &redis.XAddArgs{Stream: l.names.stream(), Values: []any{
				envelope.FieldData, payload(l.names, l.next, l.channels, l.size, when),
				envelope.FieldTS, envelope.FormatTS(when), envelope.FieldTraceID, l.names.traceID(l.next),
			}}))
			l.next++
		}
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("send messages: %w", err)
	}
	return adds[len(adds)-1].Val(), nil
}
