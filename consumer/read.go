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

// There are two ways to read what is new. While nobody else reads, the lookout looks for entries by a plain read, and take.lua
// takes what it has seen in one step, unless somebody was faster. From then on, for a while, it is fetch.lua that reads, with
// the group, so that no worker looks at entries in vain. Either way an entry is read and known to the order in the same step.
// Neither does anything behind the back of a worker that has stopped, as a blocked XREADGROUP would.

// reading is what the intake knows of what is new.
type reading struct {
	last      string    // the last id that the group has read, as far as we know
	seen      seen      // what the lookout has seen behind that, and nobody has taken
	unread    bool      // it has to be asked what there is
	full      bool      // so much waits for its turn that no more is read until some of it is done
	watching  bool      // the lookout is out
	contended time.Time // until when others are taken to read as well
	entrySize int       // bytes of an entry, of those seen lately
}

// ask is what the lookout is sent out for: as many entries as count behind an id.
type ask struct {
	after string
	count int
}

// seen is what the lookout has seen behind an id.
type seen struct {
	after   string
	entries []seenEntry
}

// readOn takes what was seen, or fetches, and sends the lookout out again.
func (w *Worker) readOn(c contexts, room int) (err error) {
	var batch []*delivery
	switch {
	case w.unread:
		if batch, err = w.fetch(c, room); err == nil {
			w.begin(c, batch)
		}
	case len(w.seen.entries) > 0:
		if batch, err = w.take(c, room); err == nil && w.takeClaims() {
			w.hand(c, batch)
		} else if err == nil {
			w.begin(c, batch)
		}
	}
	if err != nil {
		return w.readFailed(err)
	}
	w.lookOut()
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
	args := w.appendColumns(w.scriptArgs(w.seen.after, w.mostOrdered, now(), w.cfg.Lock.TTL.Milliseconds(), seconds(w.cfg.Trace.TTL), lockPauseMS(), len(entries)), keys, found)
	reply, err := w.scripts.take.Run(c.redis, w.redis, keys.keys, args...).Slice()
	if err != nil {
		return nil, err
	}
	if state := text(reply[0]); state != "taken" {
		w.notTaken(state, text(reply[1]))
		return nil, nil
	}
	w.last = text(reply[1])
	w.seen = seen{w.last, w.seen.entries[len(entries):]}
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

// lookOut sends the lookout out, unless it is out or something is to be done first.
func (w *Worker) lookOut() {
	if w.watching || w.unread || w.full || len(w.seen.entries) > 0 {
		return
	}
	w.watching = true
	count := 1
	if time.Now().After(w.contended) {
		count = min(max(maxReadBytes/max(w.entrySize, 1), 1), maxRead)
	}
	w.watch <- ask{w.last, count}
}

// noteSeen notes what the lookout has come back with. Where that is nothing, or others read as well, the fetch finds out
// what there is: the stream may be another by now.
func (w *Worker) noteSeen(s seen) {
	w.watching = false
	if len(s.entries) == 0 || s.after != w.last || time.Now().Before(w.contended) {
		w.unread = true
		return
	}
	w.seen = s
	bytes := 0
	for _, e := range s.entries {
		for _, text := range e.fields {
			bytes += len(text)
		}
	}
	w.entrySize = bytes/len(s.entries) + 1
}
