package consumer

import (
	"context"
	"crypto/sha1"
	"fmt"
	"slices"
	"time"

	"github.com/sgstreamd/sgstreamd/abi"
	"github.com/sgstreamd/sgstreamd/envelope"
)

// commitPipes is how many commits of a worker may be on their way at once: while Redis works on one, the next can be sent.
const commitPipes = 2

// ledgerTTL is how long a consumer's last commits are remembered, for a reply that was lost.
const ledgerTTL = 10 * time.Minute

// maxForeignFields is how many of an entry's unknown fields a dead letter keeps: Lua can't pass on many more. The
// letter says how many it lacks.
const maxForeignFields = 1000

// emit is one entry to be written with a commit.
type emit struct {
	stream, traceID string
	payload         []byte
}

// commitRequest is a message whose outcome waits to be written.
type commitRequest struct {
	d     *delivery
	o     outcome
	emits []emit
	delay time.Duration // until the next try, where there is to be one
	begun time.Time
	last  bool // nothing is done any more if this can't be written either
}

// commitSize is about how many bytes a commit writes.
func commitSize(r commitRequest) int {
	size := 0
	for _, e := range r.emits {
		size += len(e.payload)
	}
	for _, write := range r.o.writes {
		size += len(write.Value)
	}
	if r.o.verb == verbDead {
		size += len(r.d.fields.Get("data"))
	}
	return size
}

// prepare makes what commit.lua is to write of an outcome.
func (w *Worker) prepare(r *commitRequest) error {
	for i, e := range r.o.emits {
		written, err := w.emitOf(r.d, i, e)
		if err != nil {
			return err
		}
		r.emits = append(r.emits, written)
	}
	if r.o.verb == verbRetry {
		r.delay = w.retryDelay(r.d, r.o)
	}
	return nil
}

func (w *Worker) emitOf(d *delivery, n int, e abi.Emit) (emit, error) {
	m := &d.entry.Message
	payload, trace, err := envelope.Normalize(e, envelope.MessageKey(m.Stream, m.ID, n), m.TraceID)
	if err != nil {
		return emit{}, fmt.Errorf("emit %d: %w", n, err)
	}
	stream := e.Stream
	if stream == "" {
		stream = w.cfg.Emits.StreamOf(e.Platform)
	}
	if isCluster(w.redis) && !w.split() && slotOf(stream) != slotOf(w.cfg.Stream) {
		return emit{}, fmt.Errorf("emit %d: stream %q is in another Cluster slot than %q; give both the same hash tag", n, stream, w.cfg.Stream)
	}
	return emit{stream: stream, traceID: trace, payload: payload}, nil
}

// refusal is the error's text in a commit's answer, or empty.
func refusal(answer string) string {
	switch answer {
	case "done", "fenced", "gone", "overtaken", "conflict", answerNone:
		return ""
	}
	return answer
}

// flushCommits commits a batch and passes on what became of it.
func (w *Worker) flushCommits(ctx context.Context, pipe int, batch []commitRequest) {
	w.answered <- answered{batch, w.commit(ctx, pipe, batch)}
}

// commit writes each outcome of a batch in one step, if its message is still ours. It returns "done" for each, or why nothing was
// written, as commit.lua has it, or answerNone.
func (w *Worker) commit(ctx context.Context, pipe int, batch []commitRequest) []string {
	w.batches[pipe]++
	if w.split() {
		return w.splitCommits(ctx, batch)
	}
	// Redis refuses a script, unrun, for a single key that its user may not use. Where that may be a stream
	// which a plugin has chosen, the others must not suffer for it.
	answers, err := w.runCommit(ctx, pipe, batch, func(err error) bool {
		return isNoPerm(err) && slices.ContainsFunc(batch, func(r commitRequest) bool { return len(r.emits) > 0 })
	})
	if err == nil {
		return answers
	}
	answers = make([]string, len(batch))
	switch {
	case isNoPerm(err) && len(batch) > 1:
		for i := range batch {
			answers[i] = w.commit(ctx, pipe, batch[i:i+1])[0]
		}
	case isNoPerm(err):
		answers[0] = err.Error()
	}
	return answers
}

// runCommit runs commit.lua for a batch, and returns "done" for each message, or why it was not committed.
func (w *Worker) runCommit(ctx context.Context, pipe int, batch []commitRequest, final func(error) bool) ([]string, error) {
	keys := w.scriptKeys(w.deadLettersHere(), w.ledgerKey(), w.deliveredKey(), w.deliveringKey())
	own := newColumns(len(batch))
	for i, r := range batch {
		own.messages[i] = r.d
		if !w.split() { // else they are in other slots
			own.locks[i], own.traces[i] = r.d.held(), r.d.trace
		}
	}
	least, greatest := span(len(batch), func(i int) string { return batch[i].d.entry.Message.ID })
	args := w.scriptArgs(
		w.batches[pipe], pipe, ledgerTTL.Milliseconds(), now(),
		w.cfg.DeadLetters.MaxLen, w.cfg.Emits.MaxLen, seconds(w.cfg.Trace.TTL),
		w.rememberedMS(), w.cfg.Once.Max, len(batch), least, greatest,
	)
	args = w.appendOutcomes(w.appendOnce(w.appendColumns(args, keys, own), batch), keys, batch)
	reply, err := runSure(ctx, w.committing, w.log, w.scripts.commit, keys.keys, args, final)
	if err != nil {
		return nil, err
	}
	if text(reply[0]) == "due" {
		w.noteDue()
	}
	return exceptions(reply[1:], len(batch), "done"), nil
}

