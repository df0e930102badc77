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

// counted is a count that others write to.
func counted(mu *sync.Mutex, n *int) int {
	mu.Lock()
	defer mu.Unlock()
	return *n
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
		require.Equal(t, 1, counted(&mu, &begun), "who is at work may be about to come back")
		time.Sleep(10 * handTurn)
		synctest.Wait()
		require.Equal(t, 104, counted(&mu, &begun), "all at the same time, though none has ended")
		h.give(c, deliveries(1))
		synctest.Wait()
		require.Equal(t, 105, counted(&mu, &begun), "who has not come back for a while is not waited for")
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

func TestCallsThatAreOverAtOnceTakeTurnsInOneHand(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(context.Background())
		c := contexts{stopping: ctx}
		var mu sync.Mutex
		now, most, begun := 0, 0, 0
		h := newHands(func(contexts, *delivery) {
			mu.Lock()
			now, begun = now+1, begun+1
			most = max(most, now)
			mu.Unlock()
			time.Sleep(handTurn / 100)
			mu.Lock()
			now--
			mu.Unlock()
		})
		for range 10 {
			h.give(c, deliveries(100))
			time.Sleep(handTurn)
		}
		time.Sleep(2 * handTurn)
		require.Equal(t, 1000, counted(&mu, &begun))
		require.Equal(t, 1, counted(&mu, &most))
		stop()
		h.running.Wait()
	})
}

// Calls that keep a processor busy get as many hands as there are processors, though each comes back now and then.
func TestCallsThatTakeLongHaveSeveralHands(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(context.Background())
		c := contexts{stopping: ctx}
		var mu sync.Mutex
		now, most := 0, 0
		h := newHands(func(contexts, *delivery) {
			mu.Lock()
			now++
			most = max(most, now)
			mu.Unlock()
			time.Sleep(handTurn)
			mu.Lock()
			now--
			mu.Unlock()
		})
		h.give(c, deliveries(200))
		time.Sleep(10 * handTurn)
		require.Greater(t, counted(&mu, &most), 10)
		stop()
		h.running.Wait()
	})
}
