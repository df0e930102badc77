//go:build !wasip1

package sgs

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sgstreamd/sgstreamd/abi"
)

// run handles a message with f, without the package's registration, in either codec: both must come to the same.
func run(t *testing.T, f func(*Call) error, m Message) Result {
	t.Helper()
	results := map[codec]Result{}
	for _, k := range []codec{codecJSON, codecMsgpack} {
		r := recorder{codec: k}
		r.run(&plugin{handle: f}, m)
		results[k] = r.result
	}
	require.Equal(t, clean(results[codecJSON]), clean(results[codecMsgpack]), "the codecs must not be told apart")
	return results[codecMsgpack]
}

// clean takes the stack traces, which hold addresses, out of the logs.
func clean(r Result) Result {
	logs := make([]string, 0, len(r.Logs))
	for _, line := range r.Logs {
		first, _, _ := strings.Cut(line, "\n")
		logs = append(logs, first)
	}
	r.Logs = logs
	return r
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
		"panic: oh":                  func() { panic("oh") },
		"panic: no luck":             func() { panic(errors.New("no luck")) },
		"panic: a value of type int": func() { panic(5) },
		"panic: runtime error: invalid memory address or nil pointer dereference": func() { c := &Call{}; c.Message.TraceID = "" },
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
			"bytes": []byte{0, 255}, "no bytes": []byte{}, "": "no key", strings.Repeat("long key", 10): "long", "list": []any{int64(1), "a", []any{}}, "map": Map{"$binary": "not a tag"},
			"infinite": math.Inf(-1), "ext": Ext{-1, []byte{1, 2, 3, 4}}, "odd": Pairs{{int64(1), "a"}, {nil, Map{}}},
			"tags": Map{"$binary": int64(1), "$map": int64(2)}, "dollars": Map{"$$a": Map{"$": nil}},
		},
	}
	run(t, func(c *Call) error {
		all := *c.Message
		all.Payload = all.Payload.All()
		require.Equal(t, sent, all)
		for key, v := range sent.Payload.All() {
			require.Equal(t, v, c.Message.Payload.Value(key), key)
		}
		return nil
	}, sent)
	got := run(t, func(c *Call) error { return c.Emit(Emit{Platform: "p", Payload: c.Message.Payload.All()}) }, sent)
	require.Equal(t, []Emit{{Platform: "p", Payload: sent.Payload.All()}}, got.Emits)
	got = run(t, func(c *Call) error {
		raw := Map{"none": c.Message.Payload.Raw("absent")}
		for key := range sent.Payload.All() {
			raw[key] = c.Message.Payload.Raw(key)
		}
		return c.Emit(Emit{Platform: "p", Payload: Map{"list": []any{raw}}})
	}, sent)
	want := maps.Clone(sent.Payload.All())
	want["none"] = nil
	require.Equal(t, []any{want}, got.Emits[0].Payload.List("list"))
}

func TestAPayloadWithOddKeysArrives(t *testing.T) {
	t.Parallel()
	for payload, want := range map[string]Map{
		`{"$map":[["a",1],["b",2],["a",3]]}`:     {"a": int64(3), "b": int64(2)},
		`{"$map":[[{"$str":"/w=="},1],["b",2]]}`: {"\xff": int64(1), "b": int64(2)},
		`{"$$map":1}`:                            {"$map": int64(1)},
	} {
		doc := `{"payload":` + payload + `}`
		var in inbox
		require.NoError(t, in.open(codecJSON, doc))
		require.Equal(t, want, in.message.Payload)
	}
}

func TestGettersReturnNothingOfAnotherType(t *testing.T) {
	t.Parallel()
	all := Map{"text": "a", "int": int64(-5), "uint": uint64(math.MaxUint64), "float": 1.5, "bool": true, "bytes": []byte("b"), "map": Map{"a": "b"}, "list": []any{nil}}
	run(t, func(c *Call) error {
		m := c.Message.Payload
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
		require.Nil(t, m.Raw("absent"))
		require.Nil(t, m.Value("absent"))
		return nil
	}, Message{Payload: all})
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
	for _, payload := range []Map{{"channel_id": "#go"}, {"channel_id": "#go", "message_id": "7"}, {"channel_id": int64(5), "message_id": ""}} {
		want := Map{"platform": "irc", "channel_id": payload.Text("channel_id"), "type": "message", "text": "\xff\"hi\n", "trace_id": "T"}
		if id := payload.Text("message_id"); id != "" {
			want["reply_to"] = id
		}
		m := Message{Platform: "irc", TraceID: "T", Payload: payload}
		require.Equal(t, Emit{Platform: "irc", Payload: want}, Reply(&m, "\xff\"hi\n"))
		got := run(t, func(c *Call) error { return c.Reply("\xff\"hi\n") }, m)
		require.Equal(t, []Emit{{Platform: "irc", Payload: want}}, got.Emits)
	}
}

