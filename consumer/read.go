package consumer

import (
	"math"
	"time"
)

const (
	// readBlock is how long the lookout waits for an entry at a time. A blocked read can't be called back
	// (cancelling its context does not reach it), so this is also how long a stop may wait for it.
	readBlock = 500 * time.Millisecond
	// maxRead bounds the entries of one read, and maxReadBytes is about how many bytes these may have.
	maxRead, maxReadBytes = 256, 4 << 20
	// contention is how long others are taken to read as well, once one of them was faster.
	contention = time.Second
)

// There are three ways to read what is new. Where nothing has to be done for a message to begin (no order is kept, no lock or trace
// written, no delivery remembered), the lookout reads with the group, as any consumer does. Else it looks for entries by a plain
// read, while nobody else reads, and take.lua takes what it has seen in one step, unless somebody was faster. From then on, for a
// while, it is fetch.lua that reads, with the group, so that no worker looks at entries in vain. These two have an entry read and
// known to the order in the same step, and do nothing behind the back of a worker that has stopped, as a blocked XREADGROUP does:
// a worker that uses one waits for it when it stops, and gives back what it has brought.

// reading is what the intake knows of what is new.
type reading struct {
	last      string    // the last id that the group has read, as far as we know
	seen      seen      // what the lookout has seen behind that, and nobody has taken
	unread    bool      // it has to be asked what there is
	full      bool      // so much waits for its turn that no more is read until some of it is done
	watching  bool      // the lookout is out
	contended time.Time // until when others are taken to read as well
	entrySize int       // bytes of an entry, of those seen lately
	asked     int       // how many entries the lookout was sent out for last
	flowing   bool      // it has come back with as many
}

// ask is what the lookout is sent out for: as many entries as count behind an id, and for how long it waits for the first.
type ask struct {
	after string
	count int
	block time.Duration
}

// seen is what the lookout has seen behind an id, or has read.
type seen struct {
	after   string
	entries []seenEntry
	err     error
}

// readsAhead is whether the lookout itself reads with the group.
func (w *Worker) readsAhead() bool {
	return w.cfg.Order == OrderNone && !w.cfg.Lock.Enabled && !w.cfg.Trace.Enabled && !w.cfg.Once.Enabled
}

// readOn takes what was seen, or fetches, and sends the lookout out again.
func (w *Worker) readOn(c contexts, room int) (err error) {
	var batch []*delivery
	switch {
	case w.unread:
		if batch, err = w.fetch(c, room); err == nil {
			w.begin(c, batch)
		}
	case len(w.seen.entries) > 0 && !w.readsAhead():
		if room >= len(w.seen.entries) { // all of it is taken, and the lookout can look further meanwhile
			w.lookOut(w.seen.entries[len(w.seen.entries)-1].id)
		}
		if batch, err = w.take(c, room); err == nil && w.takeClaims() {
			w.hand(c, batch)
		} else if err == nil {
			w.begin(c, batch)
		}
	}
	if err != nil {
		return w.readFailed(err)
	}
	if len(w.seen.entries) == 0 {
		w.lookOut(w.last)
	}
	return nil
}

// fetch has a script read what is new, and accepts what may run.
func (w *Worker) fetch(c contexts, room int) ([]*delivery, error) {
	reply, err := w.scripts.fetch.Run(c.redis, w.redis, w.scriptKeys().keys, w.scriptArgs(room, w.mostOrdered)...).Slice()
	if err != nil {
		return nil, err
	}
	batch := make([]*delivery, len(reply)-2)
	for i, v := range reply[2:] {
		e := list(v)
		batch[i] = w.accept(c, w.decode(text(e[0]), 1, text(e[1]), texts(list(e[2]))))
	}
	state := text(reply[0])
	w.last, w.full = text(reply[1]), state == "full"
	w.unread = state == "more" && time.Now().Before(w.contended)
	return batch, nil
}

// take takes what was seen, as far as there is room, and accepts what may run. It takes nothing if somebody was faster.
func (w *Worker) take(c contexts, room int) ([]*delivery, error) {
	entries := w.seen.entries[:min(room, len(w.seen.entries))]
	found := newColumns(len(entries))
	for i, e := range entries {
		d := w.decode(e.id, 1, laneOf(w.cfg.Order, w.cfg.ChannelKey, e.fields.Get("data")), e.fields)
		found.messages[i] = d
		if w.takeClaims() && d.broken == nil {
			found.locks[i], found.traces[i] = w.lockFor(d), d.trace
		}
	}
	keys := w.scriptKeys()
	args := w.appendColumns(w.scriptArgs(w.seen.after, w.mostOrdered, now(), w.cfg.Lock.TTL.Milliseconds(), seconds(w.cfg.Trace.TTL), lockPauseMS(), len(entries), haveOwnLanes(found.messages)), keys, found)
	reply, err := w.scripts.take.Run(c.redis, w.redis, keys.keys, args...).Slice()
	if err != nil {
		return nil, err
	}
	if state := text(reply[0]); state != "taken" {
		w.notTaken(state, text(reply[1]))
		return nil, nil
	}
	w.last = text(reply[1])
	w.seen = seen{after: w.last, entries: w.seen.entries[len(entries):]}
	var batch []*delivery
	answers := exceptions(reply[2:], len(entries), "ok")
	for i, d := range found.messages {
		switch answer := answers[i]; answer {
		case "waits", "gone":
		case "busy":
			w.dueIn(2 * lockPause)
		default:
			if d.claimed = answer; answer == "ok" {
				d.setLock(found.locks[i])
			}
			batch = append(batch, w.accept(c, d))
		}
	}
	return batch, nil
}

