package consumer

import (
	"sync"
	"time"
)

// handKept is how long a goroutine that has handled a message waits for the next one. Its stack has grown for the first by
// then, and to grow one costs more than to wait for a message.
const handKept = time.Second

// hands are the goroutines that handle deliveries, as many as are needed at once. A call that waits takes its goroutine with
// it, so there may have to be one for each delivery; but most calls are over before another goroutine has woken up. So only one
// is called at a time, and it calls the next if it still finds more than it can take.
type hands struct {
	handle  func(contexts, *delivery)
	running sync.WaitGroup

	mu      sync.Mutex
	waiting []*delivery   // in the order in which they are to be begun
	begun   int           // of waiting, those that were begun
	calling bool          // one was called, and has not looked at what is waiting yet
	called  chan struct{} // to those that have nothing to do
}

func newHands(handle func(contexts, *delivery)) *hands {
	return &hands{handle: handle, called: make(chan struct{})}
}

// give has deliveries handled. Hands that have nothing to do end when c.stopping is done, or after handKept.
func (h *hands) give(c contexts, batch []*delivery) {
	h.mu.Lock()
	h.waiting = append(append(h.waiting[:0], h.waiting[h.begun:]...), batch...)
	h.begun = 0
	h.callOne(c)
}

// callOne calls a hand if there is something to do and none is on its way, and unlocks.
func (h *hands) callOne(c contexts) {
	call := !h.calling && h.begun < len(h.waiting)
	h.calling = h.calling || call
	h.mu.Unlock()
	if !call {
		return
	}
	select {
	case h.called <- struct{}{}:
	default:
		h.running.Go(func() { h.run(c) })
	}
}

// next takes what is waiting longest, or returns nil. A hand that was called says so.
func (h *hands) next(c contexts, called bool) *delivery {
	h.mu.Lock()
	if called {
		h.calling = false
	}
	if h.begun == len(h.waiting) {
		h.mu.Unlock()
		return nil
	}
	d := h.waiting[h.begun]
	h.waiting[h.begun] = nil
	if h.begun++; h.begun == len(h.waiting) {
		h.waiting, h.begun = h.waiting[:0], 0
	}
	h.callOne(c)
	return d
}

// run handles deliveries as long as there are some, and for handKept after that.
func (h *hands) run(c contexts) {
	idle := time.NewTimer(handKept)
	defer idle.Stop()
	for called := true; ; called = true {
		for d := h.next(c, called); d != nil; d = h.next(c, false) {
			h.handle(c, d)
		}
		idle.Reset(handKept)
		select {
		case <-h.called:
		case <-idle.C:
			return
		case <-c.stopping.Done():
			return
		}
	}
}
