package consumer

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// rights examines whether the Redis user may do all that the worker is going to do.
func (e *examination) rights(ctx context.Context, w *Worker) error {
	missing, err := w.missingRights(ctx)
	switch {
	case err == nil && len(missing) == 0:
		return nil
	case err == nil:
		e.withoutRights(w, "the Redis user may not run "+strings.Join(missing, ", "))
		return nil
	case redis.HasErrorPrefix(err, "CROSSSLOT"):
		// INFO may have been refused.
		if !e.facts.clustered() && !isCluster(e.redis) {
			e.slots(w)
		}
		return nil
	case isNoPerm(err):
		e.withoutRights(w, "the Redis user lacks a right; grant it: "+err.Error())
		return nil
	}
	return e.refused("EVAL", "the rights", explain(err, w.cfg.Stream))
}

// withoutRights reports a stream that the worker has no rights to read.
func (e *examination) withoutRights(w *Worker, problem string) {
	e.found(Danger, fmt.Sprintf("stream %q", w.cfg.Stream), problem+", so it is not read", "grant it; docs/operations.md has a rule that is enough")
}

// keys examines whether the worker's keys are of the types that they have to be.
func (e *examination) keys(ctx context.Context, w *Worker) error {
	for _, key := range []struct{ name, kind, problem string }{
		{w.cfg.Stream, "stream", "it can't be read"},
		{w.cfg.DeadLetters.Stream, "stream", "what can't be handled stays pending"},
		{w.scheduleKey(), "zset", "failed messages wait for autoclaim, whatever their delay"},
		{w.orderKey(), "zset", "the order of channels can't be kept, so nothing is read"},
		{w.lanesKey(), "hash", "the order of channels can't be kept, so nothing is read"},
		{w.auditKey(), "hash", "takeovers are not audited"},
		{w.deliveredKey(), "zset", "nothing is delivered"},
		{w.deliveringKey(), "hash", "nothing is delivered"},
	} {
		kind, err := e.redis.Type(ctx, key.name).Result()
		if err != nil {
			return e.refused("TYPE", "the types of keys", err)
		}
		if kind != key.kind && kind != "none" {
			e.foundOnce(Danger, fmt.Sprintf("key %q is a %s, not a %s", key.name, kind, key.kind), key.problem, "rename or delete it, or configure another name")
		}
	}
	return nil
}

// stream examines the stream, its group and the group's consumers, as far as they are there.
func (e *examination) stream(ctx context.Context, w *Worker) error {
	g, there, err := groupInfo(ctx, e.redis, w.cfg.Stream, w.cfg.Group)
	if isWrongType(err) || isNoKey(err) {
		return nil
	}
	if err != nil {
		return e.refused("XINFO GROUPS", "the unread and pending entries of groups", err)
	}
	if !there {
		return nil
	}
	for _, look := range []func(context.Context, *Worker, redis.XInfoGroup) error{e.unread, e.pendingTrimmed, e.leftovers} {
		if err := look(ctx, w, g); err != nil {
			return err
		}
	}
	return nil
}

func isNoKey(err error) bool { return redis.HasErrorPrefix(err, "no such key") }

// unread examines how near trimming is to what the group has not read, and whether it has been there.
func (e *examination) unread(ctx context.Context, w *Worker, g redis.XInfoGroup) error {
	subject := fmt.Sprintf("group %q of stream %q", g.Name, w.cfg.Stream)
	s, err := e.redis.XInfoStream(ctx, w.cfg.Stream).Result()
	if err != nil {
		return e.refused("XINFO STREAM", "what was trimmed", err)
	}
	// Before 7.0 there is neither lag nor a count of what was added.
	if s.EntriesAdded == 0 {
		return nil
	}
	// The lag counts too much after a trim in versions before 7.2.7 and 7.4.2; there is no more unread than there is.
	if open := max(min(g.Lag, s.Length), 0) + g.Pending; w.cfg.MaxLen > 0 && float64(open) >= alarmAt*float64(w.cfg.MaxLen) {
		e.found(Danger, subject, fmt.Sprintf("%d of about %d entries that the stream keeps are unread or pending; trimming takes them next", open, w.cfg.MaxLen),
			"add workers, or raise the stream's MAXLEN")
	}
	if e.facts.promoted() {
		// A replica's count of what was read lags behind (redis#12898).
		return nil
	}
	read, _ := parseStreamID(g.LastDeliveredID)
	last, _ := parseStreamID(s.LastGeneratedID)
	first, _ := parseStreamID(s.FirstEntry.ID)
	behind := read.compare(last) < 0 && (s.Length == 0 || read.compare(first) < 0)
	if gone := s.EntriesAdded - g.EntriesRead - s.Length; behind && g.EntriesRead > 0 && gone > 0 {
		e.found(Danger, subject, fmt.Sprintf("by Redis's counts, %d entries were trimmed or deleted before the group had read them", gone),
			"add workers, or raise the stream's MAXLEN")
	}
	if neverRead := g.EntriesRead == 0 && g.Consumers == 0; neverRead && s.Length > 0 && read.compare(first) >= 0 {
		e.found(Notice, subject, "it begins at "+g.LastDeliveredID+", behind entries that it has no record of reading; it may have been created at $",
			fmt.Sprintf("to have them handled: XGROUP SETID %s %s 0", w.cfg.Stream, g.Name))
	}
	return nil
}

