package consumer

import (
	"context"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// flushed is a batch on its way, which lands when the test says so.
type flushed struct {
	pipe  int
	batch []int
	land  chan struct{}
}

// startBatcher runs a batcher of numbers. Its size is 1 for each, and what it flushes comes through the channel.
func startBatcher(t *testing.T, pipes int) (*batcher[int], <-chan flushed) {
	flights := make(chan flushed)
	b := newBatcher(pipes, func(int) int { return 1 }, func(_ context.Context, pipe int, batch []int) {
		f := flushed{pipe, batch, make(chan struct{})}
		select {
		case flights <- f:
		case <-t.Context().Done(): // the test has failed
			return
		}
		select {
		case <-f.land:
		case <-t.Context().Done():
		}
	})
	done := make(chan struct{})
	var running sync.WaitGroup
	running.Go(func() { b.run(t.Context(), done) })
	t.Cleanup(func() {
		close(done)
		running.Wait()
	})
	return b, flights
}

// addAll hands over items, for which there is room.
func addAll(t *testing.T, b *batcher[int], items ...int) {
	for _, item := range items {
		require.True(t, b.add(t.Context(), item))
	}
}

// requireNone asserts that nothing is being flushed.
func requireNone(t *testing.T, flights <-chan flushed, why string) {
	t.Helper()
	select {
	case f := <-flights:
		require.Fail(t, why, "%v", f.batch)
	default:
	}
}

func TestABatchGrowsWhileAnotherIsOnItsWay(t *testing.T) {
	t.Parallel()
	for _, pipes := range []int{1, 2} {
		b, flights := startBatcher(t, pipes)
		addAll(t, b, 1)
		first := receive(t, flights, "the first batch")
		require.Equal(t, []int{1}, first.batch, "it waits for nobody")
		addAll(t, b, 2, 3)
		if pipes == 2 {
			eventually(t, "the second pipe has gathered both", func() bool { return len(b.in) == 0 })
		}
		requireNone(t, flights, "a batch that can grow waits for those before it")
		addAll(t, b, 4)
		close(first.land)
		second := receive(t, flights, "the second batch")
		require.Equal(t, []int{2, 3, 4}, second.batch)
		close(second.land)
	}
}

func TestAFullBatchNeedNotWaitForTheOneBeforeIt(t *testing.T) {
	t.Parallel()
	b, flights := startBatcher(t, 2)
	go func() {
		for i := range 3*maxBatch + 1 {
			b.add(t.Context(), i)
		}
	}()
	// However many there were when the first one went, the second is full.
	first, second := receive(t, flights, "the first batch"), receive(t, flights, "the second batch")
	require.Len(t, second.batch, maxBatch)
	require.NotEqual(t, first.pipe, second.pipe)
	eventually(t, "nobody takes more", func() bool { return len(b.in) == cap(b.in) })
	requireNone(t, flights, "there is no third pipe")
	seen := append(first.batch, second.batch...)
	close(second.land)
	third := receive(t, flights, "the third batch")
	require.Equal(t, second.pipe, third.pipe)
	close(first.land)
	close(third.land)
	for seen = append(seen, third.batch...); len(seen) < 3*maxBatch+1; {
		f := receive(t, flights, "a batch")
		seen = append(seen, f.batch...)
		close(f.land)
	}
	for i, n := range seen {
		require.Equal(t, i, n, "nothing is lost, doubled, or out of its order")
	}
}
