package loadtest

import (
	"encoding/json"
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
	c.Daemon.Messages = 3
	require.Equal(t, []string{"The plugin wrote 0 replies for 3 messages.", "No message was answered, so there are no latencies.",
		"The rate was not reached: 0 messages a second were."}, c.remarks())
	var text strings.Builder
	require.NoError(t, (&Report{Latency: &c}).Print(&text))
	require.NotContains(t, text.String(), "daemon    0.00")
}

func TestPercentiles(t *testing.T) {
	t.Parallel()
	var waits []time.Duration
	for i := range 1000 {
		waits = append(waits, time.Duration(1000-i)*time.Millisecond)
	}
	require.Equal(t, &Latency{Messages: 1000, P50: 501, P90: 901, P99: 991, P999: 1000}, latencyOf(waits))
	require.Equal(t, &Latency{Messages: 1, P50: 5, P90: 5, P99: 5, P999: 5}, latencyOf([]time.Duration{5 * time.Millisecond}))
}

func TestTheMedianOfAnEvenNumberIsBetweenTwo(t *testing.T) {
	t.Parallel()
	require.Equal(t, 2.0, median([]float64{3, 1, 2}))
	require.Equal(t, 2.5, median([]float64{4, 1, 3, 2}))
}

func TestARemarkSaysWhatTheFiguresAreOf(t *testing.T) {
	t.Parallel()
	c := Comparison{Rate: 100, Daemon: Figures{Messages: 10, Replies: 5, PerSecond: 96, Latency: &Latency{Messages: 5}}}
	require.Equal(t, []string{"The plugin wrote 5 replies for 10 messages.", "Latencies are of the 5 messages that were answered, of 10."}, c.remarks())
	c.Daemon = Figures{Messages: 10, Replies: 10, PerSecond: 94, Latency: &Latency{Messages: 10}}
	require.Equal(t, []string{"Latencies are of 10 messages.", "The rate was not reached: 94 messages a second were."}, c.remarks())
	c.Rate = 0
	require.Empty(t, c.remarks())
}

// What was measured to be nothing is told, and what was not measured is not.
func TestALoopHasNoProcess(t *testing.T) {
	t.Parallel()
	daemon, err := json.Marshal(medians([]Figures{{Process: &Process{}}}))
	require.NoError(t, err)
	require.Contains(t, string(daemon), `"cpu_us_per_message":0,`)
	loop, err := json.Marshal(medians([]Figures{{}}))
	require.NoError(t, err)
	require.NotContains(t, string(loop), `"cpu_us_per_message"`)
}
