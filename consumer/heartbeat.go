package consumer

import (
	"context"
	"slices"
	"time"
)

// heartbeats touches everything that is in flight or parked, three times in the span after which a peer would take it or
// a lock would expire, until ctx is done.
func (w *Worker) heartbeats(ctx context.Context) {
	t := time.NewTicker(w.heartbeatInterval())
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			beating := slices.DeleteFunc(w.flight.all(), func(d *delivery) bool { return d.returning.Load() })
			for batch := range slices.Chunk(beating, maxBatch) {
				w.heartbeat(ctx, batch)
			}
			w.tend(ctx)
		}
	}
}

func (w *Worker) heartbeatInterval() time.Duration {
	span := w.cfg.Autoclaim.MinIdle
	if w.cfg.Lock.Enabled {
		span = min(span, w.cfg.Lock.TTL)
	}
	return max(span/3, 10*time.Millisecond)
}

// heartbeat touches a batch, and cancels the calls of those that are another worker's by now.
func (w *Worker) heartbeat(ctx context.Context, batch []*delivery) {
	ctx, cancel := context.WithTimeout(ctx, w.heartbeatInterval())
	defer cancel()
	keys := w.scriptKeys()
	args := w.scriptArgs(w.cfg.Lock.TTL.Milliseconds())
	for _, d := range batch {
		lock := d.held()
		if w.split() {
			lock = heldLock{} // it is in another slot
		}
		args = append(args, d.entry.Message.ID, d.entry.Message.Attempt, keys.pos(lock.key), lock.token)
	}
	reply, err := w.scripts.heartbeat.Run(ctx, w.redis, keys.keys, args...).StringSlice()
	if err != nil {
		w.log.Warn("heartbeat failed; a peer may take what is in flight", "error", err, "in_flight", len(batch))
		return
	}
	for i, verdict := range reply {
		if verdict != "ok" {
			batch[i].ctx.end(errLost)
			batch[i] = nil
		}
	}
	if w.split() {
		w.renewElsewhere(ctx, slices.DeleteFunc(batch, func(d *delivery) bool { return d == nil }))
	}
}

// tendPage is how many parked entries, and how many of the order, one step looks at.
const tendPage = 100

// tend looks after what is parked and after the order, page by page.
func (w *Worker) tend(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, w.heartbeatInterval())
	defer cancel()
	entry, member, lane := "-", "-", "0"
	for entry != "" || member != "" || lane != "" {
		reply, err := w.scripts.tend.Run(ctx, w.redis, w.scriptKeys().keys,
			w.scriptArgs(w.heartbeatInterval().Milliseconds(), entry, member, tendPage, lane)...).Slice()
		if err != nil {
			w.log.Debug("what is parked could not be looked after; a peer may take it", "error", err)
			return
		}
		if n := number(reply[2]); n > 0 {
			w.log.Warn("messages of ordered channels are pending no more, without the daemons having finished them: acknowledged or purged by somebody else, or trimmed",
				"messages", n)
		}
		if entry, member, lane = text(reply[0]), text(reply[1]), text(reply[3]); entry != "" {
			entry = idAfter(entry)
		}
	}
}
