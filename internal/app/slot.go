package app

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/sgstreamd/sgstreamd/abi"
	"github.com/sgstreamd/sgstreamd/host"
)

// slot is a plugin's place in the daemon: the handler of its workers, behind which one version takes over from another
// between two messages.
type slot struct {
	current atomic.Pointer[host.Plugin]
	config  host.PluginConfig // of the current version; the keeper's alone
}

// Handle implements consumer.Handler with the version that serves when the call begins. A message that had still waited for
// an instance of a version that was replaced goes to the one that replaced it.
func (s *slot) Handle(ctx context.Context, stop <-chan struct{}, m *abi.Message) (abi.Verdict, error) {
	for {
		p := s.current.Load()
		v, err := p.Handle(ctx, stop, m)
		if !errors.Is(err, abi.ErrNotStarted) || s.current.Load() == p {
			return v, err
		}
	}
}
