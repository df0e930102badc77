package consumer

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
)

// errCause is the cause that a test gives.
var errCause = errors.New("a cause")

func TestALateContextEndsLikeAnyOther(t *testing.T) {
	t.Parallel()
	type key struct{}
	for name, c := range map[string]struct {
		end        func(l *lateContext, parent context.CancelCauseFunc)
		err, cause error
	}{
		"not at all":       {func(*lateContext, context.CancelCauseFunc) {}, nil, nil},
		"by itself":        {func(l *lateContext, _ context.CancelCauseFunc) { l.end(nil) }, context.Canceled, context.Canceled},
		"for a cause":      {func(l *lateContext, _ context.CancelCauseFunc) { l.end(errCause) }, context.Canceled, errCause},
		"the first counts": {func(l *lateContext, _ context.CancelCauseFunc) { l.end(errCause); l.end(nil) }, context.Canceled, errCause},
		"with its parent":  {func(_ *lateContext, parent context.CancelCauseFunc) { parent(errCause) }, context.Canceled, errCause},
	} {
		for when, wait := range map[string]bool{"and was waited for": true, "and was not": false} {
			t.Run(name+" "+when, func(t *testing.T) {
				t.Parallel()
				parent, cancel := context.WithCancelCause(context.WithValue(context.Background(), key{}, "value"))
				defer cancel(nil)
				l := &lateContext{parent: parent}
				var done <-chan struct{}
				if wait {
					done = l.Done()
				}
				c.end(l, cancel)
				require.ErrorIs(t, l.Err(), c.err)
				require.Equal(t, c.cause, context.Cause(l))
				require.Equal(t, "value", l.Value(key{}))
				if !wait {
					done = l.Done()
				}
				if c.err != nil {
					receive(t, done, "its end")
				}
				child, end := context.WithCancel(l)
				defer end()
				require.Equal(t, c.err, child.Err())
				l.end(nil)
			})
		}
	}
}
