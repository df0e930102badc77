package verify

import (
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
	"github.com/tinylib/msgp/msgp"
)

func TestAFaultlessRunHasNoViolation(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.send(1, 3, 2)
	r.poison()
	r.sendCounting(1)
	r.counter(1)
	r.read(t.Context())
	for n := range 5 {
		if n == 3 {
			r.bury(n)
		} else {
			r.answer(n)
		}
		r.acknowledge(n)
	}
	require.Empty(t, r.verdict(orderChannel))
	require.Zero(t, r.book.outstanding())
}

// Each of these is one broken promise, and verify has to name it.
func TestEveryBrokenPromiseIsFound(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		happens func(r *rig)
		order   string
		want    []violation
	}{
		"a message that nothing came of": {func(r *rig) {
			r.send(1, 1)
			r.answer(1)
		}, orderChannel, []violation{{kind: Lost, number: 0}}},
		"one of three emits": {func(r *rig) {
			r.send(3)
			r.emit(0, 0, 1)
			r.trace(0, "COMPLETED")
		}, orderChannel, []violation{{kind: Lost, number: 0}}},
		"an answer twice": {func(r *rig) {
			r.send(1, 1)
			r.answer(0)
			r.answer(1)
			r.emit(0, 0, 2)
		}, orderChannel, []violation{{kind: Duplicated, number: 0}}},
		"a dead letter twice": {func(r *rig) {
			r.poison()
			r.bury(0)
			r.bury(0)
		}, orderChannel, []violation{{kind: Duplicated, number: 0}}},
		"an answer and a dead letter": {func(r *rig) {
			r.send(1)
			r.answer(0)
			r.bury(0)
			r.trace(0, "COMPLETED")
		}, orderChannel, []violation{{kind: Duplicated, number: 0}}},
		"a good message in the dead letters": {func(r *rig) {
			r.send(1)
			r.bury(0)
		}, orderChannel, []violation{{kind: WronglyDead, number: 0}}},
		"poison that is nowhere": {func(r *rig) {
			r.poison()
		}, orderChannel, []violation{{kind: Lost, number: 0}}},
		"poison that was answered": {func(r *rig) {
			r.poison()
			r.answer(0)
		}, orderChannel, []violation{{kind: Strange, number: 0}}},
		"answers that changed places": {func(r *rig) {
			r.send(1, 1, 1)
			r.answer(1)
			r.answer(0)
			r.answer(2)
		}, orderChannel, []violation{{kind: OutOfOrder, number: 1, other: 0}}},
		"a dead letter after the answer to the next": {func(r *rig) {
			r.poison()
			r.send(1)
			r.answer(1)
			r.bury(0)
		}, orderChannel, []violation{{kind: OutOfOrder, number: 1, other: 0}}},
		"an unaddressed message in front, where only addressed ones have an order": {func(r *rig) {
			r.poison()
			r.send(1)
			r.answer(1)
			r.bury(0)
		}, orderAddressed, nil},
		"answers that changed places, where there is no order": {func(r *rig) {
			r.send(1, 1)
			r.answer(1)
			r.answer(0)
		}, orderNone, nil},
		"another's answer between the emits of one": {func(r *rig) {
			r.send(2, 1)
			r.emit(0, 0, 1)
			r.answer(1)
			r.emit(0, 1, 1)
			r.trace(0, "COMPLETED")
		}, orderChannel, []violation{{kind: Torn, number: 0}}},
		"the emits of two tries": {func(r *rig) {
			r.send(2)
			r.emit(0, 0, 1)
			r.emit(0, 1, 2)
			r.trace(0, "COMPLETED")
		}, orderChannel, []violation{{kind: Torn, number: 0}}},
		"an output that is nobody's": {func(r *rig) {
			r.output(msgp.AppendMapHeader(nil, 0))
		}, orderChannel, []violation{{kind: Strange, number: -1}}},
		"a trace that stays behind": {func(r *rig) {
			r.send(1)
			r.answer(0)
			r.trace(0, "CLAIMED")
		}, orderChannel, []violation{{kind: WrongTrace, number: 0}}},
		"an answer of a worker that had lost the message": {func(r *rig) {
			r.send(1, 1)
			r.taken(0, 2) // and answered by the try that it began
			r.answer(0)
			r.taken(1, 3)
			r.answer(1)
		}, orderChannel, []violation{{kind: Zombie, number: 1}}},
		"an answered message that is pending": {func(r *rig) {
			r.send(1, 1)
			r.read(r.t.Context())
			r.answer(0)
			r.answer(1)
			r.acknowledge(0)
		}, orderChannel, []violation{{kind: LeftPending, number: 1}}},
		"an update of the state that was lost": {func(r *rig) {
			r.sendCounting(2)
			r.answer(0)
			r.answer(1)
			r.counter(1)
		}, orderChannel, []violation{{kind: WrongState, number: -1}}},
		"state that a failed try left behind": {func(r *rig) {
			r.sendCounting(1)
			r.send(1)
			r.answer(0)
			r.answer(1)
			r.counter(2)
		}, orderChannel, []violation{{kind: WrongState, number: -1}}},
		"state that counts nothing": {func(r *rig) {
			r.sendCounting(1)
			r.answer(0)
		}, orderChannel, []violation{{kind: WrongState, number: -1}}},
		"a lock": {func(r *rig) {
			require.NoError(r.t, r.server.client.Set(r.t.Context(), r.names.lock()+"verify:c1", "token", 0).Err())
		}, orderChannel, []violation{{kind: LeftBehind, number: -1}}},
		"something on the schedule": {func(r *rig) {
			require.NoError(r.t, r.server.client.ZAdd(r.t.Context(), r.names.schedule(), redis.Z{Member: "1-0 1", Score: 1}).Err())
		}, orderChannel, []violation{{kind: LeftBehind, number: -1}}},
		"something in the order of a channel": {func(r *rig) {
			require.NoError(r.t, r.server.client.RPush(r.t.Context(), r.names.order()+"x", "1-0").Err())
		}, orderChannel, []violation{{kind: LeftBehind, number: -1}}},
		"a channel of the order": {func(r *rig) {
			require.NoError(r.t, r.server.client.HSet(r.t.Context(), r.names.lanes()+"x", "1:c:", "1-0").Err())
		}, orderChannel, []violation{{kind: LeftBehind, number: -1}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			test.happens(r)
			require.ElementsMatch(t, test.want, r.verdict(test.order))
		})
	}
}

