package main

import (
	"context"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/sgstreamd/sgstreamd/consumer"
	"github.com/sgstreamd/sgstreamd/internal/config"
)

// A daemon is played by the test: it reads and acknowledges as one, and leaves a trace.
func TestCleaningRemovesWhatIsAnswered(t *testing.T) {
	t.Parallel()
	e, err := consumer.StartEmbedded("127.0.0.1:0")
	require.NoError(t, err)
	defer e.Close()
	cfg := config.Default()
	cfg.Redis.URL = e.URL()
	client, err := consumer.Dial(cfg.Redis, 0)
	require.NoError(t, err)
	defer client.Close()
	ctx, stream, group := t.Context(), cfg.Inbound.Stream, cfg.Inbound.Group
	require.NoError(t, client.XGroupCreateMkStream(ctx, stream, group, "0").Err())

	c := &conversation{client: client, cfg: cfg}
	for i := range 10 {
		require.NoError(t, c.send(ctx, inputLine{number: i + 1, text: "hello"}))
	}
	require.NoError(t, c.send(ctx, inputLine{number: 11}), "a blank line is no message")
	require.Len(t, c.traces, 10)
	for _, trace := range c.traces {
		require.NoError(t, client.HSet(ctx, cfg.Inbound.Trace.Prefix+trace, "state", "COMPLETED").Err())
	}
	read, err := client.XReadGroup(ctx, &redis.XReadGroupArgs{Group: group, Consumer: "c", Streams: []string{stream, ">"}}).Result()
	require.NoError(t, err)
	require.Len(t, read[0].Messages, 10)

	waiting, cancel := context.WithCancel(ctx)
	cancel()
	require.ErrorIs(t, c.clean(waiting), context.Canceled, "nothing is acknowledged yet")
	require.EqualValues(t, 10, client.XLen(ctx, stream).Val())

	for _, m := range read[0].Messages {
		require.NoError(t, client.XAck(ctx, stream, group, m.ID).Err())
	}
	newest, err := c.awaitSettled(ctx, stream, group)
	require.NoError(t, err)
	require.Equal(t, read[0].Messages[9].ID, newest)
	require.NoError(t, c.clean(ctx))
	require.Empty(t, c.traces)
	left, err := client.XRange(ctx, stream, "-", "+").Result()
	require.NoError(t, err)
	require.Len(t, left, 1)
	require.Equal(t, newest, left[0].ID, "all before the newest is gone, and nothing that came after it would be")
	require.Equal(t, []string{stream}, client.Keys(ctx, "*").Val(), "the traces are gone")
}
