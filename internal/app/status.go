package app

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/sgstreamd/sgstreamd/consumer"
)

// status is what the daemon knows of its own readiness.
type status struct {
	mu      sync.Mutex
	phase   string // what keeps the daemon from working; empty when nothing does
	workers []*consumer.Worker
	remarks map[string]error // by plugin
}

func (s *status) set(phase string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.phase = phase
}

func (s *status) started() { s.set("") }

func (s *status) add(w *consumer.Worker) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.workers = append(s.workers, w)
}

// drop forgets a worker that is to stop.
func (s *status) drop(w *consumer.Worker) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.workers = slices.DeleteFunc(s.workers, func(other *consumer.Worker) bool { return other == w })
}

// remark says of a plugin what keeps nothing from working.
func (s *status) remark(plugin string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.remarks == nil {
		s.remarks = map[string]error{}
	}
	s.remarks[plugin] = err
}

func (s *status) clear(plugin string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.remarks, plugin)
}

func (s *status) read() (problems, remarks []error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.phase != "" {
		problems = append(problems, errors.New(s.phase))
	}
	for _, w := range s.workers {
		if err := w.Ready(); err != nil {
			problems = append(problems, err)
		}
	}
	for _, plugin := range slices.Sorted(maps.Keys(s.remarks)) {
		remarks = append(remarks, s.remarks[plugin])
	}
	return problems, remarks
}

// readiness answers /readyz: Redis is asked anew, the rest is what the daemon's parts say of themselves.
func (d *daemon) readiness(ctx context.Context) (problems, remarks []error) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	problems, remarks = d.status.read()
	if err := consumer.Ping(ctx, d.redis); err != nil {
		problems = append(problems, fmt.Errorf("%w (%s)", err, consumer.RedactedURL(d.addresses.RedisURL)))
	}
	return problems, remarks
}
