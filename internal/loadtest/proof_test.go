package loadtest

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAClaimHoldsUpToItsBound(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		claim Claim
		holds bool
	}{
		{Claim{Measured: 0.95, Bound: 0.95, AtLeast: true}, true},
		{Claim{Measured: 0.94, Bound: 0.95, AtLeast: true}, false},
		{Claim{Measured: 200, Bound: 200}, true},
		{Claim{Measured: 201, Bound: 200}, false},
	} {
		require.Equal(t, c.holds, c.claim.Holds(), "%+v", c.claim)
	}
}

func TestAClaimIsALine(t *testing.T) {
	t.Parallel()
	held := Claim{What: "the rate", Measured: 0.97531, Bound: 0.95, AtLeast: true}
	require.Regexp(t, `^holds +the rate +0\.9753 +at least 0\.95$`, held.String())
	missed := Claim{What: "memory", Measured: 2001, Bound: 200, Unit: " MB"}
	require.Regexp(t, `^MISSED +memory +2001 MB +at most 200 MB$`, missed.String())
}

func TestThereIsNoOtherProof(t *testing.T) {
	t.Parallel()
	_, err := Prove(t.Context(), DefaultProofs(), "speed")
	require.EqualError(t, err, `there is no proof "speed"; write some of calls,start,idle,memory`)
}
