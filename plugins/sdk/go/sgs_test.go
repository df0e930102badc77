//go:build !wasip1

package sgs

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sgstreamd/sgstreamd/abi"
)

// run handles a message with f, without the package's registration.
func run(t *testing.T, f func(*Call) error, m Message) Result {
	t.Helper()
	doc, err := m.document()
	require.NoError(t, err)
	p := plugin{handle: f}
	var r recorder
	r.result.Status, r.result.RetryAfter = abi.UnpackResult(p.runHandle(&r, doc))
	return r.result
}

func TestVerdicts(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		err  error
		want Result
	}{
		"nil is done":      {nil, Result{Status: abi.StatusDone}},
		"an error retries": {errors.New("no luck"), Result{Status: abi.StatusRetry, Reason: "no luck"}},
		"retry":            {Retry(1500*time.Millisecond, "busy"), Result{Status: abi.StatusRetry, RetryAfter: 1500 * time.Millisecond, Reason: "busy"}},
		"reject":           {Reject("nonsense"), Result{Status: abi.StatusReject, Reason: "nonsense"}},
		"drop":             {Drop(), Result{Status: abi.StatusDrop}},
		"a wrapped one":    {fmt.Errorf("step 2: %w", Reject("nonsense")), Result{Status: abi.StatusReject, Reason: "step 2: reject: nonsense"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, c.want, run(t, func(*Call) error { return c.err }, Message{}))
		})
	}
}

func TestAPanicIsReportedAndRetried(t *testing.T) {
	t.Parallel()
	for want, f := range map[string]func(){
		"panic: oh":                             func() { panic("oh") },
		"panic: no luck":                        func() { panic(errors.New("no luck")) },
		"panic: a value of type int":            func() { panic(5) },
		"panic: assignment to entry in nil map": func() { (&Message{}).Payload["a"] = 1 },
	} {
		got := run(t, func(*Call) error { f(); return nil }, Message{})
		require.Equal(t, abi.StatusRetry, got.Status)
		require.Equal(t, want, got.Reason)
		require.Len(t, got.Logs, 1)
		require.Contains(t, got.Logs[0], "sgs_test.go", "the log says where")
	}
}

func TestWithoutAHandlerEveryMessageIsRetried(t *testing.T) {
	t.Parallel()
	got := run(t, nil, Message{})
	require.Equal(t, abi.StatusRetry, got.Status)
	require.Contains(t, got.Reason, "sgs.Handle")
}

func TestTheMessageArrivesWithItsTypes(t *testing.T) {
	t.Parallel()
	sent := Message{
		Stream: "s", ID: "5-0", Attempt: 2, TS: 1700000000.25, TraceID: "T", Platform: "discord", ChannelKey: "discord:42",
		Payload: Map{
			"nil": nil, "true": true, "int": int64(math.MinInt64), "uint": uint64(math.MaxUint64), "2^53+1": int64(1<<53 + 1),
			"float": 1.0, "minus zero": math.Copysign(0, -1), "great": 1e300, "text": "é\"\\\n\x00😀", "not UTF-8": "\xff",
			"bytes": []byte{0, 255}, "no bytes": []byte{}, "list": []any{int64(1), "a", []any{}}, "map": Map{"$binary": "not a tag"},
			"infinite": math.Inf(-1), "ext": Ext{-1, []byte{1, 2, 3, 4}}, "odd": Pairs{{int64(1), "a"}, {nil, Map{}}},
			"tags": Map{"$binary": int64(1), "$map": int64(2)}, "dollars": Map{"$$a": Map{"$": nil}},
		},
	}
	run(t, func(c *Call) error {
		require.Equal(t, &sent, c.Message)
		return nil
	}, sent)
	got := run(t, func(c *Call) error { return c.Emit(Emit{Platform: "p", Payload: c.Message.Payload}) }, sent)
	require.Equal(t, []Emit{{Platform: "p", Payload: sent.Payload}}, got.Emits)
}

