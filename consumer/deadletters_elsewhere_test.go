package consumer

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestLettersAreReplayedToAnotherSlot(t *testing.T) {
	t.Parallel()
	r, _ := newApartRig(t)
	r.bury("2-0", "\x00second", originalField+"lang", "fr")
	r.bury("1-0", "first")
	moves := r.plan("")
	var n tally
	require.NoError(t, r.letters().Replay(r.ctx, moves, n.count))
	require.Equal(t, tally{replayed: 2}, n)
	require.Equal(t, []string{"first", "\x00second"}, r.onStream(r.in.Stream))
	fields := r.entries(r.in.Stream)[1]
	require.Equal(t, "fr", fields["lang"])
	require.Equal(t, "tr 2-0", fields["trace_id"])
	require.Empty(t, r.read())
	require.NoError(t, r.letters().Replay(r.ctx, moves, n.count))
	require.Equal(t, tally{replayed: 2, gone: 2}, n)
}
