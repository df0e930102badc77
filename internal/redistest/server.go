// Package redistest starts real Redis servers for tests, and a proxy that breaks connections to them.
package redistest

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// startTimeout is how long a server may take until it accepts connections.
const startTimeout = 10 * time.Second

// readyLine is in a server's log as soon as it accepts connections.
const readyLine = "Ready to accept connections"

// Server is a redis-server of the test's own. It keeps nothing on disk.
type Server struct {
	t      testing.TB
	folder string
	port   int
	args   []string // all of its command line, the port among it
	ready  string   // in its log as soon as it accepts connections

	leash  io.Closer     // the server dies when it is closed; nil when it does not run
	exited chan struct{} // closed when the server is gone
}

// onLeash runs redis-server until the shell's standard input ends: a test binary that panics takes its servers
// with it.
const onLeash = `redis-server "$@" 2>&1 & exec >&- 2>&-; read -r _; kill -9 $!; wait`

// Start starts the redis-server of the PATH on a free loopback port, with further arguments as on its command
// line, and stops it when the test ends. The test fails where there is none.
func Start(t testing.TB, args ...string) *Server {
	t.Helper()
	return start(t, readyLine, func(s *Server) []string { return append(s.usual(), args...) })
}

// start starts a server whose command line is made anew for each port that is tried.
func start(t testing.TB, ready string, args func(s *Server) []string) *Server {
	t.Helper()
	s := &Server{t: t, folder: t.TempDir(), ready: ready}
	t.Cleanup(s.Kill)
	var err error
	// Between looking for a free port and taking it, another may have taken it.
	for range 5 {
		s.port = freePort(t)
		s.args = args(s)
		if err = s.launch(); err == nil {
			return s
		}
	}
	t.Fatalf("redis-server does not start: %v", err)
	return nil
}

// usual is what every server but a sentinel is started with.
func (s *Server) usual() []string {
	return []string{"--port", strconv.Itoa(s.port), "--bind", "127.0.0.1", "--dir", s.folder, "--save", "", "--appendonly", "no"}
}

func freePort(t testing.TB) int {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func (s *Server) launch() error {
	process := exec.Command("sh", append([]string{"-c", onLeash, "redis-server"}, s.args...)...)
	leash, err := process.StdinPipe()
	if err != nil {
		return err
	}
	out, err := process.StdoutPipe()
	if err != nil {
		return err
	}
	if err := process.Start(); err != nil {
		return err
	}
	ready, exited := make(chan struct{}), make(chan struct{})
	var log strings.Builder
	go func() {
		defer close(exited)
		follow(out, &log, s.ready, ready)
		_ = leash.Close()
		_ = process.Wait()
	}()
	s.leash, s.exited = leash, exited
	timeout := time.NewTimer(startTimeout)
	defer timeout.Stop()
	select {
	case <-ready:
		return nil
	case <-exited:
		s.leash = nil
		return fmt.Errorf("it exited; its log:\n%s", log.String())
	case <-timeout.C:
		s.Kill()
		return errors.New("it took too long")
	}
}

// follow reads the server's log to its end, and closes ready when the server accepts connections. Asking the
// port would not do: at a clash, another server answers.
func follow(out io.Reader, log *strings.Builder, sign string, ready chan<- struct{}) {
	for lines := bufio.NewScanner(out); lines.Scan(); {
		fmt.Fprintln(log, lines.Text())
		if ready != nil && strings.Contains(lines.Text(), sign) {
			close(ready)
			ready = nil
		}
	}
}

// Addr is the server's address.
func (s *Server) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)) }

// URL is the server's Redis URL.
func (s *Server) URL() string { return "redis://" + s.Addr() + "/0" }

// Client returns a client that is closed when the test ends.
func (s *Server) Client(t testing.TB) *redis.Client {
	c := redis.NewClient(&redis.Options{Addr: s.Addr()})
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// Kill ends the server at once, if it runs.
func (s *Server) Kill() {
	if s.leash == nil {
		return
	}
	_ = s.leash.Close()
	<-s.exited
	s.leash = nil
}

// Restart kills the server and starts it again, empty, at the same address and in the same folder.
func (s *Server) Restart() {
	s.t.Helper()
	s.Kill()
	if err := s.launch(); err != nil {
		s.t.Fatalf("redis-server does not start again: %v", err)
	}
}
