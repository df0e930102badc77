package consumer

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// deliveries are n of them, which nothing is known of.
func deliveries(n int) []*delivery {
	all := make([]*delivery, n)
	for i := range all {
		all[i] = &delivery{}
	}
	return all
}

func TestCallsThatWaitHaveAHandEach(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stopping, end, begun := make(chan struct{}), make(chan struct{}), 0
		var mu sync.Mutex
		h := newHands(func(*delivery) {
			mu.Lock()
			begun++
			mu.Unlock()
			<-end
		})
		for _, n := range []int{1, 100, 3} {
			h.give(deliveries(n), stopping)
		}
		synctest.Wait()
		require.Equal(t, 104, begun, "all at the same time, though none has ended")
		close(end)
		close(stopping)
		h.running.Wait()
	})
}

func TestEachDeliveryIsHandledOnceAndHandsWithNothingToDoEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stopping, all := make(chan struct{}), deliveries(1000)
		var begun []*delivery
		var mu sync.Mutex
		h := newHands(func(d *delivery) {
			mu.Lock()
			defer mu.Unlock()
			begun = append(begun, d)
		})
		h.give(all, stopping)
		synctest.Wait()
		require.ElementsMatch(t, all, begun, "each once")
		time.Sleep(2 * handKept) // of the bubble's time: what has nothing to do ends
		synctest.Wait()
		h.running.Wait()
		h.give(all[:1], stopping)
		synctest.Wait()
		require.Len(t, begun, 1001)
		close(stopping)
		h.running.Wait()
	})
}
