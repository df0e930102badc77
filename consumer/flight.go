package consumer

import (
	"errors"
	"sync"
	"sync/atomic"

	"github.com/sgstreamd/sgstreamd/envelope"
)

// ErrDrainCut is the cause with which a worker's working context is cancelled when its drain is cut short.
var ErrDrainCut = errors.New("the drain was cut short")

// errLost is the cause with which the call of a message is cancelled that another worker has taken.
var errLost = errors.New("the message belongs to another worker by now")

// errUnreachable is the cause with which the worker's conversation with Redis ends when the drain is over.
var errUnreachable = errors.New("redis could not be reached before the drain's end")

// delivery is one message on its way through the worker, from its fetch to its commit.
type delivery struct {
	// Set when it is made.
	entry  envelope.Entry
	fields envelope.Fields
	broken error  // why the entry could not be decoded
	lane   string // where it stands in the order, as the scripts write it; empty where none is kept
	trace  string // its trace hash, or empty where none is kept
	ctx    lateContext
	series *series

	// Set by claim; the heartbeat renews the lock from then on.
	claimed string // what claim.lua, or deliver.lua, has answered
	mu      sync.Mutex
	lock    heldLock

	// returning is set when it is about to be given back: a heartbeat would make it look alive again.
	returning atomic.Bool
}

// heldLock is a channel's lock; the zero value is none.
type heldLock struct{ key, token string }

func (d *delivery) setLock(l heldLock) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lock = l
}

func (d *delivery) held() heldLock {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.lock
}

// flight is everything that was fetched and is not committed yet.
type flight struct {
	mu       sync.Mutex
	limit    int
	reserved int // for what is being read ahead
	// An entry can be here twice: with a group that was destroyed and made anew, it is delivered again.
	now map[*delivery]struct{}
}

func newFlight(limit int) *flight {
	return &flight{limit: limit, now: map[*delivery]struct{}{}}
}

// room is how many more may be fetched.
func (f *flight) room() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.limit - f.reserved - len(f.now)
}

// reserve keeps room for what is being read ahead, instead of what was kept before.
func (f *flight) reserve(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.reserved = n
}

// resize changes how many may be fetched. What is here beyond that stays.
func (f *flight) resize(limit int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.limit = limit
}

func (f *flight) add(d *delivery) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.now[d] = struct{}{}
}

func (f *flight) remove(d *delivery) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.now, d)
}

// all returns what is in flight, in no order.
func (f *flight) all() []*delivery {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := make([]*delivery, 0, len(f.now))
	for d := range f.now {
		all = append(all, d)
	}
	return all
}
