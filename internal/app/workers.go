package app

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/sgstreamd/sgstreamd/abi"
	"github.com/sgstreamd/sgstreamd/consumer"
)

// worker is one that runs.
type worker struct {
	*consumer.Worker
	plugin string
	stop   context.CancelFunc
	done   chan struct{} // closed when it has seen everything through
}

// startOutbound starts reading the platforms' streams before their adapters have an instance, and before
// anything here can write to them, so that no reply is missed.
func (d *daemon) startOutbound() error {
	d.status.set("starting")
	platforms := d.platforms()
	switch {
	case d.Config.Outbound.Auto():
		d.Log.Info("outbound.platforms is \"auto\"", "platforms", platforms)
	case len(platforms) == 0 && !d.Trial:
		d.Log.Warn("outbound.platforms is empty: no replies are delivered by this daemon")
	}
	for _, platform := range platforms {
		d.startAdapter(platform)
	}
	return nil
}

// platforms are those that there is an adapter for, or has to be.
func (d *daemon) platforms() []string {
	if !d.Config.Outbound.Auto() {
		return d.Config.Outbound.Platforms
	}
	var platforms []string
	for name, s := range d.plugins.slots {
		if s.current.Load().Manifest().Kind == abi.KindAdapter {
			platforms = append(platforms, d.Config.Outbound.PlatformsOf(name)...)
		}
	}
	slices.Sort(platforms)
	return platforms
}

func (d *daemon) startAdapter(platform string) {
	name := d.Config.Outbound.AdapterOf(platform)
	c := consumer.Outbound(d.consumer, platform, d.Config.Outbound, d.Config.DeadLetters, d.Config.State)
	c.MaxInFlight = d.places(name, c.MaxInFlight)
	// One that is still seeing its last messages through has the same name in the group.
	d.adapters[platform] = d.startWorker(c, name, d.leaving[platform])
}

// stopAdapter lets a platform's worker take no more, and returns a channel that is closed when it is through.
func (d *daemon) stopAdapter(platform string) <-chan struct{} {
	w := d.adapters[platform]
	delete(d.adapters, platform)
	d.leaving[platform] = w.done
	d.status.drop(w.Worker)
	d.Log.Info("the platform's stream is not read any more", "platform", platform)
	w.stop()
	return w.done
}

// assignAdapters starts the platforms of adapters that are new and stops those of adapters that are none any more, where
// the platforms are those of the adapters that are there.
func (d *daemon) assignAdapters() {
	if !d.Config.Outbound.Auto() {
		return
	}
	wanted := d.platforms()
	for _, platform := range slices.Sorted(maps.Keys(d.adapters)) {
		if !slices.Contains(wanted, platform) {
			d.stopAdapter(platform)
		}
	}
	for _, platform := range wanted {
		if d.adapters[platform] == nil {
			d.startAdapter(platform)
		}
	}
}

func (d *daemon) startInbound() error {
	if !d.Config.Inbound.Enabled {
		return nil
	}
	c := consumer.Inbound(d.consumer, d.Config.Inbound, d.Config.Outbound, d.Config.DeadLetters, d.Config.State)
	c.MaxInFlight = d.places(d.Config.Inbound.Processor, c.MaxInFlight)
	d.processor = d.startWorker(c, d.Config.Inbound.Processor, nil)
	return nil
}

// places is how many messages a worker may hold: no more than its plugin has instances for. What is fetched and can't
// be begun ages here while another daemon could have it.
func (d *daemon) places(plugin string, maxInFlight int) int {
	if n := d.plugins.slots[plugin].config.MaxInstances; n > 0 {
		return min(n, maxInFlight)
	}
	return maxInFlight
}

// startWorker starts a worker for the plugin, once the one before, if there is one, is through.
func (d *daemon) startWorker(c consumer.WorkerConfig, plugin string, before <-chan struct{}) *worker {
	c.WaitReplicas, c.WaitTimeout = d.Config.Redis.WaitReplicas, d.Config.Redis.WaitTimeout
	w := &worker{Worker: consumer.NewWorker(c, d.redis, d.plugins.slots[plugin], d.metrics, d.Log), plugin: plugin, done: make(chan struct{})}
	stopping, stop := context.WithCancel(d.stopping)
	w.stop = stop
	d.status.add(w.Worker)
	d.workers.Go(func() {
		defer close(w.done)
		defer stop()
		if before != nil {
			<-before
		}
		if err := w.Run(stopping, d.working); err != nil {
			d.mu.Lock()
			defer d.mu.Unlock()
			d.unfinished = append(d.unfinished, fmt.Errorf("%w: %w", ErrDrainIncomplete, err))
		}
	})
	return w
}

// awaitReading waits until every worker reads its stream. One that can't says why in the log and in /readyz.
func (d *daemon) awaitReading() error {
	workers := slices.Collect(maps.Values(d.adapters))
	if d.processor != nil {
		workers = append(workers, d.processor)
	}
	for _, w := range workers {
		select {
		case <-w.Reading():
		case <-d.stopping.Done():
			return d.stopping.Err()
		}
	}
	return nil
}
