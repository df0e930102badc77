package redistest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	// PrimaryName is what the sentinels call the primary.
	PrimaryName = "main"
	// SentinelPassword is what the sentinels ask of their clients.
	SentinelPassword = "guard"
	// replicator is the user as whom the replica follows its primary.
	replicator = "replicator"
)

// Sentinels are a primary and a replica, watched by three sentinels of whom two must agree.
type Sentinels struct {
	t testing.TB
	// Primary and Replica are what they are at the start; a failover does not change these fields.
	Primary, Replica *Server
	sentinels        []*Server
}

// StartSentinels starts a set, with further arguments for primary and replica as on their command line, and waits
// until each sentinel knows all the others and the replica has what the primary has. It stops when the test ends.
func StartSentinels(t testing.TB, args ...string) *Sentinels {
	t.Helper()
	common := append([]string{"--repl-diskless-sync-delay", "0", "--masteruser", replicator, "--masterauth", replicator,
		"--user", replicator, "on", ">" + replicator, "+psync", "+replconf", "+ping"}, args...)
	s := &Sentinels{t: t, Primary: Start(t, common...)}
	host, port, _ := strings.Cut(s.Primary.Addr(), ":")
	s.Replica = Start(t, append([]string{"--replicaof", host + " " + port}, common...)...)
	for range 3 {
		s.sentinels = append(s.sentinels, startSentinel(t, host, port))
	}
	replica := s.Replica.Client(t)
	await(t, "the replica is in step", func() bool { return tells(replica, "master_link_status:up", "INFO", "replication") })
	for _, sentinel := range s.sentinels {
		c := s.client(sentinel)
		await(t, "the sentinels know each other", func() bool {
			m, err := c.Master(context.Background(), PrimaryName).Result()
			return err == nil && m["num-other-sentinels"] == "2" && m["num-slaves"] == "1" && m["flags"] == "master"
		})
	}
	return s
}

// startSentinel starts one sentinel. Its periods, in ms, are a fraction of the usual ones.
func startSentinel(t testing.TB, host, port string) *Server {
	t.Helper()
	s := start(t, "Sentinel ID is", func(s *Server) []string {
		file := filepath.Join(s.folder, "sentinel.conf")
		text := fmt.Sprintf("port %d\nbind 127.0.0.1\ndir %s\nrequirepass %s\nsentinel sentinel-pass %s\n", s.port, s.folder, SentinelPassword, SentinelPassword) +
			fmt.Sprintf("sentinel monitor %s %s %s 2\n", PrimaryName, host, port) +
			fmt.Sprintf("sentinel down-after-milliseconds %s 800\nsentinel failover-timeout %s 2000\n", PrimaryName, PrimaryName)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return []string{file, "--sentinel"}
	})
	c := redis.NewClient(&redis.Options{Addr: s.Addr(), Password: SentinelPassword})
	defer c.Close()
	// A replica of a lost primary is asked once a second, and is fit to take over if it was heard of in the last five
	// ping periods. A sentinel that is slow, on a busy machine, must not fall into tilt, in which it does nothing.
	do(t, c, "SENTINEL", "DEBUG", "info-period", 200, "ping-period", 300, "ask-period", 100, "publish-period", 200,
		"election-timeout", 1000, "tilt-trigger", 20_000, "tilt-period", 1000)
	return s
}

func (s *Sentinels) client(sentinel *Server) *redis.SentinelClient {
	c := redis.NewSentinelClient(&redis.Options{Addr: sentinel.Addr(), Password: SentinelPassword})
	s.t.Cleanup(func() { _ = c.Close() })
	return c
}

// URL is the redis+sentinel:// URL of the set.
func (s *Sentinels) URL() string { return s.URLOf(PrimaryName) }

// URLOf is the URL of a primary of that name, which the sentinels need not know.
func (s *Sentinels) URLOf(primary string) string {
	var addrs []string
	for _, sentinel := range s.sentinels {
		addrs = append(addrs, sentinel.Addr())
	}
	return "redis+sentinel://" + strings.Join(addrs, ",") + "/" + primary + "?sentinel_password=" + SentinelPassword
}

