package consumer

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sgstreamd/sgstreamd/abi"
	"github.com/sgstreamd/sgstreamd/internal/redistest"
)

// newTaggedRig is a rig at a Cluster, whose keys are all in one slot.
func newTaggedRig(t *testing.T) (*rig, *redistest.Cluster) {
	t.Helper()
	c := redistest.StartCluster(t)
	r := newRigAt(t, c.URL())
	r.tag()
	return r, c
}

// tag puts one hash tag into every name.
func (r *rig) tag() {
	r.in.Stream, r.out.StreamPrefix, r.dead.Stream = "{sg}:stream:inbound", "{sg}:stream:outbound", "{sg}:stream:dlq"
	r.in.Lock.Prefix, r.in.Trace.Prefix, r.state.Prefix = "{sg}:lock:channel:", "{sg}:trace:", "{sg}:state:"
}

func TestAWorkerDoesAllItsWorkOnAClusterWithOneHashTag(t *testing.T) {
	t.Parallel()
	r, _ := newTaggedRig(t)
	used := r.send("used up")
	r.readAs("crashed", 1)
	r.claimAs("crashed", used, 2*time.Hour, 3)
	tries := make(chan int64, 1000)
	w := r.start(failing(tries, abi.Verdict{Status: abi.StatusRetry, Reason: "no luck"}, nil))
	r.sendTo("c", true, "fine")
	r.send("bad")
	r.awaitReplies("fine")
	for attempt := int64(1); attempt <= 3; attempt++ {
		require.Equal(t, attempt, receive(t, tries, "a try"))
	}
	dead := r.awaitDeadLetters(2)
	require.Contains(t, dead[0]["error"], "used up its 3 attempts")
	require.Equal(t, "no luck", dead[1]["error"])
	require.NotEmpty(t, r.audit(used))
	require.Equal(t, "COMPLETED", r.trace("fine")["state"])
	require.Equal(t, "ERRORED", r.trace("bad")["state"])
	r.awaitNothingPending()
	require.NoError(t, w.measure(r.ctx))
	require.NoError(t, w.stopped())
	require.Equal(t, []string{"crashed"}, r.consumers())
}

func TestAChannelsLockHoldsOnACluster(t *testing.T) {
	t.Parallel()
	r, _ := newTaggedRig(t)
	want := []string{}
	for i := range 40 {
		want = append(want, fmt.Sprint(i))
		r.sendTo("c", true, want[i])
	}
	c := &crowd{order: make(chan string, 1000)}
	r.start(c.handle)
	r.start(c.handle)
	r.awaitReplies(want...)
	r.awaitNothingPending()
	require.EqualValues(t, 1, c.most.Load())
}

// The Cluster's client takes a lost connection for a reason to send again.
func TestAClusterIsSentNoReadTwice(t *testing.T) {
	t.Parallel()
	r, c := newTaggedRig(t)
	node := c.NodeOf(r.in.Stream)
	p := redistest.NewProxy(t, node)
	r.teach()
	c.Reroute(node, p)
	r.in.Autoclaim.MinIdle = time.Hour
	calls := make(chan int64, 1000)
	r.start(attempts(calls))
	r.send("before")
	r.awaitReplies("before")
	receive(t, calls, "the first call")

	lost := p.DropReply("evalsha", "", "taken")
	r.send("lost")
	receive(t, lost, "the lost reply")
	r.awaitReplies("before", "lost")
	require.EqualValues(t, 1, receive(t, calls, "the call"), "it is found at once, and charged nothing")
	r.awaitNothingPending()

	lost = p.DropReply("evalsha", "\r\nack\r\n", "done")
	r.send("once")
	receive(t, lost, "the lost reply")
	r.awaitReplies("before", "lost", "once")
	r.awaitNothingPending()
}

// flood sends numbered messages until it is told to stop, and returns the contents of those that Redis took.
func (r *rig) flood(stop <-chan struct{}, send func(content string) error) <-chan []string {
	sent := make(chan []string, 1)
	go func() {
		taken := []string{}
		for i := 0; !isDone(stop); i++ {
			content := fmt.Sprint(i)
			if send(content) == nil {
				taken = append(taken, content)
			}
		}
		sent <- taken
	}()
	return sent
}

