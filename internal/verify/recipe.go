package verify

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// doom is how a message ends that can't succeed.
type doom uint8

// The dooms, by their numbers in the guest.
const (
	doomNone doom = iota
	doomTrap
	doomReject
)

// recipe is what one message asks of the plugin. It follows from the seed and the message's number alone.
type recipe struct {
	number   int
	channel  int
	sequence int // the message's place in its channel, from 0; load counts it
	// addressed messages take their channel's lock.
	addressed bool
	emits     int
	traps     int // tries that end in a trap, before those that only fail
	retries   int
	sleep     time.Duration
	doom      doom
	counts    bool // whether it adds one to its channel's counter, in the plugin's state
	filler    int  // bytes of text, to vary the payload's size
}

const (
	// channels is how many channels there are; the first hotChannels get hotShare of all messages.
	channels    = 400
	hotChannels = 4
	hotShare    = 0.01
	// addressedShare is the part of the messages that take their channel's lock.
	addressedShare = 0.6
	// countShare is the part of the messages that use the plugin's state.
	countShare = 0.25
)

// A message's behaviour is drawn from these shares, one after the other; what is left over succeeds at once.
const (
	trapDoomShare   = 0.001
	rejectDoomShare = 0.001
	retryShare      = 0.03
	trapShare       = 0.01
	slowShare       = 0.015
	verySlowShare   = 0.003
)

// recipeOf is the recipe of the nth message. Without traps, no message traps the plugin.
func recipeOf(seed uint64, n int, traps bool) recipe {
	r := rand.New(rand.NewPCG(seed, uint64(n)))
	c := recipe{number: n, emits: 1, filler: 80 + r.IntN(250), addressed: r.Float64() < addressedShare, counts: r.Float64() < countShare}
	if r.Float64() < hotShare {
		c.channel = r.IntN(hotChannels)
	} else {
		c.channel = r.IntN(channels)
	}
	switch x := r.Float64(); {
	case x < 0.05:
		c.emits = 3
	case x < 0.2:
		c.emits = 2
	}
	c.behave(r, traps)
	return c
}

func (c *recipe) behave(r *rand.Rand, traps bool) {
	x := r.Float64()
	drawn := func(share float64) bool {
		x -= share
		return x < 0
	}
	switch {
	case drawn(trapDoomShare):
		c.doom = doomTrap
	case drawn(rejectDoomShare):
		c.doom = doomReject
	case drawn(retryShare):
		c.retries = 1 + r.IntN(2)
	case drawn(trapShare):
		c.traps = 1
		c.retries = r.IntN(2)
	case drawn(slowShare):
		c.sleep = time.Duration(20+r.IntN(280)) * time.Millisecond
	case drawn(verySlowShare):
		// Longer than a dead worker's message lies: only the heartbeat keeps it from being taken.
		// Some last for long after a stall is over: a worker that has lost them then still has time to do harm.
		c.sleep = minIdle + time.Duration(r.IntN(2000))*time.Millisecond
	}
	if !traps && c.doom == doomTrap {
		c.doom = doomReject
	}
	if !traps {
		c.traps = 0
	}
}

// String tells the recipe to people.
func (c recipe) String() string {
	parts := []string{"unaddressed"}
	if c.addressed {
		parts[0] = "addressed"
	}
	switch c.doom {
	case doomTrap:
		return parts[0] + ", traps at every try: belongs in the dead letters"
	case doomReject:
		return parts[0] + ", is rejected: belongs in the dead letters"
	}
	parts = append(parts, plural(c.emits, "emit"))
	if c.counts {
		parts = append(parts, "counts in its channel's state")
	}
	if c.traps > 0 {
		parts = append(parts, "traps at first")
	}
	if c.retries > 0 {
		parts = append(parts, "then fails "+plural(c.retries, "time"))
	}
	if c.sleep > 0 {
		parts = append(parts, "takes "+c.sleep.String())
	}
	return strings.Join(parts, ", ")
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
