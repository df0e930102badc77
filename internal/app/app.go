// Package app wires the daemon together and runs it: Redis, plugins, workers, the admin server, and the order
// in which they start and stop.
package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/sgstreamd/sgstreamd/consumer"
	"github.com/sgstreamd/sgstreamd/internal/admin"
	"github.com/sgstreamd/sgstreamd/internal/config"
)

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

	reading    []<-chan struct{} // of each worker
	workers    sync.WaitGroup
	mu         sync.Mutex
	unfinished []error // of the workers whose drain was not complete
}

// Run starts the daemon and returns when it has stopped: after ctx is done and the drain is over, or when it
// could not start. Nothing of it is left behind.
func Run(ctx context.Context, o Options) error {
	d := &daemon{Options: o, cleanups: cleanups{log: o.Log}, registry: prometheus.NewRegistry()}
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
	client, err := consumer.Dial(c, 1+len(d.Config.Outbound.Platforms))
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

// startOutbound starts reading the platforms' streams before their adapters have an instance, and before
// anything here can write to them, so that no reply is missed.
func (d *daemon) startOutbound() error {
	d.status.set("starting")
	if len(d.Config.Outbound.Platforms) == 0 {
		d.Log.Warn("outbound.platforms is empty: no replies are delivered by this daemon")
	}
	for _, platform := range d.Config.Outbound.Platforms {
		h := d.plugins.byName[d.Config.Outbound.AdapterOf(platform)]
		c := consumer.Outbound(d.consumer, platform, d.Config.Outbound, d.Config.DeadLetters, d.Config.State)
		c.MaxInFlight = d.places(d.Config.Outbound.AdapterOf(platform), c.MaxInFlight)
		d.startWorker(c, h)
	}
	return nil
}

func (d *daemon) startInbound() error {
	if !d.Config.Inbound.Enabled {
		return nil
	}
	h := d.plugins.byName[d.Config.Inbound.Processor]
	c := consumer.Inbound(d.consumer, d.Config.Inbound, d.Config.Outbound, d.Config.DeadLetters, d.Config.State)
	c.MaxInFlight = d.places(d.Config.Inbound.Processor, c.MaxInFlight)
	d.startWorker(c, h)
	return nil
}

// places is how many messages a worker may hold: no more than its plugin has instances for. What is fetched and can't
// be begun ages here while another daemon could have it.
func (d *daemon) places(plugin string, maxInFlight int) int {
	if n := d.Config.Plugins.For(plugin).MaxInstances; n > 0 {
		return min(n, maxInFlight)
	}
	return maxInFlight
}

func (d *daemon) startWorker(c consumer.WorkerConfig, h consumer.Handler) {
	c.WaitReplicas, c.WaitTimeout = d.Config.Redis.WaitReplicas, d.Config.Redis.WaitTimeout
	w := consumer.NewWorker(c, d.redis, h, d.metrics, d.Log)
	d.status.add(w.Ready)
	d.reading = append(d.reading, w.Reading())
	d.workers.Go(func() {
		if err := w.Run(d.stopping, d.working); err != nil {
			d.mu.Lock()
			defer d.mu.Unlock()
			d.unfinished = append(d.unfinished, fmt.Errorf("%w: %w", ErrDrainIncomplete, err))
		}
	})
}

// awaitReading waits until every worker reads its stream. One that can't says why in the log and in /readyz.
func (d *daemon) awaitReading() error {
	for _, reading := range d.reading {
		select {
		case <-reading:
		case <-d.stopping.Done():
			return d.stopping.Err()
		}
	}
	return nil
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
	go func() { d.workers.Wait(); close(done) }()
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
