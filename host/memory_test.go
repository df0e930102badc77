package host

import (
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tetratelabs/wazero/experimental"
)

func TestMemoryKeepsWhatItHoldsWhenItGrows(t *testing.T) {
	t.Parallel()
	const limit = 16 * pageSize
	for name, m := range map[string]experimental.LinearMemory{"the system's": newMemory(pageSize, limit), "plain": &plainMemory{}} {
		view := m.Reallocate(pageSize)
		require.Len(t, view, pageSize, name)
		copy(view, "held")
		for size := uint64(pageSize); size <= limit; size += pageSize {
			view = m.Reallocate(size)
			require.Len(t, view, int(size), name)
			require.Zero(t, view[size-1], name)
			view[size-1] = 1
			require.Equal(t, "held", string(view[:4]), name)
		}
		m.Free()
	}
}

// Where there is no room to grow to, a memory is made all the same.
func TestMemoryNeedsNoRoom(t *testing.T) {
	t.Parallel()
	m := newMemory(0, 1<<62)
	require.Len(t, m.Reallocate(pageSize), pageSize)
	m.Free()
}
