package host

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sgstreamd/sgstreamd/abi"
)

func TestACallSeesItsStateAndItsOwnWrites(t *testing.T) {
	t.Parallel()
	b := newBench(t, "")
	b.state.values["p a"], b.state.values["p empty"], b.state.values["q b"] = "old", "", "another plugin's"
	v := newProgram().
		get("a", 8).show(3).      // from Redis
		get("a", 8).              // from the call's view
		get("b", 8).get("b", 8).  // not there
		get("empty", 0).          // there, and empty
		set("a", "newer", 0).     // over what was read
		get("a", 8).show(5).      // its own write
		set("c", "1", 1500).      // without reading it
		get("c", 8).              // its own write, too
		set("a", "", -1).         // removed
		get("a", 8).              // its own removal
		set("b", "x", 1).         // and
		set("b", "longer", 2500). // once more: the last counts
		get("b", 8).show(6).
		run(t, b.start(t, "state"),
			number(3), "old", number(3), number(abi.ErrnoNotFound), number(abi.ErrnoNotFound), number(0),
			number(0), number(5), "newer", number(0), number(1), number(0), number(abi.ErrnoNotFound), number(0), number(0), number(6), "longer")
	require.Equal(t, abi.Verdict{
		Reads: []abi.StateRead{{Key: "a", Value: []byte("old"), Found: true}, {Key: "b", Value: []byte{}}, {Key: "empty", Value: []byte{}, Found: true}},
		Writes: []abi.StateWrite{
			{Key: "a", Value: []byte{}, Delete: true}, {Key: "c", Value: []byte("1"), TTL: 1500 * time.Millisecond},
			{Key: "b", Value: []byte("longer"), TTL: 2500 * time.Millisecond},
		},
	}, v)
	require.EqualValues(t, 3, b.state.gets.Load(), "each key is read once, and what the call has written is not read")
	for _, e := range b.logs.all() {
		require.NotContains(t, e.text, "refused")
	}
}

// What one message has read and written is nothing to the next on the same instance.
func TestTheStateOfACallEndsWithIt(t *testing.T) {
	t.Parallel()
	b := newBench(t, "")
	p := b.start(t, "state")
	first := newProgram().get("a", 8).set("a", "1", 0).run(t, p, number(abi.ErrnoNotFound), number(0))
	require.Len(t, first.Writes, 1)
	second := newProgram().get("a", 8).run(t, p, number(abi.ErrnoNotFound))
	require.Empty(t, second.Writes)
	require.Len(t, second.Reads, 1)
	require.EqualValues(t, 2, b.state.gets.Load())
	require.Equal(t, "1", string(first.Writes[0].Value), "the first verdict is still whole")
}

// A value that does not fit tells its length and touches nothing, and the second question costs Redis nothing.
func TestAValueThatDoesNotFitTellsItsLength(t *testing.T) {
	t.Parallel()
	b := newBench(t, "")
	b.state.values["p a"] = "12345"
	newProgram().
		get("a", 0).get("a", 4).show(5).get("a", 5).show(5).
		run(t, b.start(t, "state"), number(5), number(5), "\x00\x00\x00\x00\x00", number(5), "12345")
	require.EqualValues(t, 1, b.state.gets.Load())
}

