package verify

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// Fault is one kind of what goes wrong.
type Fault struct {
	// Name is what --faults calls it.
	Name string
	// What is one line for people.
	What string
	// Own tells whether it needs a Redis that verify has started itself.
	Own bool

	every time.Duration // from one to the next where there are four workers; 0: it is not an event
}

// Names of the faults.
const (
	faultTrap       = "trap"
	faultKill       = "kill"
	faultStall      = "stall"
	faultDrain      = "drain"
	faultCut        = "cut"
	faultRefuse     = "refuse"
	faultLoseReply  = "lose-reply"
	faultClientKill = "client-kill"
	faultGroup      = "group"
	faultRestart    = "restart"
	faultFailover   = "failover"
)

// Faults returns every fault there is, in the order in which they are listed.
func Faults() []Fault {
	return []Fault{
		{Name: faultTrap, What: "messages whose plugin call traps: some at first, some always"},
		{Name: faultKill, What: "a worker gets SIGKILL, and a new one is started", every: 2 * time.Second},
		{Name: faultStall, What: "a worker gets SIGSTOP, and SIGCONT after longer than min_idle", every: 5 * time.Second},
		{Name: faultDrain, What: "a worker gets SIGTERM, and a new one is started", every: 15 * time.Second},
		{Name: faultCut, What: "all connections of a worker are cut", every: 4 * time.Second},
		{Name: faultRefuse, What: "a worker can't reach Redis for up to 3 s", every: 12 * time.Second},
		{Name: faultLoseReply, What: "Redis runs a worker's command, and its reply is lost", every: 3 * time.Second},
		{Name: faultClientKill, What: "Redis closes a worker's connections, by CLIENT KILL", every: 6 * time.Second},
		{Name: faultGroup, What: "the consumer group is destroyed, with all that is pending", Own: true, every: 30 * time.Second},
		{Name: faultRestart, What: "Redis gets SIGKILL, and starts again from its append-only file", Own: true, every: 45 * time.Second},
		{Name: faultFailover, What: "the replica takes the primary's place, by FAILOVER", Own: true, every: 25 * time.Second},
	}
}

// ParseFaults reads a list of names, separated by commas. "all", and nothing, stand for every fault that can be
// had: with a Redis of verify's own, or without.
func ParseFaults(list string, own bool) ([]string, error) {
	var all, chosen, known []string
	for _, f := range Faults() {
		known = append(known, f.Name)
		if own || !f.Own {
			all = append(all, f.Name)
		}
	}
	if list == "" || list == "all" {
		return all, nil
	}
	if list == "none" {
		return nil, nil
	}
	for name := range strings.SplitSeq(list, ",") {
		name = strings.TrimSpace(name)
		switch {
		case !slices.Contains(known, name):
			return nil, fmt.Errorf("there is no fault %q; the faults are %s, all and none", name, strings.Join(known, ", "))
		case !slices.Contains(all, name):
			return nil, fmt.Errorf("the fault %q is only done to a Redis that verify has started itself; write --redis own", name)
		}
		if !slices.Contains(chosen, name) {
			chosen = append(chosen, name)
		}
	}
	return chosen, nil
}

// event is one fault of the plan.
type event struct {
	at     time.Duration // since the run's begin
	fault  string
	worker int           // whom it happens to; no matter for those that happen to Redis
	lasts  time.Duration // of a stall or a refusal
	chance uint64        // for what is decided by chance when it happens
}

const (
	// calmBegin and calmEnd are without new faults, so that the workers have begun, and what a fault leaves is seen
	// under load.
	calmBegin = time.Second
	calmEnd   = 2 * time.Second
	// usualWorkers is what the faults' frequencies are meant for; of more workers, more are hit.
	usualWorkers = 4
)

// plan makes the list of faults from the seed, in the order of their time. The same arguments give the same plan.
func plan(seed uint64, duration time.Duration, workers int, faults []string) []event {
	var events []event
	for i, f := range Faults() {
		if f.every == 0 || !slices.Contains(faults, f.Name) {
			continue
		}
		every := f.every
		if !f.Own {
			every = every * usualWorkers / time.Duration(workers)
		}
		r := rand.New(rand.NewPCG(seed, uint64(i)<<32))
		events = append(events, series(r, f.Name, duration, every, workers)...)
	}
	slices.SortStableFunc(events, func(a, b event) int { return cmp.Compare(a.at, b.at) })
	return events
}

// series spreads one kind of fault evenly, with jitter, over the run.
func series(r *rand.Rand, fault string, duration, every time.Duration, workers int) []event {
	span := max(duration-calmBegin-calmEnd, time.Second)
	count := max(int(duration/every), 1)
	var events []event
	var turns []int
	for k := range count {
		if len(turns) == 0 {
			turns = r.Perm(workers)
		}
		at := calmBegin + time.Duration((float64(k)+r.Float64())/float64(count)*float64(span))
		events = append(events, event{at: at, fault: fault, worker: turns[0], lasts: lasts(r, fault), chance: r.Uint64()})
		turns = turns[1:]
	}
	return events
}

func lasts(r *rand.Rand, fault string) time.Duration {
	switch fault {
	case faultStall:
		return minIdle + 300*time.Millisecond + time.Duration(r.IntN(1000))*time.Millisecond
	case faultRefuse:
		return time.Duration(200+r.IntN(2800)) * time.Millisecond
	}
	return 0
}
