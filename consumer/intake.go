package consumer

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/sgstreamd/sgstreamd/envelope"
)

const (
	// readBlock is how long one read waits for an entry. A blocked read can't be called back (cancelling its
	// context does not reach it), so this is also how long a stop waits for it.
	readBlock = 500 * time.Millisecond
	// maxRead bounds the entries of one read.
	maxRead = 256
	// schedulePoll is how often the worker looks at the schedule, on which peers put what failed or was given back.
	schedulePoll = time.Second
)

// intakeState is what the intake remembers from one round to the next.
type intakeState struct {
	grouped   bool   // the group is there, as far as we know
	lastRead  string // the greatest id that a read has given us
	readLost  bool   // a read's reply was lost; what it moved to our pending list is to be looked for
	nextSweep time.Time
	refusal   string    // why the dead letters can't be written, as it was last reported
	sweepFrom string    // where the last sweep had no room to go on; empty when it went to the end
	nextDue   time.Time // when to look at the schedule
}

// intake fetches until stopping is done. One goroutine both reads and sweeps, so that the two never compete
// for the room that there is.
func (w *Worker) intake(stopping, working, redisCtx context.Context) {
	wait, last, failed := newBackOff(), "", time.Time{}
	for stopping.Err() == nil {
		err := w.intakeOnce(stopping, working, redisCtx)
		if err == nil {
			if last != "" {
				w.log.Info("the stream is read again")
			}
			last = ""
			w.setReady(nil)
			continue
		}
		// A group that is destroyed again and again is read between times. That is no reason to hurry.
		if time.Since(failed) > 2*maxBackOff {
			wait.Reset()
		}
		w.setReady(err)
		if err.Error() != last {
			last = err.Error()
			w.log.Warn("the stream can't be read; trying again", "error", err)
		}
		pause(stopping, wait.NextBackOff())
		failed = time.Now()
	}
}

// intakeOnce does what is due: the group, our own lost reads, a sweep, and then one read for as much as there
// is room for.
func (w *Worker) intakeOnce(stopping, working, redisCtx context.Context) error {
	if !w.grouped {
		if err := w.Prepare(redisCtx); err != nil {
			return err
		}
		last, err := w.lastDelivered(redisCtx)
		if err != nil {
			return w.readFailed(err)
		}
		w.grouped, w.lastRead = true, last
		w.setReady(nil)
	}
	if w.readLost {
		if err := w.adopt(redisCtx, working, stopping.Done()); err != nil {
			return w.readFailed(err)
		}
	}
	if err := w.handOutIfDue(redisCtx, working, stopping.Done()); err != nil {
		return w.readFailed(err)
	}
	room := w.flight.room()
	if room <= 0 {
		w.awaitRoom(stopping)
		return nil
	}
	return w.read(redisCtx, working, stopping.Done(), min(room, maxRead))
}

// awaitRoom waits until something has left the flight, but no longer than a sweep can be put off.
func (w *Worker) awaitRoom(stopping context.Context) {
	t := time.NewTimer(schedulePoll)
	defer t.Stop()
	select {
	case <-w.flight.freed:
	case <-t.C:
	case <-stopping.Done():
	}
}

func (w *Worker) read(redisCtx, working context.Context, stop <-chan struct{}, count int) error {
	streams, err := w.redis.XReadGroup(redisCtx, &redis.XReadGroupArgs{
		Group: w.cfg.Group, Consumer: w.cfg.Consumer, Streams: []string{w.cfg.Stream, ">"},
		Count: int64(count), Block: w.blockFor(),
	}).Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		return w.readFailed(err)
	}
	for _, s := range streams {
		batch := make([]*delivery, 0, len(s.Messages))
		for _, m := range s.Messages {
			w.lastRead = m.ID
			batch = append(batch, w.accept(working, stop, m.ID, 1, textFields(m.Values)))
		}
		w.dispatch(redisCtx, stop, batch)
	}
	return nil
}