// A destroyed group delivers again what is in the stream. One more answer each is no duplicate then; a second one is,
// and so is one for what was not delivered, or was off the stream.
func TestADestroyedGroupExplainsOneMoreAnswer(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	chaos := newChaos(r.server, r.names, &fleet{}, r.book)
	r.send(2, 1, 1)
	r.read(t.Context())
	r.answer(0)
	r.answer(1)
	r.emit(1, 0, 2) // before: not explained
	r.send(1)       // not delivered yet
	require.NoError(t, chaos.destroyGroup(t.Context()))
	r.read(t.Context())
	r.answer(2)
	r.answer(3)
	r.answer(0)
	r.answer(0) // once too often
	r.emit(3, 0, 2)
	for n := range 4 {
		r.acknowledge(n)
	}
	require.ElementsMatch(t, []violation{
		{kind: Duplicated, number: 0}, {kind: Duplicated, number: 1}, {kind: Duplicated, number: 3},
	}, r.verdict(orderChannel))
	require.Equal(t, 2, r.book.explained())
}

// What was taken off the stream is not delivered again, whatever happens to the group.
func TestADestroyedGroupDoesNotExplainWhatWasOffTheStream(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	chaos := newChaos(r.server, r.names, &fleet{}, r.book)
	r.poison() // is not settled, and so keeps the others from being trimmed
	for n := range keptSettled + 1 {
		r.send(1)
		r.emit(n+1, 0, 1)
		r.trace(n+1, "COMPLETED")
	}
	r.read(t.Context())
	require.NoError(t, r.watch.finish(t.Context()))
	require.NoError(t, chaos.destroyGroup(t.Context()))
	left, err := r.server.client.XLen(t.Context(), r.names.stream()).Result()
	require.NoError(t, err)
	require.EqualValues(t, keptSettled+1, left)
	r.emit(1, 0, 2) // was taken off
	r.emit(2, 0, 2) // was not
	r.bury(0)
	require.Equal(t, []violation{{kind: Duplicated, number: 1}}, r.verdict(orderNone))
}

func TestTheFirstViolationIsThatOfTheFirstMessage(t *testing.T) {
	t.Parallel()
	require.Equal(t, 3, firstOf([]violation{{number: -1}, {number: 7}, {number: 3}}).number)
}
