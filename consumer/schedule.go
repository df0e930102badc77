package consumer

import (
	"math/rand/v2"
	"time"
)

// parkedConsumer owns what is pending and in no worker's hands, as prelude.lua says.
const parkedConsumer = namePrefix + "parked"

// handOut takes what is due, as far as there is room, and notes when to look again.
func (w *Worker) handOut(c contexts) error {
	w.dueSoon.Store(0) // what is put there from now on may not be seen
	pass, err := w.reclaim(c, modeDue, "-")
	if err != nil {
		return err
	}
	w.nextDue = time.Now().Add(min(pass.next, schedulePoll))
	return nil
}

// dueIn lets the intake look at the schedule in time for what this worker has put there. Later than its next look it need
// not be told.
func (w *Worker) dueIn(d time.Duration) {
	if d >= schedulePoll {
		return
	}
	at := time.Now().Add(d).UnixNano()
	for before := w.dueSoon.Load(); before == 0 || at < before; before = w.dueSoon.Load() {
		if w.dueSoon.CompareAndSwap(before, at) {
			break
		}
	}
	time.AfterFunc(d, func() {
		w.due.Store(true)
		w.nudge()
	})
}

// untilDueSoon is the time until the schedule has something for this worker, as far as it knows.
func (w *Worker) untilDueSoon() time.Duration {
	next := w.nextDue
	if soon := w.dueSoon.Load(); soon != 0 {
		if at := time.Unix(0, soon); at.Before(next) {
			next = at
		}
	}
	return time.Until(next)
}

// retryDelay is the time until the next try: what the plugin asked for, or else what the configuration says.
func (w *Worker) retryDelay(d *delivery, o outcome) time.Duration {
	if o.after > 0 {
		return o.after
	}
	return w.cfg.Retry.delay(d.entry.Message.Attempt, rand.Float64())
}

// delay is how long to wait after the failure of a try, the first being 1. Random, from 0 to 1, decides where
// in the range of the jitter it lies.
func (c *RetryConfig) delay(attempt int64, random float64) time.Duration {
	d := c.Base
	for ; attempt > 1 && d < c.Cap; attempt-- {
		// The product may not fit, the quotient always does.
		if d > c.Cap/time.Duration(c.Factor) {
			d = c.Cap
			break
		}
		d *= time.Duration(c.Factor)
	}
	jitter := float64(c.Jitter) / 100 * (2*random - 1)
	return time.Duration(float64(min(d, c.Cap)) * (1 + jitter))
}
