package consumer

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/sgstreamd/sgstreamd/envelope"
)

// deadAfter is how many times min_idle a consumer without pending entries must have been idle before its name
// is removed from the group.
const deadAfter = 10

// sweep takes over, page by page, what has been idle for min_idle: entries that have used their attempts up go
// to the dead letters without being run, since they may be what killed the worker; entries that were trimmed
// away while pending are acknowledged; the others are claimed as far as there is room.
func (w *Worker) sweep(c contexts) error {
	pass, err := w.reclaim(c, modeIdle, "-")
	if err != nil {
		return err
	}
	w.sweepFrom = pass.blocked
	return w.forget(c.redis, namePrefix, deadAfter*w.cfg.Autoclaim.MinIdle)
}

// resumeSweep goes on where the last sweep had no room, as soon as there is some: what was abandoned has waited for
// longer than what is new, and need not wait for the next sweep.
func (w *Worker) resumeSweep(c contexts) error {
	if w.sweepFrom == "" || w.flight.room() <= 0 {
		return nil
	}
	pass, err := w.reclaim(c, modeIdle, w.sweepFrom)
	if err != nil {
		return err
	}
	w.sweepFrom = pass.blocked
	return nil
}

// adopt finds the entries that a lost reply has moved to our pending list: what is ours there and not in flight. They
// need not idle first, since nobody else knows of them.
func (w *Worker) adopt(c contexts) error {
	pass, err := w.reclaim(c, modeOwn, "-")
	if err == nil {
		w.readLost = pass.blocked != ""
	}
	return err
}

// The modes of reclaim.lua.
const (
	modeIdle = "idle" // what nobody has touched for a while
	modeDue  = "due"  // what the schedule says is due
	modeOwn  = "own"  // what a lost read of ours has moved to our pending list
)

// pass is what one way through the pending list has found.
type pass struct {
	next    time.Duration // until the next entry of the schedule is due; schedulePoll where there is none
	blocked string        // the first id for which there was no room; empty if there was room for all
}

// reclaim hands out pending entries, from the id on, page by page to the end of the list. Once there is no more room,
// a pass that does not begin at the list's beginning ends with its page: another one follows.
func (w *Worker) reclaim(c contexts, mode, from string) (pass, error) {
	found, whole := pass{next: schedulePoll}, from == "-"
	for from != "" && c.stopping.Err() == nil && (whole || found.blocked == "") {
		reply, err := w.scripts.reclaim.Run(c.redis, w.redis, w.reclaimKeys(), w.reclaimArgs(mode, from)...).Slice()
		if err != nil {
			return pass{}, err
		}
		w.tookOver(c, reply, mode)
		if next := number(reply[5]); next >= 0 {
			found.next = time.Duration(next) * time.Millisecond
		}
		found.blocked = orElse(found.blocked, text(reply[6]))
		if from = text(reply[0]); from != "" {
			from = idAfter(from)
		}
	}
	return found, nil
}

func (w *Worker) reclaimKeys() []string {
	audit := w.auditKey()
	return w.scriptKeys(w.deadLettersHere(), audit, audit+":previous").keys
}

// idAfter is the least stream id that is greater than id.
func idAfter(id string) string {
	ms, seq, _ := strings.Cut(id, "-")
	n, _ := strconv.ParseUint(seq, 10, 64)
	if n < math.MaxUint64 {
		return ms + "-" + strconv.FormatUint(n+1, 10)
	}
	m, _ := strconv.ParseUint(ms, 10, 64)
	return strconv.FormatUint(m+1, 10) + "-0"
}

func (w *Worker) reclaimArgs(mode, from string) []any {
	minIdle := time.Duration(0)
	if mode == modeIdle {
		minIdle = w.cfg.Autoclaim.MinIdle
	}
	tracePrefix, attempts := "", w.cfg.MaxAttempts
	if w.cfg.Trace.Enabled {
		tracePrefix = w.cfg.Trace.Prefix
	}
	if w.split() {
		// What has used its attempts up is claimed like the rest, and tookOver sees to it.
		tracePrefix, attempts = "", math.MaxInt32
	}
	args := w.scriptArgs(
		minIdle.Milliseconds(), from, max(w.cfg.Autoclaim.PageSize, 1), max(w.flight.room(), 0),
		attempts, now(), w.cfg.DeadLetters.MaxLen, seconds(w.cfg.Autoclaim.AuditTTL),
		tracePrefix, seconds(w.cfg.Trace.TTL), mode,
	)
	for _, d := range w.flight.all() {
		args = append(args, d.entry.Message.ID)
	}
	return args
}

// tookOver reads reclaim.lua's reply, reports it, and begins what was claimed.
func (w *Worker) tookOver(c contexts, reply []any, mode string) {
	var claimed []*delivery
	for _, v := range list(reply[1]) {
		e := list(v)
		id, count, from := text(e[0]), number(e[1]), text(e[2])
		d := w.accept(c, w.decode(id, count, text(e[4]), texts(list(e[5]))))
		if w.split() && count > int64(w.cfg.MaxAttempts) && d.broken == nil {
			// Its dead letter goes to another slot than the one where it is pending, and so with a commit.
			d.broken = fmt.Errorf("used up its %d attempts: worker %q had not finished the last one when it was found idle for %d ms", w.cfg.MaxAttempts, from, number(e[3]))
		}
		claimed = append(claimed, d)
		switch {
		case mode == modeOwn:
			w.log.Info("message of a lost read found", "message_id", id)
		case from == parkedConsumer:
			w.log.Debug("message was waiting for this try", "message_id", id, "attempt", count)
		default:
			w.log.Info("message taken over", "message_id", id, "from", from, "idle_ms", number(e[3]), "attempt", count)
			d.series.reclaimed.Inc()
		}
	}
	w.begin(c, claimed)
	for _, v := range list(reply[2]) {
		e := list(v)
		w.log.Error("message dead-lettered without another try: its attempts are used up",
			"message_id", text(e[0]), "attempt", number(e[1]), "from", text(e[2]), "idle_ms", number(e[3]), "dead_letters", w.cfg.DeadLetters.Stream)
		w.metrics.deadLettered.WithLabelValues(w.cfg.Role, w.cfg.Platform).Inc()
	}
	for _, v := range list(reply[3]) {
		e := list(v)
		w.log.Error("message was trimmed off the stream while it was pending; it is lost",
			"message_id", text(e[0]), "from", text(e[2]), "idle_ms", number(e[3]))
		w.metrics.trimmed.WithLabelValues(w.cfg.Role, w.cfg.Platform).Inc()
	}
	if refusal := text(reply[4]); refusal != w.refusal {
		w.refusal = refusal
		if refusal != "" {
			w.log.Error("dead letters can't be written; what belongs there stays pending", "error", refusal)
		}
	}
}

// texts reads a list of them.
func texts(values []any) []string {
	list := make([]string, len(values))
	for i, v := range values {
		list[i] = text(v)
	}
	return list
}

// now is the moment as the fleet writes it.
func now() string { return envelope.FormatTS(time.Now()) }

// seconds is d in whole seconds, at least one.
func seconds(d time.Duration) int64 { return max(int64(d/time.Second), 1) }
