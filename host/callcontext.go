package host

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// callContext is the context of a call: its caller's, with the plugin's timeout, and cut off when the plugin is closed.
// What ends it costs more than most calls do, and most are over before anybody could wait for it. So that is made when
// somebody asks for Done, and by the watcher for a call that lasts; until then only the caller can end it.
//
// It is safe for concurrent use.
type callContext struct {
	call   *call
	caller context.Context
	begun  time.Time
	bounds atomic.Pointer[bounds] // nil until somebody waits; written under mu

	mu   sync.Mutex
	over bool // the guest has returned, and is not to be interrupted any more
	gone bool // the call has ended
}

// bounds is what ends a call.
type bounds struct {
	context.Context
	disarm  func() bool // see instance.arm; nil where no guest is interrupted
	release func()      // lets go of all the rest
}

// Deadline implements context.Context.
func (x *callContext) Deadline() (time.Time, bool) {
	own := x.ownDeadline()
	if d, ok := x.caller.Deadline(); ok && d.Before(own) {
		return d, true
	}
	return own, true
}

func (x *callContext) ownDeadline() time.Time { return x.begun.Add(x.call.plugin.cfg.Timeout) }

// Done implements context.Context.
func (x *callContext) Done() <-chan struct{} { return x.bound().Done() }

// Err implements context.Context.
func (x *callContext) Err() error {
	if b := x.bounds.Load(); b != nil {
		return b.Err()
	}
	return x.caller.Err()
}

// Value implements context.Context. What context.Cause and children ask for is among the values.
func (x *callContext) Value(key any) any {
	if b := x.bounds.Load(); b != nil {
		return b.Value(key)
	}
	return x.caller.Value(key)
}

// bound returns the context that ends with the call, and makes it where there is none yet.
func (x *callContext) bound() *bounds {
	x.mu.Lock()
	defer x.mu.Unlock()
	b := x.bounds.Load()
	if b == nil {
		b = x.newBounds()
		x.bounds.Store(b)
	}
	return b
}

func (x *callContext) newBounds() *bounds {
	life := x.call.plugin.life
	ctx, cancel := context.WithCancelCause(x.caller)
	unlink := context.AfterFunc(life, func() { cancel(context.Cause(life)) })
	ctx, stopTimer := context.WithDeadlineCause(ctx, x.ownDeadline(), errTimeout)
	b := &bounds{Context: ctx, release: func() { unlink(); stopTimer(); cancel(nil) }}
	if in := x.call.in; in.interrupted != nil && !x.over {
		b.disarm = in.arm(ctx)
	}
	if x.gone {
		b.release()
	}
	return b
}

// returned is called when the guest runs no more: from now on it is not interrupted. It tells whether it was, or is just
// being so.
func (x *callContext) returned() (interrupted bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.over = true
	b := x.bounds.Load()
	return b != nil && b.disarm != nil && !b.disarm()
}

// end ends the context.
func (x *callContext) end() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.gone = true
	if b := x.bounds.Load(); b != nil {
		b.release()
	}
}
