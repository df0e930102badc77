package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// cleanupTimeout bounds each step of the way down.
const cleanupTimeout = 5 * time.Second

// cleanups are what has to be undone, in the order in which it was done. The same list serves a start that
// failed half-way.
type cleanups struct {
	log   *slog.Logger
	steps []cleanup
}

type cleanup struct {
	name string
	undo func(context.Context) error
}

func (c *cleanups) push(name string, undo func(context.Context) error) {
	c.steps = append(c.steps, cleanup{name, undo})
}

// run undoes everything, last first, and joins the errors. One step's failure does not keep the others from
// being taken.
func (c *cleanups) run() error {
	var errs []error
	for i := len(c.steps) - 1; i >= 0; i-- {
		s := c.steps[i]
		ctx, cancel := context.WithTimeout(context.Background(), cleanupTimeout)
		if err := s.undo(ctx); err != nil {
			c.log.Warn("clean-up failed", "step", s.name, "error", err)
			errs = append(errs, fmt.Errorf("closing %s: %w", s.name, err))
		}
		cancel()
	}
	c.steps = nil
	return errors.Join(errs...)
}
