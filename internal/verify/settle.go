package verify

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

// settleTimeout is how long the workers may take to finish, after the last fault, without finishing anything.
const settleTimeout = 45 * time.Second

// remains are what is left in Redis when all should be done.
type remains struct {
	pending []string // ids of the group's pending entries
	keys    []string // keys that should be gone or empty, each with what is in it
}

func (r remains) none() bool { return len(r.pending) == 0 && len(r.keys) == 0 }

// settle waits until every message is settled and nothing is left, or until nothing has been settled for a long
// time. It returns what is left then.
func settle(ctx context.Context, s *server, n names, b *book) (remains, error) {
	deadline, best := time.Now().Add(settleTimeout), b.outstanding()
	for {
		if left := b.outstanding(); left < best {
			best, deadline = left, time.Now().Add(settleTimeout)
		}
		late := time.Now().After(deadline)
		if best == 0 || late {
			left, err := look(ctx, s, n)
			if err != nil || left.none() || late {
				return left, err
			}
		}
		if !pause(ctx, 100*time.Millisecond) {
			return remains{}, ctx.Err()
		}
	}
}

// maxNamed bounds what is named one by one.
const maxNamed = 100

// look finds out what is left in Redis.
func look(ctx context.Context, s *server, n names) (left remains, err error) {
	err = s.sure(ctx, func() error {
		left = remains{}
		pending, err := s.client.XPendingExt(ctx, &redis.XPendingExtArgs{
			Stream: n.stream(), Group: n.group(), Start: "-", End: "+", Count: maxNamed,
		}).Result()
		if err != nil && !redis.HasErrorPrefix(err, "NOGROUP") {
			return err
		}
		for _, p := range pending {
			left.pending = append(left.pending, p.ID)
		}
		for _, pattern := range []string{n.lock() + "*", n.schedule(), n.order() + "*", n.lanes() + "*"} {
			if err := find(ctx, s.client, pattern, func(keys []string) error { return left.describe(ctx, s, keys) }); err != nil {
				return err
			}
		}
		return nil
	})
	return left, err
}

func (r *remains) describe(ctx context.Context, s *server, keys []string) error {
	for _, key := range keys {
		if len(r.keys) >= maxNamed {
			return nil
		}
		kind, err := s.client.Type(ctx, key).Result()
		if err != nil {
			return err
		}
		var what string
		switch kind {
		case "none": // it has expired since
			continue
		case "zset":
			all, err := s.client.ZRangeWithScores(ctx, key, 0, 9).Result()
			if err != nil {
				return err
			}
			what = fmt.Sprint(all)
		case "string":
			what, err = s.client.Get(ctx, key).Result()
			if err != nil && !errors.Is(err, redis.Nil) {
				return err
			}
		default:
			what = "a " + kind
		}
		r.keys = append(r.keys, key+" = "+what)
	}
	return nil
}
