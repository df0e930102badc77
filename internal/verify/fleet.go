package verify

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/sgstreamd/sgstreamd/internal/child"
)

//go:embed guest/guest.wasm
var guest []byte

// What the workers are configured with. Everything that takes a minute in life is scaled down to seconds.
const (
	minIdle  = 2 * time.Second
	lockTTL  = 1500 * time.Millisecond
	sweep    = 500 * time.Millisecond
	inFlight = 128
	// maxAttempts is more than a good message can need: a try is charged for each worker that is killed over it.
	maxAttempts = 15
	// drainTimeout is how long a worker may take to stop.
	drainTimeout = 10 * time.Second
)

// readyTimeout is how long a worker may take to start.
const readyTimeout = 60 * time.Second

// fleet is the workers, each with its proxy.
type fleet struct {
	binary string // the daemon
	folder string // of their logs, plugins and configuration
	server *server
	names  names
	order  string // inbound.order; empty: the daemon's default

	workers []*worker
}

// worker is one place in the fleet. Its process is replaced by another when it is killed.
type worker struct {
	fleet  *fleet
	number int // from 1
	proxy  *proxy
	log    *os.File

	mu      sync.Mutex
	process *process
	closed  bool
	crashes []string // ends that nobody had asked for
}

// process is one life of a worker.
type process struct {
	cmd    *exec.Cmd
	exited chan struct{}
	// asked is set before its end is brought about; the worker's lock guards it.
	asked bool
}

