package consumer

import "sync"

// lanes keep the addressed messages of one channel in the order in which they were fetched: only the first
// of a lane goes for the channel's distributed lock, the others wait here instead of asking Redis for it.
type lanes struct {
	mu    sync.Mutex
	queue map[string][]*delivery
}

func newLanes() *lanes { return &lanes{queue: map[string][]*delivery{}} }

// join puts d at its lane's end. d.turn is closed when d is the first.
func (l *lanes) join(d *delivery) {
	if d.lane == "" {
		return
	}
	d.turn = make(chan struct{})
	l.mu.Lock()
	defer l.mu.Unlock()
	l.queue[d.lane] = append(l.queue[d.lane], d)
	if len(l.queue[d.lane]) == 1 {
		close(d.turn)
	}
}

// leave takes d out of its lane, wherever it stands, and lets the next one through if it was the first.
func (l *lanes) leave(d *delivery) {
	if d.lane == "" {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	q := l.queue[d.lane]
	for i := range q {
		if q[i] != d {
			continue
		}
		q = append(q[:i:i], q[i+1:]...)
		if len(q) == 0 {
			delete(l.queue, d.lane)
			return
		}
		l.queue[d.lane] = q
		if i == 0 {
			close(q[0].turn)
		}
		return
	}
}
