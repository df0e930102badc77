package app

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/sgstreamd/sgstreamd/abi"
	"github.com/sgstreamd/sgstreamd/consumer"
	"github.com/sgstreamd/sgstreamd/host"
	"github.com/sgstreamd/sgstreamd/internal/config"
)

// examineTimeout bounds the examination at the start.
const examineTimeout = 5 * time.Second

// Examine looks for what at this Redis, or in how the configuration uses it, would break a promise to the workers that
// a daemon with this configuration runs; the worst comes first. It writes nothing. An error means that Redis could not
// be reached, or ctx is done.
func Examine(ctx context.Context, client consumer.Client, c config.Config) ([]consumer.Finding, error) {
	var workers []consumer.WorkerConfig
	name := consumer.Name()
	for _, platform := range platformsOf(c) {
		workers = append(workers, consumer.Outbound(name, platform, c.Outbound, c.DeadLetters, c.State))
	}
	if c.Inbound.Enabled {
		workers = append(workers, consumer.Inbound(name, c.Inbound, c.Outbound, c.DeadLetters, c.State))
	}
	findings, err := consumer.Examine(ctx, client, workers)
	if err != nil {
		return nil, err
	}
	topology, err := consumer.ExamineTopology(ctx, client, c.Redis, workers)
	findings = slices.Concat(findings, topology, consumer.ExamineConnection(c.Redis))
	slices.SortStableFunc(findings, func(a, b consumer.Finding) int { return cmp.Compare(b.Severity, a.Severity) })
	return findings, err
}

// platformsOf are the platforms that a daemon with this configuration would deliver to now.
func platformsOf(c config.Config) []string {
	if !c.Outbound.Auto() {
		return c.Outbound.Platforms
	}
	files, err := modules(c.Plugins.Dir)
	if err != nil {
		return nil // the daemon itself says so
	}
	var platforms []string
	for name, file := range files {
		if m, err := host.ManifestOf(file); err == nil && m.Kind == abi.KindAdapter {
			platforms = append(platforms, c.Outbound.PlatformsOf(name)...)
		}
	}
	slices.Sort(platforms)
	return platforms
}

// examineRedis logs what the doctor finds, a line each. Nothing that it finds stops the start: what does not work at
// all says so itself.
func (d *daemon) examineRedis() error {
	if d.Trial {
		return nil
	}
	ctx, cancel := context.WithTimeout(d.stopping, examineTimeout)
	defer cancel()
	c := d.Config
	// What is to be said of the embedded server was said when it was started.
	c.Redis.URL = d.addresses.RedisURL
	findings, err := Examine(ctx, d.redis, c)
	if err != nil {
		d.Log.Warn("redis could not be examined", "error", err)
		return nil
	}
	for _, f := range findings {
		log := d.Log.Info
		switch f.Severity {
		case consumer.Warning:
			log = d.Log.Warn
		case consumer.Danger:
			log = d.Log.Error
		}
		log("doctor: "+f.String(), "severity", f.Severity)
	}
	return nil
}
