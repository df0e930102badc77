package consumer

import (
	"context"
	"errors"
	"log/slog"
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

// process is the life of one message: its claim, the call, the commit.
func (w *Worker) process(c contexts, d *delivery) {
	begun := time.Now()
	if o := w.attempt(c, d); o.verb != verbParked {
		w.settle(c.redis, d, o, begun)
	}
	d.cancel(nil)
	w.metrics.of(w, d).inFlight.Dec()
	w.flight.remove(d)
	w.nudge()
}

func (w *Worker) attempt(c contexts, d *delivery) outcome {
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
	begun := time.Now()
	v, err := w.handler.Handle(d.ctx, c.stopping.Done(), &d.entry.Message)
	if !errors.Is(err, abi.ErrNotStarted) {
		w.metrics.of(w, d).handling.Observe(time.Since(begun).Seconds())
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
	if errors.Is(context.Cause(d.ctx), errLost) {
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

// settle commits the outcome and reports what became of it.
func (w *Worker) settle(redisCtx context.Context, d *delivery, o outcome, begun time.Time) {
	log := w.log.With("message_id", d.entry.Message.ID, "trace_id", d.entry.Message.TraceID, "attempt", d.entry.Message.Attempt)
	d.returning.Store(o.verb == verbReturn)
	answer := "fenced"
	if o.verb != verbLost || d.held() != (heldLock{}) {
		answer = w.commit(redisCtx, d, o)
	}
	if refused := refusal(answer); refused != "" && o.verb == verbAck {
		// The entry is fine, but what the plugin emitted can't be written: that is a failed try.
		log.Error("emits can't be written", "error", refused)
		o = w.failed(d, refused)
		answer = w.commit(redisCtx, d, o)
	}
	if answer == answerNone || o.verb == verbReturn && !o.uncharged {
		w.cut.Add(1)
	}
	m := w.metrics.of(w, d)
	switch {
	case answer == answerNone:
		log.Error("redis did not answer before the drain's end; it is not known whether the message was committed", "outcome", string(o.verb))
	case answer == "fenced" || answer == "gone":
		m.fenced.Inc()
		log.Warn("result discarded: "+errLost.Error(), "outcome", string(o.verb), "why", answer)
	case answer == "overtaken":
		m.returned.Inc()
		log.Warn("result discarded: an earlier message of its channel has turned up, and comes first")
	case answer == "conflict":
		m.returned.Inc()
		log.Info("result discarded: another message has changed the state that it was made from; it is handled again")
	case answer != "done":
		log.Error("message left pending: its outcome can't be written", "outcome", string(o.verb), "error", answer)
		// With its attempts used up it is not run again, but buried as soon as that is possible.
		w.commit(redisCtx, d, outcome{verb: verbReturn})
	default:
		w.settled(m, d, o, begun)
		reportOutcome(log, o, w.cfg.DeadLetters.Stream, begun)
	}
}

// settled counts what was committed.
func (w *Worker) settled(m *series, d *delivery, o outcome, begun time.Time) {
	switch o.verb {
	case verbAck:
		if o.again {
			m.again.Inc()
			return
		}
		m.completed.Inc()
		if at := d.entry.EnqueuedAt; at > 0 {
			m.latency.Observe(max(float64(time.Now().UnixNano())/1e9-at, 0))
		}
	case verbRetry:
		m.retried.Inc()
	case verbDead:
		m.deadLettered.Inc()
	case verbReturn:
		m.returned.Inc()
	}
}

func reportOutcome(log *slog.Logger, o outcome, deadLetters string, begun time.Time) {
	switch o.verb {
	case verbAck:
		if o.again {
			log.Info("reply acknowledged without another delivery: one of this message_key was delivered before")
			return
		}
		log.Debug("message completed", "emits", len(o.emits), "took", time.Since(begun))
	case verbRetry:
		log.Warn("message failed; it will be tried again", "error", o.reason)
	case verbDead:
		log.Error("message dead-lettered", "error", o.reason, "dead_letters", deadLetters)
	case verbReturn:
		log.Info("message given back", "why", orElse(o.reason, "it was not begun when the worker stopped"))
	}
}

func orElse(s, other string) string {
	if s != "" {
		return s
	}
	return other
}