// What lies outside of the memory, in every place that can hold a pointer, is an errno and no trap.
func TestStateOutsideOfMemory(t *testing.T) {
	t.Parallel()
	const k, end, far = stateMessage, stateMemory, 0xffffffff
	const get, set = 0, 1
	for _, tt := range []struct {
		name           string
		op, a, b, c, d uint32
		n              int64
		errno          abi.Errno
		logged         string
	}{
		{"get: key behind the end", get, end, 1, stateBuffer, 1, 0, abi.ErrnoFault, "a kv_get was refused: the key lies outside of the memory"},
		{"get: key across the end", get, end - 1, 2, stateBuffer, 1, 0, abi.ErrnoFault, "the key lies outside of the memory"},
		{"get: key of all numbers", get, far, far, stateBuffer, 1, 0, abi.ErrnoFault, "the key lies outside of the memory"},
		{"get: no key", get, k, 0, stateBuffer, 1, 0, abi.ErrnoInvalid, "the key is empty"},
		{"get: no key, at the very end", get, end, 0, stateBuffer, 1, 0, abi.ErrnoInvalid, "the key is empty"},
		{"get: long key", get, k, abi.MaxStateKeyBytes + 1, stateBuffer, 1, 0, abi.ErrnoLimit, "the key has 513 bytes; 512 are allowed"},
		{"get: buffer behind the end", get, k, 1, end, 1, 0, abi.ErrnoFault, "the buffer lies outside of the memory"},
		{"get: buffer across the end", get, k, 1, end - 8, 9, 0, abi.ErrnoFault, "the buffer lies outside of the memory"},
		{"get: buffer of all numbers", get, k, 1, far, far, 0, abi.ErrnoFault, "the buffer lies outside of the memory"},
		{"get: all of the memory is the buffer", get, k, 1, 0, end, 0, abi.ErrnoNotFound, ""},
		{"get: no room, at the very end", get, k, 1, end, 0, 0, abi.ErrnoNotFound, ""},
		{"set: key behind the end", set, end, 1, k, 1, 0, abi.ErrnoFault, "a kv_set was refused: the key lies outside of the memory"},
		{"set: no key", set, k, 0, k, 1, 0, abi.ErrnoInvalid, "the key is empty"},
		{"set: longest key", set, k, abi.MaxStateKeyBytes, k, 1, 0, abi.ErrnoOK, ""},
		{"set: long key", set, k, abi.MaxStateKeyBytes + 1, k, 1, 0, abi.ErrnoLimit, "the key has 513 bytes; 512 are allowed"},
		{"set: value behind the end", set, k, 1, end, 1, 0, abi.ErrnoFault, "the value lies outside of the memory"},
		{"set: value of all numbers", set, k, 1, far, far, 0, abi.ErrnoFault, "the value lies outside of the memory"},
		{"set: value of no byte", set, k, 1, 0, 0, 0, abi.ErrnoOK, ""},
		{"set: largest value", set, k, 1, 0, abi.MaxStateValueBytes, 0, abi.ErrnoOK, ""},
		{"set: value too large", set, k, 1, 0, abi.MaxStateValueBytes + 1, 0, abi.ErrnoLimit, "the value has 1048577 bytes; 1048576 are allowed"},
		{"set: longest time to live", set, k, 1, k, 1, abi.MaxStateTTLMS, abi.ErrnoOK, ""},
		{"set: too long a time to live", set, k, 1, k, 1, abi.MaxStateTTLMS + 1, abi.ErrnoLimit, "the time to live is 315360000001 ms; 315360000000 are allowed"},
		{"set: far too long a time to live", set, k, 1, k, 1, 1<<63 - 1, abi.ErrnoLimit, "the time to live is 9223372036854775807 ms"},
		{"delete: the value is not looked at", set, k, 1, far, far, -1 << 63, abi.ErrnoOK, ""},
		{"delete: no key", set, k, 0, 0, 0, -1, abi.ErrnoInvalid, "the key is empty"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, "")
			p := newProgram()
			p.put(strings.Repeat("k", 1000))
			v := p.step(tt.op, tt.a, tt.b, tt.c, tt.d, tt.n).run(t, b.start(t, "state"), number(tt.errno))
			require.Equal(t, tt.op == set && tt.errno == abi.ErrnoOK, len(v.Writes) == 1)
			require.Equal(t, tt.op == get && tt.errno == abi.ErrnoNotFound, len(v.Reads) == 1)
			if tt.logged == "" {
				require.Empty(t, b.logs.all())
				return
			}
			e := b.logs.find(tt.logged)
			require.NotNil(t, e, "the reason was not logged")
			require.Equal(t, tt.errno.String(), e.attrs["errno"])
			require.Equal(t, "1-0", e.attrs["message_id"])
		})
	}
}

