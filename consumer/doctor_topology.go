package consumer

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/redis/go-redis/v9"
)

// ExamineTopology looks for what would keep these workers' Redis from failing over, or from keeping what it was told
// when it does: missing sentinels and replicas, and replicas that commits wait for in vain. It finds nothing to say of
// one server that no commit waits for. It writes nothing. An error means that Redis could not be reached, or ctx is
// done.
func ExamineTopology(ctx context.Context, c Client, config RedisConfig, workers []WorkerConfig) ([]Finding, error) {
	if config.URL == Embedded {
		return nil, nil
	}
	a, err := parseAddress(config.URL)
	if err != nil {
		return nil, fmt.Errorf("redis.url %w", err)
	}
	if a.topology == oneServer && config.WaitReplicas == 0 {
		return nil, nil
	}
	e := &examination{redis: c, unseen: map[string]bool{}}
	if a.topology == sentinels {
		if err := e.sentinels(ctx, a); err != nil {
			return nil, err
		}
	}
	seen := map[string]bool{}
	for _, w := range workers {
		server, err := serverOf(ctx, c, w.Stream)
		if err != nil {
			return nil, fmt.Errorf("redis: %w", err)
		}
		if addr := server.Options().Addr; !seen[addr] {
			seen[addr] = true
			if err := e.replicas(ctx, server, a.topology, config); err != nil {
				return nil, err
			}
		}
	}
	return e.findings, nil
}

// sentinels examines whether the sentinels could fail over.
func (e *examination) sentinels(ctx context.Context, a address) error {
	for _, host := range a.hosts {
		c := redis.NewSentinelClient(&redis.Options{
			Addr: host, Username: a.sentinelUsername, Password: a.sentinelPassword, TLSConfig: a.tls,
			MaxRetries: -1, DialerRetries: 1, ContextTimeoutEnabled: true,
		})
		err := c.CkQuorum(ctx, a.primary).Err()
		_ = c.Close()
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err == nil:
		case redis.HasErrorPrefix(err, "NOQUORUM"):
			e.foundOnce(Danger, fmt.Sprintf("the sentinels of %q", a.primary), fmt.Sprintf("they could not fail over; one of them says %q", err),
				"start the sentinels that are missing")
		case isNoPerm(err):
			e.foundOnce(Notice, "SENTINEL CKQUORUM", "the sentinels' user may not run it, so whether they could fail over could not be examined",
				"grant +sentinel|ckquorum, or run the doctor as another user")
		default:
			e.found(Warning, "sentinel "+host, fmt.Sprintf("it does not help to fail over: %v", oneLine{err}), "start or mend it, or take it out of redis.url")
		}
	}
	return nil
}

// replicas examines how many replicas a server has.
func (e *examination) replicas(ctx context.Context, c *redis.Client, t topology, config RedisConfig) error {
	reply, err := c.Info(ctx, "replication").Result()
	if err != nil {
		return e.refused("INFO", "the number of replicas", err)
	}
	facts := serverFacts{info: parseInfo(reply)}
	have := facts.number(facts.info, "connected_slaves")
	switch {
	case have == 0 && t == sentinels:
		e.found(Warning, "the primary has no replica", "when it is lost, the sentinels have nothing to fail over to", "start a replica, or look at why it does not follow")
	case have == 0 && t == cluster:
		e.found(Warning, "node "+c.Options().Addr+" has no replica", "when it is lost, so are its streams, or away until it is back", "add a replica")
	}
	if config.WaitReplicas == 0 {
		return nil
	}
	if have < int64(config.WaitReplicas) {
		e.found(Warning, fmt.Sprintf("redis.wait_replicas is %d, and %d are connected", config.WaitReplicas, have),
			fmt.Sprintf("every commit takes %v longer, and is not known to be safe", config.WaitTimeout), "start replicas, or lower redis.wait_replicas")
	}
	if err := c.Wait(ctx, 0, 1).Err(); err != nil {
		return e.waitRefused(err)
	}
	return nil
}

// waitRefused turns Redis's refusal of WAIT into a finding.
func (e *examination) waitRefused(err error) error {
	var answer redis.Error
	if !errors.As(err, &answer) {
		return fmt.Errorf("redis: WAIT: %w", err)
	}
	remedy := "set redis.wait_replicas = 0"
	if isNoPerm(err) {
		remedy = "grant +wait, or " + remedy
	}
	e.foundOnce(Danger, "WAIT", fmt.Sprintf("Redis answers %q, so no commit is known to have reached a replica", strings.TrimSpace(err.Error())), remedy)
	return nil
}
