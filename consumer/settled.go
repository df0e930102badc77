package consumer

import (
	"context"

	"github.com/redis/go-redis/v9"
)

// Settled tells whether the group has read the stream to its end and acknowledged all of it. A stream or
// group that does not exist is settled.
func Settled(ctx context.Context, c redis.UniversalClient, stream, group string) (bool, error) {
	newest, err := c.XRevRangeN(ctx, stream, "+", "-", 1).Result()
	if err != nil {
		return false, explain(err, stream)
	}
	if len(newest) == 0 {
		return true, nil
	}
	g, there, err := groupInfo(ctx, c, stream, group)
	if err != nil {
		return false, explain(err, stream)
	}
	return !there || g.Pending == 0 && g.LastDeliveredID == newest[0].ID, nil
}
