package pace

import (
	"math"
	"runtime"
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRoomIsOfAFixedSizeOrHalfOfWhatIsInUse(t *testing.T) {
	t.Parallel()
	for used, want := range map[uint64]int{
		0: 800, 1 << 20: 800, 4 << 20: 800, 8 << 20: 400, 32 << 20: 100, 64 << 20: 50, 128 << 20: 50, math.MaxUint64: 50,
	} {
		require.Equal(t, want, percentFor(used), "%d bytes", used)
	}
}

// It is the process's, so nothing else may run beside it.
func TestThePaceFollowsWhatIsInUse(t *testing.T) {
	t.Setenv("GOGC", "")
	before := current()
	stop := Keep()
	require.Equal(t, mostPercent, current())
	large := make([]byte, 128<<20)
	for current() != leastPercent {
		runtime.GC()
		runtime.Gosched()
	}
	runtime.KeepAlive(large)
	for current() == leastPercent {
		runtime.GC()
		runtime.Gosched()
	}
	stop()
	require.Equal(t, before, current())
}

func TestTheEnvironmentsPaceCounts(t *testing.T) {
	t.Setenv("GOGC", "100")
	before := current()
	defer Keep()()
	require.Equal(t, before, current())
}

func current() int {
	percent := debug.SetGCPercent(100)
	debug.SetGCPercent(percent)
	return percent
}
