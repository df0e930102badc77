package consumer

import (
	"slices"
	"sync"
	"time"
)

const (
	// handKept is how long a goroutine that has handled a message waits for the next one. Its stack has grown for the first by
	// then, and to grow one costs more than to wait for a message.
	handKept = time.Second
	// handTurn is how long is waited to see whether the hands at work get through what is waiting.
	handTurn = time.Millisecond
	// handTurns is in how many such times they have to.
	handTurns = 4
)

// hands are the goroutines that handle deliveries, as many as are needed at once. A call that waits takes its goroutine with
// it, so there may have to be one for each delivery; but most calls are over before another goroutine has woken up, which
// would take the processor from Redis where that is on the same machine. So one hand works alone as long as it gets through
// what is waiting. Where it does not, more are called: twice as many each time.
type hands struct {
	handle  func(contexts, *delivery)
	running sync.WaitGroup

	mu       sync.Mutex
	waiting  []*delivery   // in the order in which they are to be begun
	begun    int           // of waiting, those that were begun
	working  int           // hands that have something to do
	called   int           // hands that were called, and have not looked at what is waiting yet
	turns    int           // deliveries that were handled since the last look
	moved    time.Time     // when a hand has last come for one
	more     int           // how many hands are called next
	nextLook *time.Timer   // nil where nothing is waiting
	idle     chan struct{} // to those that have nothing to do
}

func newHands(handle func(contexts, *delivery)) *hands {
	return &hands{handle: handle, idle: make(chan struct{})}
}

// give has deliveries handled. Hands that have nothing to do end when c.stopping is done, or after handKept.
func (h *hands) give(c contexts, batch []*delivery) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.waiting = append(slices.Delete(h.waiting, 0, h.begun), batch...)
	h.begun = 0
	// Where nobody is at work, or those who are have not come back for a while, somebody else has to begin at once.
	if h.called == 0 && (h.working == 0 || time.Since(h.moved) > handTurn) {
		h.call(c, 1)
	}
	if h.nextLook == nil {
		h.turns, h.more = 0, 1
		h.nextLook = time.AfterFunc(handTurn, func() { h.look(c) })
	}
}

// look calls more hands if those at work do not get through what is waiting. Who was called and has not come yet lacks a
// processor, and others would not get one either.
func (h *hands) look(c contexts) {
	h.mu.Lock()
	defer h.mu.Unlock()
	left := len(h.waiting) - h.begun
	switch {
	case left == 0:
		h.nextLook = nil
		return
	case handTurns*h.turns >= left:
		h.more = 1
	case h.called == 0:
		h.call(c, min(h.more, left))
		h.more *= 2
	}
	h.turns = 0
	h.nextLook.Reset(handTurn)
}

// call calls hands, with h.mu locked.
func (h *hands) call(c contexts, n int) {
	for range n {
		h.called++
		select {
		case h.idle <- struct{}{}:
		default:
			h.running.Go(func() { h.run(c) })
		}
	}
}

// next takes what is waiting longest, or returns nil. A hand that was called says so.
func (h *hands) next(called bool) *delivery {
	h.mu.Lock()
	defer h.mu.Unlock()
	if called {
		h.called--
		h.working++
	} else {
		h.turns++
	}
	h.moved = time.Now()
	if h.begun == len(h.waiting) {
		h.working--
		return nil
	}
	d := h.waiting[h.begun]
	h.waiting[h.begun] = nil
	if h.begun++; h.begun == len(h.waiting) {
		h.waiting, h.begun = h.waiting[:0], 0
	}
	return d
}

// run handles deliveries as long as there are some, and for handKept after that.
func (h *hands) run(c contexts) {
	idle := time.NewTimer(handKept)
	defer idle.Stop()
	for called := true; ; called = true {
		for d := h.next(called); d != nil; d = h.next(false) {
			h.handle(c, d)
		}
		idle.Reset(handKept)
		select {
		case <-h.idle:
		case <-idle.C:
			return
		case <-c.stopping.Done():
			return
		}
	}
}
