package loadtest

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/sgstreamd/sgstreamd/internal/verify"
)

// others are the plugins of a daemon that is started and left alone, besides the example echo, in Go, and the plugin of
// verify. Two of them are adapters, which the daemon reads a stream for each.
var others = []string{"echo-assemblyscript", "echo-c", "echo-rust", "echo-zig", "llm", "router", "slack", "webhook"}

// otherTables are what they can't do without; %s is a file with a secret.
const otherTables = `
[plugins.llm]
config = { model = "none" }
http = { origins = ["https://api.openai.com"] }

[plugins.router]
config = { default = { drop = true } }

[plugins.slack]
secrets = { bot-token = { file = %[1]q, origins = ["https://slack.com"] } }
http = { origins = ["https://slack.com"] }

[plugins.webhook]
config = { url = "https://example.org" }
secrets = { signing-key = { file = %[1]q, header = "X-Signature", origins = ["https://example.org"] } }
http = { origins = ["https://example.org"] }
`

// tenPlugins makes a run whose daemon has ten plugins.
func (p *proof) tenPlugins(ctx context.Context, do func(*run) error) error {
	return p.within(ctx, p.example("echo"), 1, func(r *run) error {
		if err := r.addPlugin("answer", verify.Guest()); err != nil {
			return err
		}
		for _, name := range others {
			module, err := os.ReadFile(p.example(name))
			if err == nil {
				err = r.addPlugin(name, module)
			}
			if err != nil {
				return err
			}
		}
		secret := filepath.Join(r.folder, "secret")
		if err := os.WriteFile(secret, []byte("of no use to anybody"), 0o600); err != nil {
			return err
		}
		r.tables = fmt.Sprintf(otherTables, secret)
		r.Settings = append(r.Settings, "outbound.platforms=auto")
		return do(r)
	})
}

// start measures how much longer than to print its version the program takes until the daemon is ready. The first start,
// which compiles the plugins, does not count.
func (p *proof) start(ctx context.Context) (claims []Claim, err error) {
	err = p.tenPlugins(ctx, func(r *run) error {
		var over []float64
		for i := range p.Starts + 1 {
			bare, err := r.timeVersion(ctx)
			if err != nil {
				return err
			}
			took, err := r.timeStart(ctx)
			if err != nil {
				return err
			}
			r.tell(fmt.Sprintf("start, %d of %d: %v, and %v to print the version", i, p.Starts, took, bare))
			if i > 0 {
				over = append(over, float64((took-bare).Microseconds())/1e3)
			}
		}
		what := fmt.Sprintf("start to ready with ten plugins, beyond sgstreamd version: median of %d", p.Starts)
		claims = []Claim{{What: what, Measured: median(over), Bound: 150, Unit: " ms"}}
		return nil
	})
	return claims, err
}

func (r *run) timeVersion(ctx context.Context) (time.Duration, error) {
	begun := time.Now()
	if out, err := exec.CommandContext(ctx, r.Binary, "version").CombinedOutput(); err != nil {
		return 0, fmt.Errorf("sgstreamd version: %w: %s", err, out)
	}
	return time.Since(begun), nil
}

// timeStart starts a daemon, and stops it again. Every one of its plugins has to serve.
func (r *run) timeStart(ctx context.Context) (time.Duration, error) {
	port, err := freePort()
	if err != nil {
		return 0, err
	}
	o := r.Options
	addr := net.JoinHostPort("127.0.0.1", fmt.Sprint(port))
	o.Settings = append(o.Settings[:len(o.Settings):len(o.Settings)], "admin.listen="+addr)
	r.names = r.names.next()
	begun := time.Now()
	d, err := launchDaemon(&o, r.folder, r.names, r.server.config)
	if err != nil {
		return 0, err
	}
	defer d.kill()
	if err := d.pollReady(ctx, addr); err != nil {
		return 0, err
	}
	took := time.Since(begun)
	log, err := os.ReadFile(d.logFile)
	if err == nil && strings.Contains(string(log), "plugin refused") {
		err = fmt.Errorf("a plugin is refused: %s", log)
	}
	if err != nil {
		return 0, err
	}
	return took, d.stop(nil)
}

// readyLook is the time between two questions whether the daemon is ready.
const readyLook = 2 * time.Millisecond

// pollReady asks until the daemon answers that it is ready.
func (d *daemon) pollReady(ctx context.Context, addr string) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	client := http.Client{Transport: transport}
	for pause(ctx, readyLook) {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/readyz", nil)
		if err != nil {
			return err
		}
		if response, err := client.Do(request); err == nil {
			_, _ = io.Copy(io.Discard, response.Body)
			_ = response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return nil
			}
		}
		if err := d.alive(); err != nil {
			return err
		}
	}
	return ctx.Err()
}
