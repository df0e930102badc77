package host

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/sgstreamd/sgstreamd/abi"
)

// payload600 is an emit as the tests' codec has it, of 600 bytes.
func payload600() string { return "discord\n" + strings.Repeat("x", 592) }

// quietPlugin is a plugin that runs a million times, with so many instances at most.
func quietPlugin(t testing.TB, module string, instances int) *Plugin {
	cfg := testConfig()
	cfg.MaxInstances = instances
	p, err := quietHost(t).Load(context.Background(), "p", "testdata/"+module+".wasm", cfg, instances)
	require.NoError(t, err)
	require.NoError(t, p.Start(context.Background()))
	return p
}

// BenchmarkHandle is one message of 600 bytes through the pool, into the guest and back with one emit, beside the least that
// this takes with the engine alone (x-bare is how many times that).
func BenchmarkHandle(b *testing.B) {
	p, m := quietPlugin(b, "echo", 1), message(payload600())
	ctx, cancel := context.WithCancel(context.Background()) // a message can be lost to another worker
	defer cancel()
	bare := bareCall(b, len(m.Payload))
	calls, bareTime := 0, time.Duration(0)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := p.Handle(ctx, nil, m); err != nil {
			b.Fatal(err)
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
// guest, a copy into it, and a guest of a few instructions that hands it back.
func bareCall(b *testing.B, size int) func() {
	ctx := context.Background()
	r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigCompiler().WithCloseOnContextDone(true))
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
	binary, err := os.ReadFile("testdata/echo.wasm")
	require.NoError(b, err)
	module, err := r.Instantiate(ctx, binary)
	require.NoError(b, err)
	alloc, handle := module.ExportedFunction(abi.ExportAlloc), module.ExportedFunction(abi.ExportHandle)
	in, stack := make([]byte, size), make([]uint64, 2)
	return func() {
		ctx, cancel := context.WithTimeout(ctx, time.Minute)
		defer cancel()
		stack[0] = uint64(size)
		if err := alloc.CallWithStack(ctx, stack); err != nil {
			b.Fatal(err)
		}
		at := uint32(stack[0])
		module.Memory().Write(at, in)
		stack[0], stack[1] = uint64(at), uint64(size)
		if err := handle.CallWithStack(ctx, stack); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkEmit is one emit of 600 bytes of many in the same call.
func BenchmarkEmit(b *testing.B) {
	p, m := quietPlugin(b, "flood", 1), message(payload600())
	v, err := p.Handle(context.Background(), nil, m)
	require.NoError(b, err)
	emits := len(v.Emits)
	require.Positive(b, emits)
	b.ReportAllocs()
	before := mallocs()
	calls := 0
	for b.Loop() {
		if _, err := p.Handle(context.Background(), nil, m); err != nil {
			b.Fatal(err)
		}
		calls++
	}
	perEmit := float64(calls * emits)
	b.ReportMetric(float64(b.Elapsed())/perEmit, "ns/emit")
	b.ReportMetric(float64(mallocs()-before)/perEmit, "allocs/emit")
}

func mallocs() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.Mallocs
}

// BenchmarkPool is a call that does nothing, by as many callers as there are processors, who share so many instances.
func BenchmarkPool(b *testing.B) {
	for _, instances := range []int{1, runtime.GOMAXPROCS(0), 64} {
		b.Run(fmt.Sprintf("%d", instances), func(b *testing.B) {
			p, m := quietPlugin(b, "count", instances), message("!")
			m.Payload = []byte("good")
			b.ReportAllocs()
			b.SetParallelism(max(64/runtime.GOMAXPROCS(0), 1))
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if _, err := p.Handle(context.Background(), nil, m); err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}

// A call with one emit, its pool, context and deadline included. The test does not run beside others, which would be
// counted. Where it has become less, the number is to be lowered.
func TestACallAllocatesNoMoreThanThis(t *testing.T) {
	p, m := quietPlugin(t, "echo", 1), message(payload600())
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	got := testing.AllocsPerRun(200, func() {
		if _, err := p.Handle(ctx, nil, m); err != nil {
			t.Fatal(err)
		}
	})
	require.LessOrEqual(t, got, 3.0)
}
