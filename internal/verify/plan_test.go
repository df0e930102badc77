package verify

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func allFaults(t *testing.T) []string {
	t.Helper()
	faults, err := ParseFaults("all", true)
	require.NoError(t, err)
	return faults
}

func TestTheSameSeedGivesTheSamePlanAndTheSameMessages(t *testing.T) {
	t.Parallel()
	a, b := plan(5, time.Minute, 4, allFaults(t)), plan(5, time.Minute, 4, allFaults(t))
	require.Equal(t, a, b)
	require.NotEqual(t, a, plan(6, time.Minute, 4, allFaults(t)))
	differ := 0
	for n := range 1000 {
		require.Equal(t, recipeOf(5, n, true), recipeOf(5, n, true))
		if recipeOf(5, n, true) != recipeOf(6, n, true) {
			differ++
		}
	}
	require.Greater(t, differ, 900)
}

// A kind of fault has its own chance: without the others it happens as it does with them.
func TestTheFaultsOfAPlanDoNotDependOnEachOther(t *testing.T) {
	t.Parallel()
	var kills []event
	for _, e := range plan(5, time.Minute, 4, allFaults(t)) {
		if e.fault == faultKill {
			kills = append(kills, e)
		}
	}
	require.Equal(t, kills, plan(5, time.Minute, 4, []string{faultKill}))
}

func TestTwoMinutesAreFullOfFaults(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		count := map[string]int{}
		last := time.Duration(0)
		for _, e := range plan(seed, 2*time.Minute, 4, allFaults(t)) {
			count[e.fault]++
			require.GreaterOrEqual(t, e.at, last, "in the order of their time")
			require.Less(t, e.at, 2*time.Minute)
			require.Less(t, e.worker, 4)
			if e.fault == faultStall {
				require.Greater(t, e.lasts, minIdle)
			}
			last = e.at
		}
		require.GreaterOrEqual(t, count[faultKill], 50)
		require.GreaterOrEqual(t, count[faultStall], 20)
		for _, f := range Faults() {
			require.True(t, f.Name == faultTrap || count[f.Name] > 0, f.Name)
		}
	}
}

func TestEveryWorkerHasItsTurn(t *testing.T) {
	t.Parallel()
	hit := map[int]int{}
	for _, e := range plan(1, time.Minute, 3, []string{faultKill}) {
		hit[e.worker]++
	}
	require.Len(t, hit, 3)
	for _, n := range hit {
		require.InDelta(t, hit[0], n, 1)
	}
}

func TestMessagesAreOfEveryKind(t *testing.T) {
	t.Parallel()
	count := map[string]int{}
	for n := range 100_000 {
		c := recipeOf(1, n, true)
		require.Positive(t, c.emits)
		require.Less(t, c.channel, channels)
		for kind, is := range map[string]bool{
			"addressed": c.addressed, "unaddressed": !c.addressed, "trap": c.traps > 0, "retry": c.retries > 0,
			"slow": c.sleep > 0, "very slow": c.sleep > minIdle, "poison by trap": c.doom == doomTrap,
			"poison by reject": c.doom == doomReject, "several emits": c.emits > 1, "counting": c.counts,
		} {
			if is {
				count[kind]++
			}
		}
		without := recipeOf(1, n, false)
		require.Zero(t, without.traps)
		require.NotEqual(t, doomTrap, without.doom)
	}
	require.Len(t, count, 10)
	for kind, n := range count {
		require.Greater(t, n, 40, kind)
	}
}

func TestParseFaults(t *testing.T) {
	t.Parallel()
	own, err := ParseFaults("", true)
	require.NoError(t, err)
	require.Len(t, own, len(Faults()))
	theirs, err := ParseFaults("all", false)
	require.NoError(t, err)
	require.NotContains(t, theirs, faultRestart)
	none, err := ParseFaults("none", true)
	require.NoError(t, err)
	require.Empty(t, none)
	some, err := ParseFaults("stall, kill,stall", false)
	require.NoError(t, err)
	require.Equal(t, []string{faultStall, faultKill}, some)
	_, err = ParseFaults("kil", true)
	require.ErrorContains(t, err, `there is no fault "kil"; the faults are trap, kill, stall,`)
	_, err = ParseFaults("restart", false)
	require.EqualError(t, err, `the fault "restart" is only done to a Redis that verify has started itself; write --redis own`)
}
