package verify

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	// watchPage is how many entries one look takes.
	watchPage = 1000
	// watchPause is the time between two looks where nothing was found.
	watchPause = 20 * time.Millisecond
	// trimEvery is how often what was dealt with is removed from the streams, so that a run of any length leaves
	// room for others.
	trimEvery = 2 * time.Second
	// auditEvery is how often the audit is read.
	auditEvery = 5 * time.Second
)

// watcher reads outputs and dead letters as they come, and notes them in the book.
type watcher struct {
	server *server
	names  names
	book   *book

	outputs, dead entryID // read up to here
	trimmed       time.Time
	audited       time.Time
}

// run reads until ctx is done. It returns ctx's error, or what kept it from reading.
func (w *watcher) run(ctx context.Context) error {
	for {
		found, err := w.look(ctx)
		if err != nil {
			return err
		}
		if time.Since(w.trimmed) > trimEvery {
			if err := w.trim(ctx); err != nil {
				return err
			}
		}
		if time.Since(w.audited) > auditEvery {
			w.audited = time.Now()
			if err := readAudit(ctx, w.server, w.names, w.book); err != nil {
				return err
			}
		}
		if !found && !pause(ctx, watchPause) {
			return ctx.Err()
		}
	}
}

// look reads a page of each stream. It tells whether there was anything.
func (w *watcher) look(ctx context.Context) (bool, error) {
	outputs, err := w.page(ctx, w.names.outputs(), &w.outputs)
	if err != nil {
		return false, err
	}
	for _, m := range outputs {
		w.book.note(outputOf(m))
	}
	dead, err := w.page(ctx, w.names.deadLetters(), &w.dead)
	if err != nil {
		return false, err
	}
	for _, m := range dead {
		w.book.note(letterOf(m))
	}
	return len(outputs)+len(dead) > 0, nil
}

func (w *watcher) page(ctx context.Context, stream string, last *entryID) (page []redis.XMessage, err error) {
	err = w.server.sure(ctx, func() (err error) {
		page, err = w.server.client.XRangeN(ctx, stream, "("+last.String(), "+", watchPage).Result()
		return err
	})
	if len(page) > 0 {
		*last = parseID(page[len(page)-1].ID)
	}
	return page, err
}

// outputOf reads an output. One that can't be read belongs to no message.
func outputOf(m redis.XMessage) effect {
	e := effect{number: -1, id: parseID(m.ID)}
	data, _ := m.Values["data"].(string)
	// [number, sequence, ordinal, emits, attempt], as the guest writes it.
	if t, err := readTag([]byte(data)); err == nil && len(t.numbers) == 5 && t.numbers[2] >= 0 && t.numbers[2] < 8 {
		e.number, e.ordinal, e.attempt, e.key = t.numbers[0], t.numbers[2], t.numbers[4], t.key
	}
	return e
}

func letterOf(m redis.XMessage) effect {
	e := effect{number: -1, id: parseID(m.ID), dead: true}
	data, _ := m.Values["data"].(string)
	e.key, _ = m.Values["original_msg_id"].(string)
	attempt, _ := m.Values["attempt"].(string)
	e.attempt, _ = strconv.Atoi(attempt)
	if t, err := readTag([]byte(data)); err == nil {
		e.number = t.numbers[0]
	}
	return e
}

// trim removes the outputs that were read, and the messages at the stream's beginning that are settled.
func (w *watcher) trim(ctx context.Context) error {
	w.trimmed = time.Now()
	return w.server.sure(ctx, func() error {
		p := w.server.client.Pipeline()
		p.XTrimMinID(ctx, w.names.outputs(), w.outputs.String())
		if floor, ok := w.book.floor(); ok {
			p.XTrimMinID(ctx, w.names.stream(), floor.String())
		}
		_, err := p.Exec(ctx)
		if errors.Is(err, redis.Nil) {
			err = nil
		}
		return err
	})
}

// finish reads both streams to their ends, and the audit.
func (w *watcher) finish(ctx context.Context) error {
	for {
		found, err := w.look(ctx)
		if err != nil {
			return err
		}
		if !found {
			return readAudit(ctx, w.server, w.names, w.book)
		}
	}
}
