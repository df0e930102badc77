package loadtest

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestRatiosAreOfTheSameTurn(t *testing.T) {
	t.Parallel()
	figures := func(perSecond ...float64) (all []Figures) {
		for _, n := range perSecond {
			all = append(all, Figures{PerSecond: n})
		}
		return all
	}
	// The machine was slow in the second turn, for both.
	c := newComparison(work{messages: 1}, map[string][]Figures{BareFull: figures(100, 10, 200)}, figures(50, 6, 90))
	require.Equal(t, Ratio{Median: 0.5, Least: 0.45, Most: 0.6}, c.PerSecond[BareFull])
	require.Equal(t, 50.0, c.Daemon.PerSecond)
	require.Equal(t, 100.0, c.Bare[BareFull].PerSecond)
	require.Empty(t, c.P99)
}

func TestLatenciesAreHeldAgainstTheLoops(t *testing.T) {
	t.Parallel()
	of := func(p50, p99 float64) []Figures { return []Figures{{Latency: &Latency{P50: p50, P99: p99}}} }
	c := newComparison(work{messages: 1, rate: 1}, map[string][]Figures{BareFull: of(2, 10)}, of(3, 40))
	require.Equal(t, 1.5, c.P50[BareFull].Median)
	require.Equal(t, 4.0, c.P99[BareFull].Median)
	require.Empty(t, c.PerSecond)
	// A plugin need not answer.
	c = newComparison(work{messages: 1, rate: 1}, map[string][]Figures{BareFull: of(2, 10)}, []Figures{{}})
	require.Nil(t, c.Daemon.Latency)
	require.NoError(t, (&Report{Latency: &c}).Print(&strings.Builder{}))
}

func TestPercentiles(t *testing.T) {
	t.Parallel()
	var waits []time.Duration
	for i := range 1000 {
		waits = append(waits, time.Duration(1000-i)*time.Millisecond)
	}
	require.Equal(t, &Latency{P50: 501, P90: 901, P99: 991, P999: 1000}, latencyOf(waits))
	require.Equal(t, &Latency{P50: 5, P90: 5, P99: 5, P999: 5}, latencyOf([]time.Duration{5 * time.Millisecond}))
}

func TestTheMedianOfAnEvenNumberIsBetweenTwo(t *testing.T) {
	t.Parallel()
	require.Equal(t, 2.0, median([]float64{3, 1, 2}))
	require.Equal(t, 2.5, median([]float64{4, 1, 3, 2}))
}
