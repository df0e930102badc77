package verify

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
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
	// Duration is for how long there is load and faults. The workers then have as long as they need to finish.
	Duration time.Duration
	Workers  int
	// Seed decides the plan and the messages' recipes.
	Seed uint64
	// Faults are the names of those that happen.
	Faults []string
	// Order is the workers' inbound.order; empty is the daemon's default, which promises the order of a channel.
	Order string
	// Rate is how many messages are sent a second, at most.
	Rate int
	// Progress, if not nil, is told about every second how far the run is.
	Progress func(Progress)
}

// Progress is how far a run is.
type Progress struct {
	// Doing is the part of the run: Starting, Running, Settling or Reconciling; Elapsed counts from its begin.
	Doing         string
	Elapsed       time.Duration
	Sent, Settled int
	Faults        map[string]int
}

// The parts of a run.
const (
	Starting    = "starting"
	Running     = "running"
	Settling    = "settling"
	Reconciling = "reconciling"
)

// Limits of Options.
const (
	MinDuration = 5 * time.Second
	MaxDuration = 24 * time.Hour
	MaxWorkers  = 64
	// DefaultRate is more than four workers and a Redis on two cores can take with faults, and less than would keep
	// a larger machine from all else.
	DefaultRate = 2000
	MaxRate     = 100_000
)

// cleanupTimeout bounds the removal of the keys.
const cleanupTimeout = time.Minute

// run is one run.
type run struct {
	Options
	names  names
	folder string
	server *server
	book   *book
	fleet  *fleet
	chaos  *chaos
	ahead  time.Duration // of Redis's clock before ours
}

// ErrInterrupted is what Run returns when ctx was done before its end.
var ErrInterrupted = errors.New("interrupted")

// Run does a run. A report with broken promises is no error. What it has written to Redis is removed in any case, if
// Redis can be reached; where it can't be, the error says so.
func Run(ctx context.Context, o Options) (report Report, err error) {
	if !child.Supported {
		return Report{}, errors.New("verify stops and continues processes, which this system can't")
	}
	r := &run{Options: o, names: newNames()}
	if r.folder, err = os.MkdirTemp("", "sgstreamd-verify-"); err != nil {
		return Report{}, err
	}
	defer func() {
		if report.Folder != "" {
			return
		}
		if left := os.RemoveAll(r.folder); left != nil {
			err = errors.Join(err, left)
		}
	}()
	if err := r.open(ctx); err != nil {
		return Report{}, err
	}
	defer r.server.close()
	if err := r.names.requireFree(ctx, r.server.client); err != nil {
		return Report{}, err
	}
	report, err = r.work(ctx)
	if err != nil && ctx.Err() != nil {
		err = ErrInterrupted
	}
	if left := r.cleanUp(); left != nil {
		err = errors.Join(err, left)
	}
	return report, err
}

// open finds or starts the Redis.
func (r *run) open(ctx context.Context) error {
	var err error
	if !r.Own {
		if r.server, err = existing(ctx, r.Redis); err != nil {
			return err
		}
	} else {
		var p *pair
		if p, err = startPair(ctx, r.folder); err != nil {
			return err
		}
		if r.server, err = ofOwn(p); err != nil {
			p.close()
			return err
		}
	}
	at, err := r.server.client.Time(ctx).Result()
	if err != nil {
		r.server.close()
		return fmt.Errorf("redis: %w", err)
	}
	r.ahead = time.Until(at)
	return nil
}

// cleanUp removes the run's keys. The workers are gone by then.
func (r *run) cleanUp() error {
	if r.Own {
		return nil // it goes with its server
	}
	ctx, cancel := context.WithTimeout(context.Background(), cleanupTimeout)
	defer cancel()
	return r.names.remove(ctx, r.server.client)
}

func (r *run) traps() bool { return slices.Contains(r.Faults, faultTrap) }

// work is the run itself, from the workers' start to the report.
func (r *run) work(ctx context.Context) (Report, error) {
	r.book = newBook(r.names.stream())
	r.fleet = &fleet{binary: r.Binary, folder: r.folder, server: r.server, names: r.names, order: r.Order}
	r.chaos = newChaos(r.server, r.names, r.fleet, r.book)
	defer r.fleet.killAll()
	stopTelling := r.tell(Starting)
	err := startFleet(ctx, r.fleet, r.Workers)
	stopTelling()
	if err != nil {
		return Report{}, err
	}
	left, err := r.underFire(ctx)
	if err != nil {
		return Report{}, err
	}
	blames := r.fleet.stopAll()
	defer r.tell(Reconciling)()
	return r.report(ctx, left, blames)
}

