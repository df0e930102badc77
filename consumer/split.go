package consumer

import (
	"context"
	"slices"
)

// splitCommits commits a batch whose keys are in several slots, in steps: what a later one relies on comes before it.
//
//  1. The fence, and the locks: who has lost a message writes nothing for it.
//  2. The plugin's state, since only that may turn out not to fit.
//  3. Emits and dead letters, slot by slot.
//  4. What is in the stream's slot, first of all the acknowledgement: commit.lua, which has nothing to emit here.
//  5. Locks are released, and traces written. Nothing relies on these, so they are not tried twice.
//
// A worker that dies between 3 and 4 leaves a message pending that was answered, and one that loses it meanwhile is too
// late to be fenced. So an answer may come twice, but an acknowledgement never comes without it.
//
// Every step is a script for each slot and not a pipeline: the Cluster's client sends a pipeline again whose reply was lost.
// A script that is sent again is answered from its ledger, or does the same once more.
func (w *Worker) splitCommits(ctx context.Context, batch []commitRequest) []string {
	parts := make([]*part, len(batch))
	for i, r := range batch {
		parts[i] = &part{commitRequest: r, verb: r.o.verb}
	}
	for _, step := range []func(context.Context, []*part) error{w.fence, w.renewLocks, w.checkStreams, w.applyState, w.appendAll, w.acknowledge} {
		if open := stillOpen(parts); len(open) > 0 && step(ctx, open) != nil {
			return make([]string, len(batch)) // the worker has hung up
		}
	}
	w.letGo(ctx, parts)
	answers := make([]string, len(batch))
	for i, p := range parts {
		answers[i] = p.result
	}
	if slices.ContainsFunc(parts, func(p *part) bool { return p.due }) {
		w.noteDue()
	}
	return answers
}

// part is a message of a batch on its way through the steps.
type part struct {
	commitRequest
	verb   verb   // what it was to be; the request's own changes with what the steps find
	result string // the answer, once it is known; the steps that follow leave the message alone
	then   string // the result, if the acknowledgement's step goes well; empty is "done"
	due    bool   // that step has left something to be taken at once
	wrote  bool   // some of its state is written
}

func stillOpen(parts []*part) []*part {
	var open []*part
	for _, p := range parts {
		if p.result == "" {
			open = append(open, p)
		}
	}
	return open
}

// putBack has the message given back, charged no try, and then answered with why.
func (p *part) putBack(why string) {
	known := p.o.told
	p.o, p.then = outcome{verb: verbReturn, uncharged: true}, why
	if known == toldDelivered {
		p.o.told = toldDoubtful
	}
}

// settled tells whether it is known already that the message is not to be acknowledged.
func (p *part) settled() bool { return p.result != "" || p.o.verb != verbAck }

// fence finds out which messages are still ours, and touches them. What is not goes on as lost: commit.lua sees to its
// channel.
func (w *Worker) fence(ctx context.Context, parts []*part) error {
	if parts = without(parts, verbLost); len(parts) == 0 {
		return nil
	}
	args := w.scriptArgs()
	for _, p := range parts {
		lane := ""
		// What was delivered already is not made undone by an earlier message that has turned up.
		delivered := p.o.told == toldDelivered && w.onceKey(p.d) != ""
		if (p.verb == verbAck || p.verb == verbDead) && !delivered {
			lane = p.d.lane
		}
		args = append(args, p.d.entry.Message.ID, p.d.entry.Message.Attempt, lane)
	}
	reply, err := runSure(ctx, w.redis, w.log, w.scripts.fence, w.scriptKeys().keys, args, never)
	if err != nil {
		return err
	}
	for i, p := range parts {
		switch text(reply[i]) {
		case "ok":
		case "overtaken":
			p.putBack("overtaken")
		default:
			p.o = outcome{verb: verbLost}
		}
	}
	return nil
}

// without is the parts but those of a verb.
func without(parts []*part, v verb) []*part {
	return slices.DeleteFunc(slices.Clone(parts), func(p *part) bool { return p.o.verb == v })
}

// renewLocks makes sure that the locks are ours, and for long enough to commit.
func (w *Worker) renewLocks(ctx context.Context, parts []*part) error {
	parts = without(parts, verbLost)
	atOnce(len(parts), func(i int) {
		if l := parts[i].d.held(); l != (heldLock{}) && w.sureLock(ctx, "renew", l) != "ok" {
			parts[i].result = "fenced"
		}
	})
	return ctx.Err()
}

// sureLock runs lock.lua until it has an answer. It returns answerNone when ctx is done.
func (w *Worker) sureLock(ctx context.Context, verb string, l heldLock) string {
	reply, err := runSure(ctx, w.redis, w.log, w.scripts.lock, []string{l.key}, []any{verb, l.token, w.cfg.Lock.TTL.Milliseconds()}, never)
	if err != nil {
		return answerNone
	}
	return text(reply[0])
}

