package loadtest

import (
	"context"
	"fmt"
	"time"
)

// idle measures the processor time of a daemon with ten plugins that has nothing to do. It has had nothing to do for as
// long before, so that what its start has left behind is over.
func (p *proof) idle(ctx context.Context) (claims []Claim, err error) {
	err = p.tenPlugins(ctx, func(r *run) error {
		s := r.begin(work{what: ProofIdle}, "the daemon", 0)
		if s.daemon, err = startDaemon(ctx, &r.Options, r.folder, s.names, r.server.config); err != nil {
			return err
		}
		defer s.daemon.kill()
		r.tell("idle: the daemon comes to rest")
		pause(ctx, p.Idle)
		before, err := s.daemon.scrape(ctx)
		if err != nil {
			return err
		}
		begun := time.Now()
		r.tell("idle: the daemon is measured")
		pause(ctx, p.Idle)
		after, err := s.daemon.scrape(ctx)
		if err != nil {
			return err
		}
		share := (after.cpu - before.cpu) / time.Since(begun).Seconds()
		what := fmt.Sprintf("a daemon without a message for %v: of a core", p.Idle)
		claims = []Claim{{What: what, Measured: share * 100, Bound: 1, Unit: " %"}}
		return s.daemon.stop(r.Cut)
	})
	return claims, err
}
