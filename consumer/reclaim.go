package consumer

import (
	"context"
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
func (w *Worker) sweep(redisCtx, working context.Context, stop <-chan struct{}) error {
	if _, err := w.reclaim(redisCtx, working, stop, modeIdle, w.cfg.Autoclaim.MinIdle, "-"); err != nil {
		return err
	}
	return w.forget(redisCtx, namePrefix, deadAfter*w.cfg.Autoclaim.MinIdle)
}

// adopt finds the entries that a lost read has moved to our pending list. They are newer than all that other
// reads gave us, and need not idle first: nobody else knows of them.
func (w *Worker) adopt(redisCtx, working context.Context, stop <-chan struct{}) error {
	_, err := w.reclaim(redisCtx, working, stop, modeOwn, 0, idAfter(w.lastRead))
	return err
}

// The modes of reclaim.lua.
const (
	modeIdle = "idle" // what nobody has touched for a while
	modeDue  = "due"  // what the schedule says is due
	modeOwn  = "own"  // what a lost read of ours has moved to our pending list
)

// reclaim hands out pending entries, from the id on, page by page. It returns how long it is until the next entry
// of the schedule is due, schedulePoll or more where there is none.
func (w *Worker) reclaim(redisCtx, working context.Context, stop <-chan struct{}, mode string, minIdle time.Duration, from string) (time.Duration, error) {
	wait := schedulePoll
	for from != "" && !isDone(stop) {
		reply, err := w.scripts.reclaim.Run(redisCtx, w.redis, w.reclaimKeys(), w.reclaimArgs(mode, minIdle, from)...).Slice()
		if err != nil {
			return 0, err
		}
		w.tookOver(redisCtx, working, stop, reply, mode)
		if next := number(reply[5]); next >= 0 {
			wait = time.Duration(next) * time.Millisecond
		}
		if from = text(reply[0]); from != "" {
			from = idAfter(from)
		}
	}
	return wait, nil
}

func (w *Worker) reclaimKeys() []string {
	audit := w.auditKey()
	return []string{w.cfg.Stream, w.cfg.DeadLetters.Stream, audit, audit + ":previous", w.scheduleKey()}
}

func (w *Worker) auditKey() string {
	return w.cfg.Autoclaim.AuditKey + ":" + w.cfg.Stream + ":" + w.cfg.Group
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

func (w *Worker) reclaimArgs(mode string, minIdle time.Duration, from string) []any {
	tracePrefix := ""
	if w.cfg.Trace.Enabled {
		tracePrefix = w.cfg.Trace.Prefix
	}
	args := []any{
		w.cfg.Group, w.cfg.Consumer, minIdle.Milliseconds(), from, max(w.cfg.Autoclaim.PageSize, 1), max(w.flight.room(), 0),
		w.cfg.MaxAttempts, now(), w.cfg.DeadLetters.MaxLen, seconds(w.cfg.Autoclaim.AuditTTL),
		tracePrefix, seconds(w.cfg.Trace.TTL), mode,
	}
	for _, d := range w.flight.all() {
		args = append(args, d.entry.Message.ID)
	}
	return args
}

// tookOver reads reclaim.lua's reply, reports it, and dispatches what was claimed.
func (w *Worker) tookOver(redisCtx, working context.Context, stop <-chan struct{}, reply []any, mode string) {
	for _, v := range list(reply[1]) {
		e := list(v)
		id, count, from := text(e[0]), number(e[1]), text(e[2])
		d := w.dispatch(redisCtx, working, stop, id, count, pairs(list(e[4])))
		switch {
		case mode == modeOwn:
			w.log.Info("message of a lost read found", "message_id", id)
			w.lastRead = id
		case from == w.cfg.Consumer:
			w.log.Debug("message is tried again", "message_id", id, "attempt", count)
		default:
			w.log.Info("message taken over", "message_id", id, "from", from, "idle_ms", number(e[3]), "attempt", count)
			w.metrics.of(w, d).reclaimed.Inc()
		}
	}
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
	if refusal := text(reply[4]); refusal != "" {
		w.log.Error("dead letters can't be written; what belongs there stays pending", "error", refusal)
	}
}

// pairs reads a flat list of names and values.
func pairs(flat []any) map[string]string {
	fields := make(map[string]string, len(flat)/2)
	for i := 0; i+1 < len(flat); i += 2 {
		fields[text(flat[i])] = text(flat[i+1])
	}
	return fields
}

// now is the moment as the fleet writes it.
func now() string { return envelope.FormatTS(time.Now()) }

// seconds is d in whole seconds, at least one.
func seconds(d time.Duration) int64 { return max(int64(d/time.Second), 1) }
