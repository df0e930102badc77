package loadtest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/sgstreamd/sgstreamd/consumer"
	"github.com/sgstreamd/sgstreamd/internal/child"
)

const (
	// readyTimeout is how long the daemon may take to start; it compiles the plugin, once for all passes.
	readyTimeout = 2 * time.Minute
	// stopTimeout is how long it may take to stop.
	stopTimeout = time.Minute
)

// daemon is "sgstreamd run" in a process of its own.
type daemon struct {
	cmd     *exec.Cmd
	exited  chan struct{}
	logFile string
	admin   string // address of its metrics
}

// Reserved are the keys of the configuration that belong to the benchmark, besides those of redis.
func Reserved() []string {
	return []string{
		"inbound.enabled", "inbound.stream", "inbound.group", "inbound.processor", "inbound.autoclaim.audit_key", "inbound.lock.prefix",
		"inbound.trace.prefix", "outbound.platforms", "outbound.adapters", "outbound.stream_prefix", "outbound.max_len", "dead_letters.stream",
		"state.prefix", "plugins.dir", "plugins.cache_dir", "plugins.lock_file", "plugins." + PluginName + ".emit_streams",
		"admin.listen", "log.format",
	}
}

// startDaemon starts a daemon that works on the keys of the names, and waits until it is ready.
func startDaemon(ctx context.Context, o *Options, folder string, n names, redis consumer.RedisConfig) (*daemon, error) {
	d, err := launchDaemon(o, folder, n, redis)
	if err != nil {
		return nil, err
	}
	if err := d.awaitReady(ctx); err != nil {
		d.kill()
		return nil, err
	}
	return d, nil
}

// launchDaemon starts the process.
func launchDaemon(o *Options, folder string, n names, redis consumer.RedisConfig) (*daemon, error) {
	base := filepath.Join(folder, fmt.Sprintf("daemon-%d", n.pass))
	if err := os.WriteFile(base+".toml", []byte(configFor(folder, o.CacheDir, n, redis)+o.tables), 0o600); err != nil {
		return nil, err
	}
	log, err := os.Create(base + ".log")
	if err != nil {
		return nil, err
	}
	defer log.Close() // the process has one of its own
	args := []string{"run", "--config", base + ".toml"}
	for _, s := range o.Settings {
		args = append(args, "--set", s)
	}
	d := &daemon{cmd: exec.Command(o.Binary, args...), exited: make(chan struct{}), logFile: base + ".log"}
	d.cmd.Stdout, d.cmd.Stderr = log, log
	d.cmd.Env = append(foreignEnviron(), "SGSTREAMD_REDIS__URL="+redis.URL) // it may hold a password, which is no matter for a file
	child.EndWithParent(d.cmd)
	if err := d.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the daemon: %w", err)
	}
	go func() {
		_ = d.cmd.Wait()
		close(d.exited)
	}()
	return d, nil
}

// foreignEnviron is the environment without what configures a daemon, which would lead this one to other streams.
func foreignEnviron() []string {
	return slices.DeleteFunc(os.Environ(), func(v string) bool {
		return strings.HasPrefix(v, "SGSTREAMD_") || strings.HasPrefix(v, "SG_")
	})
}

// configFor is the daemon's configuration: what is not in it has its default, or is one of Options.Settings.
func configFor(folder, cacheDir string, n names, redis consumer.RedisConfig) string {
	return fmt.Sprintf(`[redis]
wait_replicas = %d
wait_timeout = "%v"

[redis.tls]
ca_file = %q
cert_file = %q
key_file = %q

[inbound]
stream = %q
group = %q
processor = %q

[inbound.autoclaim]
audit_key = %q

[inbound.lock]
prefix = %q

[inbound.trace]
prefix = %q

[outbound]
stream_prefix = %q
max_len = 1000000000

[dead_letters]
stream = %q

[state]
prefix = %q

[plugins]
dir = %q
cache_dir = %q
lock_file = "off"

[admin]
listen = "127.0.0.1:0"

[log]
format = "json"
`, redis.WaitReplicas, redis.WaitTimeout, redis.TLS.CAFile, redis.TLS.CertFile, redis.TLS.KeyFile, n.stream(), group, PluginName,
		n.prefix()+"audit", n.lock(), n.trace(), n.outbound(), n.deadLetters(), n.prefix()+"state:",
		pluginsFolder(folder), cacheDir)
}

func pluginsFolder(folder string) string { return filepath.Join(folder, "plugins") }

// awaitReady waits until the daemon says that it is ready, and where its metrics are.
func (d *daemon) awaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, readyTimeout, errors.New("the daemon does not become ready"))
	defer cancel()
	for {
		log, err := os.ReadFile(d.logFile)
		if err != nil {
			return err
		}
		for line := range bytes.Lines(log) {
			var said struct{ Msg, Admin string }
			if json.Unmarshal(line, &said) == nil && said.Msg == "sgstreamd is ready" {
				d.admin = said.Admin
				return nil
			}
		}
		if err := d.alive(); err != nil {
			return err
		}
		if !pause(ctx, 10*time.Millisecond) {
			return context.Cause(ctx)
		}
	}
}

// alive is an error with the daemon's last words once it has ended.
func (d *daemon) alive() error {
	select {
	case <-d.exited:
	default:
		return nil
	}
	return fmt.Errorf("the daemon ended (%v)%s", d.cmd.ProcessState, d.complaint())
}

// complaint is the last thing that the daemon has complained of, as the end of an error's text; or empty.
func (d *daemon) complaint() string {
	log, _ := os.ReadFile(d.logFile)
	for _, line := range slices.Backward(strings.Split(strings.TrimSpace(string(log)), "\n")) {
		var said struct{ Level, Msg, Error string }
		switch {
		case line == "":
		case json.Unmarshal([]byte(line), &said) != nil: // what ends a process is no record
			return "; it said: " + strings.TrimPrefix(line, "sgstreamd: ")
		case said.Level == "WARN" || said.Level == "ERROR":
			return "; it said: " + strings.TrimSuffix(said.Msg+": "+said.Error, ": ")
		}
	}
	return ""
}

// hold stops the process where it is, and resume lets it go on.
func (d *daemon) hold() error   { return d.cmd.Process.Signal(child.Stop) }
func (d *daemon) resume() error { return d.cmd.Process.Signal(child.Continue) }

// stop asks the daemon to end, and waits until it has, or cut is closed.
func (d *daemon) stop(cut <-chan struct{}) error {
	_ = d.cmd.Process.Signal(child.Terminate)
	t := time.NewTimer(stopTimeout)
	defer t.Stop()
	select {
	case <-d.exited:
	case <-t.C:
		d.kill()
	case <-cut:
		d.kill()
	}
	if code := d.cmd.ProcessState.ExitCode(); code != 0 {
		return fmt.Errorf("the daemon did not stop in good order: %w", d.alive())
	}
	return nil
}

func (d *daemon) kill() {
	_ = d.cmd.Process.Kill()
	<-d.exited
}
