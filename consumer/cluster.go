package consumer

import (
	"context"
	"errors"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// dialCluster makes a client for the nodes of a Cluster. It reads from no replica.
//
// The client follows redirects, three at most: MOVED, ASK, TRYAGAIN, CLUSTERDOWN, LOADING and READONLY are answers of a
// node that has not run the command, so that sending it again, there or elsewhere, runs it once. But it takes a lost
// connection for a reason to send again as well, whatever MaxRetries says, and there the node may have run the command.
// sendOnce, at every node, keeps it from that.
func dialCluster(a address, connections int) *redis.ClusterClient {
	c := redis.NewClusterClient(&redis.ClusterOptions{
		Addrs: a.hosts, Username: a.username, Password: a.password, TLSConfig: a.tls,
		PoolSize: connections, MaxRetries: -1, DialerRetries: 1, ContextTimeoutEnabled: true,
		// What concerns no key goes to any one node, and not to all of them: one that is away must not
		// keep the others from work.
		DisableRoutingPolicies:   true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	})
	c.OnNewNode(func(node *redis.Client) { node.AddHook(sendOnce{c.ReloadState}) })
	return c
}

// sendOnce hides from the Cluster's client that a connection was lost, which would make it send the command again. It
// looks for the node that has taken over, if one has, instead.
//
// It can't do that for pipelines, which are sent again behind its back: there must be none whose commands may not run
// twice.
type sendOnce struct{ reload func(context.Context) }

func (sendOnce) DialHook(next redis.DialHook) redis.DialHook { return next }

func (h sendOnce) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error { return h.final(ctx, next(ctx, cmd)) }
}

func (h sendOnce) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error { return h.final(ctx, next(ctx, cmds)) }
}

// final is the error as one that the Cluster's client does not act upon, unless it is a node's answer, or the caller has
// given up.
func (h sendOnce) final(ctx context.Context, err error) error {
	var answer redis.Error
	if err == nil || errors.As(err, &answer) || ctx.Err() != nil {
		return err
	}
	h.reload(ctx)
	return errors.New(err.Error())
}

// isCluster tells whether the client is one of a Cluster's nodes.
func isCluster(c redis.UniversalClient) bool {
	_, ok := c.(*redis.ClusterClient)
	return ok
}

// serverOf is a client of the one server that has the key.
func serverOf(ctx context.Context, c redis.UniversalClient, key string) (*redis.Client, error) {
	if nodes, ok := c.(*redis.ClusterClient); ok {
		return nodes.MasterForKey(ctx, key)
	}
	return c.(*redis.Client), nil
}
