package consumer

import (
	"context"
	"strings"
)

// maxBatch bounds the messages of one script, so that Redis is not kept from others for long.
const maxBatch = 128

// maxBatchBytes bounds what one script is sent.
const maxBatchBytes = 4 << 20

// batcher gathers what is ready together and flushes it together. It waits for nobody: while one batch is on
// its way, the next gathers by itself, so batches grow with the load and vanish with it.
type batcher[T any] struct {
	in    chan T
	size  func(T) int
	flush func(ctx context.Context, batch []T)
}

func newBatcher[T any](size func(T) int, flush func(context.Context, []T)) *batcher[T] {
	return &batcher[T]{in: make(chan T, maxBatch), size: size, flush: flush}
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

// run flushes batches with ctx, one at a time, until done is.
func (b *batcher[T]) run(ctx context.Context, done <-chan struct{}) {
	for {
		select {
		case <-done:
			return
		case first := <-b.in:
			b.flush(ctx, b.gather(first))
		}
	}
}

func (b *batcher[T]) gather(first T) []T {
	batch, bytes := []T{first}, b.size(first)
	for len(batch) < maxBatch && bytes < maxBatchBytes {
		select {
		case item := <-b.in:
			batch, bytes = append(batch, item), bytes+b.size(item)
		default:
			return batch
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
