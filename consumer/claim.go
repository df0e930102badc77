package consumer

import (
	"context"
	"math/rand/v2"
	"strconv"
	"time"
)

// lockPause is about how long a message is parked before it is looked at again, if another worker holds its lock or is
// delivering its message_key.
const lockPause = 100 * time.Millisecond

// lockPauseMS is lockPause, give or take a half, in ms.
func lockPauseMS() int64 { return (lockPause/2 + rand.N(lockPause)).Milliseconds() }

// claimRequest is a message that waits to be begun.
type claimRequest struct {
	d      *delivery
	lock   heldLock
	answer chan string
}

func claimSize(claimRequest) int { return 0 }

// claim takes the channel's lock and reports CLAIMED, or asks whether the reply was delivered before. It returns false, and what to do instead, when the
// message can't be begun here.
func (w *Worker) claim(c contexts, d *delivery) (outcome, bool) {
	r := claimRequest{d: d, lock: w.lockFor(d), answer: make(chan string, 1)}
	if r.lock == (heldLock{}) && w.traceKey(d) == "" && w.onceKey(d) == "" {
		return outcome{}, true
	}
	switch answer := w.claims.ask(c.redis, r, r.answer); answer {
	case "ok":
		d.setLock(r.lock)
		return outcome{}, true
	case "maybe":
		d.entry.Message.MaybeDelivered = true
		return outcome{}, true
	case "delivered":
		return outcome{verb: verbAck, again: true}, false
	case "busy":
		w.dueIn(2 * lockPause)
		return outcome{verb: verbParked}, false
	case answerNone:
		return outcome{verb: verbReturn, uncharged: true}, false
	case "fenced", "gone":
		return outcome{verb: verbLost}, false
	default:
		return w.failed(d, answer), false
	}
}

// lockFor is the lock that the delivery needs. Its token names this delivery and no other, so that nobody
// else can release it.
func (w *Worker) lockFor(d *delivery) heldLock {
	m := &d.entry.Message
	if !w.cfg.Lock.Enabled || !d.entry.Addressed || m.ChannelKey == "" {
		return heldLock{}
	}
	return heldLock{key: w.cfg.Lock.Prefix + m.ChannelKey, token: w.cfg.Consumer + " " + m.ID + " " + strconv.FormatInt(m.Attempt, 10)}
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
	if w.cfg.Once.Enabled {
		w.flushDeliveries(ctx, batch)
		return
	}
	if w.split() {
		w.splitClaims(ctx, batch)
		return
	}
	keys := w.scriptKeys()
	args := w.scriptArgs(now(), w.cfg.Lock.TTL.Milliseconds(), seconds(w.cfg.Trace.TTL))
	for _, r := range batch {
		args = append(args, r.d.entry.Message.ID, r.d.entry.Message.Attempt,
			keys.pos(r.lock.key), r.lock.token, keys.pos(w.traceKey(r.d)), lockPauseMS())
	}
	reply, err := runSure(ctx, w.redis, w.log, w.scripts.claim, keys.keys, args, never)
	if err != nil {
		return
	}
	for i, r := range batch {
		r.answer <- text(reply[i])
	}
}
