package loadtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/sgstreamd/sgstreamd/consumer"
	"github.com/sgstreamd/sgstreamd/internal/child"
)

// Options are what a run is told.
type Options struct {
	// Redis is where it works; Own lets it start a Redis of its own instead.
	Redis consumer.RedisConfig
	Own   bool
	// Binary is the daemon's file.
	Binary string
	// Module is the plugin, a WebAssembly module.
	Module []byte
	// CacheDir is the folder of the compiled modules; empty is one of the run's own.
	CacheDir string
	// Settings configure the daemon, "key=value" each; none of them is one of Reserved or of redis.
	Settings []string
	// Messages go through a backlog as fast as possible, each with a payload of Size bytes, in turn of Channels channels.
	Messages, Size, Channels int
	// Rate is how many messages a second are sent where latencies are measured; 0 leaves that out.
	Rate int
	// Repeat is how often all of it is done.
	Repeat int
	// Bare are the loops that are measured beside the daemon.
	Bare []string
	// Progress, if not nil, is told often how far the run is, in one line.
	Progress func(string)

	tables string // at the end of the daemon's configuration
}

// Limits of Options.
const (
	MaxMessages = 5_000_000
	MaxChannels = 1_000_000
	MaxRate     = 1_000_000
	MaxRepeat   = 100
)

const (
	// latencySeconds is for how long messages are sent at the rate, unless they are fewer.
	latencySeconds = 10
	// countedMessages is how many messages round trips are counted over, at most.
	countedMessages = 20_000
)

// ErrInterrupted is what Run returns when ctx was done before its end.
var ErrInterrupted = errors.New("interrupted")

// run is one run.
type run struct {
	Options
	folder string
	server *server
	names  names
	turn   int // from 1
}

// Run measures. What it has written to Redis is removed in any case, if Redis can be reached; where it can't be, the error
// says so.
func Run(ctx context.Context, o Options) (report Report, err error) {
	err = within(ctx, o, func(r *run) (err error) {
		report, err = r.measure(ctx)
		return err
	})
	return report, err
}

// within makes a run, and ends it once it has done what it is for.
func within(ctx context.Context, o Options, do func(*run) error) (err error) {
	if !child.Supported {
		return errors.New("bench stops and continues the daemon, which this system can't")
	}
	r := &run{Options: o, names: newNames()}
	if r.folder, err = os.MkdirTemp("", "sgstreamd-bench-"); err != nil {
		return err
	}
	defer func() {
		if left := os.RemoveAll(r.folder); left != nil {
			err = errors.Join(err, left)
		}
	}()
	if r.CacheDir == "" {
		r.CacheDir = filepath.Join(r.folder, "cache")
	}
	if err := os.Mkdir(pluginsFolder(r.folder), 0o700); err != nil {
		return err
	}
	if err := r.addPlugin(pluginName, o.Module); err != nil {
		return err
	}
	if r.server, err = openServer(ctx, o.Redis, o.Own, r.folder); err != nil {
		return err
	}
	defer r.server.close()
	if err = do(r); err != nil {
		if ctx.Err() != nil {
			err = ErrInterrupted
		}
		if left := r.server.cleanUp(r.names); left != nil {
			err = errors.Join(err, left)
		}
	}
	return err
}

// addPlugin puts a module into the daemon's folder.
func (r *run) addPlugin(name string, module []byte) error {
	return os.WriteFile(filepath.Join(pluginsFolder(r.folder), name+".wasm"), module, 0o600)
}

// measure does all passes, and makes the report of them.
func (r *run) measure(ctx context.Context) (Report, error) {
	info, err := r.server.info(ctx, "server")
	if err != nil {
		return Report{}, err
	}
	report := Report{
		Machine: ThisMachine(), Redis: info["redis_version"], OwnRedis: r.Own,
		Messages: r.Messages, Size: r.Size, Channels: r.Channels, Repeat: r.Repeat,
	}
	backlog := work{messages: r.Messages, what: "throughput"}
	if report.Throughput, err = r.compare(ctx, backlog, r.Bare); err != nil {
		return Report{}, err
	}
	if r.Rate > 0 {
		paced := work{messages: min(r.Messages, latencySeconds*r.Rate), rate: r.Rate, what: "latency"}
		// A loop that does not answer has no latency.
		answering := slices.DeleteFunc(slices.Clone(r.Bare), func(mode string) bool { return mode == BareAck })
		c, err := r.compare(ctx, paced, answering)
		if err != nil {
			return Report{}, err
		}
		report.Latency = &c
	}
	return report, nil
}

// compare measures the loops and the daemon in turns, so that what else the machine does concerns all of them.
func (r *run) compare(ctx context.Context, w work, modes []string) (Comparison, error) {
	bares, daemons := map[string][]Figures{}, []Figures{}
	for r.turn = 1; r.turn <= r.Repeat; r.turn++ {
		for _, mode := range modes {
			f, err := r.barePass(ctx, w, mode)
			if err != nil {
				return Comparison{}, err
			}
			bares[mode] = append(bares[mode], f)
		}
		f, err := r.daemonPass(ctx, w, false)
		if err != nil {
			return Comparison{}, err
		}
		daemons = append(daemons, f)
	}
	counted := w
	counted.messages = min(w.messages, countedMessages)
	r.turn = r.Repeat
	trips, err := r.daemonPass(ctx, counted, true)
	if err != nil {
		return Comparison{}, err
	}
	c := newComparison(w, bares, daemons)
	c.Daemon.RoundTrips = trips.RoundTrips
	return c, nil
}

// say tells how far a pass is.
func (r *run) say(s *stage, replies int) {
	r.tell(fmt.Sprintf("%s, %d of %d: %s, %d of %d messages", s.work.what, r.turn, r.Repeat, s.doing, replies, len(s.loader.sent)))
}

func (r *run) tell(line string) {
	if r.Progress != nil {
		r.Progress(line)
	}
}