func TestAPayloadWithOddKeysArrives(t *testing.T) {
	t.Parallel()
	for payload, want := range map[string]Map{
		`{"$map":[["a",1],["b",2],["a",3]]}`:     {"a": int64(3), "b": int64(2)},
		`{"$map":[[{"$str":"/w=="},1],["b",2]]}`: {"\xff": int64(1), "b": int64(2)},
		`{"$$map":1}`:                            {"$map": int64(1)},
	} {
		m, err := parseMessage([]byte(`{"payload":` + payload + `}`))
		require.NoError(t, err)
		require.Equal(t, want, m.Payload)
	}
}

func TestGettersReturnNothingOfAnotherType(t *testing.T) {
	t.Parallel()
	m := Map{"text": "a", "int": int64(-5), "uint": uint64(math.MaxUint64), "float": 1.5, "bool": true, "bytes": []byte("b"), "map": Map{"a": "b"}, "list": []any{nil}}
	require.Equal(t, "a", m.Text("text"))
	require.Equal(t, int64(-5), m.Int("int"))
	require.Equal(t, uint64(math.MaxUint64), m.Uint("uint"))
	require.Equal(t, 1.5, m.Float("float"))
	require.Equal(t, -5.0, m.Float("int"))
	require.True(t, m.Bool("bool"))
	require.Equal(t, []byte("b"), m.Bytes("bytes"))
	require.Equal(t, "b", m.Map("map").Text("a"))
	require.Equal(t, []any{nil}, m.List("list"))
	require.Zero(t, m.Text("int"))
	require.Zero(t, m.Int("uint"))
	require.Zero(t, m.Uint("int"))
	require.Zero(t, m.Float("text"))
	require.Zero(t, m.Map("absent").Map("absent").Text("absent"))
}

func TestAnEmitTakesGoTypes(t *testing.T) {
	t.Parallel()
	type name string
	got := run(t, func(c *Call) error {
		return c.Emit(Emit{Stream: "s", Payload: Map{
			"names": []name{"a"}, "ints": []int32{1}, "u": uint8(2), "f": float32(0.5), "m": map[name]int{"k": 3}, "any": map[string]any{"x": nil},
		}})
	}, Message{})
	require.Equal(t, []Emit{{Stream: "s", Payload: Map{
		"names": []any{"a"}, "ints": []any{int64(1)}, "u": int64(2), "f": 0.5, "m": Map{"k": int64(3)}, "any": Map{"x": nil},
	}}}, got.Emits)
}

func TestAnEmitIsRefused(t *testing.T) {
	t.Parallel()
	loop := Map{}
	loop["again"] = loop
	for want, e := range map[string]Emit{
		"emit: EINVALID: the entry is malformed":                        {Platform: "a", Stream: "b"},
		"payload: b: 1: a value of type chan int can't be in a payload": {Platform: "a", Payload: Map{"b": []any{1, make(chan int)}}},
	} {
		got := run(t, func(c *Call) error { return c.Emit(e) }, Message{})
		require.Equal(t, want, got.Reason)
	}
	got := run(t, func(c *Call) error { return c.Emit(Emit{}) }, Message{})
	require.Equal(t, "emit: EINVALID: the entry is malformed", got.Reason)
	got = run(t, func(c *Call) error { return c.Emit(Emit{Platform: "a", Payload: loop}) }, Message{})
	require.True(t, strings.HasSuffix(got.Reason, "again: nested deeper than 256"), got.Reason)
	got = run(t, func(c *Call) error {
		for range abi.MaxEmits {
			if err := c.Emit(Emit{Platform: "p"}); err != nil {
				return Reject("too early")
			}
		}
		var refused *EmitError
		if !errors.As(c.Emit(Emit{Platform: "p"}), &refused) || refused.Errno != abi.ErrnoLimit {
			return Reject("no limit")
		}
		return nil
	}, Message{})
	require.Equal(t, abi.StatusDone, got.Status, got.Reason)
}

