package consumer

import (
	"context"
	"math/rand/v2"
	"strconv"
	"time"
)

// Pauses between two tries for a lock that another worker holds.
const (
	lockPauseMin = 20 * time.Millisecond
	lockPauseMax = 500 * time.Millisecond
)

// claimRequest is a message that waits to be begun.
type claimRequest struct {
	d      *delivery
	lock   heldLock
	answer chan string
}

func claimSize(claimRequest) int { return 0 }

// claim takes the channel's lock and reports CLAIMED. It returns false, and what to do instead, when the
// message can't be begun here.
func (w *Worker) claim(redisCtx context.Context, stop <-chan struct{}, d *delivery) (outcome, bool) {
	if d.lane == "" && w.traceKey(d) == "" {
		return outcome{}, true
	}
	for pauseFor := lockPauseMin; ; pauseFor = min(2*pauseFor, lockPauseMax) {
		r := claimRequest{d: d, lock: w.lockFor(d), answer: make(chan string, 1)}
		switch answer := w.claims.ask(redisCtx, r, r.answer); answer {
		case "ok":
			d.setLock(r.lock)
			return outcome{}, true
		case answerNone:
			return outcome{verb: verbReturn, uncharged: true}, false
		case "fenced", "gone":
			return outcome{verb: verbLost}, false
		case "busy":
		default:
			return w.failed(d, answer), false
		}
		t := time.NewTimer(pauseFor/2 + rand.N(pauseFor/2+1))
		select {
		case <-t.C:
		case <-stop:
			t.Stop()
			return outcome{verb: verbReturn, uncharged: true}, false
		case <-d.ctx.Done():
			t.Stop()
			return notBegun(d), false
		}
	}
}

// lockFor is the lock that the delivery needs. Its token names this delivery and no other, so that nobody
// else can release it.
func (w *Worker) lockFor(d *delivery) heldLock {
	if d.lane == "" {
		return heldLock{}
	}
	m := &d.entry.Message
	return heldLock{key: w.cfg.Lock.Prefix + d.lane, token: w.cfg.Consumer + " " + m.ID + " " + strconv.FormatInt(m.Attempt, 10)}
}

// traceKey is the message's trace hash, or empty where none is kept.
func (w *Worker) traceKey(d *delivery) string {
	if !w.cfg.Trace.Enabled || d.entry.Message.TraceID == "" {
		return ""
	}
	return w.cfg.Trace.Prefix + d.entry.Message.TraceID
}

// never is for scripts whose every error may pass.
func never(error) bool { return false }

func (w *Worker) flushClaims(ctx context.Context, batch []claimRequest) {
	keys := newScriptKeys(w.cfg.Stream)
	args := []any{w.cfg.Group, w.cfg.Consumer, now(), w.cfg.Lock.TTL.Milliseconds(), seconds(w.cfg.Trace.TTL)}
	for _, r := range batch {
		args = append(args, r.d.entry.Message.ID, r.d.entry.Message.Attempt,
			keys.pos(r.lock.key), r.lock.token, keys.pos(w.traceKey(r.d)))
	}
	reply, err := runSure(ctx, w.redis, w.log, w.scripts.claim, keys.keys, args, never)
	if err != nil {
		return
	}
	for i, r := range batch {
		r.answer <- text(reply[i])
	}
}
