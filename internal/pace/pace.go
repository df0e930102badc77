// Package pace tells the garbage collector when to run.
//
// By itself it runs when the heap has doubled. The daemon's own heap is small, since the memory of its instances lies
// outside of it: under load it would run twenty times a second. Where a thousand calls wait at once it is large, and may
// double for the sake of a few messages. So there is room for garbage of a fixed size, or of half of what is in use.
package pace

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

const (
	// leastRoom is for how much garbage there is room, in bytes, however little is in use.
	leastRoom = 32 << 20
	// leastPercent and mostPercent bound the room as a part of what is in use, which is where it begins with leastRoom:
	// the runtime takes 4 MiB to be in use at least.
	leastPercent, mostPercent = 50, 100 * leastRoom / (4 << 20)
)

// Keep sets the pace of the process's collector after each of its runs, until stop is called. Where GOGC is in the
// environment, that counts.
func Keep() (stop func()) {
	if os.Getenv("GOGC") != "" {
		return func() {}
	}
	k := &keeper{stopped: make(chan struct{}), percent: mostPercent}
	before := debug.SetGCPercent(k.percent)
	k.arm()
	return func() {
		close(k.stopped)
		debug.SetGCPercent(before)
	}
}

// keeper sets the pace. Its functions run one after another.
type keeper struct {
	stopped chan struct{}
	percent int
}

// herald is garbage that tells, when it is collected, that the collector has run.
type herald struct{ _ [64]byte }

func (k *keeper) arm() { runtime.AddCleanup(&herald{}, (*keeper).adjust, k) }

// adjust sets the pace by what the last run has found to be in use.
func (k *keeper) adjust() {
	select {
	case <-k.stopped:
		return
	default:
	}
	// The world stops for it, so a small difference is let be.
	if percent := percentFor(inUse()); percent*10 < k.percent*9 || percent*9 > k.percent*10 {
		k.percent = percent
		debug.SetGCPercent(percent)
	}
	k.arm()
}

// inUse is what the room is counted by: what was marked on the heap, and what was looked at for it.
func inUse() uint64 {
	samples := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/gc/scan/stack:bytes"}, {Name: "/gc/scan/globals:bytes"}}
	metrics.Read(samples)
	sum := uint64(0)
	for _, s := range samples {
		if s.Value.Kind() == metrics.KindUint64 {
			sum += s.Value.Uint64()
		}
	}
	return sum
}

// percentFor is the room as a part of so many bytes.
func percentFor(used uint64) int {
	return int(min(max(100*leastRoom/max(used, 1), leastPercent), mostPercent))
}