func TestConfigureAndStop(t *testing.T) {
	t.Parallel()
	var kept Map
	p := plugin{configure: func(config Map) error { kept = config; return errors.New("no greeting") }, stop: func(c *Call) { c.Info("bye"); panic("late") }}
	for _, doc := range []string{`{"a":{"$binary":"AA=="}}`, "\x81\xa1a\xc4\x01\x00"} {
		var r recorder
		require.EqualValues(t, 1, p.runConfigure(&r, doc))
		require.Equal(t, "no greeting", r.result.Reason)
		require.Equal(t, Map{"a": []byte{0}}, kept)
	}
	var r recorder
	require.EqualValues(t, 1, p.runConfigure(&r, "\x81\xa1a"))
	require.Equal(t, "not msgpack: no value at byte 3", r.result.Reason)
	p.runStop(&r)
	require.Equal(t, "info: bye", r.result.Logs[0])
	require.Contains(t, r.result.Logs[1], "error: panic: late")
	p = plugin{}
	require.Zero(t, p.runConfigure(&r, "{}"))
	p.runStop(&r)
}

func TestACallIsUsedAgain(t *testing.T) {
	t.Parallel()
	var kept []string
	p := plugin{handle: func(c *Call) error {
		kept = append(kept, c.Message.ID, c.Message.Text("text"), c.Message.TraceID)
		return c.Reply(c.Message.Text("text"))
	}}
	var c Call
	r := recorder{codec: codecMsgpack}
	long := strings.Repeat("x", maxKept)
	for _, m := range []Message{
		{ID: "1-0", TraceID: "T", MaybeDelivered: true, Platform: "a", Payload: Map{"text": "first", "message_id": "5"}}, {ID: "2-0", Platform: "b", Payload: Map{"text": long}},
		{ID: "3-0", Platform: "c", Payload: Map{}},
	} {
		doc, err := m.document(codecMsgpack)
		require.NoError(t, err)
		status, _ := abi.UnpackResult(p.runHandle(&c, &r, string(doc)))
		require.Equal(t, abi.StatusDone, status, r.result.Reason)
		require.Equal(t, m.MaybeDelivered, c.Message.MaybeDelivered)
		require.LessOrEqual(t, cap(c.out), maxKept)
	}
	require.Equal(t, []string{"1-0", "first", "T", "2-0", long, "", "3-0", "", ""}, kept)
	require.Equal(t, "", r.result.Emits[2].Payload.Text("text"))
	require.NotContains(t, r.result.Emits[2].Payload, "reply_to")
}

func TestTheRegistrationIsWhatTestRuns(t *testing.T) {
	t.Cleanup(func() { registered = plugin{} })
	Handle(func(c *Call) error { return Reject(c.Message.Text("why")) })
	Configure(func(config Map) error {
		if config.Text("greeting") == "" {
			return errors.New("greeting is missing")
		}
		return nil
	})
	stopped := false
	OnStop(func(*Call) { stopped = true })
	require.Equal(t, Result{Status: abi.StatusReject, Reason: "because"}, Test(Message{Payload: Map{"why": "because"}}))
	require.NoError(t, TestConfigure(Map{"greeting": "hi"}))
	require.EqualError(t, TestConfigure(nil), "greeting is missing")
	registered.runStop(&recorder{})
	require.True(t, stopped)
	require.Contains(t, Test(Message{Payload: Map{"c": make(chan int)}}).Reason, "the test's message")
}

func TestAnAdapterSeesWhetherItMayHaveDeliveredBefore(t *testing.T) {
	t.Parallel()
	for _, maybe := range []bool{false, true} {
		run(t, func(c *Call) error {
			require.Equal(t, maybe, c.Message.MaybeDelivered)
			return nil
		}, Message{ID: "1-1", MaybeDelivered: maybe})
	}
}