func TestStateLimitsOfACall(t *testing.T) {
	t.Parallel()
	limit := number(abi.ErrnoLimit)
	t.Run("keys read", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, "")
		p, answers := newProgram(), []string{}
		for i := range abi.MaxStateReads {
			p.get(fmt.Sprint("k", i), 8)
			answers = append(answers, number(abi.ErrnoNotFound))
		}
		p.get("k0", 8).get("one more", 8).set("written", "", 0)
		v := p.run(t, b.start(t, "state"), append(answers, number(abi.ErrnoNotFound), limit, number(0))...)
		require.Len(t, v.Reads, abi.MaxStateReads)
		require.EqualValues(t, abi.MaxStateReads, b.state.gets.Load(), "what may not be read is not asked for")
		require.NotNil(t, b.logs.find("the call has read its 64 keys"))
	})
	t.Run("bytes read", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, "")
		for _, key := range []string{"a", "b", "c", "d"} {
			b.state.values["p "+key] = strings.Repeat("x", abi.MaxStateValueBytes)
		}
		b.state.values["p small"] = strings.Repeat("x", 100)
		size := number(abi.MaxStateValueBytes)
		v := newProgram().get("a", 0).get("b", 0).get("c", 0).get("d", 0).get("small", 100).get("a", 0).
			run(t, b.start(t, "state"), size, size, size, limit, number(100), size)
		require.Len(t, v.Reads, 4, "three large ones and the small one")
		require.NotNil(t, b.logs.find("what the call has read exceeds 4194304 bytes together"))
	})
	t.Run("a foreign value", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, "")
		b.state.values["p a"] = strings.Repeat("x", abi.MaxStateValueBytes+1)
		v := newProgram().get("a", 0).run(t, b.start(t, "state"), limit)
		require.Empty(t, v.Reads)
		require.NotNil(t, b.logs.find("the value has 1048577 bytes; 1048576 are allowed"))
	})
	t.Run("keys written", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, "")
		p, answers := newProgram(), []string{}
		for i := range abi.MaxStateWrites {
			p.set(fmt.Sprint("k", i), "v", 0)
			answers = append(answers, number(0))
		}
		p.set("k0", "again", 0).set("one more", "v", 0).set("one more", "", -1).get("one more", 8)
		v := p.run(t, b.start(t, "state"), append(answers, number(0), limit, limit, number(abi.ErrnoNotFound))...)
		require.Len(t, v.Writes, abi.MaxStateWrites)
		require.Equal(t, "again", string(v.Writes[0].Value))
		require.NotNil(t, b.logs.find("the call has written to its 64 keys"))
	})
	t.Run("bytes written", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, "")
		p := newProgram()
		large := func(key string, n uint32) {
			ptr, size := p.put(key)
			p.step(1, ptr, size, 0, n, 0)
		}
		for _, key := range []string{"a", "b", "c"} {
			large(key, abi.MaxStateValueBytes)
		}
		large("d", abi.MaxStateValueBytes-4) // with its keys, all that is allowed
		p.set("e", "", 0)                    // even one byte is too much
		large("d", 10)                       // what is overwritten is free again
		p.set("e", "", 0).set("a", "", -1)
		large("e", abi.MaxStateValueBytes)    // and so is what is removed
		large("f", abi.MaxStateValueBytes-16) // with 5 other keys and 10 bytes, all that is allowed
		p.set("g", "", 0)
		ok := number(0)
		v := p.run(t, b.start(t, "state"), ok, ok, ok, ok, limit, ok, ok, ok, ok, ok, limit)
		require.Len(t, v.Writes, 6)
		require.Len(t, v.Writes[3].Value, 10)
		require.Len(t, v.Writes[4].Value, abi.MaxStateValueBytes)
		require.NotNil(t, b.logs.find("what the call has written exceeds 4194304 bytes together"))
	})
}