// startFleet starts so many workers, and waits until each is ready.
func startFleet(ctx context.Context, f *fleet, workers int) error {
	for _, dir := range []string{"plugins", "cache"} {
		if err := os.Mkdir(filepath.Join(f.folder, dir), 0o700); err != nil {
			return err
		}
	}
	if err := os.WriteFile(filepath.Join(f.folder, "plugins", f.names.plugin()+".wasm"), guest, 0o600); err != nil {
		return err
	}
	if err := os.WriteFile(f.configFile(), []byte(f.config()), 0o600); err != nil {
		return err
	}
	for i := range workers {
		w := &worker{fleet: f, number: i + 1}
		var err error
		if w.log, err = os.OpenFile(w.logFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600); err != nil {
			return err
		}
		f.workers = append(f.workers, w)
		if w.proxy, err = newProxy(f.server.dial); err != nil {
			return err
		}
		if err := w.startAfter(nil); err != nil {
			return err
		}
	}
	for _, w := range f.workers {
		if err := w.awaitReady(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (f *fleet) configFile() string { return filepath.Join(f.folder, "workers.toml") }

// config is the workers' configuration. The URL of Redis is not in it: it may hold a password, and the file may be kept.
func (f *fleet) config() string {
	n := f.names
	order := ""
	if f.order != "" {
		order = fmt.Sprintf("order = %q\n", f.order)
	}
	return fmt.Sprintf(`[inbound]
stream = %q
group = %q
processor = %q
max_in_flight = %d
max_attempts = %d
%s
[inbound.retry]
base = "30ms"
factor = 2
cap = "100ms"

[inbound.autoclaim]
interval = "%v"
min_idle = "%v"
audit_key = %q

[inbound.lock]
prefix = %q
ttl = "%v"

[inbound.trace]
prefix = %q

[outbound]
stream_prefix = %q
max_len = 1000000000

[dead_letters]
stream = %q
max_len = 1000000000

[plugins]
dir = %q
cache_dir = %q

[plugins.%s]
timeout = "30s"
memory_limit = "64KiB"

[drain]
timeout = "%v"

[admin]
listen = ""

[log]
format = "json"
`, n.stream(), n.group(), n.plugin(), inFlight, maxAttempts, order, sweep, minIdle, n.audit(), n.lock(), lockTTL,
		n.trace(), n.outbound(), n.deadLetters(), filepath.Join(f.folder, "plugins"), filepath.Join(f.folder, "cache"), n.plugin(), drainTimeout)
}

func (w *worker) logFile() string {
	return filepath.Join(w.fleet.folder, fmt.Sprintf("worker-%d.log", w.number))
}

// startAfter begins a new life after another one, nil being none. Whoever comes second does nothing.
func (w *worker) startAfter(last *process) error {
	cmd := exec.Command(w.fleet.binary, "run", "--config", w.fleet.configFile())
	cmd.Dir, cmd.Stdout, cmd.Stderr = w.fleet.folder, w.log, w.log
	cmd.Env = append(foreignEnviron(), "SGSTREAMD_REDIS__URL="+w.fleet.server.urlFor(w.proxy, w.fleet.names.client(w.number)))
	child.EndWithParent(cmd)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed || w.process != last {
		return nil
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start worker %d: %w", w.number, err)
	}
	p := &process{cmd: cmd, exited: make(chan struct{})}
	w.process = p
	go w.await(p)
	return nil
}

// foreignEnviron is the environment without what configures a daemon: a variable that is meant for another would
// prevail over the file, and lead the workers to its streams.
func foreignEnviron() []string {
	var kept []string
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "SGSTREAMD_") && !strings.HasPrefix(v, "SG_") {
			kept = append(kept, v)
		}
	}
	return kept
}

// await sees a life to its end. One that ends by itself is noted, and followed by another.
func (w *worker) await(p *process) {
	err := p.cmd.Wait()
	w.mu.Lock()
	asked := p.asked
	if !asked {
		w.crashes = append(w.crashes, fmt.Sprintf("worker %d ended by itself: %v", w.number, orNil(err)))
	}
	w.mu.Unlock()
	close(p.exited)
	if !asked {
		_ = w.startAfter(p)
	}
}

func orNil(err error) string {
	if err == nil {
		return "exit status 0"
	}
	return err.Error()
}

// current is the life that the worker leads now. With asked, its end is no crash.
func (w *worker) current(asked bool) *process {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.process.asked = w.process.asked || asked
	return w.process
}

// kill ends the worker's life and begins another.
func (w *worker) kill() error {
	p := w.current(true)
	_ = p.cmd.Process.Kill()
	<-p.exited
	return w.startAfter(p)
}

// stall stops the worker for so long, or until ctx is done.
func (w *worker) stall(ctx context.Context, d time.Duration) error {
	p := w.current(false)
	if err := p.cmd.Process.Signal(child.Stop); err != nil {
		return err
	}
	pause(ctx, d)
	if err := p.cmd.Process.Signal(child.Continue); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	return nil
}

// drain asks the worker to stop and begins another life. It returns the exit code; -1 if it had to be killed.
func (w *worker) drain() (int, error) {
	p := w.current(true)
	code := w.stop(p)
	return code, w.startAfter(p)
}

func (w *worker) stop(p *process) int {
	_ = p.cmd.Process.Signal(child.Terminate)
	// More than the drain and the last words after it.
	t := time.NewTimer(3 * drainTimeout)
	defer t.Stop()
	select {
	case <-p.exited:
	case <-t.C:
		_ = p.cmd.Process.Kill()
		<-p.exited
	}
	return p.cmd.ProcessState.ExitCode()
}

// awaitReady waits until the worker says that it is ready. One that ends before that will not do better.
func (w *worker) awaitReady(ctx context.Context) error {
	return until(ctx, readyTimeout, fmt.Sprintf("worker %d to be ready", w.number), func() error {
		log, err := os.ReadFile(w.logFile())
		if err != nil {
			return err
		}
		if bytes.Contains(log, []byte(`"sgstreamd is ready"`)) {
			return nil
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		lines := strings.Split(strings.TrimSpace(string(log)), "\n")
		if len(w.crashes) > 0 {
			w.closed = true
			return fatal{fmt.Errorf("%s; it said: %s", w.crashes[0], strings.Join(lines[max(0, len(lines)-3):], "; "))}
		}
		return fmt.Errorf("it said last: %s", lines[len(lines)-1])
	})
}

// stopAll drains every worker, all at the same time, and returns what their ends have to be blamed for.
func (f *fleet) stopAll() []string {
	blames := make([]string, len(f.workers))
	var all sync.WaitGroup
	for i, w := range f.workers {
		all.Go(func() {
			w.close()
			if code := w.stop(w.current(true)); code != 0 {
				blames[i] = fmt.Sprintf("worker %d ended with the exit code %d when it was stopped without work", w.number, code)
			}
		})
	}
	all.Wait()
	var found []string
	for i, w := range f.workers {
		w.mu.Lock()
		found = append(found, w.crashes...)
		w.mu.Unlock()
		if blames[i] != "" {
			found = append(found, blames[i])
		}
	}
	return found
}

// close keeps the worker from being started again.
func (w *worker) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
}

// killAll ends every worker at once, and closes what belongs to it.
func (f *fleet) killAll() {
	for _, w := range f.workers {
		w.close()
		w.mu.Lock()
		p := w.process
		w.mu.Unlock()
		if p != nil {
			p = w.current(true)
			_ = p.cmd.Process.Kill()
			<-p.exited
		}
		if w.proxy != nil {
			w.proxy.close()
		}
		_ = w.log.Close()
	}
}
