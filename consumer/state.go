package consumer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

// stateTimeout is how long a plugin waits for a value of its state, at most. A call's own deadline may be earlier.
const stateTimeout = 2 * time.Second

// PrefixOf returns what the keys of a plugin's state begin with. Names of plugins have no colon, so no plugin's key
// can look like another's.
func (c *StateConfig) PrefixOf(plugin string) string { return c.Prefix + plugin + ":" }

// State reads what plugins keep; what they set comes with the commits. It is safe for concurrent use.
//
// Reads that come while others are on their way go together, like commits. So all of them need one connection, which
// the client has for pipelines beside those of its pool: however many calls read, no worker waits for it.
type State struct {
	cfg   StateConfig
	redis Client
	reads *batcher[stateRead]
	stop  context.CancelFunc
	ended chan struct{} // closed when nothing reads any more
}

// stateRead is a value that somebody waits for.
type stateRead struct {
	key    string
	answer chan stateAnswer // has room for it
}

type stateAnswer struct {
	value []byte
	found bool
	err   error
}

// StartState makes a State that reads through the client, which must outlive it.
func StartState(client Client, cfg StateConfig) *State {
	s := &State{cfg: cfg, redis: client, ended: make(chan struct{})}
	// How large a value is shows only when it is there.
	s.reads = newBatcher(1, func(stateRead) int { return 0 }, s.flush)
	ctx, stop := context.WithCancel(context.Background())
	s.stop = stop
	go func() {
		defer close(s.ended)
		s.reads.run(ctx, ctx.Done())
	}()
	return s
}

// Close ends the reading. What still waits, and every Get after it, gets an error within 2 s.
func (s *State) Close() {
	s.stop()
	<-s.ended
}

// Get returns what stands under the plugin's key in Redis, and whether there is anything. The value must not be
// written to. It returns at once when ctx is done, and with an error after 2 s. An error is one line.
func (s *State) Get(ctx context.Context, plugin, key string) (value []byte, found bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, stateTimeout)
	defer cancel()
	r := stateRead{key: s.cfg.PrefixOf(plugin) + key, answer: make(chan stateAnswer, 1)}
	select {
	case s.reads.in <- r:
	case <-ctx.Done():
		return nil, false, noAnswer(ctx)
	}
	select {
	case a := <-r.answer:
		return a.value, a.found, a.err
	case <-ctx.Done():
		return nil, false, noAnswer(ctx)
	}
}

func noAnswer(ctx context.Context) error { return fmt.Errorf("redis did not answer: %w", ctx.Err()) }

// flush asks for the values in one round trip and hands each to whoever waits for it, if anybody still does.
func (s *State) flush(ctx context.Context, _ int, batch []stateRead) {
	// A read that is under way does not end with its context, but at its deadline.
	ctx, cancel := context.WithTimeout(ctx, stateTimeout)
	defer cancel()
	replies := make([]*redis.StringCmd, len(batch))
	// What went wrong, with one reply or with all of them, is each reply's own error.
	_, _ = s.redis.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i, r := range batch {
			replies[i] = p.Get(ctx, r.key)
		}
		return nil
	})
	for i, r := range batch {
		r.answer <- stateAnswerOf(r.key, replies[i])
	}
}

func stateAnswerOf(key string, reply *redis.StringCmd) stateAnswer {
	value, err := reply.Bytes()
	switch {
	case err == nil:
		return stateAnswer{value: value, found: true}
	case errors.Is(err, redis.Nil):
		return stateAnswer{}
	case isWrongType(err):
		return stateAnswer{err: fmt.Errorf("key %q is not a string; rename or delete it, or configure another state.prefix: %w", key, err)}
	case isNoPerm(err):
		return stateAnswer{err: fmt.Errorf("key %q: the Redis user lacks a right; grant it: %w", key, err)}
	}
	return stateAnswer{err: fmt.Errorf("redis: %w", err)}
}
