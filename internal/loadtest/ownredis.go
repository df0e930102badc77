package loadtest

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
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/sgstreamd/sgstreamd/internal/child"
)

// startTimeout is how long a Redis of the run's own may take to start.
const startTimeout = 20 * time.Second

// ownRedis is a redis-server that the run has started. It keeps nothing on disk.
type ownRedis struct {
	port    int
	process *os.Process
	exited  chan struct{}
}

// startRedis starts the redis-server of the PATH.
func startRedis(ctx context.Context, folder string) (*ownRedis, error) {
	binary, err := exec.LookPath("redis-server")
	if err != nil {
		return nil, errors.New("there is no redis-server in the PATH; install one, or name a Redis with --redis URL")
	}
	// Between looking for a free port and taking it, another may have taken it.
	for range 5 {
		var r *ownRedis
		if r, err = launch(ctx, binary, folder); err == nil || ctx.Err() != nil {
			return r, err
		}
	}
	return nil, err
}

func launch(ctx context.Context, binary, folder string) (*ownRedis, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(binary, "--port", strconv.Itoa(port), "--bind", "127.0.0.1", "--dir", folder, "--save", "",
		"--appendonly", "no", "--logfile", filepath.Join(folder, "redis.log"))
	child.EndWithParent(cmd)
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start redis-server: %w", err)
	}
	r := &ownRedis{port: port, process: cmd.Process, exited: make(chan struct{})}
	go func() {
		_ = cmd.Wait()
		close(r.exited)
	}()
	if err := r.await(ctx); err != nil {
		r.kill()
		return nil, err
	}
	return r, nil
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

func (r *ownRedis) addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(r.port)) }

// await waits until the server answers, and it is the one that was started.
func (r *ownRedis) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	c := redis.NewClient(&redis.Options{Addr: r.addr(), ContextTimeoutEnabled: true, MaxRetries: -1})
	defer c.Close()
	for {
		info, err := c.Info(ctx, "server").Result()
		if err == nil {
			if strings.Contains(info, "process_id:"+strconv.Itoa(r.process.Pid)+"\r\n") {
				return nil
			}
			return fmt.Errorf("another server has the port %d", r.port)
		}
		select {
		case <-r.exited:
			return errors.New("redis-server exited as soon as it was started")
		default:
		}
		if !pause(ctx, 10*time.Millisecond) {
			return fmt.Errorf("redis-server does not start: %w", err)
		}
	}
}

func (r *ownRedis) kill() {
	_ = r.process.Kill()
	<-r.exited
}
