package consumer

import (
	"context"
	"log/slog"
	"time"
)

// settle hands an outcome over to be committed. Nobody waits for that: the goroutine that made the call goes on to the next
// message, and settling sees to what became of this one.
func (w *Worker) settle(ctx context.Context, r commitRequest) {
	r.d.returning.Store(r.o.verb == verbReturn)
	switch err := w.prepare(&r); {
	case err != nil:
		w.settled(ctx, r, err.Error())
	case r.o.verb == verbLost && r.d.held() == (heldLock{}):
		w.settled(ctx, r, "fenced")
	case w.commits.add(ctx, r):
		return
	default:
		w.settled(ctx, r, answerNone)
	}
	w.nudge()
}

// answered is a batch of commits and what became of each, as commit.lua has it, or answerNone.
type answered struct {
	batch   []commitRequest
	answers []string
}

// settling sees to what became of commits, until there are no more.
func (w *Worker) settling(ctx context.Context) {
	for a := range w.answered {
		for i, r := range a.batch {
			w.settled(ctx, r, a.answers[i])
		}
		w.nudge()
	}
}

// settled reports what became of a commit and ends the message's life in this worker, or commits what is left to do with it.
func (w *Worker) settled(ctx context.Context, r commitRequest, answer string) {
	if next, ok := w.instead(r, answer); ok {
		// In a goroutine of its own: the commits, which it may have to wait for, wait for this one.
		w.again.Go(func() { w.settle(ctx, next) })
		return
	}
	if !r.last && (answer == answerNone || r.o.verb == verbReturn && !r.o.uncharged) {
		w.cut.Add(1)
	}
	d, m := r.d, r.d.series
	switch {
	case r.last: // that its outcome can't be written was said already
	case answer == answerNone:
		w.logOf(d).Error("redis did not answer before the drain's end; it is not known whether the message was committed", "outcome", string(r.o.verb))
	case answer == "fenced" || answer == "gone":
		m.fenced.Inc()
		w.logOf(d).Warn("result discarded: "+errLost.Error(), "outcome", string(r.o.verb), "why", answer)
	case answer == "overtaken":
		m.returned.Inc()
		w.logOf(d).Warn("result discarded: an earlier message of its channel has turned up, and comes first")
	case answer == "conflict":
		m.returned.Inc()
		w.logOf(d).Info("result discarded: another message has changed the state that it was made from; it is handled again")
	default:
		w.count(r)
		w.reportOutcome(r)
	}
	w.done(d)
}

// instead is what is committed for a message whose outcome was refused, if there is anything.
func (w *Worker) instead(r commitRequest, answer string) (commitRequest, bool) {
	refused := refusal(answer)
	if refused == "" || r.last {
		return commitRequest{}, false
	}
	next := commitRequest{d: r.d, begun: r.begun}
	if r.o.verb == verbAck {
		// The entry is fine, but what the plugin emitted can't be written: that is a failed try.
		w.logOf(r.d).Error("emits can't be written", "error", refused)
		next.o = w.failed(r.d, refused)
		return next, true
	}
	w.logOf(r.d).Error("message left pending: its outcome can't be written", "outcome", string(r.o.verb), "error", refused)
	// With its attempts used up it is not run again, but buried as soon as that is possible.
	next.o, next.last = outcome{verb: verbReturn}, true
	return next, true
}

// count counts what was committed.
func (w *Worker) count(r commitRequest) {
	m := r.d.series
	switch r.o.verb {
	case verbAck:
		if r.o.again {
			m.again.Inc()
			return
		}
		m.completed.Inc()
		if at := r.d.entry.EnqueuedAt; at > 0 {
			m.latency.Observe(max(float64(time.Now().UnixNano())/1e9-at, 0))
		}
	case verbRetry:
		m.retried.Inc()
		w.dueIn(r.delay)
	case verbDead:
		m.deadLettered.Inc()
	case verbReturn:
		m.returned.Inc()
	}
}

// reportOutcome logs what was committed.
func (w *Worker) reportOutcome(r commitRequest) {
	switch r.o.verb {
	case verbAck:
		if r.o.again {
			w.logOf(r.d).Info("reply acknowledged without another delivery: one of this message_key was delivered before")
		} else if w.log.Enabled(context.Background(), slog.LevelDebug) {
			w.logOf(r.d).Debug("message completed", "emits", len(r.o.emits), "took", time.Since(r.begun))
		}
	case verbRetry:
		w.logOf(r.d).Warn("message failed; it will be tried again", "error", r.o.reason)
	case verbDead:
		w.logOf(r.d).Error("message dead-lettered", "error", r.o.reason, "dead_letters", w.cfg.DeadLetters.Stream)
	case verbReturn:
		w.logOf(r.d).Info("message given back", "why", orElse(r.o.reason, "it was not begun when the worker stopped"))
	}
}

// logOf is the log with the message's names. To make it costs more than to handle a message, so it is made where a line is
// written.
func (w *Worker) logOf(d *delivery) *slog.Logger {
	m := &d.entry.Message
	return w.log.With("message_id", m.ID, "trace_id", m.TraceID, "attempt", m.Attempt)
}

// done takes a message out of the flight.
func (w *Worker) done(d *delivery) {
	d.ctx.end(nil)
	d.series.inFlight.Dec()
	w.flight.remove(d)
	w.handling.Done()
}
