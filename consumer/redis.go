package consumer

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// connectionsPerWorker is what one Worker uses at the same time: the lookout's blocked read, a fetch or claim, two
// commits, a heartbeat and the monitor. A blocked read pins its connection, so none of them may have to wait for it.
const connectionsPerWorker = 6

// splitConnections is what a Worker whose keys are in several Cluster slots uses besides, for steps of commits, claims
// and heartbeats that go on at the same time.
const splitConnections = 3 * atATime

// Client is a connection pool to Redis: to one server, to whichever the sentinels call the primary, or to the nodes of
// a Cluster. Its name here lets other packages hold one without go-redis.
type Client = redis.UniversalClient

// Dial makes a client for the Redis that c names, with connections for so many workers to each of its servers. It does
// not connect. An error says what is wrong with the URL or the TLS files.
//
// Three settings are the same for every client. The client's own retries are off: a read whose reply is lost has moved
// entries to our pending list, and a retry would read the next ones and leave those behind, known to nobody; the intake
// retries itself, and looks for them. A context's deadline reaches the connection. And a dial is not repeated: every
// loop here waits and tries again by itself, and a server that moves away is found like one that is lost.
func Dial(c RedisConfig, workers int) (Client, error) {
	a, err := parseAddress(c.URL)
	if err != nil {
		return nil, fmt.Errorf("redis.url %w", err)
	}
	if err := addTLS(a.tls, c.TLS); err != nil {
		return nil, err
	}
	// What the client would write to stderr also reaches its callers as errors.
	logging.Disable()
	connections := connectionsPerWorker*workers + 5
	switch a.topology {
	case sentinels:
		return dialSentinels(a, connections), nil
	case cluster:
		return dialCluster(a, connections+splitConnections*workers), nil
	}
	o := a.server
	o.PoolSize, o.MaxRetries, o.DialerRetries, o.ContextTimeoutEnabled = connections, -1, 1, true
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	return redis.NewClient(o), nil
}

func addTLS(o *tls.Config, c TLSConfig) error {
	if c == (TLSConfig{}) {
		return nil
	}
	if o == nil {
		return errors.New(`redis.tls: the URL does not use TLS; write "rediss…" in redis.url, or remove redis.tls`)
	}
	if c.CAFile != "" {
		pem, err := os.ReadFile(c.CAFile)
		if err != nil {
			return fmt.Errorf("redis.tls.ca_file: %w", err)
		}
		o.RootCAs = x509.NewCertPool()
		if !o.RootCAs.AppendCertsFromPEM(pem) {
			return fmt.Errorf("redis.tls.ca_file: %s holds no PEM certificate", c.CAFile)
		}
	}
	if c.CertFile != "" {
		pair, err := tls.LoadX509KeyPair(c.CertFile, c.KeyFile)
		if err != nil {
			return fmt.Errorf("redis.tls.cert_file: %w", err)
		}
		o.Certificates = []tls.Certificate{pair}
	}
	return nil
}

// maxBackOff is the longest wait between two tries to reach Redis.
const maxBackOff = 3 * time.Second

// newBackOff is how every loop of the package waits for Redis: from 50 ms to maxBackOff, with jitter.
func newBackOff() *backoff.ExponentialBackOff {
	b := backoff.NewExponentialBackOff()
	b.InitialInterval, b.MaxInterval = 50*time.Millisecond, maxBackOff
	return b
}

// pause waits for d, or less if ctx is done before.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// The ways in which Redis says that a stream or its group is not what it should be.
func isNoGroup(err error) bool {
	return redis.HasErrorPrefix(err, "NOGROUP") || redis.HasErrorPrefix(err, "UNBLOCKED")
}
func isWrongType(err error) bool { return redis.HasErrorPrefix(err, "WRONGTYPE") }
func isNoPerm(err error) bool    { return redis.HasErrorPrefix(err, "NOPERM") }
func isBusyGroup(err error) bool { return redis.HasErrorPrefix(err, "BUSYGROUP") }

// explain turns Redis's answer about a key into one line that says how to mend it.
func explain(err error, stream string) error {
	switch {
	case isWrongType(err):
		return fmt.Errorf("key %q is not a stream; rename or delete it, or configure another stream: %w", stream, err)
	case isNoPerm(err):
		return fmt.Errorf("stream %q: the Redis user lacks a right; grant it: %w", stream, err)
	case redis.HasErrorPrefix(err, "NOAUTH"), redis.HasErrorPrefix(err, "WRONGPASS"):
		return fmt.Errorf("redis refuses the user or password of redis.url: %w", err)
	}
	return fmt.Errorf("stream %q: %w", stream, err)
}

// ensureGroup creates the group, and the stream with it. The group begins at the stream's first entry: one
// that began at its end would lose what was written before it.
func ensureGroup(ctx context.Context, c redis.UniversalClient, stream, group string) error {
	err := c.XGroupCreateMkStream(ctx, stream, group, "0").Err()
	if err == nil || isBusyGroup(err) {
		return nil
	}
	return explain(err, stream)
}

// groupInfo is what Redis says of a group, and whether there is one of that name.
func groupInfo(ctx context.Context, c redis.UniversalClient, stream, group string) (redis.XInfoGroup, bool, error) {
	groups, err := c.XInfoGroups(ctx, stream).Result()
	if err != nil {
		return redis.XInfoGroup{}, false, err
	}
	for _, g := range groups {
		if g.Name == group {
			return g, true, nil
		}
	}
	return redis.XInfoGroup{}, false, nil
}

// Ping asks Redis for a sign of life. Its error is one line without the URL's password.
func Ping(ctx context.Context, c redis.UniversalClient) error {
	if err := c.Ping(ctx).Err(); err != nil {
		return fmt.Errorf("redis: %w", err)
	}
	return nil
}

// Await waits until Redis answers, trying again with growing pauses. It tells report of every new reason why
// Redis does not, and returns only ctx's error.
func Await(ctx context.Context, c redis.UniversalClient, report func(error)) error {
	wait, last := newBackOff(), ""
	for {
		err := Ping(ctx, c)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if text := strings.TrimSpace(err.Error()); text != last {
			last = text
			report(err)
		}
		pause(ctx, wait.NextBackOff())
	}
}
