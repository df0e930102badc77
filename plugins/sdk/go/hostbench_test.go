package sgs_test

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tinylib/msgp/msgp"

	"github.com/sgstreamd/sgstreamd/abi"
	"github.com/sgstreamd/sgstreamd/internal/guesttest"
)

// BenchmarkEcho is what the example echo costs for a message of about 600 bytes, by the daemon's own way: encoding, call,
// and the emit's decoding. In the same run it measures the least that any call costs (bare-ns/op), and gives the ratio
// of the two (x-bare), which says more than a time does on a machine that does other things as well.
func BenchmarkEcho(b *testing.B) {
	guest := guesttest.Start(b, guesttest.Build(b, "../../examples/echo"), nil, nil)
	payload, err := msgp.AppendIntf(nil, map[string]any{
		"channel_key": "discord:42", "platform": "discord", "channel_id": "424242424242424242", "guild_id": "919191919191919191",
		"user_id": "717171717171717171", "username": "ada", "display_name": "Ada L.", "content": strings.Repeat("Could you sum up? ", 12),
		"message_id": "999999999999999999", "timestamp": 1700000000.25, "attachments": []any{}, "is_dm": false,
		"member_roles": []any{"admin", "member"}, "trace_id": "0af7651916cd43dd8448eb211c80319c", "is_addressed": true,
	})
	require.NoError(b, err)
	m := &abi.Message{
		Stream: "sg:stream:inbound", ID: "1700000000000-0", Attempt: 1, TS: 1700000000.25, TraceID: "0af7651916cd43dd8448eb211c80319c",
		Platform: "discord", ChannelKey: "discord:42", Payload: payload,
	}
	bare := bareCall(b, len(payload))
	calls, bareTime := 0, time.Duration(0)
	b.ReportAllocs()
	for b.Loop() {
		v, err := guest.Plugin.Handle(b.Context(), nil, m)
		if err != nil || v.Status != abi.StatusDone || len(v.Emits) != 1 {
			b.Fatal(v, err)
		}
		if calls++; calls%100 == 1 {
			b.StopTimer()
			begun := time.Now()
			for range 100 {
				bare()
			}
			bareTime += time.Since(begun)
			b.StartTimer()
		}
	}
	perBare := float64(bareTime) / float64((calls+99)/100*100)
	b.ReportMetric(perBare, "bare-ns/op")
	b.ReportMetric(float64(b.Elapsed())/float64(b.N)/perBare, "x-bare")
}

// bareCall returns a function that does with the engine alone what no call can do without: a deadline, a buffer from the
// guest, the payload's copy into it, and a guest of a few instructions that hands it back.
func bareCall(b *testing.B, size int) func() {
	ctx := context.Background()
	r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfig().WithCloseOnContextDone(true))
	b.Cleanup(func() { require.NoError(b, r.Close(ctx)) })
	var out []byte
	i32 := []api.ValueType{api.ValueTypeI32}
	_, err := r.NewHostModuleBuilder(abi.Module).NewFunctionBuilder().WithGoModuleFunction(
		api.GoModuleFunc(func(_ context.Context, m api.Module, stack []uint64) {
			doc, _ := m.Memory().Read(uint32(stack[0]), uint32(stack[1]))
			out = append(out[:0], doc...)
			stack[0] = 0
		}), append(i32, i32...), i32).Export(abi.ImportEmit).Instantiate(ctx)
	require.NoError(b, err)
	binary, err := os.ReadFile("../../../host/testdata/echo.wasm")
	require.NoError(b, err)
	module, err := r.Instantiate(ctx, binary)
	require.NoError(b, err)
	alloc, handle := module.ExportedFunction(abi.ExportAlloc), module.ExportedFunction(abi.ExportHandle)
	in, stack := make([]byte, size), make([]uint64, 2)
	return func() {
		call, cancel := context.WithTimeout(ctx, time.Minute)
		defer cancel()
		stack[0] = uint64(size)
		require.NoError(b, alloc.CallWithStack(call, stack))
		at := uint32(stack[0])
		require.True(b, module.Memory().Write(at, in))
		stack[0], stack[1] = uint64(at), uint64(size)
		require.NoError(b, handle.CallWithStack(call, stack))
	}
}
