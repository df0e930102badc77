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

// calls counts the calls that run now, have run at once at the most, and were begun.
type calls struct {
	mu               sync.Mutex
	now, most, begun int
}

// during is a call that does something.
func (c *calls) during(do func()) {
	c.mu.Lock()
	c.now, c.begun = c.now+1, c.begun+1
	c.most = max(c.most, c.now)
	c.mu.Unlock()
	do()
	c.mu.Lock()
	c.now--
	c.mu.Unlock()
}

func (c *calls) counted() (begun, most int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.begun, c.most
}

func TestCallsThatWaitHaveAHandEach(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(context.Background())
		c, end, made := contexts{stopping: ctx}, make(chan struct{}), calls{}
		h := newHands(func(contexts, *delivery) { made.during(func() { <-end }) })
		begun := func() int {
			begun, _ := made.counted()
			return begun
		}
		for _, n := range []int{1, 100, 3} {
			h.give(c, deliveries(n))
		}
		synctest.Wait()
		require.Equal(t, 1, begun(), "who is at work may be about to come back")
		time.Sleep(10 * handTurn)
		synctest.Wait()
		require.Equal(t, 104, begun(), "all at the same time, though none has ended")
		h.give(c, deliveries(1))
		synctest.Wait()
		require.Equal(t, 105, begun(), "who has not come back for a while is not waited for")
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
		c, made := contexts{stopping: ctx}, calls{}
		h := newHands(func(contexts, *delivery) { made.during(func() { time.Sleep(handTurn / 100) }) })
		for range 10 {
			h.give(c, deliveries(100))
			time.Sleep(handTurn)
		}
		time.Sleep(2 * handTurn)
		begun, most := made.counted()
		require.Equal(t, 1000, begun)
		require.Equal(t, 1, most)
		stop()
		h.running.Wait()
	})
}

// Calls that keep a processor busy get as many hands as there are processors, though each comes back now and then.
func TestCallsThatTakeLongHaveSeveralHands(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(context.Background())
		c, made := contexts{stopping: ctx}, calls{}
		h := newHands(func(contexts, *delivery) { made.during(func() { time.Sleep(handTurn) }) })
		h.give(c, deliveries(200))
		time.Sleep(10 * handTurn)
		_, most := made.counted()
		require.Greater(t, most, 10)
		stop()
		h.running.Wait()
	})
}
