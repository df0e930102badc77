package consumer

import (
	"context"

	"github.com/sgstreamd/sgstreamd/abi"
)

// Handler decides what becomes of a message. A plugin of package host is one; it is safe for concurrent use.
type Handler interface {
	// Handle handles one message. It returns abi.ErrNotStarted if stop, which may be nil, was closed before it
	// had begun. Any other error counts as a failed try. It returns soon after ctx is done.
	Handle(ctx context.Context, stop <-chan struct{}, m *abi.Message) (abi.Verdict, error)
}
