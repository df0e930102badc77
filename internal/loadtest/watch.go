package loadtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"
)

// watchBlock is how long one look of the watcher waits for a reply.
const watchBlock = 100 * time.Millisecond

// watcher sees replies as soon as they are visible, with a blocked read of its own.
type watcher struct {
	loader *loader
	from   string        // the last entry before those that it is to see
	over   chan struct{} // closed once no more replies come

	waits []time.Duration // from a message's sending to its first reply, in no order
}

// run reads until it has seen a reply to each of n messages, numbered from first, or there are no more, or ctx is done.
func (w *watcher) run(ctx context.Context, first, n int) error {
	seen := make([]bool, n)
	for len(w.waits) < n && ctx.Err() == nil {
		over := isClosed(w.over)
		streams, err := w.loader.client.XRead(ctx, &redis.XReadArgs{
			Streams: []string{w.loader.names.replies(), w.from}, Count: 1000, Block: watchBlock,
		}).Result()
		now := time.Since(w.loader.zero)
		if errors.Is(err, redis.Nil) {
			if over {
				return nil
			}
			continue
		}
		if err != nil {
			return fmt.Errorf("read the replies: %w", err)
		}
		for _, m := range streams[0].Messages {
			w.from = m.ID
			data, _ := m.Values["data"].(string)
			number, err := numberOf(w.loader.names, data)
			if err != nil {
				return err
			}
			if i := number - first; i >= 0 && i < n && !seen[i] {
				seen[i] = true
				w.waits = append(w.waits, now-time.Duration(w.loader.sent[number].Load()))
			}
		}
	}
	return ctx.Err()
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// Latency is how long messages took, in ms: half of them no longer than P50, and so on.
type Latency struct {
	// Messages is how many were answered; the others have no latency.
	Messages int `json:"messages"`

	P50  float64 `json:"p50"`
	P90  float64 `json:"p90"`
	P99  float64 `json:"p99"`
	P999 float64 `json:"p99_9"`
}

// latencyOf needs at least one wait, and puts them into order.
func latencyOf(waits []time.Duration) *Latency {
	slices.Sort(waits)
	at := func(share float64) float64 {
		return float64(waits[min(int(float64(len(waits))*share), len(waits)-1)]) / 1e6
	}
	return &Latency{Messages: len(waits), P50: at(0.5), P90: at(0.9), P99: at(0.99), P999: at(0.999)}
}
