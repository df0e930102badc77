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
	o.PoolSize, o.ReadTimeout, o.MaxRetries = 0, answerTimeout, -1
	s.options, s.client = &o, redis.NewClient(&o)
	closeAtOnce := context.AfterFunc(ctx, func() { _ = s.client.Close() })
	err = s.client.Ping(ctx).Err()
	if !closeAtOnce() {
		return ctx.Err()
	}
	if err != nil {
		return fmt.Errorf("redis.url: %s does not answer as it should: %w", consumer.RedactedURL(s.config.URL), err)
	}
	return nil
}

// requireFit fails where the server can't be measured on, or where that would take from others what they keep in it.
func (s *server) requireFit(ctx context.Context, r *run) error {
	if s.own != nil {
		return nil
	}
	role, err := s.info(ctx, "replication")
	if err != nil {
		return err
	}
	if role["role"] != "master" {
		return fmt.Errorf("redis.url: %s is a replica, which takes no writes; name its primary", consumer.RedactedURL(s.config.URL))
	}
	if err := s.requireRoom(ctx, r); err != nil {
		return err
	}
	// What could not be removed must not be written.
	if err := r.names.remove(ctx, s.client); err != nil {
		return err
	}
	if err := s.client.Unlink(ctx, r.names.stream()).Err(); err != nil {
		return fmt.Errorf("remove the key %q: %w", r.names.stream(), err)
	}
	return nil
}

// requireRoom fails where the messages have no room, or would get some at the cost of other keys.
func (s *server) requireRoom(ctx context.Context, r *run) error {
	memory, err := s.info(ctx, "memory")
	if err != nil {
		return err
	}
	most, _ := strconv.Atoi(memory["maxmemory"])
	if most == 0 {
		return nil
	}
	if policy := memory["maxmemory_policy"]; policy != "noeviction" {
		return fmt.Errorf("redis has a maxmemory with the policy %s, and would remove keys of others to make room; measure with --redis own", policy)
	}
	used, _ := strconv.Atoi(memory["used_memory"])
	if need := r.Messages * (2*r.Size + keptPerMessage); used+need > most {
		return fmt.Errorf("redis has room for %d MB up to its maxmemory, and %d messages of %d bytes take some %d MB; send fewer with --messages, or measure with --redis own",
			max(most-used, 0)/1e6, r.Messages, r.Size, need/1e6)
	}
	return nil
}

// answerTimeout is how long one answer may take.
const answerTimeout = 20 * time.Second

// keptPerMessage is what Redis keeps of a message beside its payload, which is in it twice, in bytes.
const keptPerMessage = 800

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

// settled returns the entry up to which the group is through with the stream (empty while something is pending), and how many
// messages it has settled. Dead letters are an error.
func (s *server) settled(ctx context.Context, n names) (upTo string, settled int, err error) {
	var groups *redis.XInfoGroupsCmd
	var dead, replies *redis.IntCmd
	_, err = s.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		groups, dead, replies = p.XInfoGroups(ctx, n.stream()), p.XLen(ctx, n.deadLetters()), p.XLen(ctx, n.replies())
		return nil
	})
	if err != nil {
		return "", 0, fmt.Errorf("redis: %w", err)
	}
	if dead.Val() > 0 {
		return "", 0, s.deadLetter(ctx, n, dead.Val())
	}
	for _, g := range groups.Val() {
		if g.Name != group {
			continue
		}
		if g.Pending == 0 {
			upTo = g.LastDeliveredID
		}
		if g.EntriesRead <= 0 { // before Redis 7.0, which does not count them
			return upTo, int(replies.Val()), nil
		}
		return upTo, int(g.EntriesRead - g.Pending), nil
	}
	return "", 0, nil
}

// deadLetter says why the plugin failed: what can't be handled can't be measured.
func (s *server) deadLetter(ctx context.Context, n names, count int64) error {
	why := "unknown"
	if letters, err := s.client.XRangeN(ctx, n.deadLetters(), "-", "+", 1).Result(); err == nil && len(letters) > 0 {
		why, _ = letters[0].Values["error"].(string)
	}
	return fmt.Errorf("the plugin does not handle the messages, of which %d went to the dead letters; the first because: %q", count, why)
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