func TestAWorkerFollowsItsSlotToAnotherNode(t *testing.T) {
	for name, move := range map[string]func(c *redistest.Cluster, key string){
		"its replica is promoted": func(c *redistest.Cluster, key string) { c.Promote(c.AddReplica(c.NodeOf(key))) },
		"its primary dies": func(c *redistest.Cluster, key string) {
			primary := c.NodeOf(key)
			replica := c.AddReplica(primary)
			primary.Kill()
			c.AwaitPromotion(replica)
		},
		"the slot is moved": func(c *redistest.Cluster, key string) {
			from := c.NodeOf(key)
			to := slices.IndexFunc(c.Nodes, func(n *redistest.Server) bool { return n != from })
			c.MoveSlot(key, c.Nodes[to])
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, c := newTaggedRig(t)
			w := r.start(echo)
			r.send("before")
			r.awaitReplies("before")
			move(c, r.in.Stream)
			eventually(t, "a message is taken", func() bool { return r.trySend("after") == nil })
			eventually(t, "the next message is answered", func() bool { return slices.Contains(r.replies(), "after") })
			eventually(t, "the worker is ready", func() bool { return w.Ready() == nil })
			r.awaitNothingPending()
			require.NoError(t, w.stopped())
		})
	}
}

// trySend sends a message to a Redis that may refuse it.
func (r *rig) trySend(content string) error {
	_, err := Send(r.ctx, r.redis, r.in.Stream, 0, encode(map[string]any{"platform": platform, "content": content}), content)
	return err
}

func TestAClustersUserNeedsOneRightMore(t *testing.T) {
	t.Parallel()
	rights := strings.NewReplacer("~sg:stream:inbound", "~{sg}:*", "+wait", "").Replace(leastRights)
	user := append([]string{"--user", "daemon", "on", ">sesame"}, strings.Fields(rights+" +cluster|slots +wait")...)
	c := redistest.StartCluster(t, user...)
	r := newRigAt(t, c.URL())
	r.tag()
	r.redco.URL = strings.Replace(r.url, "://", "://daemon:sesame@", 1)
	cfg := Inbound(Name(), r.in, r.out, r.dead, r.state)
	cfg.WaitReplicas, cfg.WaitTimeout = 1, time.Millisecond
	w := r.startWith(cfg, r.dial(1), echo)
	r.sendTo("c", true, "fine")
	r.awaitReplies("fine")
	require.NoError(t, w.stopped())
	for _, node := range c.Nodes {
		log, err := node.Client(t).Do(r.ctx, "ACL", "LOG").Slice()
		require.NoError(t, err)
		require.Empty(t, log, "nothing was refused")
	}
}

func TestAClusterWithTLS(t *testing.T) {
	t.Parallel()
	ca, cert, key := certificates(t)
	port := freePort(t)
	s := redistest.Start(t, "--cluster-enabled", "yes", "--cluster-announce-ip", "127.0.0.1", "--tls-cluster", "yes", "--tls-port", port,
		"--tls-ca-cert-file", ca, "--tls-cert-file", cert, "--tls-key-file", key)
	require.NoError(t, s.Client(t).Do(t.Context(), "CLUSTER", "ADDSLOTSRANGE", 0, slotCount-1).Err())
	eventually(t, "the cluster is up", func() bool { return s.Client(t).Set(t.Context(), "x", "", 0).Err() == nil })
	r := newRigAt(t, "redis+cluster://"+s.Addr())
	r.tag()
	r.redco = RedisConfig{URL: "rediss+cluster://127.0.0.1:" + port, TLS: TLSConfig{CAFile: ca, CertFile: cert, KeyFile: key}}
	r.start(echo)
	r.send("hello")
	r.awaitReplies("hello")
	r.redco.TLS = TLSConfig{CertFile: cert, KeyFile: key}
	require.ErrorContains(t, Ping(r.ctx, r.dial(1)), "certificate", "an authority that nobody knows is refused")
}

// A script with keys of two slots is refused as a whole, and would be sent again for ever.
func TestAnEmitToAnotherSlotHarmsNoOtherMessage(t *testing.T) {
	t.Parallel()
	r, _ := newTaggedRig(t)
	r.in.MaxAttempts = 1
	r.start(func(_ context.Context, _ <-chan struct{}, m *abi.Message) (abi.Verdict, error) {
		v := answer(m)
		if contentOf(m) == "bad" {
			v.Emits = append(v.Emits, abi.Emit{Stream: "elsewhere", Payload: encode(nil)})
		}
		return v, nil
	})
	r.send("bad")
	r.send("fine")
	r.awaitReplies("fine")
	dead := r.awaitDeadLetters(1)[0]
	require.Equal(t, `emit 1: stream "elsewhere" is in another Cluster slot than "{sg}:stream:inbound"; give both the same hash tag`, dead["error"])
	r.awaitNothingPending()
}