// noteDue notes that the schedule has something to be taken at once.
func (w *Worker) noteDue() {
	w.due.Store(true)
	w.nudge()
}

// appendOnce appends the columns that only those who remember deliveries have.
func (w *Worker) appendOnce(args []any, batch []commitRequest) []any {
	if !w.cfg.Once.Enabled {
		return args
	}
	for _, r := range batch {
		args = append(args, w.onceKey(r.d))
	}
	for _, r := range batch {
		args = append(args, string(r.o.told))
	}
	return args
}

// appendOutcomes appends what the messages do not have in columns, in runs of those that are alike.
func (w *Worker) appendOutcomes(args []any, keys *scriptKeys, batch []commitRequest) []any {
	args = slices.Grow(args, 8+4*len(batch))
	head, messages := -1, 0 // where the last run begins, and how many it has
	for i := range batch {
		r, begin := &batch[i], len(args)
		args = append(args, (*string)(&r.o.verb), r.d.entry.Message.Attempt, 1, 0, len(r.emits))
		for _, e := range r.emits {
			args = append(args, keys.pos(e.stream))
		}
		own := len(args)
		args = w.appendVerb(args, keys, r)
		args[begin+3] = len(args) - own
		if head >= 0 && sameRun(args[head:], args[begin:own]) {
			messages++
			args[head+2] = messages
			args = slices.Delete(args, begin, own)
			continue
		}
		head, messages = begin, 1
	}
	return args
}

// sameRun tells whether a message's head says the same as that of a run, but for how many messages follow.
func sameRun(run, head []any) bool {
	for i, v := range head {
		if i == 2 {
			continue
		}
		verb, ok := v.(*string)
		if ok && *verb != *run[i].(*string) || !ok && v != run[i] {
			return false
		}
	}
	return true
}

// appendVerb appends the arguments of the message's branch of commit.lua.
func (w *Worker) appendVerb(args []any, keys *scriptKeys, r *commitRequest) []any {
	switch r.o.verb {
	case verbAck:
		for i := range r.emits {
			e := &r.emits[i]
			args = append(args, e.payload, &e.traceID)
		}
		if len(r.o.reads)+len(r.o.writes) > 0 {
			args = w.appendState(args, keys, r.o)
		}
	case verbDead:
		args = append(args, r.o.reason, r.d.fields.Get("data"), orElse(r.d.fields.Get("trace_id"), r.d.entry.Message.TraceID))
		args = append(args, foreignFields(r.d.fields)...)
	case verbRetry:
		args = append(args, r.o.reason, r.delay.Milliseconds())
	case verbReturn:
		count := r.d.entry.Message.Attempt
		if r.o.uncharged {
			count--
		}
		args = append(args, count, w.cfg.Autoclaim.MinIdle.Milliseconds())
	}
	return args
}

// digestFrom is the size from which on a value that was read is compared by its digest, which is shorter.
const digestFrom = 2 * sha1.Size

// appendState appends what the plugin has read of its state, and what it writes.
func (w *Worker) appendState(args []any, keys *scriptKeys, o outcome) []any {
	args = append(args, len(o.reads))
	for _, r := range o.reads {
		key := keys.pos(w.cfg.StatePrefix + r.Key)
		switch {
		case !r.Found:
			args = append(args, key, "absent", "")
		case len(r.Value) < digestFrom:
			args = append(args, key, "value", r.Value)
		default:
			args = append(args, key, "sha1", fmt.Sprintf("%x", sha1.Sum(r.Value)))
		}
	}
	for _, write := range o.writes {
		key := keys.pos(w.cfg.StatePrefix + write.Key)
		switch {
		case write.Delete:
			args = append(args, key, "", "delete")
		case write.TTL > 0:
			args = append(args, key, write.Value, write.TTL.Milliseconds())
		default:
			args = append(args, key, write.Value, "keep")
		}
	}
	return args
}

// foreignFields are the fields of an entry that a dead letter has no place for. They are kept under names of
// their own, so that nothing is lost with a message that nobody understood.
func foreignFields(fields envelope.Fields) []any {
	names := slices.DeleteFunc(fields.Names(), func(name string) bool {
		return name == "data" || name == "ts" || name == "trace_id"
	})
	var args []any
	if left := len(names) - maxForeignFields; left > 0 {
		names, args = names[:maxForeignFields], append(args, "original_fields_left_out", left)
	}
	for _, name := range names {
		args = append(args, "original_field:"+name, fields.Get(name))
	}
	return args
}
