package consumer

import (
	"context"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/sgstreamd/sgstreamd/envelope"
)

// Send appends a payload, a msgpack map, to a stream as the fleet's services do, and returns the entry's id.
func Send(ctx context.Context, c redis.UniversalClient, stream string, maxLen int64, payload []byte, traceID string) (string, error) {
	id, err := c.XAdd(ctx, &redis.XAddArgs{
		Stream: stream, MaxLen: maxLen, Approx: true,
		Values: []any{"data", payload, "ts", envelope.FormatTS(time.Now()), "trace_id", traceID},
	}).Result()
	if err != nil {
		return "", explain(err, stream)
	}
	return id, nil
}
