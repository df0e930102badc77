package consumer

import (
	"context"
	"math/rand/v2"
	"time"
)

// scheduleKey is a sorted set of pending entries by the moment at which they are due, in ms of Redis's clock.
// What is on it is handed out then, however long it has been idle: failed tries after their delay, and what a
// stopping worker gave back at once. It outlives every worker.
func (w *Worker) scheduleKey() string {
	return "sg:schedule:" + w.cfg.Stream + ":" + w.cfg.Group
}

// handOut takes what is due, as far as there is room, and notes when to look again.
func (w *Worker) handOut(redisCtx, working context.Context, stop <-chan struct{}) error {
	pass, err := w.reclaim(redisCtx, working, stop, modeDue, "-")
	if err != nil {
		return err
	}
	w.nextDue = time.Now().Add(min(pass.next, schedulePoll))
	return nil
}

// retryDelay is the time until the next try in ms: what the plugin asked for, or else what the configuration
// says. Where autoclaim is off nobody would look at the schedule, and the message waits for whoever claims it.
func (w *Worker) retryDelay(r commitRequest) any {
	if !w.cfg.Autoclaim.Enabled {
		return ""
	}
	if r.o.after > 0 {
		return r.o.after.Milliseconds()
	}
	return w.cfg.Retry.delay(r.d.entry.Message.Attempt, rand.Float64()).Milliseconds()
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
