package consumer

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
	"github.com/tinylib/msgp/msgp"

	"github.com/sgstreamd/sgstreamd/abi"
	"github.com/sgstreamd/sgstreamd/internal/redistest"
)

// patience is how long a test waits for what has to come.
const patience = 60 * time.Second

// platform is where the tests' handlers answer to.
const platform = "test"

// rig is a Redis, the configuration of its workers, and what they log.
type rig struct {
	t     *testing.T
	ctx   context.Context
	url   string
	redis Client
	log   *logbook
	level slog.Level // what of the workers' log is kept

	// The workers that are started from here on have these configurations.
	in    InboundConfig
	out   OutboundConfig
	dead  DeadLettersConfig
	state StateConfig
	redco RedisConfig // how their clients connect
}

// newRig starts a Redis server for the test.
func newRig(t *testing.T, args ...string) (*rig, *redistest.Server) {
	t.Helper()
	s := redistest.Start(t, args...)
	return newRigAt(t, s.URL()), s
}

// newRigAt is a rig at a Redis that runs already. Its time-outs are short.
func newRigAt(t *testing.T, url string) *rig {
	t.Helper()
	r := &rig{
		t: t, ctx: t.Context(), url: url, log: &logbook{}, level: slog.LevelDebug,
		in: DefaultInbound(), out: DefaultOutbound(), dead: DefaultDeadLetters(), state: DefaultState(), redco: RedisConfig{URL: url},
	}
	r.in.Autoclaim.MinIdle, r.in.Autoclaim.Interval = 300*time.Millisecond, 50*time.Millisecond
	r.in.Retry = RetryConfig{Base: 20 * time.Millisecond, Factor: 2, Cap: 100 * time.Millisecond, Jitter: 50}
	r.in.Lock.TTL = 600 * time.Millisecond
	r.redis = r.dial(1)
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(r.log.String())
		}
	})
	return r
}

// teach has the server learn the scripts that a worker runs, which are sent as a whole the first time.
func (r *rig) teach() {
	r.t.Helper()
	s := newScripts()
	for _, script := range []*redis.Script{s.fetch, s.take, s.claim, s.commit, s.reclaim} {
		require.NoError(r.t, script.Load(r.ctx, r.redis).Err())
	}
}

func (r *rig) dial(workers int) Client {
	c, err := Dial(r.redco, workers)
	require.NoError(r.t, err)
	r.t.Cleanup(func() { _ = c.Close() })
	return c
}

func (r *rig) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(r.log, &slog.HandlerOptions{Level: r.level}))
}

// handlerFunc is a Handler.
type handlerFunc func(ctx context.Context, stop <-chan struct{}, m *abi.Message) (abi.Verdict, error)

func (h handlerFunc) Handle(ctx context.Context, stop <-chan struct{}, m *abi.Message) (abi.Verdict, error) {
	return h(ctx, stop, m)
}

// run is a worker that runs.
type run struct {
	*Worker
	t       *testing.T
	metrics *prometheus.Registry
	stop    context.CancelFunc      // takes no more
	cut     context.CancelCauseFunc // ends the drain
	ended   chan struct{}
	err     error // what Run returned
}

// start runs a worker of the processor role until the test ends.
func (r *rig) start(h handlerFunc) *run {
	r.t.Helper()
	return r.startNamed(Name(), h)
}

func (r *rig) startNamed(name string, h handlerFunc) *run {
	return r.startWith(Inbound(name, r.in, r.out, r.dead, r.state), r.dial(1), h)
}

func (r *rig) startWith(cfg WorkerConfig, c Client, h handlerFunc) *run {
	registry := prometheus.NewRegistry()
	w := &run{Worker: NewWorker(cfg, c, h, NewMetrics(registry), r.logger()), t: r.t, metrics: registry, ended: make(chan struct{})}
	stopping, stop := context.WithCancel(context.Background())
	working, cut := context.WithCancelCause(context.Background())
	w.stop, w.cut = stop, cut
	go func() {
		defer close(w.ended)
		w.err = w.Run(stopping, working)
	}()
	r.t.Cleanup(func() {
		stop()
		cut(ErrDrainCut)
		<-w.ended
	})
	return w
}

// stopped stops the worker, and returns what Run did when its drain is over.
func (w *run) stopped() error {
	w.t.Helper()
	w.stop()
	receive(w.t, w.ended, "the worker's end")
	return w.err
}

// counted is the sum of a metric over all its labels.
func (w *run) counted(name string) float64 {
	w.t.Helper()
	families, err := w.metrics.Gather()
	require.NoError(w.t, err)
	sum := 0.0
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	return sum
}

// echo answers with what it was told.
func echo(_ context.Context, _ <-chan struct{}, m *abi.Message) (abi.Verdict, error) {
	return answer(m), nil
}

// answer is a verdict with one emit, which repeats the message's content.
func answer(m *abi.Message) abi.Verdict {
	return abi.Verdict{Status: abi.StatusDone, Emits: []abi.Emit{{Platform: platform, Payload: encode(map[string]any{"text": contentOf(m)})}}}
}

func encode(v map[string]any) []byte {
	b, err := msgp.AppendIntf(nil, v)
	if err != nil {
		panic(err)
	}
	return b
}

func decode(t *testing.T, data string) map[string]any {
	t.Helper()
	m, _, err := msgp.ReadMapStrIntfBytes([]byte(data), nil)
	require.NoError(t, err)
	return m
}

func contentOf(m *abi.Message) string {
	fields, _, err := msgp.ReadMapStrIntfBytes(m.Payload, nil)
	if err != nil {
		panic(err)
	}
	content, _ := fields["content"].(string)
	return content
}

// send appends a message with that content.
func (r *rig) send(content string) string { return r.sendTo("", false, content) }

// sendTo appends a message of a channel. Its trace id is its content.
func (r *rig) sendTo(channel string, addressed bool, content string) string {
	r.t.Helper()
	return r.sendFields("data", encode(map[string]any{
		"platform": platform, "channel_key": channel, "is_addressed": addressed, "content": content,
	}), "ts", "1700000000.25", "trace_id", content)
}

func (r *rig) sendFields(fields ...any) string {
	r.t.Helper()
	id, err := r.redis.XAdd(r.ctx, &redis.XAddArgs{Stream: r.in.Stream, Values: fields}).Result()
	require.NoError(r.t, err)
	return id
}

// logbook collects log lines.
type logbook struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logbook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logbook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// lines are the lines that hold the text.
func (l *logbook) lines(text string) []string {
	lines := []string{}
	for line := range strings.Lines(l.String()) {
		if strings.Contains(line, text) {
			lines = append(lines, line)
		}
	}
	return lines
}
