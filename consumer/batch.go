package consumer

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
)

// maxBatch bounds the messages of one script, so that Redis is not kept from others for long.
const maxBatch = 128

// maxBatchBytes bounds what one script is sent.
const maxBatchBytes = 4 << 20

// batcher gathers what is ready together and flushes it together, through one or more pipes. It waits for no
// clock: while one batch is on its way, the next gathers by itself, so batches grow with the load and vanish with it. One that can
// grow no more need not wait for those before it, as long as there is another pipe.
type batcher[T any] struct {
	in    chan T
	pipes int
	size  func(T) int
	flush func(ctx context.Context, pipe int, batch []T)

	turn   sync.Mutex    // whose it is to gather
	flying atomic.Int32  // batches that are on their way
	landed chan struct{} // holds a token when one was
}

func newBatcher[T any](pipes int, size func(T) int, flush func(ctx context.Context, pipe int, batch []T)) *batcher[T] {
	return &batcher[T]{in: make(chan T, maxBatch), pipes: pipes, size: size, flush: flush, landed: make(chan struct{}, 1)}
}

// add hands an item over to be flushed. It returns false where ctx is done before there is room for it.
func (b *batcher[T]) add(ctx context.Context, item T) bool {
	select {
	case b.in <- item:
		return true
	default: // to wait for two things takes longer, and is seldom needed
	}
	select {
	case b.in <- item:
		return true
	case <-ctx.Done():
		return false
	}
}

// answerNone stands for a script that Redis did not answer before the worker hung up.
const answerNone = ""

// run flushes batches with ctx, one at a time through each pipe, until done is.
func (b *batcher[T]) run(ctx context.Context, done <-chan struct{}) {
	var running sync.WaitGroup
	for pipe := range b.pipes {
		running.Go(func() { b.runPipe(ctx, done, pipe) })
	}
	running.Wait()
}

func (b *batcher[T]) runPipe(ctx context.Context, done <-chan struct{}, pipe int) {
	for {
		b.turn.Lock()
		batch := b.gather(done)
		if batch == nil {
			b.turn.Unlock()
			return
		}
		b.flying.Add(1)
		b.turn.Unlock()
		b.flush(ctx, pipe, batch)
		b.flying.Add(-1)
		select {
		case b.landed <- struct{}{}:
		default:
		}
	}
}

// gather waits for something to flush, and takes what else is ready. It returns nil once done is.
func (b *batcher[T]) gather(done <-chan struct{}) (batch []T) {
	bytes := 0
	add := func(item T) { batch, bytes = append(batch, item), bytes+b.size(item) }
	select {
	case <-done:
		return nil
	case first := <-b.in:
		add(first)
	}
	for len(batch) < maxBatch && bytes < maxBatchBytes {
		select {
		case item := <-b.in:
			add(item)
			continue
		default:
		}
		if b.flying.Load() == 0 {
			break
		}
		select {
		case item := <-b.in:
			add(item)
		case <-b.landed:
		}
	}
	return batch
}

// span is the least and the greatest of a batch's ids, for what prelude.lua looks up at once.
func span(batch int, id func(int) string) (least, greatest string) {
	least, greatest = id(0), id(0)
	for i := 1; i < batch; i++ {
		if at := id(i); isBefore(at, least) {
			least = at
		} else if isBefore(greatest, at) {
			greatest = at
		}
	}
	return least, greatest
}

// isBefore compares two stream ids, which have no leading zeros.
func isBefore(a, b string) bool {
	ams, aseq, _ := strings.Cut(a, "-")
	bms, bseq, _ := strings.Cut(b, "-")
	if ams != bms {
		return len(ams) < len(bms) || len(ams) == len(bms) && ams < bms
	}
	return len(aseq) < len(bseq) || len(aseq) == len(bseq) && aseq < bseq
}