// lastDelivered is the greatest id that the group has delivered to anybody: what a lost read of ours brings is newer.
func (w *Worker) lastDelivered(ctx context.Context) (string, error) {
	g, there, err := groupInfo(ctx, w.redis, w.cfg.Stream, w.cfg.Group)
	if err != nil || !there {
		return "0-0", err
	}
	return g.LastDeliveredID, nil
}

// readFailed notes what a failed read or sweep has to be followed by.
func (w *Worker) readFailed(err error) error {
	switch {
	case isNoGroup(err):
		w.grouped = false
		return fmt.Errorf("consumer group %q of stream %q is gone; it is created again: %w", w.cfg.Group, w.cfg.Stream, err)
	case isWrongType(err):
		w.grouped = false
	default:
		w.readLost = true
	}
	return explain(err, w.cfg.Stream)
}

// blockFor is how long a read may block: no longer than until the next entry of the schedule is due.
func (w *Worker) blockFor() time.Duration {
	if w.sweepFrom != "" {
		return -1 // does not block: the sweep goes on as soon as there is room
	}
	if !w.cfg.Autoclaim.Enabled {
		return readBlock
	}
	return min(readBlock, max(time.Until(w.nextDue), time.Millisecond))
}

func textFields(values map[string]any) map[string]string {
	fields := make(map[string]string, len(values))
	for k, v := range values {
		fields[k], _ = v.(string)
	}
	return fields
}

// accept takes an entry into the flight, and into its lane.
func (w *Worker) accept(working context.Context, stop <-chan struct{}, id string, count int64, fields map[string]string) *delivery {
	d := &delivery{fields: fields}
	d.entry, d.broken = envelope.Decode(w.cfg.Stream, id, count, fields, w.cfg.MaxPayload)
	d.entry.Message.Stream, d.entry.Message.ID, d.entry.Message.Attempt = w.cfg.Stream, id, count
	if w.cfg.Lock.Enabled && d.entry.Addressed && d.entry.Message.ChannelKey != "" {
		d.lane = d.entry.Message.ChannelKey
	}
	d.late = isDone(stop)
	d.ctx, d.cancel = context.WithCancelCause(working)
	w.flight.add(d)
	w.lanes.join(d)
	w.metrics.of(w, d).received.Inc()
	w.metrics.of(w, d).inFlight.Inc()
	return d
}

// dispatch begins the handling of what was accepted, each in a goroutine of its own. What has to wait for others of
// its channel is parked before: it has not been begun, and must not be charged should this process die.
func (w *Worker) dispatch(redisCtx context.Context, stop <-chan struct{}, batch []*delivery) {
	w.park(redisCtx, batch)
	for _, d := range batch {
		w.handling.Go(func() { w.process(redisCtx, stop, d) })
	}
}

func (w *Worker) park(ctx context.Context, batch []*delivery) {
	args := []any{w.cfg.Group, w.cfg.Consumer}
	for _, d := range batch {
		if d.turn != nil && !isDone(d.turn) {
			args = append(args, d.entry.Message.ID, d.entry.Message.Attempt)
		}
	}
	if len(args) == 2 {
		return
	}
	if err := w.scripts.park.Run(ctx, w.redis, []string{w.cfg.Stream}, args...).Err(); err != nil {
		w.log.Debug("messages that wait for others could not be parked; they are charged a try if this process dies", "error", err)
	}
}

// handOutIfDue takes what the schedule says is due, and sweeps when the interval is over.
func (w *Worker) handOutIfDue(redisCtx, working context.Context, stop <-chan struct{}) error {
	if !w.cfg.Autoclaim.Enabled {
		return nil
	}
	now := time.Now()
	if !now.Before(w.nextDue) && w.flight.room() > 0 {
		if err := w.handOut(redisCtx, working, stop); err != nil {
			return err
		}
	}
	if now.Before(w.nextSweep) {
		return w.resumeSweep(redisCtx, working, stop)
	}
	// Workers that were started together should not sweep together.
	interval := w.cfg.Autoclaim.Interval
	w.nextSweep = now.Add(interval - time.Duration(rand.Int64N(int64(interval)/10+1)))
	return w.sweep(redisCtx, working, stop)
}
