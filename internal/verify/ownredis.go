package verify

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/sgstreamd/sgstreamd/internal/child"
)

// startTimeout is how long a Redis of verify's own may take to start.
const startTimeout = 20 * time.Second

// pair is a primary and its replica, which verify has started. Both write every change to disk before they answer.
type pair struct {
	mu    sync.Mutex
	nodes [2]*node
	first int // which one is the primary
}

// node is one redis-server.
type node struct {
	binary string
	folder string
	port   int
	client *redis.Client

	process *os.Process
	exited  chan struct{}
}

// startPair starts a primary and a replica in folders of their own below folder.
func startPair(ctx context.Context, folder string) (*pair, error) {
	binary, err := exec.LookPath("redis-server")
	if err != nil {
		return nil, errors.New("there is no redis-server in the PATH; install one, or name a Redis with --redis URL")
	}
	p := &pair{}
	for i := range p.nodes {
		if p.nodes[i], err = newNode(ctx, binary, filepath.Join(folder, "redis-"+strconv.Itoa(i+1))); err != nil {
			p.close()
			return nil, err
		}
	}
	if err := p.follow(ctx); err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

// follow makes the second node the replica of the first, and waits until it is in step.
func (p *pair) follow(ctx context.Context) error {
	host, port, err := net.SplitHostPort(p.primary().addr())
	if err != nil {
		return err
	}
	if err := p.replica().client.Do(ctx, "REPLICAOF", host, port).Err(); err != nil {
		return fmt.Errorf("make a replica: %w", err)
	}
	return p.awaitReplica(ctx)
}

func (p *pair) primary() *node {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.nodes[p.first]
}

func (p *pair) replica() *node {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.nodes[1-p.first]
}

// awaitReplica waits until the replica's link to the primary is up.
func (p *pair) awaitReplica(ctx context.Context) error {
	return until(ctx, startTimeout, "the replica to follow", func() error {
		info, err := p.replica().client.Info(ctx, "replication").Result()
		if err == nil && !strings.Contains(info, "master_link_status:up") {
			err = errors.New("its link is down")
		}
		return err
	})
}

// failover lets the replica take the primary's place. Redis itself holds the writes back until the replica has all
// of them, so nothing that was acknowledged is lost: what an unplanned failover loses can't be promised.
func (p *pair) failover(ctx context.Context) error {
	if err := p.awaitReplica(ctx); err != nil {
		return err
	}
	host, port, err := net.SplitHostPort(p.replica().addr())
	if err != nil {
		return err
	}
	if err := p.primary().client.Do(ctx, "FAILOVER", "TO", host, port, "TIMEOUT", 5000).Err(); err != nil {
		return fmt.Errorf("FAILOVER: %w", err)
	}
	err = until(ctx, startTimeout, "the replica to take over", func() error {
		info, err := p.replica().client.Info(ctx, "replication").Result()
		if err == nil && !strings.Contains(info, "role:master") {
			err = errors.New("it is a replica still")
		}
		return err
	})
	if err != nil {
		return err
	}
	p.mu.Lock()
	p.first = 1 - p.first
	p.mu.Unlock()
	return nil
}

// restart kills the primary and starts it again, from its append-only file.
func (p *pair) restart(ctx context.Context) error {
	n := p.primary()
	n.kill()
	return n.start(ctx)
}

func (p *pair) close() {
	for _, n := range p.nodes {
		if n != nil {
			n.kill()
			_ = n.client.Close()
		}
	}
}

func newNode(ctx context.Context, binary, folder string) (*node, error) {
	if err := os.Mkdir(folder, 0o700); err != nil {
		return nil, err
	}
	n := &node{binary: binary, folder: folder}
	var err error
	// Between looking for a free port and taking it, another may have taken it.
	for range 5 {
		if n.port, err = freePort(); err != nil {
			return nil, err
		}
		n.client = redis.NewClient(&redis.Options{Addr: n.addr(), ContextTimeoutEnabled: true, MaxRetries: -1})
		if err = n.start(ctx); err == nil || ctx.Err() != nil {
			break
		}
		_ = n.client.Close()
	}
	return n, err
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

func (n *node) addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(n.port)) }

// start starts the server and waits until it has read its file and answers. Its log is in its folder.
func (n *node) start(ctx context.Context) error {
	cmd := exec.Command(n.binary, "--port", strconv.Itoa(n.port), "--bind", "127.0.0.1", "--dir", n.folder, "--save", "",
		"--appendonly", "yes", "--appendfsync", "always", "--logfile", filepath.Join(n.folder, "redis.log"),
		"--repl-diskless-sync-delay", "0", "--repl-backlog-size", "64mb", "--client-output-buffer-limit", "replica 0 0 0")
	child.EndWithParent(cmd)
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start redis-server: %w", err)
	}
	n.process, n.exited = cmd.Process, make(chan struct{})
	exited := n.exited
	go func() {
		_ = cmd.Wait()
		close(exited)
	}()
	err := until(ctx, startTimeout, "redis-server to start", func() error {
		select {
		case <-exited:
			return fatal{fmt.Errorf("redis-server exited: %v", cmd.ProcessState)}
		default:
		}
		// At a clash of ports, another server may answer.
		info, err := n.client.Info(ctx, "server").Result()
		if err == nil && !strings.Contains(info, "process_id:"+strconv.Itoa(cmd.Process.Pid)+"\r\n") {
			err = fatal{fmt.Errorf("another server has the port %d", n.port)}
		}
		if err == nil {
			err = n.client.Ping(ctx).Err() // INFO answers while the file is read
		}
		return err
	})
	if err != nil {
		n.kill()
	}
	return err
}

func (n *node) kill() {
	if n.process == nil {
		return
	}
	_ = n.process.Kill()
	<-n.exited
	n.process = nil
}

// fatal marks an error for which waiting is no use.
type fatal struct{ error }

// until asks again and again until is returns nil, or a fatal error, ctx is done, or the time is over.
func until(ctx context.Context, patience time.Duration, what string, is func() error) error {
	deadline := time.Now().Add(patience)
	for {
		err := is()
		var final fatal
		switch {
		case err == nil:
			return nil
		case errors.As(err, &final):
			return final.error
		case time.Now().After(deadline):
			return fmt.Errorf("wait for %s: %w", what, err)
		}
		if !pause(ctx, 10*time.Millisecond) {
			return ctx.Err()
		}
	}
}
