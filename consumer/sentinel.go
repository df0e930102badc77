package consumer

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/redis/go-redis/v9"
)

// dialSentinels makes a client for whichever server the sentinels call the primary. It asks them at each new
// connection. When they name another, it closes what leads to the old one, and a connection that is told READONLY is
// closed, too: what was under way on it fails like any lost connection. It reads from no replica.
func dialSentinels(a address, connections int) *redis.Client {
	c := redis.NewFailoverClient(&redis.FailoverOptions{
		MasterName: a.primary, SentinelAddrs: a.hosts, SentinelUsername: a.sentinelUsername, SentinelPassword: a.sentinelPassword,
		Username: a.username, Password: a.password, DB: a.db, TLSConfig: a.tls,
		PoolSize: connections, MaxRetries: -1, DialerRetries: 1, ContextTimeoutEnabled: true,
	})
	c.AddHook(sentinelErrors{a.primary})
	return c
}

// sentinelErrors makes one line of what the sentinels answer when a connection can't be made.
type sentinelErrors struct{ primary string }

func (h sentinelErrors) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := next(ctx, network, addr)
		if err != nil {
			err = h.clear(err)
		}
		return conn, err
	}
}

func (sentinelErrors) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }

func (sentinelErrors) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

// clear is the error in one line. That no sentinel knows the primary comes as redis.Nil, which every caller would take
// for an empty answer.
func (h sentinelErrors) clear(err error) error {
	if errors.Is(err, redis.Nil) {
		return fmt.Errorf("the sentinels know no primary %q; write the name that is in their configuration", h.primary)
	}
	return oneLine{err}
}

// oneLine is an error whose text has no line breaks, and none of its lines twice.
type oneLine struct{ error }

func (e oneLine) Error() string {
	var lines []string
	for line := range strings.Lines(e.error.Error()) {
		if line = strings.TrimSpace(line); !slices.Contains(lines, line) {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "; ")
}

func (e oneLine) Unwrap() error { return e.error }
