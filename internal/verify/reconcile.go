package verify

import (
	"cmp"
	"fmt"
	"slices"
)

// Kind is one way in which a promise can be broken.
type Kind string

// The kinds, as the report names them.
const (
	Lost         Kind = "lost"
	Duplicated   Kind = "duplicated"
	OutOfOrder   Kind = "out of order"
	WronglyDead  Kind = "wrongly dead-lettered"
	Torn         Kind = "torn"
	Strange      Kind = "strange"
	LeftPending  Kind = "left pending"
	LeftBehind   Kind = "left behind"
	WrongTrace   Kind = "wrong trace"
	WrongState   Kind = "wrong state"
	Zombie       Kind = "zombie"
	WorkerFailed Kind = "worker failed"
)

// Kinds returns every kind, in the order in which the report lists them.
func Kinds() []Kind {
	return []Kind{Lost, Duplicated, OutOfOrder, WronglyDead, Torn, Strange, LeftPending, LeftBehind, WrongTrace, WrongState, Zombie, WorkerFailed}
}

// violation is one broken promise.
type violation struct {
	kind   Kind
	number int // of the message; -1: it is no message's
	what   string
	other  int // the message that it came before, where the kind is OutOfOrder
}

// Orders that a channel can be promised.
const (
	orderNone      = "none"
	orderAddressed = "addressed"
	orderChannel   = "channel"
)

// reconcile compares what was sent with what came of it.
func (b *book) reconcile(order string) []violation {
	b.mu.Lock()
	defer b.mu.Unlock()
	var found []violation
	for n := range b.fates {
		found = append(found, b.judge(n)...)
	}
	for n, e := range b.torn {
		found = append(found, violation{kind: Torn, number: n, what: fmt.Sprintf(
			"its emit %d (output %v, attempt %d) does not stand behind its emit %d", e.ordinal, e.id, e.attempt, e.ordinal-1)})
	}
	for _, what := range b.strange {
		found = append(found, violation{kind: Strange, number: -1, what: what})
	}
	return append(found, b.misordered(order)...)
}

// judge finds out whether one message has come to exactly what it should.
func (b *book) judge(n int) []violation {
	f := &b.fates[n]
	var found []violation
	say := func(k Kind, format string, args ...any) {
		found = append(found, violation{kind: k, number: n, what: fmt.Sprintf(format, args...)})
	}
	switch {
	case !f.dead && f.answered == 0:
		say(Lost, "nothing came of it")
	case !f.dead && f.answered != f.all():
		say(Lost, "only some of its %d emits were written", f.emits)
	case f.dead && f.doom == doomNone:
		say(WronglyDead, "it is in the dead letters, after %d attempts", f.attempt)
	case !f.dead && f.doom != doomNone:
		say(Strange, "it was answered, though it can't succeed")
	}
	if extra := b.unexplained(n); len(extra) > 0 {
		say(Duplicated, "%s after its first at %v", describe(extra), f.first)
	}
	return found
}

func describe(effects []effect) string {
	e := effects[0]
	what := fmt.Sprintf("emit %d once more, output %v at attempt %d,", e.ordinal, e.id, e.attempt)
	if e.dead {
		what = fmt.Sprintf("one more dead letter, %v at attempt %d,", e.id, e.attempt)
	}
	if more := len(effects) - 1; more > 0 {
		what += fmt.Sprintf(" and %d more effects", more)
	}
	return what
}

// unexplained are the effects of a message that came again, and not because the group was destroyed: each
// destruction lets what was delivered before it be answered once more, after it.
func (b *book) unexplained(n int) []effect {
	again := b.again[n]
	if len(again) == 0 {
		return nil
	}
	reach := b.reached[n]
	used := map[int]int{} // by ordinal; a dead letter's is 0, and such a message has no other effect
	var extra []effect
	for _, e := range again {
		if used[e.ordinal] < len(reach) && e.id.ms >= reach[used[e.ordinal]] {
			used[e.ordinal]++
			continue
		}
		extra = append(extra, e)
	}
	return extra
}

// explained is how many effects came again because the group was destroyed.
func (b *book) explained() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := 0
	for number, again := range b.again {
		n += len(again) - len(b.unexplained(number))
	}
	return n
}

// misordered finds the messages whose first effect came before that of an earlier message of their channel.
func (b *book) misordered(order string) []violation {
	if order == orderNone {
		return nil
	}
	var found []violation
	var latest [channels]*fate
	var latestNumber [channels]int
	for n := range b.fates {
		f := &b.fates[n]
		if !f.dead && f.answered == 0 || order == orderAddressed && !f.addressed {
			continue
		}
		if before := latest[f.channel]; before != nil && !before.before(f) {
			found = append(found, violation{kind: OutOfOrder, number: n, other: latestNumber[f.channel], what: fmt.Sprintf(
				"its effect (%v) came before that (%v) of message %d, which is earlier in the channel c%d", f.first, before.first, latestNumber[f.channel], f.channel)})
			continue
		}
		latest[f.channel], latestNumber[f.channel] = f, n
	}
	return found
}

// leftViolations are the broken promises in what is left in Redis.
func (b *book) leftViolations(left remains) []violation {
	var found []violation
	for _, id := range left.pending {
		found = append(found, violation{kind: LeftPending, number: b.numberOf(parseID(id)), what: "its entry " + id + " is pending still"})
	}
	for _, key := range left.keys {
		found = append(found, violation{kind: LeftBehind, number: -1, what: key})
	}
	return found
}

// firstOf is the violation of the message that was sent first; those of no message come last.
func firstOf(found []violation) violation {
	return slices.MinFunc(found, func(a, b violation) int {
		return cmp.Compare(uint(a.number), uint(b.number)) // -1 is the greatest
	})
}

// Orders returns the values of inbound.order.
func Orders() []string { return []string{orderNone, orderAddressed, orderChannel} }