// promoted tells whether the server has once been a replica.
func (f *serverFacts) promoted() bool { return strings.Trim(f.info["master_replid2"], "0") != "" }

// pendingTrimmed examines whether pending entries are no longer in the stream.
func (e *examination) pendingTrimmed(ctx context.Context, w *Worker, g redis.XInfoGroup) error {
	if g.Pending == 0 {
		return nil
	}
	pending, err := e.redis.XPending(ctx, w.cfg.Stream, g.Name).Result()
	if err != nil {
		return e.refused("XPENDING", "the pending entries", err)
	}
	there, err := e.redis.XRangeN(ctx, w.cfg.Stream, pending.Lower, pending.Lower, 1).Result()
	if err != nil {
		return e.refused("XRANGE", "whether pending entries are still there", err)
	}
	if pending.Count > 0 && len(there) == 0 {
		e.found(Danger, fmt.Sprintf("group %q of stream %q", g.Name, w.cfg.Stream),
			fmt.Sprintf("its oldest pending entry, %s, is no longer in the stream; unless a worker has it in hand, it is lost", pending.Lower),
			"add workers, or raise the stream's MAXLEN")
	}
	return nil
}

// leftovers examines what consumers hold that have not been seen for long.
func (e *examination) leftovers(ctx context.Context, w *Worker, g redis.XInfoGroup) error {
	consumers, err := e.redis.XInfoConsumers(ctx, w.cfg.Stream, g.Name).Result()
	if err != nil {
		return e.refused("XINFO CONSUMERS", "consumers that have died", err)
	}
	var names []string
	held, longest := int64(0), time.Duration(0)
	for _, c := range consumers {
		if c.Pending > 0 && c.Idle >= deadAfter*w.cfg.Autoclaim.MinIdle {
			names = append(names, fmt.Sprintf("%q", c.Name))
			held, longest = held+c.Pending, max(longest, c.Idle)
		}
	}
	if held == 0 {
		return nil
	}
	severity, remedy := Notice, "none, while a daemon runs: a sweep takes them over, or they wait for their next try"
	if !w.cfg.Autoclaim.Enabled {
		severity, remedy = Warning, "set autoclaim.enabled = true"
	}
	e.found(severity, fmt.Sprintf("group %q of stream %q", g.Name, w.cfg.Stream),
		fmt.Sprintf("%d entries are pending for consumers that have not been seen for up to %v: %s", held, longest.Round(time.Second), someOf(names)), remedy)
	return nil
}

// someOf lists the first few names.
func someOf(names []string) string {
	const few = 3
	if len(names) > few {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:few], ", "), len(names)-few)
	}
	return strings.Join(names, ", ")
}

// deadLetters examines how near the streams of dead letters are to losing their oldest.
func (e *examination) deadLetters(ctx context.Context, workers []WorkerConfig) error {
	seen := map[string]bool{}
	for _, w := range workers {
		d := w.DeadLetters
		if seen[d.Stream] {
			continue
		}
		seen[d.Stream] = true
		n, err := e.redis.XLen(ctx, d.Stream).Result()
		if isWrongType(err) {
			continue
		}
		if err != nil {
			return e.refused("XLEN", "the number of dead letters", err)
		}
		if d.MaxLen > 0 && float64(n) >= alarmAt*float64(d.MaxLen) {
			e.found(Warning, fmt.Sprintf("dead letters %q", d.Stream), fmt.Sprintf("%d of about %d that are kept; the oldest will be trimmed", n, d.MaxLen),
				"replay or drop them with sgstreamd dlq, or raise dead_letters.max_len")
		}
	}
	return nil
}
