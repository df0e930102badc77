package verify

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/sgstreamd/sgstreamd/envelope"
)

// entryID is the id of a stream's entry: milliseconds of a clock, and a number within one.
type entryID struct{ ms, seq uint64 }

func parseID(s string) entryID {
	first, second, _ := strings.Cut(s, "-")
	ms, _ := strconv.ParseUint(first, 10, 64)
	seq, _ := strconv.ParseUint(second, 10, 64)
	return entryID{ms, seq}
}

func (a entryID) String() string {
	return strconv.FormatUint(a.ms, 10) + "-" + strconv.FormatUint(a.seq, 10)
}

func (a entryID) compare(b entryID) int {
	return cmp.Or(cmp.Compare(a.ms, b.ms), cmp.Compare(a.seq, b.seq))
}

// effect is one entry that came of a message: an output, or a dead letter.
type effect struct {
	number  int     // of the message
	id      entryID // in its stream
	dead    bool    // a dead letter
	ordinal int     // of the output among those of its message
	attempt int
	key     string // the output's message_key, or the id that the dead letter names
}

// fate is what is known of one message. There is one for every message of the run, so it is kept small.
type fate struct {
	id       entryID // of the message itself
	first    entryID // of its first effect
	channel  uint16
	sequence uint32
	attempt  uint16 // of the first effect
	emits    uint8
	answered uint8 // a bit for each emit that was seen
	doom     doom
	// addressed and counts are as in the recipe; dead, where the first effect is a dead letter.
	addressed, counts, dead, settled bool
	removed                          bool // its entry was taken off the stream before its turn
}

// all are the bits of answered when every emit was seen.
func (f *fate) all() uint8 { return 1<<f.emits - 1 }

// before tells whether f's first effect came before g's. Those of different streams are told apart by the
// millisecond only.
func (f *fate) before(g *fate) bool {
	if f.dead == g.dead {
		return f.first.compare(g.first) < 0
	}
	return f.first.ms <= g.first.ms
}

// book is what is known of every message. It is safe for concurrent use.
type book struct {
	stream string // its key, which the outputs' keys name

	mu       sync.Mutex
	fates    []fate // by number
	sequence [channels]uint32
	lastID   entryID
	again    map[int][]effect // effects of a message that had this effect already
	strange  []string         // entries that belong to no message of the run
	torn     map[int]effect   // emits that do not stand behind their message's emit before
	last     effect           // the output that was seen last
	settled  int
	// oldest is the number of the first message that is not settled.
	oldest     int
	reached    map[int][]uint64 // when the group was destroyed that had delivered the message, ms of Redis's clock
	owners     map[int]takeover // who was given the message last, where it was taken over at all
	longestGap uint64           // ms between two effects
	lastEffect uint64
}

func newBook(stream string) *book {
	return &book{stream: stream, again: map[int][]effect{}, torn: map[int]effect{}, reached: map[int][]uint64{}, owners: map[int]takeover{}}
}

// enroll takes a message in that is about to be sent, and gives it its place in its channel and its entry's id.
func (b *book) enroll(c recipe, nowMS uint64) (recipe, entryID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	c.sequence = int(b.sequence[c.channel])
	b.sequence[c.channel]++
	if nowMS > b.lastID.ms {
		b.lastID = entryID{nowMS, 0}
	} else {
		b.lastID.seq++
	}
	b.fates = append(b.fates, fate{
		id: b.lastID, channel: uint16(c.channel), sequence: uint32(c.sequence), emits: uint8(c.emits), doom: c.doom,
		addressed: c.addressed, counts: c.counts,
	})
	return c, b.lastID
}

