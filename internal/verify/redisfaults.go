package verify

import (
	"context"
	"slices"

	"github.com/redis/go-redis/v9"
)

// keptSettled is about how many messages are delivered again when the group is destroyed.
const keptSettled = 1000

// toRedis does one of the faults that need a Redis of verify's own.
func (c *chaos) toRedis(ctx context.Context, e event) (string, error) {
	switch e.fault {
	case faultGroup:
		return e.fault + ": destroyed", c.destroyGroup(ctx)
	case faultRestart:
		err := c.server.own.restart(ctx)
		c.reconnect()
		return e.fault + ": redis was killed and started again", err
	default:
		err := c.server.own.failover(ctx)
		c.reconnect()
		return e.fault + ": the replica is the primary", err
	}
}

// reconnect lets everybody find the primary that there is now.
func (c *chaos) reconnect() {
	c.server.home.cut()
	for _, w := range c.fleet.workers {
		w.proxy.cut()
	}
}

// destroyGroup destroys the group, and notes in the same step what it had delivered: that, as far as it is in the
// stream still, is delivered again.
func (c *chaos) destroyGroup(ctx context.Context) error {
	if err := c.thin(ctx); err != nil {
		return err
	}
	var now *redis.TimeCmd
	var groups *redis.XInfoGroupsCmd
	var first *redis.XMessageSliceCmd
	_, err := c.server.client.TxPipelined(ctx, func(p redis.Pipeliner) error {
		now = p.Time(ctx)
		groups = p.XInfoGroups(ctx, c.names.stream())
		first = p.XRangeN(ctx, c.names.stream(), "-", "+", 1)
		p.XGroupDestroy(ctx, c.names.stream(), c.names.group())
		return nil
	})
	if err != nil {
		return err
	}
	var oldest, lastRead entryID
	if len(first.Val()) > 0 {
		oldest = parseID(first.Val()[0].ID)
	}
	for _, g := range groups.Val() {
		if g.Name == c.names.group() {
			lastRead = parseID(g.LastDeliveredID)
		}
	}
	c.book.destroyed(uint64(now.Val().UnixMilli()), oldest, lastRead)
	return nil
}

// thin takes what is settled off the stream, up to the newest entries, so that a destroyed group does not bring all
// of it again because of one old message that is not settled.
func (c *chaos) thin(ctx context.Context) error {
	for ids := range slices.Chunk(c.book.retire(keptSettled), scanPage) {
		if err := c.server.client.XDel(ctx, c.names.stream(), ids...).Err(); err != nil {
			return err
		}
	}
	return nil
}
