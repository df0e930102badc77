package consumer

import (
	"fmt"

	"github.com/alicebob/miniredis/v2"
)

// EmbeddedRedis is an in-process server for development. It keeps nothing.
type EmbeddedRedis struct {
	server *miniredis.Miniredis
}

// StartEmbedded starts an embedded server that listens on a loopback address; port 0 picks a free one.
func StartEmbedded(listen string) (*EmbeddedRedis, error) {
	e := &EmbeddedRedis{server: miniredis.NewMiniRedis()}
	// Time-outs elapse only where the server is told to look at the clock.
	e.server.ClockTTL(true)
	if err := e.server.StartAddr(listen); err != nil {
		return nil, fmt.Errorf("embedded redis: redis.embedded_listen = %q: %w; is another one running?", listen, err)
	}
	return e, nil
}

// URL is the server's address as a Redis URL.
func (e *EmbeddedRedis) URL() string { return "redis://" + e.server.Addr() + "/0" }

// Close stops the server.
func (e *EmbeddedRedis) Close() { e.server.Close() }
