package host

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sgstreamd/sgstreamd/abi"
)

// own are the counters that the plugin "p" has made itself.
func (b *bench) own(t *testing.T) map[string]float64 {
	t.Helper()
	families, err := b.registry.Gather()
	require.NoError(t, err)
	values := map[string]float64{}
	for _, f := range families {
		if f.GetName() != "sgstreamd_plugin_custom_total" {
			continue
		}
		for _, m := range f.GetMetric() {
			labels := map[string]string{}
			for _, l := range m.GetLabel() {
				labels[l.GetName()] = l.GetValue()
			}
			require.Equal(t, "p", labels["plugin"])
			values[labels["name"]] = m.GetCounter().GetValue()
		}
	}
	return values
}

func TestAPluginCounts(t *testing.T) {
	t.Parallel()
	b := newBench(t, "")
	p := b.start(t, "state")
	ok, invalid, limit := number(0), number(abi.ErrnoInvalid), number(abi.ErrnoLimit)
	longest := strings.Repeat("n", abi.MaxCounterNameBytes)
	newProgram().
		add("jokes_told", 1).add("jokes_told", 41).add("none_yet", 0).add(longest, math.MaxInt64).
		add("", 1).add("Jokes", 1).add("a-b", 1).add("a\x00", 1).add("ä", 1).add(longest+"n", 1).add("jokes_told", -1).
		run(t, p, ok, ok, ok, ok, invalid, invalid, invalid, invalid, invalid, limit, invalid)
	require.Equal(t, map[string]float64{"jokes_told": 42, "none_yet": 0, longest: math.MaxInt64}, b.own(t))
	require.NotNil(t, b.logs.find("a metric_add was refused: the name is empty"))
	require.NotNil(t, b.logs.find(`the name "Jokes" is not made of a to z, 0 to 9 and _`))
	require.NotNil(t, b.logs.find("-1 is negative, and a counter only grows"))

	newProgram().step(2, stateMemory, 1, 0, 0, 1).run(t, p, number(abi.ErrnoFault))
	require.NotNil(t, b.logs.find("the name lies outside of the memory"))
}

// What is counted in a call that fails is counted all the same.
func TestCountersDoNotWaitForTheCommit(t *testing.T) {
	t.Parallel()
	b := newBench(t, "")
	_, err := handle(b.start(t, "state"), newProgram().add("tries", 1).step(4, 0, 0, 0, 0, 0).document())
	require.ErrorIs(t, err, ErrTrap)
	require.EqualValues(t, 1, b.own(t)["tries"])
}

// The bound holds over all calls and instances of the plugin.
func TestAPluginHasSoManyCounters(t *testing.T) {
	t.Parallel()
	b := newBench(t, "")
	p := b.start(t, "state")
	for i := range abi.MaxCounters {
		newProgram().add(fmt.Sprint("n", i), 1).run(t, p, number(0))
	}
	newProgram().add("one_more", 1).add("n0", 1).run(t, p, number(abi.ErrnoLimit), number(0))
	require.Len(t, b.own(t), abi.MaxCounters)
	require.EqualValues(t, 2, b.own(t)["n0"])
	require.NotNil(t, b.logs.find("the plugin has its 100 counters; one_more would be one more"))
}