func TestStateThatCannotBeReadIsAnErrno(t *testing.T) {
	t.Parallel()
	b := newBench(t, "")
	b.state.onGet = func(_ context.Context, key string) error {
		if key == "a" {
			return errors.New("redis: no answer\nwithin 2 s")
		}
		return nil
	}
	unavailable := number(abi.ErrnoUnavailable)
	v := newProgram().get("a", 8).get("a", 8).get("b", 8).set("a", "1", 0).
		run(t, b.start(t, "state"), unavailable, unavailable, number(abi.ErrnoNotFound), number(0))
	require.Len(t, v.Reads, 1, "what was not answered is not known")
	require.Equal(t, "EUNAVAILABLE", b.logs.find("a kv_get was refused: redis: no answer").attrs["errno"])
}

// A Redis that hangs holds a call no longer than its deadline, or its caller's patience.
func TestReadingStateEndsWithTheCall(t *testing.T) {
	t.Parallel()
	hang := func(b *bench) <-chan struct{} {
		hanging := make(chan struct{}, 1)
		b.state.onGet = func(ctx context.Context, _ string) error {
			hanging <- struct{}{}
			<-ctx.Done()
			return ctx.Err()
		}
		return hanging
	}
	doc := newProgram().get("a", 8).set("a", "1", 0).document()
	t.Run("deadline", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, "")
		hang(b)
		p := b.start(t, "state", withTimeout(soon))
		v, err := handle(p, doc)
		requireLine(t, err, `plugin "p": sgs_handle: no result within 500ms (plugins.p.timeout)`)
		require.Equal(t, abi.Verdict{Status: abi.StatusRetry}, v)
		require.Equal(t, "ECANCELLED", b.logs.find("the call was over before Redis answered").attrs["errno"])
	})
	t.Run("cancelled", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, "")
		hanging := hang(b)
		p := b.start(t, "state")
		ctx, cancel := context.WithCancelCause(context.Background())
		result := make(chan error, 1)
		go func() {
			_, err := p.Handle(ctx, nil, message(doc))
			result <- err
		}()
		<-hanging
		cancel(errors.New("the message is another worker's now"))
		require.ErrorContains(t, <-result, "the message is another worker's now")
	})
}

func TestStateIsDeniedOutsideOfACallAndCountersAreNot(t *testing.T) {
	t.Parallel()
	b := newBench(t, "")
	p := b.start(t, "initialize_state")
	for _, payload := range []string{"", "!"} {
		v, err := handle(p, payload)
		require.NoError(t, err)
		require.Equal(t, abi.ErrnoDenied, abi.Errno(-v.RetryAfter.Milliseconds()))
		require.Empty(t, v.Writes)
	}
	require.Zero(t, b.state.gets.Load())
	require.NotNil(t, b.logs.find("a kv_get was refused: no message is being handled"))
	require.NotNil(t, b.logs.find("a kv_set was refused: no message is being handled"))
	require.EqualValues(t, 1, b.own(t)["started"])
}

func TestAHostWithoutStateDeniesIt(t *testing.T) {
	t.Parallel()
	b := newBench(t, "")
	b.Host.state = nil
	denied := number(abi.ErrnoDenied)
	newProgram().get("a", 8).set("a", "", 0).add("n", 1).run(t, b.start(t, "state"), denied, denied, number(0))
	require.NotNil(t, b.logs.find("the host keeps no state"))
}

// A call that fails has a verdict without the state that it has seen.
func TestAFailedCallWritesNothing(t *testing.T) {
	t.Parallel()
	v, err := handle(newBench(t, "").start(t, "state"), newProgram().set("a", "1", 0).step(4, 0, 0, 0, 0, 0).document())
	require.ErrorIs(t, err, ErrTrap)
	require.Equal(t, abi.Verdict{Status: abi.StatusRetry}, v)
}
