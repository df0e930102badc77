package host

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tetratelabs/wazero/api"

	"github.com/sgstreamd/sgstreamd/abi"
)

// flag is the global by which a guest is interrupted, without a guest.
type flag struct {
	api.MutableGlobal
	value atomic.Uint64
}

func (f *flag) Set(v uint64) { f.value.Store(v) }

// guestless is an instance that is there but for its guest, with a timeout of a second.
func guestless(t *testing.T) (*instance, *flag) {
	p := &Plugin{name: "p", cfg: DefaultPlugin(), watcher: newWatcher()}
	p.cfg.Timeout = time.Second
	p.life, p.kill = context.WithCancelCause(context.Background())
	t.Cleanup(func() { p.kill(nil) })
	f := &flag{}
	in := &instance{plugin: p, interrupted: f}
	p.watcher.add(in)
	return in, f
}

func (c *call) isBound() bool { return c.ctx.bounds.Load() != nil }

func TestACallIsBoundOnlyOnceItLasts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in, interrupted := guestless(t)
		for range 10 { // one after the other, and each shorter than a moment
			c := in.begin(t.Context(), nil, time.Now())
			time.Sleep(moment - 1)
			require.False(t, c.isBound())
			c.end()
		}
		c := in.begin(t.Context(), nil, time.Now())
		time.Sleep(2 * moment)
		synctest.Wait()
		require.True(t, c.isBound())
		require.False(t, in.plugin.watcher.awake.Load(), "there is no other call to be bound")
		time.Sleep(time.Second - 2*moment - 1)
		synctest.Wait()
		require.NoError(t, c.ctx.Err())
		require.Zero(t, interrupted.value.Load())
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		require.Equal(t, errTimeout, context.Cause(c.ctx))
		require.EqualValues(t, 1, interrupted.value.Load())
		c.end()
		require.True(t, in.stopped)
	})
}

func TestTheFirstCallAfterAPauseIsWatched(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in, _ := guestless(t)
		time.Sleep(time.Hour)
		synctest.Wait()
		require.False(t, in.plugin.watcher.awake.Load())
		c := in.begin(t.Context(), nil, time.Now())
		time.Sleep(moment)
		synctest.Wait()
		require.True(t, c.isBound())
		c.end()
	})
}

// What ends a call that lasts is its caller, and the plugin's end, too; each with its own cause.
func TestACallEndsWithItsCallerAndItsPlugin(t *testing.T) {
	for name, end := range map[string]func(in *instance, cancel context.CancelCauseFunc) error{
		"caller": func(_ *instance, cancel context.CancelCauseFunc) error {
			lost := errors.New("lost")
			cancel(lost)
			return lost
		},
		"plugin": func(in *instance, _ context.CancelCauseFunc) error { in.plugin.kill(errClosed); return errClosed },
	} {
		for _, lasts := range []time.Duration{0, time.Second / 2} {
			synctest.Test(t, func(t *testing.T) {
				in, interrupted := guestless(t)
				ctx, cancel := context.WithCancelCause(t.Context())
				c := in.begin(ctx, nil, time.Now())
				time.Sleep(lasts)
				cause := end(in, cancel)
				if name == "caller" {
					require.ErrorIs(t, c.ctx.Err(), context.Canceled, "whoever asks sees it at once")
					require.Equal(t, cause, context.Cause(c.ctx))
				}
				time.Sleep(moment)
				synctest.Wait()
				require.EqualValues(t, 1, interrupted.value.Load(), name)
				require.Equal(t, cause, context.Cause(c.ctx))
				c.end()
			})
		}
	}
}

// Neither the watcher, who may hold a call that is just ending, nor the call's own end may reach the next call.
func TestNothingOfACallInterruptsTheNextOne(t *testing.T) {
	for name, late := range map[string]func(c *call, cancel context.CancelFunc){
		"the watcher":                      func(c *call, _ context.CancelFunc) { c.ctx.bound(); time.Sleep(time.Second - 1) },
		"its caller":                       func(_ *call, cancel context.CancelFunc) { cancel() },
		"its caller, and then the watcher": func(c *call, cancel context.CancelFunc) { cancel(); c.ctx.bound() },
		"its deadline":                     func(*call, context.CancelFunc) { time.Sleep(time.Second - 1) },
	} {
		for _, lasted := range []time.Duration{0, time.Second / 2} {
			synctest.Test(t, func(t *testing.T) {
				in, interrupted := guestless(t)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				c := in.begin(ctx, nil, time.Now())
				time.Sleep(lasted)
				synctest.Wait()
				c.end()
				require.False(t, in.stopped)
				next := in.begin(t.Context(), nil, time.Now())
				late(c, cancel)
				synctest.Wait()
				require.Zero(t, interrupted.value.Load(), "%s after %v", name, lasted)
				require.NoError(t, next.ctx.Err())
				next.end()
				require.False(t, in.stopped)
			})
		}
	}
}

// The same in a real guest, as fast as it goes: calls whose callers give up at any moment, and a watcher that is always late.
func TestAnInterruptedCallNeverCostsItsSuccessor(t *testing.T) {
	t.Parallel()
	b := newBench(t, "")
	p := b.start(t, "count")
	done := make(chan struct{})
	var background sync.WaitGroup
	background.Go(func() {
		for !isClosed(done) {
			p.watcher.bind(time.Now().Add(time.Hour))
		}
	})
	for range 2000 {
		ctx, cancel := context.WithCancel(context.Background())
		background.Go(cancel)
		if _, err := p.Handle(ctx, nil, message("p\n")); err != nil {
			require.ErrorIs(t, err, context.Canceled)
		}
		_, err := handle(p, "p\n")
		require.NoError(t, err)
	}
	close(done)
	background.Wait()
}

func TestATimeoutOfAMomentIsKept(t *testing.T) {
	t.Parallel()
	p := newBench(t, "").start(t, "loop", withTimeout(soon))
	p.cfg.Timeout = moment
	_, err := handle(p, "!")
	require.ErrorIs(t, err, ErrDeadline)
}

func TestTheContextOfACallIsOneLikeAnyOther(t *testing.T) {
	type key struct{}
	for _, bound := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			in, _ := guestless(t)
			lost := errors.New("lost")
			caller, cancel := context.WithCancelCause(context.WithValue(t.Context(), key{}, "value"))
			c := in.begin(caller, &abi.Message{}, time.Now())
			if bound {
				c.ctx.bound()
			}
			require.Equal(t, "value", c.ctx.Value(key{}))
			deadline, ok := c.ctx.Deadline()
			require.True(t, ok)
			require.Equal(t, time.Second, time.Until(deadline))
			child, stop := context.WithCancel(c.ctx)
			defer stop()
			cancel(lost)
			<-child.Done() // without a wait for a goroutine in between
			require.Equal(t, lost, context.Cause(child))
			c.end()

			sooner, cancelSooner := context.WithTimeout(t.Context(), time.Millisecond)
			defer cancelSooner()
			c = in.begin(sooner, nil, time.Now())
			deadline, _ = c.ctx.Deadline()
			require.Equal(t, time.Millisecond, time.Until(deadline))
			c.end()
			<-c.ctx.Done() // what has ended stays so
			require.Error(t, c.ctx.Err())
		})
	}
}
