package loadtest

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"
	"sync"
	"time"
)

// work is what a pass does: so many messages, as fast as possible through a backlog, or so many a second.
type work struct {
	messages int
	rate     int // 0 is as fast as possible
	what     string
}

// warmUp is how many messages a daemon is sent before it is measured: its instances are made, and its scripts are known.
func (w work) warmUp() int { return max(min(w.messages/10, 2000), 1) }

const (
	// look is the time between two looks at how far the daemon is.
	look = 20 * time.Millisecond
	// sayEvery is the time between two words about it.
	sayEvery = 100 * time.Millisecond
	// patience is how long nothing may be settled.
	patience = time.Minute
)

// stage is what a pass has for its time.
type stage struct {
	*run
	names  names
	work   work
	loader *loader
	daemon *daemon // nil in a bare pass
	doing  string
	warmed int // messages that were settled before those that are measured
}

// say tells how far the measurement is.
func (s *stage) say(settled int) {
	if time.Since(s.said) < sayEvery {
		return
	}
	s.said = time.Now()
	s.tellDoing(fmt.Sprintf("%d of %d messages", max(settled-s.warmed, 0), s.work.messages))
}

func (s *stage) tellDoing(what string) {
	s.tell(fmt.Sprintf("%s, %d of %d: %s, %s", s.work.what, s.turn, s.Repeat, s.doing, what))
}

// begin makes a stage with new names.
func (r *run) begin(w work, doing string, messages int) *stage {
	r.names = r.names.next()
	return &stage{run: r, names: r.names, work: w, doing: doing, loader: newLoader(r.server.client, r.names, &r.Options, messages)}
}

// barePass measures one of the loops.
func (r *run) barePass(ctx context.Context, w work, mode string) (Figures, error) {
	s := r.begin(w, mode, w.messages)
	b, err := newBare(ctx, r.server.client, s.names, mode)
	if err != nil {
		return Figures{}, err
	}
	b.progress = s.say
	settle := func(ctx context.Context) error { return b.run(ctx, w.messages) }
	var f Figures
	if w.rate > 0 {
		f, err = s.paced(ctx, settle)
	} else if err = s.fill(ctx); err == nil {
		f, err = s.timed(ctx, settle)
	}
	if err != nil {
		return f, err
	}
	f.RoundTrips = float64(b.roundTrips) / float64(w.messages)
	return f, r.server.cleanUp(s.names)
}

// fill sends the messages that are measured.
func (s *stage) fill(ctx context.Context) error {
	s.tellDoing("filling the stream")
	return s.loader.fill(ctx, s.work.messages)
}

// daemonPass measures a daemon. Counted, it measures nothing but round trips, by a proxy that would slow down the rest.
func (r *run) daemonPass(ctx context.Context, w work, counted bool) (f Figures, err error) {
	doing := "the daemon"
	redis := r.server.config
	var c *counter
	if counted {
		doing = "the daemon's round trips"
		if c, err = newCounter(r.server.dial); err != nil {
			return f, err
		}
		defer c.close()
		redis = r.server.through(c.addr())
	}
	s := r.begin(w, doing, w.warmUp()+w.messages)
	s.tellDoing("starting")
	if s.daemon, err = startDaemon(ctx, &r.Options, r.folder, s.names, redis); err != nil {
		return f, err
	}
	if f, err = s.daemonFigures(ctx, c); err != nil {
		s.daemon.kill()
		return f, err
	}
	if err := s.daemon.stop(r.Cut); err != nil {
		return f, err
	}
	return f, r.server.cleanUp(s.names)
}

// daemonFigures warms the daemon up and measures it.
func (s *stage) daemonFigures(ctx context.Context, c *counter) (f Figures, err error) {
	if err := s.loader.fill(ctx, s.work.warmUp()); err != nil {
		return f, err
	}
	if err := s.awaitSettled(ctx); err != nil {
		return f, err
	}
	s.warmed = s.work.warmUp()
	before, scrapeCost, err := s.baseline(ctx)
	if err != nil {
		return f, err
	}
	if s.work.rate > 0 {
		trips := c.count()
		f, err = s.paced(ctx, s.awaitSettled)
		f.RoundTrips = c.count() - trips
	} else {
		f, err = s.held(ctx, c)
	}
	if err != nil {
		return f, err
	}
	after, err := s.daemon.scrape(ctx)
	n := float64(s.work.messages)
	f.Process = &Process{
		CPU: (after.cpu - before.cpu) * 1e6 / n, Allocations: max(after.mallocs-before.mallocs-scrapeCost, 0) / n, Resident: after.resident,
	}
	f.RoundTrips /= n
	return f, err
}

// scrapes is how often the daemon's metrics are read to find out what a reading allocates.
const scrapes = 5

// baseline reads the daemon's metrics before the measurement, and finds out what a reading allocates by itself: the least of
// several, since the daemon may be doing something else as well.
func (s *stage) baseline(ctx context.Context) (before process, scrapeCost float64, err error) {
	before, err = s.daemon.scrape(ctx)
	scrapeCost = math.Inf(1)
	for i := 1; i < scrapes && err == nil; i++ {
		last := before
		before, err = s.daemon.scrape(ctx)
		scrapeCost = min(scrapeCost, before.mallocs-last.mallocs)
	}
	return before, scrapeCost, err
}

