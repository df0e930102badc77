package consumer

import (
	"context"
	"fmt"
	"maps"
	"slices"
)

// appending is what one stream in another slot is to be appended.
type appending struct {
	entries []entry
	refused []string // what append.lua answers, for each of the entries
}

// entry is one entry of a part.
type entry struct {
	p      *part
	maxLen int64
	fields []any // names and values
}

// appendings are what a batch writes to streams in other slots, by stream, in the batch's order.
func (w *Worker) appendings(parts []*part) (streams []string, all map[string]*appending) {
	all = map[string]*appending{}
	add := func(stream string, e entry) {
		if all[stream] == nil {
			all[stream] = &appending{}
		}
		all[stream].entries = append(all[stream].entries, e)
	}
	for _, p := range parts {
		switch p.o.verb {
		case verbAck:
			for _, e := range p.emits {
				add(e.stream, entry{p, w.cfg.Emits.MaxLen, []any{"data", e.payload, "ts", now(), "trace_id", e.traceID}})
			}
		case verbDead:
			add(w.cfg.DeadLetters.Stream, entry{p, w.cfg.DeadLetters.MaxLen, w.letterOf(p)})
		}
	}
	return slices.Sorted(maps.Keys(all)), all
}

// letterOf are the fields of a message's dead letter, as commit.lua has them.
func (w *Worker) letterOf(p *part) []any {
	m := &p.d.entry.Message
	fields := []any{
		"original_stream", m.Stream, "original_msg_id", m.ID, "error", p.o.reason, "attempt", w.attemptOf(p.d),
		"data", p.d.fields.Get("data"), "ts", now(), "trace_id", orElse(p.d.fields.Get("trace_id"), m.TraceID),
	}
	return append(fields, foreignFields(p.d.fields)...)
}

// checkStreams finds out, for messages that write to more than one place, whether all of their streams can be appended
// to, so that nothing is written for one that a step would refuse.
func (w *Worker) checkStreams(ctx context.Context, parts []*part) error {
	var several []*part
	for _, p := range parts {
		elsewhere := func(e emit) bool { return e.stream != p.emits[0].stream }
		if len(p.emits) > 0 && len(p.o.writes) > 0 || slices.ContainsFunc(p.emits, elsewhere) {
			several = append(several, p)
		}
	}
	return w.eachStream(ctx, several, false)
}

// appendAll appends emits and dead letters.
func (w *Worker) appendAll(ctx context.Context, parts []*part) error {
	return w.eachStream(ctx, parts, true)
}

// eachStream runs append.lua for every stream that the parts write to. The reason why one takes an entry not becomes
// the answer of the entry's message. Without write, it is only asked.
func (w *Worker) eachStream(ctx context.Context, parts []*part, write bool) error {
	streams, all := w.appendings(parts)
	ledgers := make([]string, len(streams))
	for i, s := range streams {
		ledgers[i] = w.ledgerAt(slotOf(s), s)
	}
	atOnce(len(streams), func(i int) {
		a := all[streams[i]]
		a.refused = w.appendTo(ctx, streams[i], ledgers[i], a.entries, write)
	})
	for _, s := range streams {
		for i, refused := range all[s].refused {
			if refused != "" {
				all[s].entries[i].p.result = refused
			}
		}
	}
	return ctx.Err()
}

// appendTo is append.lua's answer for each of the entries.
func (w *Worker) appendTo(ctx context.Context, stream, ledger string, entries []entry, write bool) []string {
	args := w.scriptArgs(fmt.Sprint(w.batches[0], " append"), ledgerTTL.Milliseconds())
	for _, e := range entries {
		if write {
			args = append(append(args, e.maxLen, len(e.fields)), e.fields...)
		}
	}
	// A stream that a plugin has chosen may be one that the user may not use.
	reply, err := runSure(ctx, w.committing, w.log, w.scripts.append, []string{stream, ledger}, args, isNoPerm)
	refused := make([]string, len(entries))
	for i := range entries {
		switch {
		case err != nil:
			refused[i] = fmt.Sprintf("stream %q: %v", stream, err)
		case write:
			refused[i] = text(reply[i])
		default:
			refused[i] = text(reply[0])
		}
	}
	return refused
}

// applyState verifies what plugins have read of their state, and writes what they have made of it: one script for each
// slot, where the messages take effect one behind the other. What one message keeps in several slots is looked at before
// any of it is written, but a change that comes in between leaves it half written.
func (w *Worker) applyState(ctx context.Context, parts []*part) error {
	var stateful, several []*part
	for _, p := range parts {
		slots := w.stateSlots(p)
		if len(slots) > 0 {
			stateful = append(stateful, p)
		}
		if len(slots) > 1 {
			several = append(several, p)
		}
	}
	if err := w.eachStateSlot(ctx, several, false); err != nil {
		return err
	}
	return w.eachStateSlot(ctx, slices.DeleteFunc(stateful, (*part).settled), true)
}

// stateSlots are the slots of what a message has read and writes of the state, each with its share of the outcome.
func (w *Worker) stateSlots(p *part) map[int]outcome {
	if p.o.verb != verbAck || len(p.o.reads)+len(p.o.writes) == 0 {
		return nil
	}
	slots := map[int]outcome{}
	share := func(key string, f func(*outcome)) {
		slot := slotOf(w.cfg.StatePrefix + key)
		o := slots[slot]
		f(&o)
		slots[slot] = o
	}
	for _, r := range p.o.reads {
		share(r.Key, func(o *outcome) { o.reads = append(o.reads, r) })
	}
	for _, write := range p.o.writes {
		share(write.Key, func(o *outcome) { o.writes = append(o.writes, write) })
	}
	return slots
}

// eachStateSlot runs apply.lua for every slot. Without write, it is only asked.
func (w *Worker) eachStateSlot(ctx context.Context, parts []*part, write bool) error {
	type share struct {
		p *part
		o outcome
	}
	shares := map[int][]share{}
	for _, p := range parts {
		for slot, o := range w.stateSlots(p) {
			shares[slot] = append(shares[slot], share{p, o})
		}
	}
	slots := slices.Sorted(maps.Keys(shares))
	number, replies, calls := "", make([][]any, len(slots)), make([]func(), len(slots))
	if write {
		number = fmt.Sprint(w.batches[0], " state")
	}
	for i, slot := range slots {
		keys := newScriptKeys(w.ledgerAt(slot, w.cfg.StatePrefix))
		args := w.scriptArgs(number, ledgerTTL.Milliseconds())
		for _, s := range shares[slot] {
			state := w.appendState(nil, keys, s.o)
			args = append(append(args, len(state)), state...)
		}
		calls[i] = func() {
			replies[i], _ = runSure(ctx, w.committing, w.log, w.scripts.apply, keys.keys, args, never)
		}
	}
	atOnce(len(slots), func(i int) { calls[i]() })
	if ctx.Err() != nil {
		return ctx.Err()
	}
	for i, slot := range slots {
		for k, s := range shares[slot] {
			switch answer := text(replies[i][k]); answer {
			case "ok":
				s.p.wrote = s.p.wrote || write && len(s.o.writes) > 0
			case "conflict":
				s.p.putBack("conflict")
			default:
				s.p.result = answer
			}
		}
	}
	for _, p := range parts {
		if p.wrote && p.settled() {
			w.log.Warn("state half written: what a message keeps in other slots has changed meanwhile; give its keys one hash tag", "message_id", p.d.entry.Message.ID)
		}
	}
	return nil
}
