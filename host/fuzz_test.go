package host

import (
	"context"
	"encoding/binary"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/units"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/sgstreamd/sgstreamd/abi"
)

// quietHost is for what runs a million times.
func quietHost(t testing.TB) *Host {
	h, err := New(context.Background(), Options{
		Codecs:     map[string]abi.Codec{abi.CodecJSON: &testCodec{}},
		Log:        slog.New(slog.NewTextHandler(io.Discard, nil)),
		Registerer: prometheus.NewRegistry(),
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, h.Close(context.Background())) })
	return h
}

// Whatever a file holds, Load and Start refuse it in one line, or it runs.
func FuzzLoad(f *testing.F) {
	modules, err := filepath.Glob("testdata/*.wasm")
	require.NoError(f, err)
	for _, m := range modules {
		b, err := os.ReadFile(m)
		require.NoError(f, err)
		f.Add(b)
		f.Add(b[:len(b)/2])
	}
	h := quietHost(f)
	cfg := testConfig()
	cfg.Timeout, cfg.MemoryLimit = 50*time.Millisecond, units.MiB
	f.Fuzz(func(t *testing.T, module []byte) {
		path := filepath.Join(t.TempDir(), "p.wasm")
		require.NoError(t, os.WriteFile(path, module, 0o600))
		p, err := h.Load(context.Background(), "p", path, cfg, 1)
		if err == nil {
			if err = p.Start(context.Background()); err == nil {
				_, err = handle(p, "!")
			}
			require.NoError(t, p.Close(context.Background()))
		}
		if err != nil {
			require.False(t, strings.ContainsAny(err.Error(), "\n\r"), "%q", err)
		}
	})
}

// Whatever numbers a guest hands over the boundary, the host answers with a verdict of the contract or one
// line, and serves the next message.
func FuzzBoundary(f *testing.F) {
	numbers := func(result uint64, n ...uint32) []byte {
		b := binary.LittleEndian.AppendUint64(nil, result)
		for _, v := range n {
			b = binary.LittleEndian.AppendUint32(b, v)
		}
		return b
	}
	f.Add(numbers(0, 1024, 28, 1024, 28, 1024))
	f.Add(numbers(7<<32, 0, 0, 0, 0, 0))
	f.Add(numbers(1<<32|500, 0xffffffff, 0xffffffff, 0xffff, 1, 0xffffffff))
	f.Add(numbers(3<<32, 65536, 0, 65535, 2, 65530))
	f.Add([]byte("p\nshort"))
	h := quietHost(f)
	p, err := h.Load(context.Background(), "p", "testdata/boundary.wasm", testConfig(), 1)
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, doc []byte) {
		if len(doc) > 60_000 {
			doc = doc[:60_000] // what fits into its memory
		}
		for range 2 { // the second meets the pointer that the first has chosen
			v, err := handle(p, string(doc))
			if err != nil {
				require.Equal(t, abi.StatusRetry, v.Status)
				require.False(t, strings.ContainsAny(err.Error(), "\n\r"), "%q", err)
				continue
			}
			require.LessOrEqual(t, v.Status, abi.StatusDrop)
		}
	})
}

// One call with one emit, of 200 bytes.
func BenchmarkCall(b *testing.B) {
	h := quietHost(b)
	p, err := h.Load(context.Background(), "p", "testdata/echo.wasm", testConfig(), 1)
	require.NoError(b, err)
	m := message("discord\n" + strings.Repeat("x", 192))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := p.Handle(context.Background(), nil, m); err != nil {
			b.Fatal(err)
		}
	}
}
