package app

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/sgstreamd/sgstreamd/consumer"
)

// status is what the daemon knows of its own readiness.
type status struct {
	mu      sync.Mutex
	phase   string // what keeps the daemon from working; empty when nothing does
	checks  []func() error
	remarks []error
}

func (s *status) set(phase string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.phase = phase
}

func (s *status) started() { s.set("") }

func (s *status) add(check func() error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.checks = append(s.checks, check)
}

func (s *status) remark(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.remarks = append(s.remarks, err)
}

func (s *status) read() (problems, remarks []error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.phase != "" {
		problems = append(problems, errors.New(s.phase))
	}
	for _, check := range s.checks {
		if err := check(); err != nil {
			problems = append(problems, err)
		}
	}
	return problems, s.remarks
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
