package consumer

import (
	"cmp"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"slices"
)

//go:embed scripts/replay.lua
var replayLua string

// A script moves so many letters, and about so many bytes, that Redis is not kept from others for long.
const (
	maxMoves     = 100
	maxMoveBytes = 4 << 20
)

// Move is a dead letter and the stream that it is to be put on.
type Move struct {
	Letter Letter
	Target string
}

// Plan is what a replay is going to do.
type Plan struct {
	// Moves are in the order in which they are made.
	Moves []Move
	// Creates are the targets that are not there yet.
	Creates []string
}

// Plan says how letters are replayed: each to the stream that it came from, or all to the stream to, if that is not
// empty. The moves are in the letters' order as InOrder has it, which is not that in which they were dead-lettered.
//
// It fails, naming the remedy, where a letter has no target, or a target can't be one. It writes nothing.
func (d *DeadLetters) Plan(ctx context.Context, letters []Letter, to string) (Plan, error) {
	letters = slices.Clone(letters)
	InOrder(letters)
	plan := Plan{Moves: make([]Move, 0, len(letters))}
	seen := map[string]bool{}
	for _, l := range letters {
		target := cmp.Or(to, l.OriginalStream)
		if target == "" {
			return Plan{}, fmt.Errorf("dead letter %s does not say which stream it came from; replay it by itself, and name the stream with --to", l.ID)
		}
		plan.Moves = append(plan.Moves, Move{l, target})
		if seen[target] {
			continue
		}
		seen[target] = true
		there, err := d.checkTarget(ctx, target)
		if err != nil {
			return Plan{}, err
		}
		if !there {
			plan.Creates = append(plan.Creates, target)
		}
	}
	return plan, nil
}

// InOrder puts letters into the order in which they once were enqueued, which keeps that of every channel among them.
func InOrder(letters []Letter) {
	slices.SortStableFunc(letters, func(a, b Letter) int { return a.enqueued().compare(b.enqueued()) })
}

// enqueued is the id by which letters are put in order: the original one, or the letter's own where it names none.
func (l *Letter) enqueued() streamID {
	id, ok := parseStreamID(l.OriginalID)
	if !ok {
		id, _ = parseStreamID(l.ID)
	}
	return id
}

func (a streamID) compare(b streamID) int {
	return cmp.Or(cmp.Compare(a.ms, b.ms), cmp.Compare(a.seq, b.seq))
}

// checkTarget tells whether the stream is there.
func (d *DeadLetters) checkTarget(ctx context.Context, key string) (bool, error) {
	if key == d.stream {
		return false, fmt.Errorf("%q is the stream of the dead letters itself; replay to another stream", key)
	}
	kind, err := d.redis.Type(ctx, key).Result()
	if err != nil {
		return false, explain(err, key)
	}
	if kind != "stream" && kind != "none" {
		return false, fmt.Errorf("key %q is a %s, not a stream; rename or delete it, or replay to another stream", key, kind)
	}
	return kind == "stream", nil
}

// Replay makes the moves, in their order, and tells done of each: the id of the new entry, or "" where the letter was
// gone. A letter is removed from the dead letters in the same step in which it is appended to its target, so a replay
// that was cut short, or whose answer was lost, can be repeated without writing anything twice. Only where a Cluster has
// the two in different slots it is removed afterwards, and what was cut short in between is appended twice.
//
// It stops between two steps when ctx is done, and at the first letter that can't be moved.
func (d *DeadLetters) Replay(ctx context.Context, moves []Move, done func(m Move, newID string)) error {
	for len(moves) > 0 {
		batch := nextMoves(moves)
		if i := slices.IndexFunc(batch, d.goesElsewhere); i == 0 {
			batch = batch[:1]
			if err := d.moveElsewhere(ctx, batch[0], done); err != nil {
				return err
			}
		} else {
			if i > 0 {
				batch = batch[:i]
			}
			if err := d.move(ctx, batch, done); err != nil {
				return err
			}
		}
		moves = moves[len(batch):]
	}
	return nil
}

func nextMoves(moves []Move) []Move {
	n, bytes := 0, 0
	for n < min(len(moves), maxMoves) && bytes < maxMoveBytes {
		bytes += moves[n].Letter.Size
		n++
	}
	return moves[:n]
}

func (d *DeadLetters) move(ctx context.Context, batch []Move, done func(Move, string)) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	keys := newScriptKeys(d.stream)
	args := []any{now()}
	for _, m := range batch {
		args = append(args, m.Letter.ID, keys.pos(m.Target))
	}
	reply, err := d.replay.Run(ctx, d.redis, keys.keys, args...).StringSlice()
	if err != nil {
		return explain(err, d.stream)
	}
	if len(reply) == 0 || len(reply) > len(batch)+1 {
		return fmt.Errorf("stream %q: the replay's answer is not one to its question", d.stream)
	}
	for i, id := range reply[1:] {
		done(batch[i], id)
	}
	if reply[0] != "" {
		return errors.New(reply[0])
	}
	return nil
}

// Drop removes letters for good, and tells done after each step how many it removed and how many were gone before.
// It stops between two steps when ctx is done.
func (d *DeadLetters) Drop(ctx context.Context, ids []string, done func(dropped, gone int)) error {
	for batch := range slices.Chunk(ids, maxMoves) {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		n, err := d.redis.XDel(ctx, d.stream, batch...).Result()
		if err != nil {
			return explain(err, d.stream)
		}
		done(int(n), len(batch)-int(n))
	}
	return nil
}
