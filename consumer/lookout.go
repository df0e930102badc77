package consumer

import (
	"context"
	"unsafe"

	"github.com/redis/go-redis/v9"
)

// lookout waits for entries behind an id, as it is asked to, and reports to arrived, also after a while in which none came.
// Unless it reads ahead, it takes nothing, so that a stop need not care what it is still waiting for.
func (w *Worker) lookout(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case a := <-w.watch:
			entries, err := w.look(ctx, a)
			if err != nil {
				pause(ctx, readBlock/10) // the fetch will find out what is wrong
			}
			w.arrived <- seen{a.after, entries, err}
		}
	}
}

// look waits for as long as it is asked to until there are entries behind an id.
func (w *Worker) look(ctx context.Context, a ask) ([]seenEntry, error) {
	// The client's own XREAD allocates four times for each of an entry's names and values.
	cmd := redis.NewRawCmd(ctx, "xread", "COUNT", a.count, "BLOCK", a.block.Milliseconds(), "STREAMS", w.cfg.Stream, a.after)
	cmd.SetFirstKeyPos(6)
	if w.readsAhead() {
		cmd = redis.NewRawCmd(ctx, "xreadgroup", "GROUP", w.cfg.Group, w.cfg.Consumer, "COUNT", a.count, "BLOCK", a.block.Milliseconds(), "STREAMS", w.cfg.Stream, ">")
		cmd.SetFirstKeyPos(9)
	}
	if err := w.redis.Process(ctx, cmd); err != nil {
		if err == redis.Nil {
			err = nil
		}
		return nil, err
	}
	raw := cmd.Val()
	return entriesOf(unsafe.String(unsafe.SliceData(raw), len(raw)))
}
