package verify

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestARunRemovesItsOwnKeysAndNoOthers(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	c, ctx := r.server.client, t.Context()
	other := newNames()
	foreign := []string{
		"sg:stream:inbound", "sg:schedule:sg:stream:inbound:sg:workers", "sg:verify:", "sg:state:verify-other:x",
		other.stream(), other.schedule(), "x" + r.names.stream(), "sg:lock:channel:" + r.names.stream(),
		"sg-schedule:" + r.names.stream(),
	}
	own := []string{
		r.names.stream(), r.names.outputs(), r.names.deadLetters(), r.names.lock() + "c", r.names.traceKey(1), r.names.schedule(),
		"sg:commit:" + r.names.stream() + ":workers:c", r.names.order() + "x", r.names.lanes() + "x", r.names.counter(7), r.names.audit() + ":x",
	}
	for _, key := range append(own, foreign...) {
		require.NoError(t, c.Set(ctx, key, "v", 0).Err())
	}
	require.ErrorContains(t, r.names.requireFree(ctx, c), "is there already, and not this run's to remove")
	require.NoError(t, r.names.remove(ctx, c))
	keys, err := c.Keys(ctx, "*").Result()
	require.NoError(t, err)
	require.ElementsMatch(t, foreign, keys)
	require.NoError(t, r.names.requireFree(ctx, c))
}
