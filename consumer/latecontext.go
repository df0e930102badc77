package consumer

import (
	"context"
	"sync"
	"time"
)

// lateContext is the context of a call. It becomes one of the context package's, known to its parent, only when somebody wants
// to wait for its end: most calls are over before, and to make one known takes as long as the rest of what is done for them.
type lateContext struct {
	parent context.Context

	mu     sync.Mutex
	made   context.Context // nil until somebody waits, or asks why it has ended
	cancel context.CancelCauseFunc
	ended  bool
}

// end ends the context with a cause, as a context.CancelCauseFunc does.
func (l *lateContext) end(cause error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if cause != nil {
		l.make()
	}
	if l.ended = true; l.made != nil {
		l.cancel(cause)
	}
}

// make makes the context, with l.mu locked.
func (l *lateContext) make() context.Context {
	if l.made == nil {
		l.made, l.cancel = context.WithCancelCause(l.parent)
		if l.ended {
			l.cancel(nil)
		}
	}
	return l.made
}

func (l *lateContext) context() context.Context {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.make()
}

// Deadline is that of the parent.
func (l *lateContext) Deadline() (time.Time, bool) { return l.parent.Deadline() }

// Done is closed when the context ends.
func (l *lateContext) Done() <-chan struct{} { return l.context().Done() }

// Err is nil until the context ends.
func (l *lateContext) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.made == nil && !l.ended {
		return l.parent.Err()
	}
	return l.make().Err()
}

// Value asks the context that is made: it is how context.Cause finds out why it has ended.
func (l *lateContext) Value(key any) any { return l.context().Value(key) }