func TestLogsAndDeadline(t *testing.T) {
	t.Parallel()
	got := run(t, func(c *Call) error {
		c.Debug("a")
		c.Info("b")
		c.Warn("c")
		c.Error("d")
		if !c.Deadline().After(time.Now()) {
			return Reject("the deadline is over")
		}
		return nil
	}, Message{})
	require.Equal(t, Result{Logs: []string{"debug: a", "info: b", "warn: c", "error: d"}}, got)
}

func TestReply(t *testing.T) {
	t.Parallel()
	m := &Message{Platform: "irc", TraceID: "T", Payload: Map{"channel_id": "#go"}}
	want := Map{"platform": "irc", "channel_id": "#go", "type": "message", "text": "hi", "trace_id": "T"}
	require.Equal(t, Emit{Platform: "irc", Payload: want}, Reply(m, "hi"))
	m.Payload["message_id"] = "7"
	want["reply_to"] = "7"
	require.Equal(t, Emit{Platform: "irc", Payload: want}, Reply(m, "hi"))
}

func TestConfigureAndStop(t *testing.T) {
	t.Parallel()
	var kept []byte
	var r recorder
	p := plugin{configure: func(json []byte) error { kept = json; return errors.New("no greeting") }, stop: func() { panic("late") }}
	doc := []byte(`{"a":1}`)
	require.EqualValues(t, 1, p.runConfigure(&r, doc))
	require.Equal(t, "no greeting", r.result.Reason)
	clear(doc)
	require.Equal(t, `{"a":1}`, string(kept), "the configuration must outlive the buffer")
	p.runStop(&r)
	require.Contains(t, r.result.Logs[0], "error: panic: late")
	p = plugin{}
	require.Zero(t, p.runConfigure(&r, doc))
	p.runStop(&r)
}

func TestTheBufferIsUsedAgainUnlessItIsLarge(t *testing.T) {
	t.Parallel()
	var p plugin
	first := p.alloc(10)
	copy(first, "0123456789")
	require.Equal(t, "0123456789", string(p.document(10)))
	require.Same(t, &first[0], &p.alloc(100)[0])
	require.Len(t, p.alloc(maxKept+1), maxKept+1)
	require.Len(t, p.alloc(5), 4096)
	require.NotNil(t, p.alloc(0))
}

func TestTheRegistrationIsWhatTestRuns(t *testing.T) {
	t.Cleanup(func() { registered = plugin{} })
	Handle(func(c *Call) error { return Reject(c.Message.Text("why")) })
	Configure(func(json []byte) error {
		m, err := Parse(json)
		if err == nil && m.Text("greeting") == "" {
			err = errors.New("greeting is missing")
		}
		return err
	})
	stopped := false
	OnStop(func() { stopped = true })
	require.Equal(t, Result{Status: abi.StatusReject, Reason: "because"}, Test(Message{Payload: Map{"why": "because"}}))
	require.NoError(t, TestConfigure([]byte(`{"greeting":"hi"}`)))
	require.EqualError(t, TestConfigure([]byte(`{}`)), "greeting is missing")
	registered.runStop(&recorder{})
	require.True(t, stopped)
	require.Contains(t, Test(Message{Payload: Map{"c": make(chan int)}}).Reason, "the test's message")
}

func TestAnAdapterSeesWhetherItMayHaveDeliveredBefore(t *testing.T) {
	t.Parallel()
	for _, maybe := range []bool{false, true} {
		doc, err := (&Message{ID: "1-1", MaybeDelivered: maybe}).document()
		if err != nil {
			t.Fatal(err)
		}
		m, err := parseMessage(doc)
		if err != nil || m.MaybeDelivered != maybe {
			t.Fatalf("%v became %v, %v", maybe, m, err)
		}
	}
}
