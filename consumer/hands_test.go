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

// inBubble gives a test hands whose calls are counted, in a bubble that has a time of its own, and ends them.
func inBubble(t *testing.T, call func(*calls), test func(t *testing.T, h *hands, c contexts, made *calls)) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(context.Background())
		made := &calls{}
		h := newHands(func(contexts, *delivery) { made.during(func() { call(made) }) })
		test(t, h, contexts{stopping: ctx}, made)
		stop()
		h.running.Wait()
	})
}

func TestCallsThatWaitHaveAHandEach(t *testing.T) {
	var end chan struct{}
	inBubble(t, func(*calls) { <-end }, func(t *testing.T, h *hands, c contexts, made *calls) {
		end = make(chan struct{})
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
	inBubble(t, func(*calls) { time.Sleep(handTurn / 100) }, func(t *testing.T, h *hands, c contexts, made *calls) {
		for range 10 {
			h.give(c, deliveries(100))
			time.Sleep(handTurn)
		}
		time.Sleep(2 * handTurn)
		begun, most := made.counted()
		require.Equal(t, 1000, begun)
		require.Equal(t, 1, most)
	})
}

// Calls that keep a processor busy get as many hands as there are processors, though each comes back now and then.
func TestCallsThatTakeLongHaveSeveralHands(t *testing.T) {
	inBubble(t, func(*calls) { time.Sleep(handTurn) }, func(t *testing.T, h *hands, c contexts, made *calls) {
		h.give(c, deliveries(200))
		time.Sleep(10 * handTurn)
		_, most := made.counted()
		require.Greater(t, most, 10)
	})
}

// No time passes until a hand that has nothing to do takes what is given, however often that was so before.
func TestAnIdleHandBeginsAtOnce(t *testing.T) {
	inBubble(t, func(*calls) {}, func(t *testing.T, h *hands, c contexts, made *calls) {
		for n := 1; n <= 5; n++ {
			h.give(c, deliveries(1))
			synctest.Wait()
			begun, _ := made.counted()
			require.Equal(t, n, begun)
		}
	})
}

func TestIdleHandsEndAtOnceWhenTheWorkerStops(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(context.Background())
		c := contexts{stopping: ctx}
		h := newHands(func(contexts, *delivery) {})
		h.give(c, deliveries(1))
		synctest.Wait()
		begun := time.Now()
		stop()
		h.running.Wait()
		require.Zero(t, time.Since(begun))
	})
}

// One hand has got through most of what there was, and its calls wait from then on: that it was fast does not count any more.
func TestAHandThatWasFastIsNotWaitedForLater(t *testing.T) {
	var end chan struct{}
	call := func(made *calls) {
		if begun, _ := made.counted(); begun > 200 {
			<-end
		} else {
			time.Sleep(handTurn / 100)
		}
	}
	inBubble(t, call, func(t *testing.T, h *hands, c contexts, made *calls) {
		end = make(chan struct{})
		h.give(c, deliveries(300))
		time.Sleep(20 * handTurn)
		begun, _ := made.counted()
		require.Equal(t, 300, begun)
		close(end)
	})
}

// After a burst of calls that wait, the next one is met with few hands again, and no more are called while some are yet to come.
func TestHandsAreCalledAnewForEachBurst(t *testing.T) {
	var end chan struct{}
	inBubble(t, func(*calls) { <-end }, func(t *testing.T, h *hands, c contexts, made *calls) {
		for _, burst := range []int{100, 100} {
			end = make(chan struct{})
			before, _ := made.counted()
			h.give(c, deliveries(burst))
			var steps []int
			for range 4 {
				time.Sleep(handTurn)
				synctest.Wait()
				begun, _ := made.counted()
				steps = append(steps, begun-before)
			}
			require.Equal(t, []int{2, 4, 8, 16}, steps, "1, and then 1, 2, 4 and 8 more")
			time.Sleep(10 * handTurn)
			synctest.Wait()
			close(end)
			synctest.Wait()
		}
	})
}