// count is how many round trips there were so far, 0 without a counter.
func (c *counter) count() float64 {
	if c == nil {
		return 0
	}
	return float64(c.roundTrips.Load())
}

// held measures a daemon that goes through a backlog: its process is stopped while the stream is filled.
func (s *stage) held(ctx context.Context, c *counter) (f Figures, err error) {
	if err := s.daemon.hold(); err != nil {
		return f, err
	}
	if err := s.fill(ctx); err != nil {
		return f, err
	}
	trips := c.count()
	f, err = s.timed(ctx, func(ctx context.Context) error {
		if err := s.daemon.resume(); err != nil {
			return err
		}
		return s.awaitSettled(ctx)
	})
	f.RoundTrips = c.count() - trips
	return f, err
}

// timed measures how long settle takes to go through a backlog, up to the last reply, by Redis's clock. Where there are
// no replies it is up to settle's return.
func (s *stage) timed(ctx context.Context, settle func(context.Context) error) (f Figures, err error) {
	replies := s.server.client.XLen(ctx, s.names.replies()).Val()
	cpu, err := s.server.cpu(ctx)
	if err != nil {
		return f, err
	}
	begun := time.Now()
	at, err := s.server.client.Time(ctx).Result()
	if err != nil {
		return f, fmt.Errorf("redis: %w", err)
	}
	if err := settle(ctx); err != nil {
		return f, err
	}
	took := time.Since(begun)
	used, err := s.server.cpu(ctx)
	if err != nil {
		return f, err
	}
	f.Messages, f.Replies = s.work.messages, int(s.server.client.XLen(ctx, s.names.replies()).Val()-replies)
	if f.Replies > 0 {
		last, err := s.server.client.XRevRangeN(ctx, s.names.replies(), "+", "-", 1).Result()
		if err != nil || len(last) == 0 {
			return f, fmt.Errorf("read the last reply: %w", err)
		}
		ms, _, _ := strings.Cut(last[0].ID, "-")
		end, _ := strconv.ParseInt(ms, 10, 64)
		took = time.Duration(max(end-at.UnixMilli(), 1)) * time.Millisecond
	}
	f.Seconds, f.RedisCPU = took.Seconds(), (used-cpu)*1e6/float64(s.work.messages)
	f.PerSecond = float64(s.work.messages) / f.Seconds
	return f, nil
}

// paced measures how long each message takes from its sending to its reply, while settle sees to all of them.
func (s *stage) paced(ctx context.Context, settle func(context.Context) error) (f Figures, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	replies, err := s.server.client.XLen(ctx, s.names.replies()).Result()
	if err != nil {
		return f, fmt.Errorf("redis: %w", err)
	}
	cpu, err := s.server.cpu(ctx)
	if err != nil {
		return f, err
	}
	watch, first, n := &watcher{loader: s.loader, from: "0-0", over: make(chan struct{})}, s.loader.next, s.work.messages
	s.loader.last.Store(nil)
	if last, err := s.server.client.XRevRangeN(ctx, s.names.replies(), "+", "-", 1).Result(); err == nil && len(last) > 0 {
		watch.from = last[0].ID
	}
	begun, took := time.Now(), time.Duration(0)
	var parts sync.WaitGroup
	part := func(do func() error) {
		parts.Go(func() {
			if err := do(); err != nil {
				cancel(err)
			}
		})
	}
	part(func() error { return watch.run(ctx, first, n) })
	part(func() error { return s.loader.pace(ctx, n, s.work.rate) })
	part(func() error {
		defer close(watch.over) // what is settled is visible
		err := settle(ctx)
		took = time.Since(begun)
		return err
	})
	parts.Wait()
	if ctx.Err() != nil {
		return f, context.Cause(ctx)
	}
	used, err := s.server.cpu(ctx)
	if err != nil {
		return f, err
	}
	f.Messages, f.Replies = n, int(s.server.client.XLen(ctx, s.names.replies()).Val()-replies)
	f.Seconds, f.PerSecond, f.RedisCPU = took.Seconds(), float64(n)/took.Seconds(), (used-cpu)*1e6/float64(n)
	if len(watch.waits) > 0 {
		f.Latency = latencyOf(watch.waits)
	}
	return f, nil
}

// awaitSettled waits until all messages are sent and the daemon is through with them.
func (s *stage) awaitSettled(ctx context.Context) error {
	before, moved := -1, time.Now()
	for pause(ctx, look) {
		if err := s.daemon.alive(); err != nil {
			return err
		}
		// Read before what is settled: messages that were sent since are none of those.
		last := s.loader.last.Load()
		upTo, settled, err := s.server.settled(ctx, s.names)
		if err != nil {
			return err
		}
		s.say(settled)
		if last != nil && upTo == *last {
			return nil
		}
		if settled != before {
			before, moved = settled, time.Now()
		}
		if time.Since(moved) > patience {
			return fmt.Errorf("the daemon has settled nothing for %v, and %d messages so far%s", patience, settled, s.daemon.complaint())
		}
	}
	return ctx.Err()
}
