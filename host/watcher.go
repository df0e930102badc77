package host

import (
	"sync"
	"sync/atomic"
	"time"
)

// moment is how long a call may last before it is bound, twice that at most.
const moment = time.Millisecond

// watcher binds the calls of a plugin that last: most end before it has looked, and cost no timer and no link to what could
// cancel them. It looks every moment while there are calls that it has not bound, and sleeps otherwise. It is safe for
// concurrent use.
type watcher struct {
	awake atomic.Bool // the timer is set, or about to be
	timer *time.Timer

	mu        sync.Mutex
	instances map[*instance]struct{}
}

func newWatcher() *watcher {
	w := &watcher{instances: map[*instance]struct{}{}}
	w.awake.Store(true)
	w.timer = time.AfterFunc(moment, w.look)
	return w
}

// add watches the instance's calls from the next one on.
func (w *watcher) add(in *instance) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.instances[in] = struct{}{}
}

func (w *watcher) remove(in *instance) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.instances, in)
}

// wake is called after a call was put into its instance. Either it finds the watcher awake, or the watcher finds the call.
func (w *watcher) wake() {
	if !w.awake.Load() && w.awake.CompareAndSwap(false, true) {
		w.timer.Reset(moment)
	}
}

func (w *watcher) look() {
	w.awake.Store(false)
	if w.bind(time.Now()) {
		w.wake()
	}
}

// bind binds the calls that have lasted for a moment, and tells whether there are younger ones.
func (w *watcher) bind(now time.Time) (more bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for in := range w.instances {
		c := in.call.Load()
		switch {
		case c == nil || c.ctx.bounds.Load() != nil:
		case now.Sub(c.ctx.begun) < moment:
			more = true
		default:
			c.ctx.bound()
		}
	}
	return more
}
