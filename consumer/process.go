package consumer

import (
	"context"
	"errors"
	"time"

	"github.com/sgstreamd/sgstreamd/abi"
)

// outcome is what is to be committed for a message.
type outcome struct {
	verb   verb
	reason string
	// What an acknowledgement writes, and what of the plugin's state it was made from.
	emits  []abi.Emit
	reads  []abi.StateRead
	writes []abi.StateWrite
	// after is how long the plugin wants the next try to wait; 0 leaves it to the configuration.
	after time.Duration
	// told is what is known of the reply's delivery, and again tells that it was delivered before.
	told  told
	again bool
	// uncharged gives the message back as if it had not been delivered.
	uncharged bool
}

// verb is a branch of commit.lua.
type verb string

const (
	verbAck    verb = "ack"    // acknowledged, with its emits
	verbRetry  verb = "retry"  // left pending, for autoclaim to hand out again
	verbDead   verb = "dead"   // moved to the dead letters
	verbReturn verb = "return" // given back, for anybody to take at once
	verbLost   verb = "lost"   // another worker's by now: nothing is committed
	verbParked verb = ""       // not begun: the claim has parked it, and there is nothing to commit
)

// process makes the call for one message, and hands over what is to be committed.
func (w *Worker) process(c contexts, d *delivery) {
	begun := time.Now()
	if o := w.attempt(c, d, begun); o.verb != verbParked {
		w.settle(c.redis, commitRequest{d: d, o: o, begun: begun})
		return
	}
	w.done(d)
	w.nudge()
}

// attempt makes the call, where it may be made, as one that was begun just now.
func (w *Worker) attempt(c contexts, d *delivery, begun time.Time) outcome {
	if d.broken != nil {
		return outcome{verb: verbDead, reason: d.broken.Error()}
	}
	if o, ok := w.begun(d); !ok {
		return o
	}
	if c.stopping.Err() != nil {
		return outcome{verb: verbReturn, uncharged: true, told: toldUndelivered}
	}
	if d.ctx.Err() != nil {
		return notBegun(d)
	}
	v, err := w.handler.Handle(&d.ctx, c.stopping.Done(), &d.entry.Message)
	if !errors.Is(err, abi.ErrNotStarted) {
		d.series.handling.Observe(time.Since(begun).Seconds())
	}
	return w.judge(d, v, err)
}

// judge turns the handler's answer into what is to be committed.
func (w *Worker) judge(d *delivery, v abi.Verdict, err error) outcome {
	switch {
	case errors.Is(err, abi.ErrNotStarted):
		return outcome{verb: verbReturn, uncharged: true, told: toldUndelivered}
	case err != nil && d.ctx.Err() != nil:
		return interrupted(d)
	case err != nil:
		return w.failed(d, err.Error())
	case v.Status == abi.StatusDone:
		return outcome{verb: verbAck, told: toldDelivered, emits: v.Emits, reads: v.Reads, writes: v.Writes}
	case v.Status == abi.StatusDrop:
		return outcome{verb: verbAck, told: toldUndelivered}
	case v.Status == abi.StatusReject:
		return outcome{verb: verbDead, told: toldUndelivered, reason: orElse(v.Reason, "rejected by the plugin without a reason")}
	}
	o := w.failed(d, orElse(v.Reason, "the plugin asked for another try without a reason"))
	o.after, o.told = v.RetryAfter, toldUndelivered
	return o
}

// failed leaves the message pending for another try, or dead-letters it after its last.
func (w *Worker) failed(d *delivery, reason string) outcome {
	if d.entry.Message.Attempt >= int64(w.cfg.MaxAttempts) {
		return outcome{verb: verbDead, reason: reason}
	}
	return outcome{verb: verbRetry, reason: reason}
}

// interrupted is the outcome of a call whose context was cancelled.
func interrupted(d *delivery) outcome {
	if errors.Is(context.Cause(&d.ctx), errLost) {
		return outcome{verb: verbLost}
	}
	return outcome{verb: verbReturn, reason: ErrDrainCut.Error()}
}

// notBegun is the outcome of a message whose context was cancelled before its call.
func notBegun(d *delivery) outcome {
	o := interrupted(d)
	o.uncharged = true
	return o
}

func orElse(s, other string) string {
	if s != "" {
		return s
	}
	return other
}
