package consumer

import (
	"context"
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
		ctx, stop := context.WithCancel(context.Background())
		c, end, begun := contexts{stopping: ctx}, make(chan struct{}), 0
		var mu sync.Mutex
		h := newHands(func(contexts, *delivery) {
			mu.Lock()
			begun++
			mu.Unlock()
			<-end
		})
		for _, n := range []int{1, 100, 3} {
			h.give(c, deliveries(n))
		}
		synctest.Wait()
		require.Equal(t, 104, begun, "all at the same time, though none has ended")
		close(end)
		stop()
		h.running.Wait()
	})
}

func TestEachDeliveryIsHandledOnceAndHandsWithNothingToDoEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(context.Background())
		c, all := contexts{stopping: ctx}, deliveries(1000)
		var begun []*delivery
		var mu sync.Mutex
		h := newHands(func(_ contexts, d *delivery) {
			mu.Lock()
			defer mu.Unlock()
			begun = append(begun, d)
		})
		h.give(c, all)
		synctest.Wait()
		require.ElementsMatch(t, all, begun, "each once")
		time.Sleep(2 * handKept) // of the bubble's time: what has nothing to do ends
		synctest.Wait()
		h.running.Wait()
		h.give(c, all[:1])
		synctest.Wait()
		require.Len(t, begun, 1001)
		stop()
		h.running.Wait()
	})
}
