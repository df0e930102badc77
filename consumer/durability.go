package consumer

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// durably runs scripts like the client that it wraps, and then waits until as many replicas as are wanted have what
// they wrote. It can't undo what they have written: where too few have it in time, it says so and counts it, and the
// next script is not run any sooner.
//
// Redis waits for what the same connection has written before, so script and wait share one.
type durably struct {
	redis.UniversalClient
	replicas int
	timeout  time.Duration
	count    func() // of scripts that too few replicas are known to have
	log      *slog.Logger

	mu    sync.Mutex
	short bool // whether too few had the last one
}

// newDurably is the client itself where no replica is waited for.
func newDurably(c redis.UniversalClient, replicas int, timeout time.Duration, count func(), log *slog.Logger) redis.UniversalClient {
	if replicas == 0 {
		return c
	}
	return &durably{UniversalClient: c, replicas: replicas, timeout: timeout, count: count, log: log}
}

func (d *durably) Eval(ctx context.Context, script string, keys []string, args ...any) *redis.Cmd {
	return d.run(ctx, keys, func(c *redis.Conn) *redis.Cmd { return c.Eval(ctx, script, keys, args...) })
}

func (d *durably) EvalSha(ctx context.Context, sha string, keys []string, args ...any) *redis.Cmd {
	return d.run(ctx, keys, func(c *redis.Conn) *redis.Cmd { return c.EvalSha(ctx, sha, keys, args...) })
}

func (d *durably) run(ctx context.Context, keys []string, script func(*redis.Conn) *redis.Cmd) *redis.Cmd {
	server, err := serverOf(ctx, d.UniversalClient, keys[0])
	if err != nil {
		failed := redis.NewCmd(ctx)
		failed.SetErr(err)
		return failed
	}
	c := server.Conn()
	defer c.Close()
	cmd := script(c)
	if cmd.Err() == nil {
		d.report(c.Wait(ctx, d.replicas, d.timeout).Result())
		return cmd
	}
	if nodes, ok := d.UniversalClient.(*redis.ClusterClient); ok {
		// The node may have been told to stand back. Who runs the script again finds the new one.
		nodes.ReloadState(ctx)
	}
	return cmd
}

// report takes what WAIT answered. A change is logged once.
func (d *durably) report(have int64, err error) {
	short := err != nil || have < int64(d.replicas)
	if short {
		d.count()
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	log := d.log.With("have", have, "wanted", d.replicas)
	if err != nil {
		log = log.With("error", err)
	}
	switch {
	case short && !d.short:
		log.Error("too few replicas are known to have a commit; a failover now would undo it, and each further one waits as long", "waited", d.timeout)
	case !short && d.short:
		log.Info("replicas have the commits again")
	}
	d.short = short
}
