package consumer

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strconv"
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
const patience = 15 * time.Second

// platform is where the tests' handlers answer to.
const platform = "test"

// rig is a Redis, the configuration of its workers, and what they log.
type rig struct {
	t     *testing.T
	ctx   context.Context
	url   string
	redis Client
	log   *logbook

	// The workers that are started from here on have these configurations.
	in    InboundConfig
	out   OutboundConfig
	dead  DeadLettersConfig
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
		t: t, ctx: t.Context(), url: url, log: &logbook{},
		in: DefaultInbound(), out: DefaultOutbound(), dead: DefaultDeadLetters(), redco: RedisConfig{URL: url},
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

func (r *rig) dial(workers int) Client {
	c, err := Dial(r.redco, workers)
	require.NoError(r.t, err)
	r.t.Cleanup(func() { _ = c.Close() })
	return c
}

func (r *rig) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(r.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
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
	return r.startWith(Inbound(name, r.in, r.out, r.dead), r.dial(1), h)
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

// eventually polls until ok is true. It is the only place where a test looks at Redis again and again.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for !ok() {
		select {
		case <-again.C:
		case <-deadline.C:
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// receive waits for a value.
func receive[T any](t *testing.T, c <-chan T, what string) T {
	t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	select {
	case v := <-c:
		return v
	case <-deadline.C:
		t.Fatalf("waited in vain: %s", what)
		panic("unreachable")
	}
}

// nothingWithin fails if a value comes within d: for what must not happen, and has no other sign.
func nothingWithin[T any](t *testing.T, d time.Duration, c <-chan T, what string) {
	t.Helper()
	over := time.NewTimer(d)
	defer over.Stop()
	select {
	case <-c:
		t.Fatalf("it happened: %s", what)
	case <-over.C:
	}
}

// entries are the fields of a stream's entries, by their order.
func (r *rig) entries(stream string) []map[string]any {
	r.t.Helper()
	messages, err := r.redis.XRange(r.ctx, stream, "-", "+").Result()
	require.NoError(r.t, err)
	fields := make([]map[string]any, 0, len(messages))
	for _, m := range messages {
		fields = append(fields, m.Values)
	}
	return fields
}

// replies are the texts of all that was answered, in order.
func (r *rig) replies() []string {
	r.t.Helper()
	texts := []string{}
	for _, e := range r.entries(r.out.StreamOf(platform)) {
		text, _ := decode(r.t, e["data"].(string))["text"].(string)
		texts = append(texts, text)
	}
	return texts
}

func (r *rig) awaitReplies(want ...string) {
	r.t.Helper()
	eventually(r.t, "the replies "+strings.Join(want, ", "), func() bool { return len(r.replies()) >= len(want) })
	require.ElementsMatch(r.t, want, r.replies())
}

// pending is the group's pending list.
func (r *rig) pending() []redis.XPendingExt {
	r.t.Helper()
	p, err := r.redis.XPendingExt(r.ctx, &redis.XPendingExtArgs{
		Stream: r.in.Stream, Group: r.in.Group, Start: "-", End: "+", Count: 10_000,
	}).Result()
	if err != nil && !isNoGroup(err) {
		require.NoError(r.t, err)
	}
	return p
}

func (r *rig) awaitNothingPending() {
	r.t.Helper()
	eventually(r.t, "nothing is pending", func() bool { return len(r.pending()) == 0 })
}

func (r *rig) awaitDeadLetters(n int) []map[string]any {
	r.t.Helper()
	eventually(r.t, "the dead letters", func() bool { return len(r.entries(r.dead.Stream)) >= n })
	dead := r.entries(r.dead.Stream)
	require.Len(r.t, dead, n)
	return dead
}

// readAs moves entries to the pending list of a consumer that never comes back.
func (r *rig) readAs(consumer string, count int64) []redis.XMessage {
	r.t.Helper()
	require.NoError(r.t, ensureGroup(r.ctx, r.redis, r.in.Stream, r.in.Group))
	s, err := r.redis.XReadGroup(r.ctx, &redis.XReadGroupArgs{
		Group: r.in.Group, Consumer: consumer, Streams: []string{r.in.Stream, ">"}, Count: count, Block: -1,
	}).Result()
	require.NoError(r.t, err)
	return s[0].Messages
}

// claimAs gives a pending entry to another consumer, with a delivery count.
func (r *rig) claimAs(consumer, id string, idle time.Duration, count int64) {
	r.t.Helper()
	claimed, err := r.redis.Do(r.ctx, "XCLAIM", r.in.Stream, r.in.Group, consumer, 0, id,
		"IDLE", idle.Milliseconds(), "RETRYCOUNT", count, "JUSTID").StringSlice()
	require.NoError(r.t, err)
	require.Equal(r.t, []string{id}, claimed)
}

func (r *rig) consumers() []string {
	r.t.Helper()
	infos, err := r.redis.XInfoConsumers(r.ctx, r.in.Stream, r.in.Group).Result()
	require.NoError(r.t, err)
	names := []string{}
	for _, c := range infos {
		names = append(names, c.Name)
	}
	return names
}

// calls is how many times the server has run a command, in scripts or not, since it was started.
func (r *rig) calls(command string) int {
	r.t.Helper()
	info, err := r.redis.Info(r.ctx, "commandstats").Result()
	require.NoError(r.t, err)
	_, stats, _ := strings.Cut(info, "cmdstat_"+command+":calls=")
	number, _, _ := strings.Cut(stats, ",")
	n, _ := strconv.Atoi(number)
	return n
}

// blockedClients is how many clients wait for an entry.
func (r *rig) blockedClients() int {
	r.t.Helper()
	info, err := r.redis.Info(r.ctx, "clients").Result()
	require.NoError(r.t, err)
	_, number, _ := strings.Cut(info, "blocked_clients:")
	number, _, _ = strings.Cut(number, "\r\n")
	n, err := strconv.Atoi(number)
	require.NoError(r.t, err)
	return n
}

// firstID is the id of the stream's first entry.
func (r *rig) firstID() string {
	r.t.Helper()
	messages, err := r.redis.XRangeN(r.ctx, r.in.Stream, "-", "+", 1).Result()
	require.NoError(r.t, err)
	return messages[0].ID
}

// awaitSweeps waits for n more whole sweeps.
func (r *rig) awaitSweeps(n int) {
	r.t.Helper()
	// Every sweep ends with a look at the group's consumers. The one that is under way does not count.
	before := r.calls("xinfo|consumers")
	eventually(r.t, "sweeps", func() bool { return r.calls("xinfo|consumers") > before+n })
}

// audit is what the audit hash says of an entry, as JSON, or empty.
func (r *rig) audit(id string) string {
	r.t.Helper()
	text, err := r.redis.HGet(r.ctx, r.in.Autoclaim.AuditKey+":"+r.in.Stream+":"+r.in.Group, id).Result()
	if !errors.Is(err, redis.Nil) {
		require.NoError(r.t, err)
	}
	return text
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
