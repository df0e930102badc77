package host

import (
	"context"
	"encoding/binary"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sgstreamd/sgstreamd/abi"
)

// Whatever a guest hands to kv_get, kv_set and metric_add, the host keeps the limits and serves the next message.
func FuzzState(f *testing.F) {
	f.Add([]byte(newProgram().get("a", 8).show(4).set("a", "b", 0).get("a", 8).add("n", 1).document()))
	f.Add([]byte(newProgram().set("a", "b", -1).set("a", strings.Repeat("c", 2000), 1<<62).get("missing", 0).document()))
	f.Add([]byte(newProgram().step(0, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, -1).step(1, 0, 513, 0, 1<<31, 0).document()))
	f.Add([]byte(newProgram().add("Ä", 1).add("n", -1).document()))
	h := quietHost(f)
	h.state = &testState{values: map[string]string{"p a": "1", "p large": strings.Repeat("x", abi.MaxStateValueBytes+1)}}
	p, err := h.Load(context.Background(), "p", filepath.Join("testdata", "state.wasm"), testConfig(), 1)
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, doc []byte) {
		if len(doc) < 4 || len(doc) > 100_000 {
			return
		}
		// A program without end would only meet the deadline.
		steps := min(binary.LittleEndian.Uint32(doc), stateSteps)
		v, err := handle(p, string(binary.LittleEndian.AppendUint32(nil, steps))+string(doc[4:]))
		if err != nil {
			require.False(t, strings.ContainsAny(err.Error(), "\n\r"), "%q", err)
		}
		requireStateLimits(t, v)
		newProgram().get("a", 8).show(1).run(t, p, number(1), "1")
	})
}

func requireStateLimits(t *testing.T, v abi.Verdict) {
	require.LessOrEqual(t, len(v.Reads), abi.MaxStateReads)
	require.LessOrEqual(t, len(v.Writes), abi.MaxStateWrites)
	keys, read, written := map[string]bool{}, 0, 0
	for _, r := range v.Reads {
		require.False(t, keys[r.Key], "read twice")
		keys[r.Key], read = true, read+len(r.Key)+len(r.Value)
	}
	clear(keys)
	for _, w := range v.Writes {
		require.False(t, keys[w.Key], "written twice")
		keys[w.Key], written = true, written+len(w.Key)+len(w.Value)
		require.True(t, len(w.Key) >= 1 && len(w.Key) <= abi.MaxStateKeyBytes && len(w.Value) <= abi.MaxStateValueBytes)
		require.True(t, w.TTL >= 0 && w.TTL <= abi.MaxStateTTLMS*time.Millisecond)
	}
	require.LessOrEqual(t, read, abi.MaxStateReadBytes)
	require.LessOrEqual(t, written, abi.MaxStateWriteBytes)
}

// One call that reads a key, overwrites it and counts.
func BenchmarkState(b *testing.B) {
	h := quietHost(b)
	h.state = &testState{values: map[string]string{"p count:discord:42": "41"}}
	p, err := h.Load(context.Background(), "p", filepath.Join("testdata", "state.wasm"), testConfig(), 1)
	require.NoError(b, err)
	m := message(newProgram().get("count:discord:42", 64).set("count:discord:42", "42", 0).add("messages", 1).document())
	b.ReportAllocs()
	for b.Loop() {
		if _, err := p.Handle(context.Background(), nil, m); err != nil {
			b.Fatal(err)
		}
	}
}
