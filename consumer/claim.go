package consumer

import (
	"context"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
)

// lockPause is about how long a message is parked before it is looked at again, if another worker holds its lock or is
// delivering its message_key.
const lockPause = 100 * time.Millisecond

// lockPauseMS is lockPause, give or take a half, in ms.
func lockPauseMS() int64 { return (lockPause/2 + rand.N(lockPause)).Milliseconds() }

// claim takes the channels' locks of a batch and reports CLAIMED, or asks whether replies were delivered before, and notes
// with each delivery what came of it. What needs none of that is claimed as it is.
func (w *Worker) claim(ctx context.Context, batch []*delivery) {
	var asked []*delivery
	var locks []heldLock
	for _, d := range batch {
		d.claimed = "ok"
		lock := w.lockFor(d)
		if d.broken == nil && (lock != (heldLock{}) || d.trace != "" || w.onceKey(d) != "") {
			asked, locks = append(asked, d), append(locks, lock)
		}
	}
	if len(asked) == 0 {
		return
	}
	answers := w.askClaims(ctx, asked, locks)
	for i, d := range asked {
		d.claimed = answerNone
		if answers != nil {
			d.claimed = answers[i]
		}
		if d.claimed == "ok" {
			d.setLock(locks[i])
		}
	}
}

// begun is whether the delivery was claimed and its call may be made, or what to do instead.
func (w *Worker) begun(d *delivery) (outcome, bool) {
	switch d.claimed {
	case "ok":
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
		return w.failed(d, d.claimed), false
	}
}

// lockFor is the lock that the delivery needs, with its token as prelude.lua makes it.
func (w *Worker) lockFor(d *delivery) heldLock {
	m := &d.entry.Message
	if !w.cfg.Lock.Enabled || !d.entry.Addressed || m.ChannelKey == "" {
		return heldLock{}
	}
	return heldLock{key: w.cfg.Lock.Prefix + m.ChannelKey, token: w.cfg.Consumer + " " + m.ID + " " + strconv.FormatInt(m.Attempt, 10)}
}

// traceKey is the trace hash of this trace id, or empty where none is kept.
func (w *Worker) traceKey(id string) string {
	if !w.cfg.Trace.Enabled || id == "" {
		return ""
	}
	return w.cfg.Trace.Prefix + id
}

// never is for scripts whose every error may pass.
func never(error) bool { return false }

// askClaims asks Redis for a batch, which has the locks that it needs beside it. It returns an answer for each, as claim.lua
// or deliver.lua has them, or nil when ctx is done.
func (w *Worker) askClaims(ctx context.Context, batch []*delivery, locks []heldLock) []string {
	if w.cfg.Once.Enabled {
		return w.askDeliveries(ctx, batch)
	}
	if w.split() {
		return w.splitClaims(ctx, batch, locks)
	}
	keys := w.scriptKeys()
	args := w.claimArgs(batch)
	for i, d := range batch {
		args = append(args, &d.entry.Message.ID, d.entry.Message.Attempt,
			keys.add(locks[i].key), &locks[i].token, keys.add(d.trace), lockPauseMS())
	}
	return w.answers(ctx, w.scripts.claim, keys.keys, args)
}

// claimArgs are the arguments of claim.lua that stand before those of the messages.
func (w *Worker) claimArgs(batch []*delivery) []any {
	least, greatest := span(len(batch), func(i int) string { return batch[i].entry.Message.ID })
	return w.scriptArgs(now(), w.cfg.Lock.TTL.Milliseconds(), seconds(w.cfg.Trace.TTL), len(batch), least, greatest)
}

// answers runs a script that claims a batch until Redis answers. While it does not, the worker is not ready.
func (w *Worker) answers(ctx context.Context, s *redis.Script, keys []string, args []any) []string {
	reply, err := runSure(ctx, w.redis, w.log, s, keys, args, func(err error) bool {
		w.setReady(explain(err, w.cfg.Stream))
		return false
	})
	if err != nil {
		return nil
	}
	return texts(reply)
}
