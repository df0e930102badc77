package verify

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

// patience is for how long Redis may fail to answer verify itself before the run is given up.
const patience = 60 * time.Second

// server is the Redis of a run.
type server struct {
	network, addr      string
	tls                *tls.Config
	username, password string
	db                 int
	own                *pair // what verify has started; nil where the Redis is the user's

	home   *proxy        // verify's own way to Redis, so that a failover reaches it too
	client *redis.Client // verify's own client, through home
}

// existing is the user's own Redis.
func existing(ctx context.Context, c consumer.RedisConfig) (*server, error) {
	client, err := consumer.Dial(c, 0)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	single, ok := client.(*redis.Client)
	// The client of a sentinels' primary is one, too, with an address of its own making.
	if !ok || strings.HasPrefix(c.URL, "redis+") || strings.HasPrefix(c.URL, "rediss+") {
		return nil, errors.New("redis.url: verify works on a single server; name one of yours, or write --redis own")
	}
	o := single.Options()
	s := &server{network: o.Network, addr: o.Addr, tls: o.TLSConfig, username: o.Username, password: o.Password, db: o.DB}
	// Behind a proxy, it would only show that there is no connection, and not why.
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	conn, err := s.dial(ctx)
	if err != nil {
		return nil, fmt.Errorf("redis: %w", err)
	}
	_ = conn.Close()
	return s, s.open()
}

// ofOwn is a Redis that verify has started. It ends with the server.
func ofOwn(p *pair) (*server, error) {
	s := &server{network: "tcp", own: p}
	return s, s.open()
}

func (s *server) open() error {
	var err error
	if s.home, err = newProxy(s.dial); err != nil {
		return err
	}
	s.client = redis.NewClient(&redis.Options{
		Addr: s.home.addr(), Username: s.username, Password: s.password, DB: s.db,
		ReadTimeout: 10 * time.Second, ContextTimeoutEnabled: true, MaxRetries: -1,
	})
	return nil
}

func (s *server) close() {
	_ = s.client.Close()
	s.home.close()
	if s.own != nil {
		s.own.close()
	}
}

// dial connects to where Redis is now.
func (s *server) dial(ctx context.Context) (net.Conn, error) {
	if s.own != nil {
		return (&net.Dialer{}).DialContext(ctx, "tcp", s.own.primary().addr())
	}
	if s.tls != nil {
		return (&tls.Dialer{Config: s.tls}).DialContext(ctx, s.network, s.addr)
	}
	return (&net.Dialer{}).DialContext(ctx, s.network, s.addr)
}

// urlFor is the URL by which a worker reaches Redis through its proxy. The proxy speaks TLS where that is wanted.
func (s *server) urlFor(p *proxy, clientName string) string {
	u := url.URL{
		Scheme: "redis", Host: p.addr(), Path: "/" + strconv.Itoa(s.db),
		RawQuery: url.Values{"client_name": {clientName}}.Encode(),
	}
	if s.username != "" || s.password != "" {
		u.User = url.UserPassword(s.username, s.password)
	}
	return u.String()
}

// sure does something with Redis again and again until it works, ctx is done, or patience is at its end.
func (s *server) sure(ctx context.Context, do func() error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, errPatience)
	defer cancel()
	for {
		err := do()
		if err == nil {
			return nil
		}
		var refused redis.Error
		if errors.As(err, &refused) && !passing(refused) {
			return fmt.Errorf("redis: %w", err)
		}
		if !pause(ctx, 20*time.Millisecond) {
			if errors.Is(context.Cause(ctx), errPatience) {
				return fmt.Errorf("redis does not answer for %v: %w", patience, err)
			}
			return ctx.Err()
		}
	}
}

var errPatience = errors.New("patience is at its end")

// passing tells whether Redis's answer is one that a restart or a failover brings with it.
func passing(err redis.Error) bool {
	for _, prefix := range []string{"LOADING", "READONLY", "MASTERDOWN", "UNBLOCKED", "NOREPLICAS", "BUSY ", "TRYAGAIN", "EXECABORT", "OOM"} {
		if redis.HasErrorPrefix(err, prefix) {
			return true
		}
	}
	return errors.Is(err, redis.TxFailedErr)
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
