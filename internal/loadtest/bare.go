package loadtest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

// The loops without a daemon. None of them survives a crash in good order, keeps a channel's order, tries again, or calls
// a plugin: they are how fast the same work on the streams can be.
const (
	// BareAck reads and acknowledges.
	BareAck = "ack"
	// BareFenced acknowledges what is still its own and answers it, in one script a batch.
	BareFenced = "fenced"
	// BareFull does that, and takes a lock and writes a trace before, in another script, and releases and writes them after.
	BareFull = "full"
)

// Bares are the names of the loops.
func Bares() []string { return []string{BareAck, BareFenced, BareFull} }

const (
	// bareCount is how many entries one read asks for, bareBlock how long it waits for the first.
	bareCount = 256
	bareBlock = 100 * time.Millisecond
	// bareName is the loop's consumer.
	bareName = "bare"
)

// In all three, KEYS[1] is the stream, ARGV[1] the group and ARGV[2] the consumer.

// KEYS[2] is where answers go; ARGV[3..] are an id and a payload for each message.
const fencedLua = `
local done = 0
for i = 3, #ARGV, 2 do
  local held = redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[i], ARGV[i], 1)[1]
  if held and held[2] == ARGV[2] and held[4] == 1 then
    redis.call('XACK', KEYS[1], ARGV[1], ARGV[i])
    redis.call('XADD', KEYS[2], '*', 'data', ARGV[i + 1])
    done = done + 1
  end
end
return done`

// KEYS[2] and [3] begin the keys of locks and traces; ARGV[3..] are ids.
const claimLua = `
for i = 3, #ARGV do
  redis.call('SET', KEYS[2] .. ARGV[i], ARGV[2], 'NX', 'PX', 60000)
  redis.call('HSET', KEYS[3] .. ARGV[i], 'state', 'CLAIMED', 'at', '1')
end
return #ARGV - 2`

// KEYS[2] is where answers go, [3] and [4] begin the keys of locks and traces; ARGV[3..] are an id and a payload for each.
const fullLua = `
local done = 0
for i = 3, #ARGV, 2 do
  local held = redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[i], ARGV[i], 1)[1]
  local lock = KEYS[3] .. ARGV[i]
  if held and held[2] == ARGV[2] and held[4] == 1 and redis.call('GET', lock) == ARGV[2] then
    redis.call('XACK', KEYS[1], ARGV[1], ARGV[i])
    redis.call('XADD', KEYS[2], '*', 'data', ARGV[i + 1])
    redis.call('HSET', KEYS[4] .. ARGV[i], 'state', 'COMPLETED', 'at', '2')
    redis.call('DEL', lock)
    done = done + 1
  end
end
return done`

// bare is one loop.
type bare struct {
	client              *redis.Client
	names               names
	mode                string
	fenced, claim, full *redis.Script

	roundTrips int
	progress   func(settled int)
}

// newBare makes the group, and lets Redis know the scripts.
func newBare(ctx context.Context, c *redis.Client, n names, mode string) (*bare, error) {
	b := &bare{
		client: c, names: n, mode: mode, progress: func(int) {},
		fenced: redis.NewScript(fencedLua), claim: redis.NewScript(claimLua), full: redis.NewScript(fullLua),
	}
	if err := c.XGroupCreateMkStream(ctx, n.stream(), group, "0").Err(); err != nil {
		return nil, fmt.Errorf("make a group: %w", err)
	}
	for _, s := range []*redis.Script{b.fenced, b.claim, b.full} {
		if err := s.Load(ctx, c).Err(); err != nil {
			return nil, fmt.Errorf("load a script: %w", err)
		}
	}
	return b, nil
}

// run reads and settles until it has done so with n messages.
func (b *bare) run(ctx context.Context, n int) error {
	for done := 0; done < n; {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		b.roundTrips++
		streams, err := b.client.XReadGroup(ctx, &redis.XReadGroupArgs{
			Group: group, Consumer: bareName, Streams: []string{b.names.stream(), ">"}, Count: bareCount, Block: bareBlock,
		}).Result()
		if errors.Is(err, redis.Nil) {
			continue
		}
		if err != nil {
			return fmt.Errorf("bare loop %s: %w", b.mode, err)
		}
		batch := streams[0].Messages
		if err := b.settle(ctx, batch); err != nil {
			return fmt.Errorf("bare loop %s: %w", b.mode, err)
		}
		done += len(batch)
		b.progress(done)
	}
	return nil
}

func (b *bare) settle(ctx context.Context, batch []redis.XMessage) error {
	if b.mode == BareAck {
		ids := make([]string, len(batch))
		for i, m := range batch {
			ids[i] = m.ID
		}
		b.roundTrips++
		return b.client.XAck(ctx, b.names.stream(), group, ids...).Err()
	}
	n := b.names
	script, keys := b.fenced, []string{n.stream(), n.replies()}
	if b.mode == BareFull {
		ids := []any{group, bareName}
		for _, m := range batch {
			ids = append(ids, m.ID)
		}
		b.roundTrips++
		if err := b.claim.EvalSha(ctx, b.client, []string{n.stream(), n.lock(), n.trace()}, ids...).Err(); err != nil {
			return err
		}
		script, keys = b.full, append(keys, n.lock(), n.trace())
	}
	args := []any{group, bareName}
	for _, m := range batch {
		args = append(args, m.ID, m.Values["data"])
	}
	b.roundTrips++
	done, err := script.EvalSha(ctx, b.client, keys, args...).Int()
	if err == nil && done != len(batch) {
		err = fmt.Errorf("%d of %d messages were settled", done, len(batch))
	}
	return err
}
