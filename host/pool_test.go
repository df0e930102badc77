package host

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sgstreamd/sgstreamd/abi"
)

// gate holds the calls of the module echo in their emit.
type gate struct {
	begun   chan string
	release chan struct{}
}

func (b *bench) gate() *gate {
	g := &gate{make(chan string, 100), make(chan struct{})}
	b.codec.onEmit = func(doc string) {
		g.begun <- doc
		<-g.release
	}
	return g
}

type result struct {
	verdict abi.Verdict
	err     error
}

func handleAsync(ctx context.Context, p *Plugin, stop <-chan struct{}, payload string) chan result {
	done := make(chan result, 1)
	go func() {
		v, err := p.Handle(ctx, stop, message(payload))
		done <- result{v, err}
	}()
	return done
}

func TestPoolIsBounded(t *testing.T) {
	t.Parallel()
	b := newBench(t, "")
	g := b.gate()
	p := b.start(t, "echo", func(c *PluginConfig) { c.MaxInstances = 2 })
	var calls []chan result
	for range 5 {
		calls = append(calls, handleAsync(context.Background(), p, nil, "p\nx"))
	}
	<-g.begun
	<-g.begun
	require.EqualValues(t, 2, b.value(t, "sgstreamd_plugin_instances_busy", ""))
	require.EqualValues(t, 2, b.value(t, "sgstreamd_plugin_instances", ""))
	close(g.release)
	for _, c := range calls {
		require.NoError(t, (<-c).err)
	}
	require.EqualValues(t, 2, b.value(t, "sgstreamd_plugin_instances", ""))
	require.Zero(t, b.value(t, "sgstreamd_plugin_instances_busy", ""))
}

func TestLoadBoundServesWhereConfigHasNone(t *testing.T) {
	t.Parallel()
	b := newBench(t, "")
	cfg := DefaultPlugin()
	p, err := b.Load(context.Background(), "p", "testdata/count.wasm", cfg, 7)
	require.NoError(t, err)
	require.EqualValues(t, 7, p.pool.size)
}

// Whoever asked first is served first. synctest.Wait returns once each waiter stands in the queue.
func TestPoolIsFair(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := newPool(1)
		require.NoError(t, pool.acquire(t.Context(), nil))
		order := make(chan int, 10)
		for i := range 10 {
			go func() {
				if pool.acquire(t.Context(), nil) == nil {
					order <- i
					pool.release()
				}
			}()
			synctest.Wait()
		}
		pool.release()
		for i := range 10 {
			require.Equal(t, i, <-order)
		}
	})
}

func TestPoolTakesTheLatestAndAgesTheRest(t *testing.T) {
	t.Parallel()
	pool := newPool(3)
	now := time.Unix(0, 0)
	one, two, three := &instance{}, &instance{}, &instance{}
	require.Nil(t, pool.put(one, now))
	require.Nil(t, pool.put(two, now))
	require.Same(t, two, pool.take())
	require.Nil(t, pool.put(two, now.Add(idleTime)))
	require.Same(t, two, pool.take())
	require.Same(t, one, pool.put(two, now.Add(idleTime+1)), "one has not been used for long")
	require.Nil(t, pool.put(three, now.Add(idleTime+1)))
	require.Same(t, three, pool.take())
	require.Same(t, two, pool.take())
	require.Nil(t, pool.take())
}

func TestStopBeforeTheCall(t *testing.T) {
	t.Parallel()
	b := newBench(t, "")
	g := b.gate()
	p := b.start(t, "echo")
	stop := make(chan struct{})
	running := handleAsync(context.Background(), p, stop, "p\nrunning")
	require.Equal(t, "p\nrunning", <-g.begun)
	waiting := handleAsync(context.Background(), p, stop, "p\nwaiting")
	close(stop)
	require.Equal(t, abi.ErrNotStarted, (<-waiting).err)
	_, err := p.Handle(context.Background(), stop, message("p\nlate"))
	require.Equal(t, abi.ErrNotStarted, err)
	close(g.release)
	require.NoError(t, (<-running).err, "a call that had begun must finish")
	require.Empty(t, g.begun)
	require.EqualValues(t, 1, b.value(t, "sgstreamd_plugin_call_seconds", ""))
}

// The deadline of a call begins with the call: one that waited for longer than its timeout still has all of it.
func TestWaitingDoesNotCountAndObeysItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		pool := newPool(1)
		require.NoError(t, pool.acquire(t.Context(), nil))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		err := pool.acquire(ctx, nil)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, "no instance was free in time: context deadline exceeded", err.Error())
		pool.release()
		require.NoError(t, pool.acquire(t.Context(), nil), "the waiter that gave up must not hold a slot")
	})
	b := newBench(t, "")
	p := b.start(t, "loop", withTimeout(soon))
	late := handleAsync(context.Background(), p, nil, "!")
	b.logs.await(t, "begun")
	requireCount(t, p, "good", 1) // it waits until the other has used its time up
	require.ErrorIs(t, (<-late).err, ErrDeadline)
}

func TestCloseWaitsAndFrees(t *testing.T) {
	t.Parallel()
	b := newBench(t, "")
	g := b.gate()
	p := b.start(t, "echo")
	running := handleAsync(context.Background(), p, nil, "p\nrunning")
	<-g.begun
	waiting := handleAsync(context.Background(), p, nil, "p\nwaiting")
	closed := make(chan error, 1)
	go func() { closed <- p.Close(context.Background()) }()
	select {
	case <-closed:
		require.Fail(t, "closed while a call was running")
	case <-g.begun:
		require.Fail(t, "a second instance beyond the bound")
	default:
	}
	close(g.release)
	require.NoError(t, <-closed)
	require.Positive(t, b.value(t, "sgstreamd_plugin_calls_total", "done"), "closed before the running call had ended")
	require.NoError(t, (<-running).err)
	if r := <-waiting; r.err != nil { // it may have got its slot before the pool was closed
		require.ErrorIs(t, r.err, abi.ErrNotStarted)
	}
	_, err := handle(p, "p\nlate")
	require.ErrorIs(t, err, abi.ErrNotStarted)
	require.Zero(t, b.value(t, "sgstreamd_plugin_instances", ""))
	require.NoError(t, p.Close(context.Background()), "closing again does nothing")
}

func TestCloseCutsShortWhatOutlivesItsContext(t *testing.T) {
	t.Parallel()
	b := newBench(t, "")
	p := b.start(t, "loop", withTimeout(time.Hour))
	running := handleAsync(context.Background(), p, nil, "!")
	b.logs.await(t, "begun")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	err := p.Close(ctx)
	requireLine(t, err, `plugin "p": closed before its calls had finished: context canceled`)
	err = (<-running).err
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, err, errClosed)
	require.Zero(t, b.value(t, "sgstreamd_plugin_instances", ""))
}

func TestCloseCallsStop(t *testing.T) {
	t.Parallel()
	b := newBench(t, "")
	p := b.start(t, "stop")
	require.NoError(t, p.Close(context.Background()))
	require.Equal(t, map[string]string{"plugin": "p", "source": "log"}, b.logs.await(t, "stopped").attrs)
}
