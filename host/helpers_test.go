package host

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alecthomas/units"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/sgstreamd/sgstreamd/abi"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// testCodec hands the payload over as it is; an emit is "platform\npayload", or "stream:key\npayload".
type testCodec struct {
	onEmit func(doc string) // called with every emit before it is decoded
}

func (c *testCodec) AppendMessage(dst []byte, m *abi.Message) ([]byte, error) {
	switch string(m.Payload) {
	case "unencodable":
		return nil, errors.New("no such thing in this encoding")
	case "panicking":
		panic("in the codec")
	}
	return append(dst, m.Payload...), nil
}

func (c *testCodec) AppendJSON(dst, json []byte) ([]byte, error) { return append(dst, json...), nil }

func (c *testCodec) DecodeEmit(doc []byte) (abi.Emit, error) {
	if c.onEmit != nil {
		c.onEmit(string(doc))
	}
	to, payload, ok := bytes.Cut(doc, []byte("\n"))
	if !ok {
		return abi.Emit{}, errors.New("the document has no newline")
	}
	if stream, ok := bytes.CutPrefix(to, []byte("stream:")); ok {
		return abi.Emit{Stream: string(stream), Payload: bytes.Clone(payload)}, nil
	}
	return abi.Emit{Platform: string(to), Payload: bytes.Clone(payload)}, nil
}

// entry is a log record.
type entry struct {
	level slog.Level
	text  string
	attrs map[string]string
}

// recorder keeps what is logged.
type recorder struct {
	mu      *sync.Mutex
	entries *[]entry
	more    chan struct{} // gets a token, if it has room, with every entry
	with    []slog.Attr
}

func newRecorder() *recorder {
	return &recorder{mu: &sync.Mutex{}, entries: &[]entry{}, more: make(chan struct{}, 1)}
}

func (r *recorder) Enabled(context.Context, slog.Level) bool { return true }
func (r *recorder) WithGroup(string) slog.Handler            { return r }
func (r *recorder) WithAttrs(attrs []slog.Attr) slog.Handler {
	c := *r
	c.with = append(append([]slog.Attr{}, r.with...), attrs...)
	return &c
}

func (r *recorder) Handle(_ context.Context, rec slog.Record) error {
	e := entry{rec.Level, rec.Message, map[string]string{}}
	add := func(a slog.Attr) bool { e.attrs[a.Key] = a.Value.String(); return true }
	for _, a := range r.with {
		add(a)
	}
	rec.Attrs(add)
	r.mu.Lock()
	*r.entries = append(*r.entries, e)
	r.mu.Unlock()
	select {
	case r.more <- struct{}{}:
	default:
	}
	return nil
}

// all returns the entries so far, without the debug ones of the host itself.
func (r *recorder) all() []entry {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]entry{}, *r.entries...)
}

func (r *recorder) find(text string) *entry {
	for _, e := range r.all() {
		if strings.Contains(e.text, text) {
			return &e
		}
	}
	return nil
}

// await returns when an entry with the text is there.
func (r *recorder) await(t *testing.T, text string) *entry {
	t.Helper()
	for {
		if e := r.find(text); e != nil {
			return e
		}
		select {
		case <-r.more:
		case <-time.After(20 * time.Second):
			require.FailNow(t, "nothing was logged with "+text)
		}
	}
}

// testState is a State in memory, by plugin and key.
type testState struct {
	values map[string]string
	gets   atomic.Int64                                // how often it was asked
	onGet  func(ctx context.Context, key string) error // called with every Get; its error is Get's
}

func (s *testState) Get(ctx context.Context, plugin, key string) ([]byte, bool, error) {
	s.gets.Add(1)
	if s.onGet != nil {
		if err := s.onGet(ctx, key); err != nil {
			return nil, false, err
		}
	}
	value, found := s.values[plugin+" "+key]
	return []byte(value), found, nil
}

// bench is a host with what a test looks at.
type bench struct {
	*Host
	codec    *testCodec
	state    *testState
	logs     *recorder
	registry *prometheus.Registry
}

func newBench(t testing.TB, cacheDir string) *bench {
	b := &bench{codec: &testCodec{}, state: &testState{values: map[string]string{}}, logs: newRecorder(), registry: prometheus.NewRegistry()}
	codecs := map[string]abi.Codec{abi.CodecJSON: b.codec}
	h, err := New(context.Background(), Options{CacheDir: cacheDir, Codecs: codecs, State: b.state, Log: slog.New(b.logs), Registerer: b.registry})
	require.NoError(t, err)
	b.Host = h
	t.Cleanup(func() { require.NoError(t, h.Close(context.Background())) })
	return b
}

// value returns a metric of the plugin "p", by name and outcome.
func (b *bench) value(t *testing.T, name, outcome string) float64 {
	families, err := b.registry.Gather()
	require.NoError(t, err)
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			labels := map[string]string{}
			for _, l := range m.GetLabel() {
				labels[l.GetName()] = l.GetValue()
			}
			if labels["plugin"] == "p" && labels["outcome"] == outcome {
				return m.GetGauge().GetValue() + m.GetCounter().GetValue() + float64(m.GetHistogram().GetSampleCount())
			}
		}
	}
	return 0
}

// testConfig is generous enough for a slow machine, except where a test is about the limit.
func testConfig() PluginConfig {
	c := DefaultPlugin()
	c.MaxInstances = 1
	return c
}

func withTimeout(d time.Duration) func(*PluginConfig) {
	return func(c *PluginConfig) { c.Timeout = d }
}

func withMemory(n units.Base2Bytes) func(*PluginConfig) {
	return func(c *PluginConfig) { c.MemoryLimit = n }
}

// load loads testdata/<module>.wasm as the plugin "p".
func (b *bench) load(module string, options ...func(*PluginConfig)) (*Plugin, error) {
	cfg := testConfig()
	for _, o := range options {
		o(&cfg)
	}
	return b.Load(context.Background(), "p", filepath.Join("testdata", module+".wasm"), cfg, 1)
}

// start loads a module and makes its first instance.
func (b *bench) start(t testing.TB, module string, options ...func(*PluginConfig)) *Plugin {
	p, err := b.load(module, options...)
	require.NoError(t, err)
	require.NoError(t, p.Start(context.Background()))
	return p
}

func message(payload string) *abi.Message {
	return &abi.Message{Stream: "s", ID: "1-0", Attempt: 1, TraceID: "t-1", Payload: []byte(payload)}
}

func handle(p *Plugin, payload string) (abi.Verdict, error) {
	return p.Handle(context.Background(), nil, message(payload))
}

// requireCount hands over a good message and asserts the number of calls that its instance has had.
func requireCount(t *testing.T, p *Plugin, payload string, count int) {
	t.Helper()
	v, err := handle(p, payload)
	require.NoError(t, err)
	require.Equal(t, abi.StatusDone, v.Status)
	require.Equal(t, time.Duration(count)*time.Millisecond, v.RetryAfter)
}

// requireLine asserts an error that is exactly the one line.
func requireLine(t *testing.T, err error, line string) {
	t.Helper()
	require.Error(t, err)
	require.NotContains(t, err.Error(), "\n")
	require.Equal(t, line, err.Error())
}