// Tell runs a command at every sentinel.
func (s *Sentinels) Tell(command ...any) {
	s.t.Helper()
	for _, sentinel := range s.sentinels {
		c := redis.NewClient(&redis.Options{Addr: sentinel.Addr(), Password: SentinelPassword})
		do(s.t, c, command...)
		_ = c.Close()
	}
}

// KillSentinel ends one of the sentinels, 0 to 2, at once.
func (s *Sentinels) KillSentinel(i int) { s.sentinels[i].Kill() }

// CutReplication keeps from the replica whatever is written from now on.
func (s *Sentinels) CutReplication() {
	s.t.Helper()
	primary, replica := s.Primary.Client(s.t), s.Replica.Client(s.t)
	do(s.t, primary, "ACL", "SETUSER", replicator, "off")
	do(s.t, primary, "CLIENT", "KILL", "TYPE", "replica")
	await(s.t, "the replica has lost its primary", func() bool { return tells(replica, "master_link_status:down", "INFO", "replication") })
}

// RestoreReplication takes CutReplication back.
func (s *Sentinels) RestoreReplication() {
	s.t.Helper()
	do(s.t, s.Primary.Client(s.t), "ACL", "SETUSER", replicator, "on")
}

// KillPrimary ends the primary at once, and waits until the sentinels have made the replica the primary.
func (s *Sentinels) KillPrimary() {
	s.t.Helper()
	s.Primary.Kill()
	s.awaitPromotion()
}

// Promote has the sentinels make the replica the primary while the old primary lives, which becomes its replica.
func (s *Sentinels) Promote() {
	s.t.Helper()
	c := s.client(s.sentinels[0])
	if err := c.Failover(context.Background(), PrimaryName).Err(); err != nil {
		s.t.Fatalf("sentinel failover: %v", err)
	}
	s.awaitPromotion()
	old := s.Primary.Client(s.t)
	help := time.Now().Add(patienceWithSentinels)
	await(s.t, "the old primary is a replica", func() bool {
		if time.Now().After(help) {
			help = time.Now().Add(patienceWithSentinels)
			s.stepBack(c, old)
		}
		return tells(old, "role:slave", "INFO", "replication")
	})
}

// patienceWithSentinels is how long they have to make the old primary a replica. Sentinels that see it down now and then, on a busy
// machine, put that off again and again.
const patienceWithSentinels = 15 * time.Second

// stepBack makes the old primary a replica in the sentinels' place, or has them promote the replica once more, if they have gone back
// to the old primary.
func (s *Sentinels) stepBack(c *redis.SentinelClient, old *redis.Client) {
	ctx := context.Background()
	addr, err := c.GetMasterAddrByName(ctx, PrimaryName).Result()
	if err != nil {
		return // it is asked again
	}
	if host, port, _ := strings.Cut(s.Replica.Addr(), ":"); strings.Join(addr, ":") == s.Replica.Addr() {
		_ = old.ReplicaOf(ctx, host, port).Err() // await sees whether it has helped
	} else {
		_ = c.Failover(ctx, PrimaryName).Err()
	}
}

// awaitPromotion waits until the replica is a primary, and all sentinels that live say so.
func (s *Sentinels) awaitPromotion() {
	s.t.Helper()
	replica := s.Replica.Client(s.t)
	await(s.t, "the replica is the primary", func() bool { return tells(replica, "role:master", "INFO", "replication") })
	for _, sentinel := range s.sentinels {
		if sentinel.leash == nil {
			continue
		}
		c := s.client(sentinel)
		await(s.t, "the sentinels name the new primary", func() bool {
			addr, err := c.GetMasterAddrByName(context.Background(), PrimaryName).Result()
			return err == nil && strings.Join(addr, ":") == s.Replica.Addr()
		})
	}
}