// acknowledge runs commit.lua for what is in the stream's slot. To it, a message that has its dead letter is one to be
// acknowledged.
func (w *Worker) acknowledge(ctx context.Context, parts []*part) error {
	batch := make([]commitRequest, len(parts))
	for i, p := range parts {
		batch[i] = commitRequest{d: p.d, o: p.o, delay: p.delay}
		batch[i].o.reads, batch[i].o.writes = nil, nil
		if p.o.verb == verbDead {
			batch[i].o.verb = verbAck
		}
	}
	answers, err := w.runCommit(ctx, 0, batch, never)
	if err != nil {
		return err
	}
	for i, p := range parts {
		if p.result = answers[i]; p.result == "done" {
			p.result = orElse(p.then, "done")
		}
		p.due = p.then != ""
	}
	return nil
}

// letGo releases the locks of what is over, and reports to the traces what was committed.
func (w *Worker) letGo(ctx context.Context, parts []*part) {
	ctx, cancel := context.WithTimeout(ctx, lastWords)
	defer cancel()
	atOnce(len(parts), func(i int) {
		p := parts[i]
		if refusal(p.result) != "" {
			return // another outcome follows
		}
		w.releaseElsewhere(ctx, p.d.held())
		switch {
		case p.result != "done":
		case p.verb == verbAck:
			w.mark(ctx, p.d, "COMPLETED", p.o.reason)
		case p.verb == verbRetry || p.verb == verbDead:
			w.mark(ctx, p.d, "ERRORED", p.o.reason)
		}
	})
}

// releaseElsewhere releases a lock that is in another slot, if there is one and it is ours.
func (w *Worker) releaseElsewhere(ctx context.Context, l heldLock) {
	if l == (heldLock{}) {
		return
	}
	if err := w.scripts.lock.Run(ctx, w.redis, []string{l.key}, "release", l.token, 0).Err(); err != nil {
		w.log.Warn("a lock could not be released; it is held until it expires", "key", l.key, "error", err)
	}
}

// mark writes a transition of a trace that is in another slot, if one is kept.
func (w *Worker) mark(ctx context.Context, d *delivery, state, reason string) {
	key := d.trace
	if key == "" {
		return
	}
	args := w.scriptArgs(seconds(w.cfg.Trace.TTL), state, now(), w.attemptOf(d), reason)
	if err := w.scripts.mark.Run(ctx, w.redis, []string{key}, args...).Err(); err != nil {
		w.log.Debug("a trace could not be written", "key", key, "error", err)
	}
}

// attemptOf is the number of a message's try. One that has used its attempts up has been claimed once more.
func (w *Worker) attemptOf(d *delivery) int64 {
	return min(d.entry.Message.Attempt, int64(w.cfg.MaxAttempts))
}

// splitClaims claims a batch whose locks and traces are in other slots: the locks first, so that none is begun without.
func (w *Worker) splitClaims(ctx context.Context, batch []*delivery, locks []heldLock) []string {
	taken := make([]string, len(batch))
	atOnce(len(batch), func(i int) {
		taken[i] = "ok"
		if locks[i] != (heldLock{}) {
			taken[i] = w.sureLock(ctx, "take", locks[i])
		}
	})
	args := w.claimArgs(batch)
	for i, d := range batch {
		busy := 0
		if taken[i] == "busy" {
			busy = -1
		}
		args = append(args, d.entry.Message.ID, d.entry.Message.Attempt, busy, locks[i].token, 0, lockPauseMS())
	}
	answers := w.answers(ctx, w.scripts.claim, w.scriptKeys().keys, args)
	if answers == nil {
		return nil
	}
	seen, cancel := context.WithTimeout(ctx, lastWords)
	defer cancel()
	atOnce(len(batch), func(i int) {
		switch {
		case answers[i] != "ok":
			w.releaseElsewhere(seen, locks[i])
		case taken[i] != "ok":
			answers[i] = taken[i] // the lock's key is no lock
		default:
			w.mark(seen, batch[i], "CLAIMED", "")
		}
	})
	return answers
}

// renewElsewhere renews the locks of what is in flight, and cancels the calls whose lock is another's by now.
func (w *Worker) renewElsewhere(ctx context.Context, batch []*delivery) {
	atOnce(len(batch), func(i int) {
		l := batch[i].held()
		if l == (heldLock{}) {
			return
		}
		reply, err := w.scripts.lock.Run(ctx, w.redis, []string{l.key}, "renew", l.token, w.cfg.Lock.TTL.Milliseconds()).StringSlice()
		switch {
		case err != nil:
			w.log.Warn("a lock could not be renewed; another worker may take it", "key", l.key, "error", err)
		case reply[0] != "ok":
			batch[i].ctx.end(errLost)
		}
	})
}
