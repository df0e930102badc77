// Package app wires the daemon together and runs it: Redis, plugins, workers, the admin server, and the order
// in which they start and stop.
package app

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/sgstreamd/sgstreamd/consumer"
	"github.com/sgstreamd/sgstreamd/internal/admin"
	"github.com/sgstreamd/sgstreamd/internal/config"
)

// autoWorkers is the number of workers that there are connections for where adapters may come and go. Connections are
// made as they are needed.
const autoWorkers = 32

// ErrDrainIncomplete is in Run's error when messages were cut short by the drain's end, or by Options.Cut.
var ErrDrainIncomplete = errors.New("the drain was not complete")

// errStopping cancels what is under way while the daemon starts.
var errStopping = errors.New("the daemon is stopping")

// Options are what Run needs to know.
type Options struct {
	// Config is the whole configuration, validated.
	Config config.Config
	// Log receives everything, the plugins' own lines included.
	Log *slog.Logger
	// Cut, when it is closed, ends a drain at once.
	Cut <-chan struct{}
	// Only are the names of the plugins that are looked at; nil for every one in the folder.
	Only []string
	// Reload tells, each time that something is received, that the plugins' configuration is to be taken anew, and Reread
	// reads it. Nil is never.
	Reload <-chan os.Signal
	Reread func() (config.Config, error)
	// Trial is that somebody tries plugins out: what only an operator wants to know is not said.
	Trial bool
	// Started, if not nil, is called once everything works.
	Started func(Addresses)
}

// Addresses are where a running daemon can be reached.
type Addresses struct {
	// RedisURL is the URL that the daemon uses, the embedded server's own one where that runs.
	RedisURL string
	// Admin is the admin server's address, or empty.
	Admin string
}

// daemon is what Run builds up.
type daemon struct {
	Options
	cleanups cleanups
	registry *prometheus.Registry
	metrics  *consumer.Metrics
	status   status

	addresses Addresses
	redis     consumer.Client
	state     *consumer.State // of the plugins
	plugins   *plugins

	consumer string          // the name of this life in every group
	stopping context.Context // done when no new message is to be taken
	stop     context.CancelFunc
	working  context.Context // done when calls are to be cancelled
	endWork  context.CancelCauseFunc

	workers    sync.WaitGroup
	processor  *worker                    // nil where there is none
	adapters   map[string]*worker         // by platform
	leaving    map[string]<-chan struct{} // by platform: closed when its former worker is through
	kept       chan struct{}              // closed when the keeper has ended; nil before it has begun
	lockSeen   fileMark                   // of the lock file; the keeper's
	loaded     chan loaded                // to the keeper
	rereading  bool                       // the configuration is taken anew; the keeper's
	mu         sync.Mutex
	unfinished []error // of the workers whose drain was not complete
}

// Run starts the daemon and returns when it has stopped: after ctx is done and the drain is over, or when it
// could not start. Nothing of it is left behind.
func Run(ctx context.Context, o Options) error {
	d := &daemon{
		Options: o, cleanups: cleanups{log: o.Log}, registry: prometheus.NewRegistry(),
		adapters: map[string]*worker{}, leaving: map[string]<-chan struct{}{}, loaded: make(chan loaded),
	}
	d.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	d.metrics = consumer.NewMetrics(d.registry)
	d.consumer = consumer.Name()
	d.stopping, d.stop = context.WithCancel(ctx)
	defer d.stop()
	d.working, d.endWork = context.WithCancelCause(context.WithoutCancel(ctx))
	defer d.endWork(nil)

	err := d.start()
	if err == nil {
		<-ctx.Done()
	}
	// A failed start stops through the same door: what already runs drains. That it has to is no news beside why.
	unfinished := d.drain(err)
	if err == nil {
		err = unfinished
	}
	return errors.Join(err, d.cleanups.run())
}

// start brings everything up in the order in which it is needed. When ctx is done on the way, the rest is
// left out.
func (d *daemon) start() error {
	for _, step := range []func() error{
		d.openRedis, d.serveAdmin, d.loadPlugins, d.awaitRedis, d.examineRedis, d.startOutbound, d.startPlugins, d.startInbound, d.awaitReading,
		d.keepPlugins,
	} {
		if err := step(); err != nil {
			if d.stopping.Err() != nil && errors.Is(err, context.Canceled) {
				return nil
			}
			return err
		}
	}
	d.status.started()
	d.Log.Info("sgstreamd is ready", "redis", consumer.RedactedURL(d.addresses.RedisURL), "admin", d.addresses.Admin)
	if d.Started != nil {
		d.Started(d.addresses)
	}
	return nil
}

func (d *daemon) openRedis() error {
	c := d.Config.Redis
	if c.URL == consumer.Embedded {
		e, err := consumer.StartEmbedded(c.EmbeddedListen)
		if err != nil {
			return err
		}
		d.cleanups.push("embedded redis", func(context.Context) error { e.Close(); return nil })
		c.URL = e.URL()
		d.Log.Warn("embedded redis: for development; it keeps nothing, and nobody else can share the work", "url", c.URL)
	}
	workers := 1 + len(d.Config.Outbound.Platforms)
	if d.Config.Outbound.Auto() {
		workers = autoWorkers
	}
	client, err := consumer.Dial(c, workers)
	if err != nil {
		return err
	}
	d.redis, d.addresses.RedisURL = client, c.URL
	d.cleanups.push("redis", func(context.Context) error { return client.Close() })
	d.state = consumer.StartState(client, d.Config.State)
	d.cleanups.push("plugin state", func(context.Context) error { d.state.Close(); return nil })
	return nil
}

func (d *daemon) serveAdmin() error {
	if d.Config.Admin.Listen == "" {
		return nil
	}
	s, err := admin.Start(d.Config.Admin, d.registry, d.readiness)
	if err != nil {
		return err
	}
	d.addresses.Admin = s.Addr()
	d.cleanups.push("admin server", s.Close)
	return nil
}

func (d *daemon) awaitRedis() error {
	d.status.set("waiting for redis")
	return consumer.Await(d.stopping, d.redis, func(err error) {
		d.Log.Warn("waiting for redis", "url", consumer.RedactedURL(d.addresses.RedisURL), "error", err)
	})
}

// drain stops the workers and waits for them. What is still in flight when the drain's time is over, or Cut is
// closed, is cancelled; after a start that failed, that is at once.
func (d *daemon) drain(failed error) error {
	d.status.set("draining")
	d.stop()
	if failed != nil {
		d.endWork(errStopping)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if d.kept != nil {
			<-d.kept // it starts and stops workers
		}
		d.workers.Wait()
	}()
	deadline := time.NewTimer(d.Config.Drain.Timeout)
	defer deadline.Stop()
	select {
	case <-done:
	case <-deadline.C:
		d.Log.Warn("the drain's time is over; what is still in flight is cancelled", "timeout", d.Config.Drain.Timeout)
	case <-d.Cut:
		d.Log.Warn("the drain is cut short; what is still in flight is cancelled")
	}
	d.endWork(consumer.ErrDrainCut)
	<-done
	return errors.Join(d.unfinished...)
}