// note takes an effect in.
func (b *book) note(e effect) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if why := b.odd(e); why != "" {
		b.strange = append(b.strange, why)
		return
	}
	f := &b.fates[e.number]
	if !e.dead {
		b.checkTorn(e)
		b.last = e
	}
	if b.lastEffect > 0 && e.id.ms > b.lastEffect {
		b.longestGap = max(b.longestGap, e.id.ms-b.lastEffect)
	}
	b.lastEffect = max(b.lastEffect, e.id.ms)
	bit := uint8(1) << e.ordinal
	switch {
	case e.dead && f.answered == 0 && !f.dead:
		f.first, f.dead, f.attempt = e.id, true, uint16(e.attempt)
	case !e.dead && !f.dead && f.answered&bit == 0:
		if f.answered == 0 {
			f.first, f.attempt = e.id, uint16(e.attempt)
		}
		f.answered |= bit
	default:
		b.again[e.number] = append(b.again[e.number], e)
	}
	if !f.settled && (f.dead || f.answered == f.all()) {
		f.settled = true
		b.settled++
	}
	for b.oldest < len(b.fates) && b.fates[b.oldest].settled {
		b.oldest++
	}
}

// odd tells what is wrong with an effect that is no message's.
func (b *book) odd(e effect) string {
	what := fmt.Sprintf("output %v", e.id)
	if e.dead {
		what = fmt.Sprintf("dead letter %v", e.id)
	}
	if e.number < 0 || e.number >= len(b.fates) {
		return what + " names no message of this run"
	}
	f := &b.fates[e.number]
	if !e.dead && e.ordinal >= int(f.emits) {
		return fmt.Sprintf("%s is the emit %d of message %d, which has %d", what, e.ordinal, e.number, f.emits)
	}
	want := f.id.String()
	if !e.dead {
		want = envelope.MessageKey(b.stream, want, e.ordinal)
	}
	if e.key != want {
		return fmt.Sprintf("%s of message %d is named after %q instead of %q", what, e.number, e.key, want)
	}
	return ""
}

// checkTorn notes an emit that does not follow the one before it of the same try: they are written in one step.
func (b *book) checkTorn(e effect) {
	if e.ordinal == 0 {
		return
	}
	if l := b.last; l.number != e.number || l.ordinal != e.ordinal-1 || l.attempt != e.attempt {
		b.torn[e.number] = e
	}
}

// outstanding is how many messages were sent and are not settled.
func (b *book) outstanding() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.fates) - b.settled
}

// counts are how many messages were sent, and how many of them are settled.
func (b *book) counts() (sent, settled int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.fates), b.settled
}

// floor is the id below which every message is settled; false where there is none.
func (b *book) floor() (entryID, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.oldest == 0 {
		return entryID{}, false
	}
	if b.oldest == len(b.fates) {
		return b.fates[b.oldest-1].id, true
	}
	return b.fates[b.oldest].id, true
}

// destroyed notes that the group was destroyed. What it had delivered and is in the stream still, from the first entry
// to the last that was read, is delivered once more.
func (b *book) destroyed(at uint64, first, lastRead entryID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for n := b.searchLocked(first); n < len(b.fates) && b.fates[n].id.compare(lastRead) <= 0; n++ {
		if !b.fates[n].removed {
			b.reached[n] = append(b.reached[n], at)
		}
	}
}

// searchLocked is the number of the first message whose entry's id is not below id. The caller holds the lock.
func (b *book) searchLocked(id entryID) int {
	n, _ := slices.BinarySearchFunc(b.fates, id, func(f fate, id entryID) int { return f.id.compare(id) })
	return n
}

// numberOf is the number of the message whose entry has the id; -1 for none.
func (b *book) numberOf(id entryID) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	if n := b.searchLocked(id); n < len(b.fates) && b.fates[n].id == id {
		return n
	}
	return -1
}

// retire returns the entries of settled messages that are in the stream still, without the newest ones, and takes
// them for removed.
func (b *book) retire(keep int) []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var ids []string
	for n := b.oldest; n < len(b.fates)-keep; n++ {
		if f := &b.fates[n]; f.settled && !f.removed {
			f.removed = true
			ids = append(ids, f.id.String())
		}
	}
	return ids
}
