package consumer

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/redis/go-redis/v9"
)

// goesElsewhere tells whether a move's target is in another Cluster slot than the dead letters, so that no script
// reaches both.
func (d *DeadLetters) goesElsewhere(m Move) bool {
	return isCluster(d.redis) && slotOf(m.Target) != slotOf(d.stream)
}

// moveElsewhere appends a letter to its target and removes it then, as replay.lua does in one step.
func (d *DeadLetters) moveElsewhere(ctx context.Context, m Move, done func(Move, string)) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	letter, there, err := d.Get(ctx, m.Letter.ID)
	if err != nil {
		return err
	}
	if !there {
		done(m, "")
		return nil
	}
	// No entry has this id. An append without the right to remove would be a duplicate at the next try.
	if err := d.redis.XDel(ctx, d.stream, "0-0").Err(); err != nil {
		return fmt.Errorf("nothing can be removed from %q: %w", d.stream, err)
	}
	newID, err := d.redis.XAdd(ctx, &redis.XAddArgs{Stream: m.Target, Values: letter.entry()}).Result()
	if err != nil {
		return explain(err, m.Target)
	}
	if err := d.redis.XDel(ctx, d.stream, m.Letter.ID).Err(); err != nil {
		return fmt.Errorf("dead letter %s is on stream %q as %s, but could not be removed; drop it: %w", m.Letter.ID, m.Target, newID, err)
	}
	done(m, newID)
	return nil
}

// entry are the fields of the entry that the letter once was, enqueued now. A letter's data is empty where its entry had
// none.
func (l *Letter) entry() []any {
	fields := []any{"ts", now(), "trace_id", l.TraceID}
	if l.Data != "" {
		fields = append([]any{"data", l.Data}, fields...)
	}
	for _, name := range slices.Sorted(maps.Keys(l.Original)) {
		fields = append(fields, name, l.Original[name])
	}
	return fields
}
