package host

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/sgstreamd/sgstreamd/abi"
)

// idleTime is how long an instance may lie idle while others do the work.
const idleTime = time.Minute

// errClosed is the cause of a call's end when its plugin was closed under it.
var errClosed = errors.New("the plugin was closed")

// pool bounds the instances of a plugin and keeps the idle ones. Whoever has acquired a slot may take an
// idle instance or make a new one, and puts back only what is fit for another call. Slots are granted in
// the order in which they were asked for. The instance that was used last is taken first, so that a quiet
// plugin lives on few of them, and the others grow old and are closed.
type pool struct {
	slots *semaphore.Weighted
	size  int64

	mu     sync.Mutex
	idle   []*instance // the one that was used last stands last
	closed bool
}

func newPool(size int) *pool {
	return &pool{slots: semaphore.NewWeighted(int64(size)), size: int64(size)}
}

// acquire waits for a slot until ctx is done or stop is closed.
func (p *pool) acquire(ctx context.Context, stop <-chan struct{}) error {
	if err := p.refuse(ctx, stop); err != nil {
		return err
	}
	if p.slots.TryAcquire(1) {
		return nil
	}
	return p.await(ctx, stop)
}

func (p *pool) await(ctx context.Context, stop <-chan struct{}) error {
	waiting, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-stop:
			cancel()
		case <-waiting.Done():
		}
	}()
	if p.slots.Acquire(waiting, 1) != nil {
		return p.refuse(ctx, stop)
	}
	if err := p.refuse(ctx, stop); err != nil { // it may have come while we waited
		p.release()
		return err
	}
	return nil
}

// refuse says why a call must not begin any more.
func (p *pool) refuse(ctx context.Context, stop <-chan struct{}) error {
	if isClosed(stop) {
		return abi.ErrNotStarted
	}
	if ctx.Err() != nil {
		return fmt.Errorf("no instance was free in time: %w", cancellation(ctx))
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return fmt.Errorf("%w: %w", errClosed, abi.ErrNotStarted)
	}
	return nil
}

func (p *pool) release() { p.slots.Release(1) }

// take returns the idle instance that was used last, nil where there is none.
func (p *pool) take() *instance {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(p.idle)
	if n == 0 {
		return nil
	}
	in := p.idle[n-1]
	p.idle = p.idle[:n-1]
	return in
}

// put keeps an instance for the next call. It returns the one that has been idle for longer than
// idleTime, if there is one, for the caller to close.
func (p *pool) put(in *instance, now time.Time) (old *instance) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.idle) > 0 && now.Sub(p.idle[0].idleSince) > idleTime {
		old, p.idle = p.idle[0], p.idle[1:]
	}
	in.idleSince = now
	p.idle = append(p.idle, in)
	return old
}

// close refuses new calls and waits for the running ones; when ctx is done it calls cut, which must end
// them, and goes on waiting. It returns the idle instances, which are all that are left.
func (p *pool) close(ctx context.Context, cut func()) ([]*instance, error) {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	err := p.slots.Acquire(ctx, p.size)
	if err != nil {
		cut()
		// Every call obeys its context, so this ends.
		_ = p.slots.Acquire(context.Background(), p.size)
	}
	defer p.slots.Release(p.size) // whoever still waits for a slot gets it, and learns that the pool is closed
	p.mu.Lock()
	defer p.mu.Unlock()
	idle := p.idle
	p.idle = nil
	return idle, err
}

func isClosed(stop <-chan struct{}) bool {
	select {
	case <-stop:
		return true
	default:
		return false
	}
}

// Memories are the sizes of the idle instances' linear memories, in bytes.
func (p *Plugin) Memories() []uint64 {
	p.pool.mu.Lock()
	defer p.pool.mu.Unlock()
	sizes := make([]uint64, 0, len(p.pool.idle))
	for _, in := range p.pool.idle {
		sizes = append(sizes, uint64(in.pages())*pageSize)
	}
	return sizes
}
