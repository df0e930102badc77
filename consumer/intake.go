package consumer

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/sgstreamd/sgstreamd/envelope"
)

const (
	// mostOrdered is about how many entries the order may have for more to be read: a channel with more than that waiting
	// holds up the others. One that has several counts as one more.
	mostOrdered = 10_000
	// schedulePoll is how often the worker looks at the schedule, on which peers put what failed or was given back.
	schedulePoll = time.Second
)

// contexts are what a run of a worker listens to.
type contexts struct {
	stopping context.Context // once it is done nothing more is begun
	working  context.Context // once it is done calls are cancelled
	redis    context.Context // for all that is said to Redis; it outlives working by lastWords
}

// intakeState is what the intake remembers from one round to the next.
type intakeState struct {
	grouped   bool      // the group is there, as far as we know
	readLost  bool      // the reply to a read was lost; what it moved to our pending list is to be looked for
	nextSweep time.Time // when to sweep
	nextDue   time.Time // when to look at the schedule
	refusal   string    // why the dead letters can't be written, as it was last reported
	sweepFrom string    // where the last sweep had no room to go on; empty when it went to the end
	reading
}

// intake reads until c.stopping is done. One goroutine both reads and sweeps, so that the two never compete for
// the room that there is.
func (w *Worker) intake(c contexts) {
	wait, last, failed := newBackOff(), "", time.Time{}
	w.unread = true
	for c.stopping.Err() == nil {
		err := w.round(c)
		if err == nil {
			if last != "" {
				w.log.Info("the stream is read again")
			}
			last = ""
			w.setReady(nil)
			w.awaitWork(c.stopping)
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
		pause(c.stopping, wait.NextBackOff())
		failed = time.Now()
	}
	w.awaitAhead(c)
}

// round does what is due: the group, our own lost reads, the schedule, a sweep, and then one step of reading for as much
// as there is room for.
func (w *Worker) round(c contexts) error {
	w.handAhead(c)
	if !w.grouped {
		if err := w.Prepare(c.redis); err != nil {
			return err
		}
		w.grouped = true
		w.setReady(nil)
	}
	// What is being read ahead is not lost: it is pending before it is known here.
	if w.readLost && !(w.watching && w.readsAhead()) {
		if err := w.adopt(c); err != nil {
			return w.readFailed(err)
		}
	}
	if err := w.handOutIfDue(c); err != nil {
		return w.readFailed(err)
	}
	if room := w.flight.room(); room > 0 {
		return w.readOn(c, min(room, maxRead))
	}
	return nil
}

// awaitWork waits until there may be something to do in another round.
func (w *Worker) awaitWork(stopping context.Context) {
	room := w.flight.room() > 0
	if room && (w.unread || len(w.seen.entries) > 0) {
		return
	}
	t := time.NewTimer(w.untilDue(room))
	defer t.Stop()
	select {
	case <-w.wake:
	case s := <-w.arrived:
		w.noteSeen(s)
	case <-t.C:
	case <-stopping.Done():
	}
	w.unread = w.unread || w.full
}

// untilDue is how long there is nothing to do but to wait for what happens.
func (w *Worker) untilDue(room bool) time.Duration {
	d := schedulePoll
	if w.cfg.Autoclaim.Enabled {
		d = min(d, time.Until(w.nextSweep))
	}
	if room {
		d = min(d, time.Until(w.nextDue))
	}
	return max(d, time.Millisecond)
}

// nudge lets the intake go through another round.
func (w *Worker) nudge() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// readFailed notes what a failed read or sweep has to be followed by.
func (w *Worker) readFailed(err error) error {
	w.unread, w.seen = true, seen{}
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

// decode makes a delivery of an entry.
func (w *Worker) decode(id string, count int64, lane string, fields envelope.Fields) *delivery {
	d := &delivery{fields: fields, lane: lane}
	d.entry, d.broken = envelope.Decode(w.cfg.Stream, id, count, fields, w.cfg.MaxPayload)
	d.entry.Message.Stream, d.entry.Message.ID, d.entry.Message.Attempt = w.cfg.Stream, id, count
	d.trace = w.traceKey(d.entry.Message.TraceID)
	return d
}

// accept takes a delivery into the flight.
func (w *Worker) accept(c contexts, d *delivery) *delivery {
	d.ctx.parent = c.working
	w.flight.add(d)
	d.series = w.metrics.of(w, d)
	d.series.received.Inc()
	d.series.inFlight.Inc()
	return d
}

// begin claims what was accepted and has it handled.
func (w *Worker) begin(c contexts, accepted []*delivery) {
	for batch := range slices.Chunk(accepted, maxBatch) {
		w.claim(c.redis, batch)
		w.hand(c, batch)
	}
}

// hand has each of what was claimed handled.
func (w *Worker) hand(c contexts, batch []*delivery) {
	w.handling.Add(len(batch))
	w.hands.give(c, batch)
}

// handOutIfDue takes what the schedule says is due, and sweeps when the interval is over.
func (w *Worker) handOutIfDue(c contexts) error {
	now, room := time.Now(), w.flight.room() > 0
	if room && (w.due.Swap(false) || !now.Before(w.nextDue)) {
		if err := w.handOut(c); err != nil {
			return err
		}
	}
	if !w.cfg.Autoclaim.Enabled {
		return nil
	}
	if now.Before(w.nextSweep) {
		return w.resumeSweep(c)
	}
	// Workers that were started together should not sweep together.
	interval := w.cfg.Autoclaim.Interval
	w.nextSweep = now.Add(interval - time.Duration(rand.Int64N(int64(interval)/10+1)))
	return w.sweep(c)
}
