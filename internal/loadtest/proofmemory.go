package loadtest

import (
	"context"
	"fmt"
	"time"
)

const (
	// mostAhead is how many messages the stream may be ahead of the daemon, so that Redis needs little memory for any number.
	mostAhead = 20_000
	// memoryEvery is the time between two looks at the memory.
	memoryEvery = 100 * time.Millisecond
)

// memory sends messages through a daemon as fast as it takes them, and holds its resident memory in the last tenth against
// that in the second: in the first it grows to what it needs.
func (p *proof) memory(ctx context.Context) (claims []Claim, err error) {
	err = p.within(ctx, p.example("echo-c"), p.Messages, func(r *run) error {
		r.Settings = append(r.Settings, "inbound.trace.ttl=10s") // of what is done, which Redis would have to keep
		s := r.begin(work{messages: p.Messages, what: ProofMemory}, "the daemon", p.Messages)
		if s.daemon, err = startDaemon(ctx, &r.Options, r.folder, s.names, r.server.config); err != nil {
			return err
		}
		defer s.daemon.kill()
		tenths, err := s.residentByTenth(ctx)
		if err != nil {
			return err
		}
		second, last := median(tenths[1]), median(tenths[9])
		r.tell(fmt.Sprintf("memory: %.1f MB in the second tenth, %.1f MB in the last", second/1e6, last/1e6))
		what := fmt.Sprintf("memory in the last tenth of %d messages: of that in the second", p.Messages)
		claims = []Claim{{What: what, Measured: last / second, Bound: 1.05}}
		return s.daemon.stop(r.Cut)
	})
	return claims, err
}

// residentByTenth feeds the daemon all messages, and returns the memory that it was seen with while it was at each tenth of
// them.
func (s *stage) residentByTenth(ctx context.Context) (tenths [10][]float64, err error) {
	n, done, looked, moved := s.work.messages, 0, time.Time{}, time.Now()
	for done < n {
		behind := s.loader.next - done
		switch {
		case s.loader.next < n && behind < mostAhead:
			err = s.loader.fill(ctx, min(fillBatch, n-s.loader.next))
		case !pause(ctx, look):
			err = ctx.Err()
		}
		if err != nil {
			return tenths, err
		}
		answered, err := s.sweep(ctx)
		if err != nil {
			return tenths, err
		}
		if done += answered; answered > 0 {
			moved = time.Now()
		}
		if time.Since(moved) > patience {
			return tenths, fmt.Errorf("the daemon has not answered for %v; %d replies were there%s", patience, done, s.daemon.complaint())
		}
		if time.Since(looked) < memoryEvery {
			continue
		}
		looked = time.Now()
		s.say(done)
		at, err := s.daemon.scrape(ctx)
		if err != nil {
			return tenths, err
		}
		if tenth := done * 10 / n; tenth < 10 {
			tenths[tenth] = append(tenths[tenth], at.resident)
		}
	}
	for i, seen := range tenths {
		if len(seen) == 0 {
			return tenths, fmt.Errorf("tenth %d was over before it was looked at; send more messages", i+1)
		}
	}
	return tenths, nil
}

// sweep removes what is done from Redis, and returns how many replies there were since the last time.
func (s *stage) sweep(ctx context.Context) (replies int, err error) {
	c := s.server.client
	removed, err := c.XTrimMaxLen(ctx, s.names.replies(), 0).Result()
	if err == nil {
		// What is settled stays twice as long as needed: messages are not settled in the stream's order.
		err = c.XTrimMaxLenApprox(ctx, s.names.stream(), 2*mostAhead, 0).Err()
	}
	if err != nil {
		return 0, fmt.Errorf("redis: %w", err)
	}
	if err := s.daemon.alive(); err != nil {
		return 0, err
	}
	return int(removed), nil
}