// haveOwnLanes is whether no two messages are of one lane.
func haveOwnLanes(messages []*delivery) bool {
	lanes := make(map[string]struct{}, len(messages))
	for _, d := range messages {
		if _, known := lanes[d.lane]; known && d.lane != "" {
			return false
		}
		lanes[d.lane] = struct{}{}
	}
	return true
}

// notTaken notes why nothing was taken, as take.lua has it.
func (w *Worker) notTaken(state, reason string) {
	w.seen = seen{}
	switch state {
	case "full":
		w.full = true
	case "uncounted":
		w.unread = true
	case "moved":
		w.unread, w.contended = true, time.Now().Add(contention)
	default:
		w.unread, w.contended = true, time.Now().Add(math.MaxInt64)
		w.log.Debug("entries are read by scripts alone, which takes longer", "why", reason)
	}
}

// takeClaims is whether take.lua claims what it takes. It can't where the locks and traces are in other slots, and where it
// has to be asked whether a reply was delivered before.
func (w *Worker) takeClaims() bool { return !w.split() && !w.cfg.Once.Enabled }

// lookOut sends the lookout out for what is behind an id, unless it is out or something is to be done first.
func (w *Worker) lookOut(after string) {
	if w.watching || w.unread || w.full {
		return
	}
	a := ask{after, 1, readBlock}
	if time.Now().After(w.contended) {
		a.count = w.atOnce()
	}
	if w.readsAhead() {
		if a = w.askAhead(a); a.count == 0 {
			return
		}
		w.flight.reserve(a.count)
	}
	w.watching, w.asked = true, a.count
	w.watch <- a
}

// atOnce is how many entries may be read at once, by the size of those seen lately.
func (w *Worker) atOnce() int {
	if w.entrySize == 0 {
		return maxRead / 8
	}
	return min(max(maxReadBytes/w.entrySize, 1), maxRead)
}

// askAhead asks for no more than there is room for. As long as the lookout waits, it must not keep all room from what is
// handed out again: while the stream has more than is read it waits for nothing, and leaves an eighth; else it leaves a half. Where
// there is room for one only, it waits no longer than until something may be due.
func (w *Worker) askAhead(a ask) ask {
	room := w.flight.room()
	left := room / 2
	if w.flowing {
		left = max(room/8, min(room-1, 1))
	}
	if room == 1 {
		a.block = min(max(w.untilDueSoon(), time.Millisecond), readBlock)
	}
	a.count = max(min(a.count, room-left), 0)
	return a
}

// noteSeen notes what the lookout has come back with. Where that is nothing, or others read as well, the fetch finds out
// what there is: the stream may be another by now.
func (w *Worker) noteSeen(s seen) {
	w.watching, w.flowing = false, len(s.entries) == w.asked
	if w.readsAhead() {
		w.unread = s.err != nil
		w.readLost = w.readLost || s.err != nil
	} else if len(s.entries) == 0 || s.after != w.last || time.Now().Before(w.contended) {
		w.unread = true
		return
	}
	w.seen = s
	if len(s.entries) == 0 {
		return // which tells nothing of their size
	}
	bytes := 0
	for _, e := range s.entries {
		for _, text := range e.fields {
			bytes += len(text)
		}
	}
	w.entrySize = bytes/len(s.entries) + 1
}

// handAhead has what was read ahead handled. It goes before all else: it is ours already.
func (w *Worker) handAhead(c contexts) {
	if !w.readsAhead() {
		return
	}
	select {
	case s := <-w.arrived:
		w.noteSeen(s)
	default:
	}
	if w.watching {
		return
	}
	batch := make([]*delivery, len(w.seen.entries))
	for i, e := range w.seen.entries {
		batch[i] = w.accept(c, w.decode(e.id, 1, "", e.fields))
		batch[i].claimed = "ok"
	}
	w.seen = seen{}
	w.flight.reserve(0)
	if len(batch) > 0 {
		w.hand(c, batch)
	}
}

// awaitAhead waits for what is being read ahead when the worker stops, and has it given back.
func (w *Worker) awaitAhead(c contexts) {
	if w.readsAhead() && w.watching {
		select {
		case s := <-w.arrived:
			w.noteSeen(s)
		case <-c.redis.Done():
		}
	}
	w.handAhead(c)
}
