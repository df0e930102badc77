package redistest

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
)

// slots is the number of slots of a Cluster.
const slots = 16384

// Cluster is a Redis Cluster of three primaries, who share the slots evenly.
type Cluster struct {
	t     testing.TB
	Nodes []*Server
}

// StartCluster starts a Cluster, with further arguments for its nodes as on their command line, and waits until all
// nodes say that it works. It stops when the test ends.
func StartCluster(t testing.TB, args ...string) *Cluster {
	t.Helper()
	c := &Cluster{t: t}
	const nodes = 3
	for i := range nodes {
		node := startNode(t, args)
		client := node.Client(t)
		do(t, client, "CLUSTER", "ADDSLOTSRANGE", i*slots/nodes, (i+1)*slots/nodes-1)
		// Nodes of the same epoch would have to resolve that first.
		do(t, client, "CLUSTER", "SET-CONFIG-EPOCH", i+1)
		c.Nodes = append(c.Nodes, node)
	}
	for _, node := range c.Nodes[1:] {
		c.meet(node)
	}
	c.settle(nodes)
	return c
}

func startNode(t testing.TB, args []string) *Server {
	t.Helper()
	return start(t, readyLine, func(s *Server) []string {
		return append(append(s.usual(), "--cluster-enabled", "yes", "--cluster-port", strconv.Itoa(freePort(t)),
			"--cluster-node-timeout", "1000", "--repl-diskless-sync-delay", "0"), args...)
	})
}

// meet tells a node of the first one.
func (c *Cluster) meet(node *Server) {
	c.t.Helper()
	first := c.Nodes[0]
	bus, err := first.Client(c.t).ConfigGet(context.Background(), "cluster-port").Result()
	if err != nil {
		c.t.Fatal(err)
	}
	do(c.t, node.Client(c.t), "CLUSTER", "MEET", "127.0.0.1", first.port, bus["cluster-port"])
}

// settle waits until every node knows so many, and finds that all slots are served.
func (c *Cluster) settle(nodes int) {
	c.t.Helper()
	for _, node := range c.Nodes {
		client := node.Client(c.t)
		await(c.t, "the cluster works", func() bool {
			return tells(client, "cluster_state:ok", "CLUSTER", "INFO") && tells(client, fmt.Sprintf("cluster_known_nodes:%d", nodes), "CLUSTER", "INFO")
		})
	}
}

// URL is the redis+cluster:// URL of the Cluster.
func (c *Cluster) URL() string {
	var addrs []string
	for _, node := range c.Nodes {
		addrs = append(addrs, node.Addr())
	}
	return "redis+cluster://" + strings.Join(addrs, ",")
}

// NodeOf is the node that serves a key's slot, as the first node that lives has it.
func (c *Cluster) NodeOf(key string) *Server {
	c.t.Helper()
	client := c.any()
	slot := do(c.t, client, "CLUSTER", "KEYSLOT", key).Val().(int64)
	shards, err := client.ClusterShards(context.Background()).Result()
	if err != nil {
		c.t.Fatal(err)
	}
	for _, shard := range shards {
		for _, r := range shard.Slots {
			if r.Start <= slot && slot <= r.End {
				return c.primaryOf(shard)
			}
		}
	}
	c.t.Fatalf("no node serves slot %d", slot)
	return nil
}

func (c *Cluster) primaryOf(shard redis.ClusterShard) *Server {
	c.t.Helper()
	for _, n := range shard.Nodes {
		for _, node := range c.Nodes {
			if n.Role == "master" && n.Health == "online" && n.ID == id(c.t, node) {
				return node
			}
		}
	}
	c.t.Fatal("a shard has no primary that lives")
	return nil
}

func (c *Cluster) any() *redis.Client {
	for _, node := range c.Nodes {
		if node.leash != nil {
			return node.Client(c.t)
		}
	}
	c.t.Fatal("no node lives")
	return nil
}

// id is a node's name in the Cluster, or empty where the node does not live.
func id(t testing.TB, node *Server) string {
	if node.leash == nil {
		return ""
	}
	return do(t, node.Client(t), "CLUSTER", "MYID").Val().(string)
}

// AddReplica starts a replica of a node, and waits until it has what the node has.
func (c *Cluster) AddReplica(of *Server) *Server {
	c.t.Helper()
	replica := startNode(c.t, nil)
	c.Nodes = append(c.Nodes, replica)
	c.meet(replica)
	c.settle(len(c.Nodes))
	client := replica.Client(c.t)
	do(c.t, client, "CLUSTER", "REPLICATE", id(c.t, of))
	await(c.t, "the replica is in step", func() bool { return tells(client, "master_link_status:up", "INFO", "replication") })
	for _, node := range c.Nodes {
		c.awaitListed(node, "slave "+id(c.t, of))
	}
	return replica
}

// Promote has a replica take its primary's place while that lives.
func (c *Cluster) Promote(replica *Server) {
	c.t.Helper()
	do(c.t, replica.Client(c.t), "CLUSTER", "FAILOVER")
	c.AwaitPromotion(replica)
}

// AwaitPromotion waits until a replica has taken its primary's place, and the Cluster works.
func (c *Cluster) AwaitPromotion(replica *Server) {
	c.t.Helper()
	client := replica.Client(c.t)
	await(c.t, "the replica is a primary", func() bool {
		return tells(client, "role:master", "INFO", "replication") && tells(client, "cluster_state:ok", "CLUSTER", "INFO")
	})
}

// MoveSlot moves the slot of a key, with all that is in it, to another node.
func (c *Cluster) MoveSlot(key string, to *Server) {
	c.t.Helper()
	from := c.NodeOf(key)
	source, target := from.Client(c.t), to.Client(c.t)
	slot := do(c.t, source, "CLUSTER", "KEYSLOT", key).Val()
	do(c.t, target, "CLUSTER", "SETSLOT", slot, "IMPORTING", id(c.t, from))
	do(c.t, source, "CLUSTER", "SETSLOT", slot, "MIGRATING", id(c.t, to))
	await(c.t, "all keys of the slot are moved", func() bool {
		keys := do(c.t, source, "CLUSTER", "GETKEYSINSLOT", slot, 100).Val().([]any)
		if len(keys) > 0 {
			do(c.t, source, append([]any{"MIGRATE", "127.0.0.1", to.port, "", 0, 5000, "KEYS"}, keys...)...)
		}
		return len(keys) == 0
	})
	for _, node := range []*redis.Client{target, source} {
		do(c.t, node, "CLUSTER", "SETSLOT", slot, "NODE", id(c.t, to))
	}
}

// Reroute makes a node tell clients, and the other nodes, that it is to be reached through the proxy.
func (c *Cluster) Reroute(node *Server, p *Proxy) {
	c.t.Helper()
	do(c.t, node.Client(c.t), "CONFIG", "SET", "cluster-announce-port", p.listener.Addr().(*net.TCPAddr).Port)
	for _, other := range c.Nodes {
		c.awaitListed(other, p.listener.Addr().String()+"@")
	}
}

// awaitListed waits until a node's list of the nodes has the text.
func (c *Cluster) awaitListed(at *Server, text string) {
	c.t.Helper()
	client := at.Client(c.t)
	await(c.t, "all nodes have heard of the change", func() bool {
		list, err := client.ClusterNodes(context.Background()).Result()
		return err == nil && strings.Contains(list, text)
	})
}
