package loadtest

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/sgstreamd/sgstreamd/consumer"
)

// server is the Redis of a run.
type server struct {
	config  consumer.RedisConfig // how the daemon connects
	options *redis.Options
	own     *ownRedis // nil where the Redis is the user's
	client  *redis.Client
}

// openServer finds the Redis, or starts one in the folder.
func openServer(ctx context.Context, c consumer.RedisConfig, own bool, folder string) (*server, error) {
	s := &server{config: c}
	if own {
		var err error
		if s.own, err = startRedis(ctx, folder); err != nil {
			return nil, err
		}
		s.config = consumer.RedisConfig{URL: "redis://" + s.own.addr() + "/0", WaitTimeout: c.WaitTimeout}
	}
	if err := s.connect(ctx); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *server) connect(ctx context.Context) error {
	client, err := consumer.Dial(s.config, 0)
	if err != nil {
		return err
	}
	defer client.Close()
	single, ok := client.(*redis.Client)
	// The client of a sentinels' primary is one, too, with an address of its own making.
	if !ok || strings.HasPrefix(s.config.URL, "redis+") || strings.HasPrefix(s.config.URL, "rediss+") {
		return errors.New("redis.url: bench works on a single server; name one of yours, or write --redis own")
	}
	o := *single.Options()
	o.PoolSize, o.ReadTimeout = 0, time.Minute
	s.options, s.client = &o, redis.NewClient(&o)
	return consumer.Ping(ctx, s.client)
}

func (s *server) close() {
	if s.client != nil {
		_ = s.client.Close()
	}
	if s.own != nil {
		s.own.kill()
	}
}

// dial connects to the server as its client does.
func (s *server) dial(ctx context.Context) (net.Conn, error) {
	o := s.options
	if o.TLSConfig != nil {
		return (&tls.Dialer{Config: o.TLSConfig}).DialContext(ctx, o.Network, o.Addr)
	}
	return (&net.Dialer{}).DialContext(ctx, o.Network, o.Addr)
}

// through is how a daemon connects by way of a proxy, which speaks TLS for it.
func (s *server) through(addr string) consumer.RedisConfig {
	u := url.URL{Scheme: "redis", Host: addr, Path: "/" + strconv.Itoa(s.options.DB)}
	if s.options.Username != "" || s.options.Password != "" {
		u.User = url.UserPassword(s.options.Username, s.options.Password)
	}
	return consumer.RedisConfig{URL: u.String(), WaitReplicas: s.config.WaitReplicas, WaitTimeout: s.config.WaitTimeout}
}

// cleanUpTimeout bounds the removal of the keys.
const cleanUpTimeout = 2 * time.Minute

// cleanUp removes the keys of the passes so far, also after an interruption.
func (s *server) cleanUp(n names) error {
	ctx, cancel := context.WithTimeout(context.Background(), cleanUpTimeout)
	defer cancel()
	if s.own != nil {
		return s.client.FlushDB(ctx).Err()
	}
	return n.remove(ctx, s.client)
}

// settled tells whether the group is through with the stream up to an entry, and how many entries it has left and how
// many went to the dead letters.
func (s *server) settled(ctx context.Context, n names, last string) (bool, error) {
	var groups *redis.XInfoGroupsCmd
	var dead *redis.IntCmd
	_, err := s.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		groups, dead = p.XInfoGroups(ctx, n.stream()), p.XLen(ctx, n.deadLetters())
		return nil
	})
	if err != nil {
		return false, fmt.Errorf("redis: %w", err)
	}
	if dead.Val() > 0 {
		return false, s.deadLetter(ctx, n, dead.Val())
	}
	for _, g := range groups.Val() {
		if g.Name == group {
			return g.LastDeliveredID == last && g.Pending == 0, nil
		}
	}
	return false, nil
}

// deadLetter says why the plugin failed: what can't be handled can't be measured.
func (s *server) deadLetter(ctx context.Context, n names, count int64) error {
	why := "unknown"
	if letters, err := s.client.XRangeN(ctx, n.deadLetters(), "-", "+", 1).Result(); err == nil && len(letters) > 0 {
		why, _ = letters[0].Values["error"].(string)
	}
	return fmt.Errorf("the plugin fails, and %d messages are in the dead letters; the first because: %s", count, why)
}

// pause waits for d, or returns false if ctx is done before.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