// underFire runs load and faults, and waits until all is settled.
func (r *run) underFire(ctx context.Context) (remains, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var parts sync.WaitGroup
	watching, stopWatching := context.WithCancel(ctx)
	w := &watcher{server: r.server, names: r.names, book: r.book, trimmed: time.Now(), audited: time.Now()}
	parts.Go(func() {
		if err := w.run(watching); err != nil && watching.Err() == nil {
			cancel(fmt.Errorf("read what came of the messages: %w", err))
		}
	})
	defer parts.Wait()
	defer stopWatching()

	if err := r.fire(ctx, cancel); err != nil {
		return remains{}, err
	}
	defer r.tell(Settling)()
	left, err := settle(ctx, r.server, r.names, r.book)
	if err != nil {
		return remains{}, orCause(ctx, err)
	}
	stopWatching()
	parts.Wait()
	return left, w.finish(ctx)
}

// fire runs load and faults for the run's duration.
func (r *run) fire(ctx context.Context, cancel context.CancelCauseFunc) error {
	defer r.tell(Running)()
	var parts sync.WaitGroup
	begun := time.Now()
	sending, stop := context.WithTimeout(ctx, r.Duration)
	defer stop()
	l := &load{server: r.server, names: r.names, book: r.book, seed: r.Seed, traps: r.traps(), rate: r.Rate, ahead: r.ahead}
	parts.Go(func() {
		if err := l.run(sending, ctx); err != nil && ctx.Err() == nil {
			cancel(fmt.Errorf("send messages: %w", err))
		}
	})
	parts.Go(func() { r.chaos.run(ctx, plan(r.Seed, r.Duration, r.Workers, r.Faults), begun) })
	parts.Wait()
	return orCause(ctx, ctx.Err())
}

// orCause is why ctx was cancelled, if it was.
func orCause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// tell reports the progress about every second until the function that it returns is called.
func (r *run) tell(doing string) func() {
	if r.Progress == nil {
		return func() {}
	}
	begun, stop := time.Now(), make(chan struct{})
	var told sync.WaitGroup
	told.Go(func() {
		t := time.NewTicker(time.Second)
		defer t.Stop()
		for {
			select {
			case <-stop:
				return
			case <-t.C:
				r.progress(doing, time.Since(begun))
			}
		}
	})
	return func() {
		close(stop)
		told.Wait()
	}
}

func (r *run) progress(doing string, elapsed time.Duration) {
	sent, settled := r.book.counts()
	r.Progress(Progress{Doing: doing, Elapsed: elapsed, Sent: sent, Settled: settled, Faults: r.chaos.counts()})
}

// report judges the run.
func (r *run) report(ctx context.Context, left remains, blames []string) (Report, error) {
	order := r.Order
	if order == "" {
		order = orderChannel
	}
	found := r.book.reconcile(order)
	traces, err := r.book.wrongTraces(ctx, r.server, r.names)
	if err != nil {
		return Report{}, err
	}
	states, err := r.book.wrongStates(ctx, r.server, r.names)
	if err != nil {
		return Report{}, err
	}
	found = append(append(append(found, traces...), states...), r.book.leftViolations(left)...)
	for _, blame := range blames {
		found = append(found, violation{kind: WorkerFailed, number: -1, what: blame})
	}
	report := r.totals()
	for _, kind := range Kinds() {
		report.Violations[kind] = 0
	}
	for _, v := range found {
		report.Violations[v.kind]++
	}
	if len(found) > 0 {
		report.History, report.Folder = r.history(ctx, firstOf(found)), r.folder
	}
	return report, nil
}

func (r *run) totals() Report {
	report := Report{
		Seed: r.Seed, Duration: r.Duration, Seconds: r.Duration.Seconds(), Workers: r.Workers,
		Redis: consumer.RedactedURL(r.Redis.URL), Violations: map[Kind]int{}, Again: r.book.explained(),
		Faults: r.chaos.counts(), Failures: map[string]string{}, LongestGap: since(0, r.book.longestGap),
	}
	if r.Own {
		report.Redis = "a Redis of its own"
	}
	for name, err := range r.chaos.failed {
		report.Failures[name] = err.Error()
	}
	for i := range r.book.fates {
		f := &r.book.fates[i]
		report.Sent++
		if f.doom != doomNone {
			report.Poison++
		}
		switch {
		case f.dead:
			report.DeadLettered++
		case f.settled:
			report.Committed++
		}
		if f.settled && !f.dead && f.first.ms > f.id.ms {
			report.LongestWait = max(report.LongestWait, since(f.id.ms, f.first.ms))
		}
	}
	report.WaitSeconds, report.GapSeconds = report.LongestWait.Seconds(), report.LongestGap.Seconds()
	return report
}
