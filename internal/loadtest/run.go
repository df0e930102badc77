package loadtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

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
	// Note, if not nil, is told what is to be known even if the run does not come to its end, in one line.
	Note func(string)
	// Progress, if not nil, is told often how far the run is, in one line. It is called from several goroutines.
	Progress func(string)
	// Cut, if not nil, is closed when an interrupted run is to end at once, whatever it leaves.
	Cut <-chan struct{}

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
	said   time.Time
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
	if err := r.addPlugin(PluginName, o.Module); err != nil {
		return err
	}
	if err := r.open(ctx); err != nil {
		if ctx.Err() != nil {
			return ErrInterrupted
		}
		return err
	}
	defer r.server.close()
	if r.server.own == nil {
		r.note("the names of this run's keys begin with " + r.names.whole())
	}
	defer r.heed(ctx)()
	if err = do(r); err == nil {
		return nil
	}
	if ctx.Err() != nil {
		err = ErrInterrupted
	}
	if r.server.own != nil { // it ends with the run
		return err
	}
	if left := r.server.cleanUp(r.names); left != nil {
		return fmt.Errorf("%[1]w; keys that match %[2]s* or sg:*:%[2]s* are left in Redis: %[3]w", err, r.names.whole(), left)
	}
	return err
}

// open finds a Redis that can be measured on. Nothing is written yet, so an interruption need not wait for an answer.
func (r *run) open(ctx context.Context) (err error) {
	if r.server, err = openServer(ctx, r.Redis, r.Own, r.folder); err != nil {
		return err
	}
	closeAtOnce := context.AfterFunc(ctx, func() { _ = r.server.client.Close() })
	if err = r.server.requireFit(ctx, r); !closeAtOnce() {
		err = ctx.Err()
	}
	if err != nil {
		r.server.close()
	}
	return err
}

// heed says that an interruption was heard, and closes the client when the run is to end at once, so that nothing waits for
// Redis any more. The returned function ends it.
func (r *run) heed(ctx context.Context) (end func()) {
	over := make(chan struct{})
	go func() {
		select {
		case <-ctx.Done():
			r.note("interrupted: what is left in Redis is being removed, unless there is another interruption")
		case <-over:
			return
		}
		select {
		case <-r.Cut:
			_ = r.server.client.Close()
		case <-over:
		}
	}()
	return func() { close(over) }
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
		// The daemon comes first: what is wrong with the plugin is learned soon.
		f, err := r.daemonPass(ctx, w, false)
		if err != nil {
			return Comparison{}, err
		}
		daemons = append(daemons, f)
		for _, mode := range modes {
			f, err := r.barePass(ctx, w, mode)
			if err != nil {
				return Comparison{}, err
			}
			bares[mode] = append(bares[mode], f)
		}
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

func (r *run) note(line string) {
	if r.Note != nil {
		r.Note(line)
	}
}

func (r *run) tell(line string) {
	if r.Progress != nil {
		r.Progress(line)
	}
}
