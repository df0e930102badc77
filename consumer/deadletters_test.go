package consumer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/sgstreamd/sgstreamd/abi"
	"github.com/sgstreamd/sgstreamd/internal/redistest"
)

func (r *rig) letters() *DeadLetters { return NewDeadLetters(r.redis, r.dead.Stream) }

// bury writes a dead letter as the fleet's workers do, with further fields.
func (r *rig) bury(originalID, data string, more ...any) {
	r.t.Helper()
	r.buryFields("*", append([]any{
		"original_stream", r.in.Stream, "original_msg_id", originalID, "error", "no luck", "attempt", "3",
		"data", data, "ts", "1700000000.5", "trace_id", "tr " + originalID,
	}, more...)...)
}

func (r *rig) buryFields(id string, fields ...any) {
	r.t.Helper()
	require.NoError(r.t, r.redis.XAdd(r.ctx, &redis.XAddArgs{Stream: r.dead.Stream, ID: id, Values: fields}).Err())
}

// read are all dead letters, oldest first.
func (r *rig) read() []Letter {
	r.t.Helper()
	return collect(r.t, r.letters(), time.Time{}, time.Time{}, false)
}

func collect(t *testing.T, d *DeadLetters, since, until time.Time, newestFirst bool) []Letter {
	t.Helper()
	var letters []Letter
	for l, err := range d.All(t.Context(), since, until, newestFirst) {
		require.NoError(t, err)
		letters = append(letters, l)
	}
	return letters
}

func (r *rig) plan(to string) []Move {
	r.t.Helper()
	plan, err := r.letters().Plan(r.ctx, r.read(), to)
	require.NoError(r.t, err)
	return plan.Moves
}

// tally counts what a replay did.
type tally struct{ replayed, gone int }

func (n *tally) count(_ Move, newID string) {
	if newID == "" {
		n.gone++
	} else {
		n.replayed++
	}
}

// onStream are the payloads of the entries of a stream.
func (r *rig) onStream(stream string) []string {
	r.t.Helper()
	data := []string{}
	for _, e := range r.entries(stream) {
		text, _ := e["data"].(string)
		data = append(data, text)
	}
	return data
}

func TestAReplayedMessageIsWhatItWas(t *testing.T) {
	t.Parallel()
	r, _ := newRig(t)
	r.start(func(context.Context, <-chan struct{}, *abi.Message) (abi.Verdict, error) {
		return abi.Verdict{Status: abi.StatusReject, Reason: "not today"}, nil
	})
	for name, fields := range map[string]map[string]any{
		"a message":           {"data": string(encode(map[string]any{"content": "x", "bin": []byte{0, 255, 13, 10}})), "ts": "1.5", "trace_id": "tr"},
		"no trace id":         {"data": string(encode(map[string]any{"content": "x"})), "ts": "1.5", "trace_id": ""},
		"not msgpack":         {"data": "\xc1\x00\r\n$-1\r\n", "ts": "1.5", "trace_id": "tr"},
		"unknown fields":      {"data": "\xff", "ts": "1.5", "trace_id": "tr", "shard": "7", "b\x00n": "\xfe"},
		"nothing but unknown": {"dat": "x", "ts": "1.5", "trace_id": ""},
	} {
		require.NoError(t, r.redis.XAdd(r.ctx, &redis.XAddArgs{Stream: r.in.Stream, Values: fields}).Err(), name)
		r.awaitDeadLetters(1)
		var n tally
		require.NoError(t, r.letters().Replay(r.ctx, r.plan("sg:replayed"), n.count))
		require.Equal(t, tally{1, 0}, n)
		require.Empty(t, r.read(), "the letter is removed in the same step")

		back := r.entries("sg:replayed")
		require.Len(t, back, 1)
		require.NotEqual(t, fields["ts"], back[0]["ts"], "it is enqueued now")
		require.Regexp(t, `^\d{10}\.\d+$`, back[0]["ts"])
		fields["ts"] = back[0]["ts"]
		require.Empty(t, cmp.Diff(fields, back[0]), name)
		require.NoError(t, r.redis.Del(r.ctx, "sg:replayed").Err())
	}
}

func TestAReplayKeepsTheOrderOfEnqueueing(t *testing.T) {
	t.Parallel()
	r, _ := newRig(t)
	// As text, 10-0 comes before 9-0. More than one script's worth, dead-lettered in the wrong order.
	const n = 2*maxMoves + 50
	ids := []string{"9-0", "9-2", "9-10", "10-0"}
	for i := len(ids); i < n; i++ {
		ids = append(ids, fmt.Sprintf("%d-%d", 10+i/3, i%3))
	}
	for i := len(ids) - 1; i >= 0; i-- {
		r.bury(ids[i], ids[i])
	}
	var c tally
	require.NoError(t, r.letters().Replay(r.ctx, r.plan(""), c.count))
	require.Equal(t, tally{n, 0}, c)
	require.Equal(t, ids, r.onStream(r.in.Stream))
}

func TestALetterWithoutAnOriginalIDIsOrderedByItsOwn(t *testing.T) {
	t.Parallel()
	r, _ := newRig(t)
	r.buryFields("5-0", "original_stream", r.in.Stream, "data", "second")
	r.buryFields("6-0", "original_stream", r.in.Stream, "original_msg_id", "7-0", "data", "third")
	r.buryFields("8-0", "original_stream", r.in.Stream, "original_msg_id", "4-0", "data", "first")
	require.NoError(t, r.letters().Replay(r.ctx, r.plan(""), func(Move, string) {}))
	require.Equal(t, []string{"first", "second", "third"}, r.onStream(r.in.Stream))
}

func TestAReplayThatIsRepeatedReplaysNothingTwice(t *testing.T) {
	t.Parallel()
	for name, at := range map[string]func(*testing.T) *rig{
		"redis":    func(t *testing.T) *rig { r, _ := newRig(t); return r },
		"embedded": newEmbeddedRig,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := at(t)
			r.bury("1-0", "one")
			r.bury("2-0", "two", "original_field:shard", "7")
			moves := r.plan("")
			var first, second tally
			require.NoError(t, r.letters().Replay(r.ctx, moves, first.count))
			require.NoError(t, r.letters().Replay(r.ctx, moves, second.count))
			require.Equal(t, []tally{{2, 0}, {0, 2}}, []tally{first, second})
			require.Equal(t, []string{"one", "two"}, r.onStream(r.in.Stream))
			require.Equal(t, "7", r.entries(r.in.Stream)[1]["shard"])
		})
	}
}

func TestReplaysAtTheSameTimeReplayNothingTwice(t *testing.T) {
	t.Parallel()
	r, _ := newRig(t)
	want := []string{}
	for i := range 3 * maxMoves {
		want = append(want, fmt.Sprint(i))
		r.bury(fmt.Sprintf("%d-0", i+1), want[i])
	}
	moves := r.plan("")
	tallies := make([]tally, 4)
	var replays sync.WaitGroup
	for i := range tallies {
		replays.Go(func() {
			if err := r.letters().Replay(r.ctx, moves, tallies[i].count); err != nil {
				t.Error(err)
			}
		})
	}
	replays.Wait()
	var sum tally
	for _, n := range tallies {
		sum.replayed, sum.gone = sum.replayed+n.replayed, sum.gone+n.gone
	}
	require.Equal(t, tally{len(want), 3 * len(want)}, sum)
	require.Equal(t, want, r.onStream(r.in.Stream), "the order is kept, too")
}

func TestAReplayWhoseReplyWasLostIsRepeatedWithoutADuplicate(t *testing.T) {
	t.Parallel()
	r, proxy := newProxiedRig(t)
	want := []string{}
	for i := range maxMoves + 20 {
		want = append(want, fmt.Sprint(i))
		r.bury(fmt.Sprintf("%d-0", i+1), want[i])
	}
	broken := r.dial(1)
	d := NewDeadLetters(broken, r.dead.Stream)
	// So that it is EVALSHA which is lost, and not the first try's EVAL.
	require.NoError(t, d.replay.Load(r.ctx, r.redis).Err())
	moves := r.plan("")
	lost := proxy.DropReply("evalsha", r.dead.Stream, "")
	var n tally
	require.Error(t, d.Replay(r.ctx, moves, n.count))
	receive(t, lost, "the loss")
	require.Equal(t, tally{}, n, "nobody knows what became of the first step")
	require.NoError(t, d.Replay(r.ctx, moves, n.count))
	require.Equal(t, tally{20, maxMoves}, n)
	require.Equal(t, want, r.onStream(r.in.Stream))
}

func TestAReplayThatIsInterruptedStopsBetweenTwoStepsAndCanGoOn(t *testing.T) {
	t.Parallel()
	r, _ := newRig(t)
	for i := range maxMoves + 1 {
		r.bury(fmt.Sprintf("%d-0", i+1), "x")
	}
	ctx, cancel := context.WithCancel(r.ctx)
	var n tally
	err := r.letters().Replay(ctx, r.plan(""), func(m Move, id string) { n.count(m, id); cancel() })
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, tally{maxMoves, 0}, n)
	require.Len(t, r.read(), 1)
	require.NoError(t, r.letters().Replay(r.ctx, r.plan(""), n.count))
	require.Equal(t, tally{maxMoves + 1, 0}, n)
}

func TestWhatCannotBeReplayedIsRefusedBeforeTheFirstWrite(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		set  func(*rig)
		to   string
		want string
	}{
		"a target that is no stream": {
			func(r *rig) { require.NoError(r.t, r.redis.Set(r.ctx, "sg:other", "x", 0).Err()) }, "",
			`key "sg:other" is a string, not a stream; rename or delete it`,
		},
		"a --to that is no stream": {
			func(r *rig) { require.NoError(r.t, r.redis.Set(r.ctx, "sg:text", "x", 0).Err()) }, "sg:text",
			`key "sg:text" is a string, not a stream; rename or delete it`,
		},
		"the dead letters themselves": {func(*rig) {}, "sg:stream:dlq", "replay to another stream"},
		"a letter without a stream": {
			func(r *rig) { r.buryFields("*", "data", "x") }, "", "does not say which stream it came from",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, _ := newRig(t)
			r.bury("1-0", "fine")
			r.buryFields("*", "original_stream", "sg:other", "data", "x")
			test.set(r)
			_, err := r.letters().Plan(r.ctx, r.read(), test.to)
			require.ErrorContains(t, err, test.want)
			require.Empty(t, r.entries(r.in.Stream))
		})
	}
}

func TestATargetThatBecomesNoStreamIsRefusedByTheScript(t *testing.T) {
	t.Parallel()
	r, _ := newRig(t)
	r.bury("1-0", "fine")
	r.buryFields("*", "original_stream", "sg:other", "data", "x")
	moves := r.plan("")
	require.NoError(t, r.redis.Set(r.ctx, "sg:other", "x", 0).Err())
	err := r.letters().Replay(r.ctx, moves, func(Move, string) {})
	require.EqualError(t, err, `key "sg:other" is a string, not a stream; rename or delete it`)
	require.Empty(t, r.entries(r.in.Stream))
	require.Len(t, r.read(), 2)
}

func TestBehindALetterThatCannotBeMovedNothingIs(t *testing.T) {
	t.Parallel()
	r, _ := newRig(t)
	r.bury("1-0", "one")
	var many []any
	for i := range 4000 {
		many = append(many, fmt.Sprintf("original_field:%d", i), "x")
	}
	r.bury("2-0", "two", many...)
	r.bury("3-0", "three")
	var n tally
	err := r.letters().Replay(r.ctx, r.plan(""), n.count)
	require.ErrorContains(t, err, "it has more fields than a script can pass on")
	require.Equal(t, tally{1, 0}, n)
	require.Equal(t, []string{"one"}, r.onStream(r.in.Stream), "three must not overtake two")
	require.Len(t, r.read(), 2)
}

func TestAStreamThatTakesNoEntryLosesNoLetter(t *testing.T) {
	t.Parallel()
	r, _ := newRig(t)
	r.bury("1-0", "one")
	require.NoError(t, r.redis.XAdd(r.ctx, &redis.XAddArgs{
		Stream: r.in.Stream, ID: "18446744073709551615-18446744073709551615", Values: []any{"data", "the last one"},
	}).Err())
	err := r.letters().Replay(r.ctx, r.plan(""), func(Move, string) { t.Error("it was moved") })
	require.ErrorContains(t, err, `stream "sg:stream:inbound": `)
	require.Len(t, r.read(), 1)
}

func TestAUserWhoMayNotRemoveLettersMayNotReplayThem(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ rights, want string }{
		"no XDEL":           {"~sg:* +@all -xdel", `nothing can be removed from "sg:stream:dlq": `},
		"no XADD":           {"~sg:* +@all -xadd", `stream "sg:stream:inbound": `},
		"no right to a key": {"~sg:stream:dlq +@all", `the Redis user lacks a right; grant it`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			admin, s := newRig(t)
			admin.bury("1-0", "one")
			args := []any{"acl", "setuser", "operator", "on", ">secret", "resetkeys"}
			for _, right := range strings.Fields(test.rights) {
				args = append(args, right)
			}
			require.NoError(t, admin.redis.Do(t.Context(), args...).Err())
			operator := newRigAt(t, "redis://operator:secret@"+s.Addr()+"/0")
			moves := admin.plan("")
			err := operator.letters().Replay(t.Context(), moves, func(Move, string) { t.Error("it was moved") })
			require.ErrorContains(t, err, test.want)
			require.Empty(t, admin.entries(admin.in.Stream), "an append without the removal would be a duplicate later")
			require.Len(t, admin.read(), 1)
		})
	}
}

func TestPlanNamesTheStreamsThatAreNotThere(t *testing.T) {
	t.Parallel()
	r, _ := newRig(t)
	r.bury("1-0", "one")
	r.bury("2-0", "two")
	plan, err := r.letters().Plan(r.ctx, r.read(), "sg:new")
	require.NoError(t, err)
	require.Equal(t, []string{"sg:new"}, plan.Creates)
	r.send("there")
	plan, err = r.letters().Plan(r.ctx, r.read(), "")
	require.NoError(t, err)
	require.Empty(t, plan.Creates)
	require.Len(t, plan.Moves, 2)
}

func TestManyLettersAreReadPageByPage(t *testing.T) {
	t.Parallel()
	r, _ := newRig(t)
	const n = 5200
	pipe := r.redis.Pipeline()
	for i := range n {
		pipe.XAdd(r.ctx, &redis.XAddArgs{Stream: r.dead.Stream, ID: fmt.Sprintf("%d-%d", 1+i/7, i%7), Values: []any{"error", fmt.Sprint(i)}})
	}
	_, err := pipe.Exec(r.ctx)
	require.NoError(t, err)
	for command, newestFirst := range map[string]bool{"xrange": false, "xrevrange": true} {
		before := r.calls(command)
		letters := collect(t, r.letters(), time.Time{}, time.Time{}, newestFirst)
		require.GreaterOrEqual(t, r.calls(command)-before, n/maxPage)
		if newestFirst {
			slices.Reverse(letters)
		}
		require.Len(t, letters, n)
		for i, l := range letters {
			require.Equal(t, fmt.Sprint(i), l.Error, command)
		}
	}
}

func TestPagesShrinkWherePayloadsAreLarge(t *testing.T) {
	t.Parallel()
	require.EqualValues(t, 100, nextPage(firstPage, 1000))
	require.EqualValues(t, maxPage, nextPage(maxPage, maxPageBytes))
	require.EqualValues(t, 4, nextPage(firstPage, maxPageBytes+1))
	require.EqualValues(t, 1, nextPage(1, maxPageBytes+1))
	big := Move{Letter: Letter{Size: maxMoveBytes/2 + 1}}
	require.Len(t, nextMoves([]Move{big, big, big}), 2)
}

func TestLettersOfATime(t *testing.T) {
	t.Parallel()
	r, _ := newRig(t)
	for _, id := range []string{"1000-0", "1000-5", "2000-0", "3000-1"} {
		r.buryFields(id, "error", "x")
	}
	for name, test := range map[string]struct {
		since, until int64
		want         []string
	}{
		"since":         {2000, 0, []string{"2000-0", "3000-1"}},
		"until":         {0, 1000, []string{"1000-0", "1000-5"}},
		"both included": {1000, 2000, []string{"1000-0", "1000-5", "2000-0"}},
		"between":       {1001, 1999, nil},
		"before 1970":   {-5000, 1500, []string{"1000-0", "1000-5"}},
	} {
		moment := func(ms int64) time.Time {
			if ms == 0 {
				return time.Time{}
			}
			return time.UnixMilli(ms)
		}
		var ids []string
		for _, l := range collect(t, r.letters(), moment(test.since), moment(test.until), false) {
			ids = append(ids, l.ID)
		}
		require.Equal(t, test.want, ids, name)
	}
}

func TestWhatOthersWroteIsReadLeniently(t *testing.T) {
	t.Parallel()
	r, _ := newRig(t)
	r.buryFields("1500-0", "error", "x", "worker", "py-7", "attempt", "many")
	l := r.read()[0]
	require.Equal(t, Letter{ID: "1500-0", Error: "x", Attempt: "many", Original: map[string]string{}, Other: map[string]string{"worker": "py-7"}}, l)
	require.Equal(t, time.UnixMilli(1500), l.At())
}

func TestALetterIsReadByItsID(t *testing.T) {
	t.Parallel()
	r, _ := newRig(t)
	r.buryFields("1500-0", "data", "x")
	l, there, err := r.letters().Get(r.ctx, "1500-0")
	require.NoError(t, err)
	require.True(t, there)
	require.Equal(t, "x", l.Data)
	require.Equal(t, 1, l.WithoutData().Size)
	require.Empty(t, l.WithoutData().Data)
	_, there, err = r.letters().Get(r.ctx, "1500-1")
	require.NoError(t, err)
	require.False(t, there)
}

func TestOnlyWholeIDsAreLetters(t *testing.T) {
	t.Parallel()
	for _, id := range []string{"", "-", "+", "1500", "1500-*", "(1500-0", "1500-0-0", "-1-0", "99999999999999999999-0"} {
		require.ErrorContains(t, CheckLetterID(id), "write it in full", id)
	}
	require.NoError(t, CheckLetterID("18446744073709551615-18446744073709551615"))
}

func TestDroppedLettersAreGone(t *testing.T) {
	t.Parallel()
	r, _ := newRig(t)
	var ids []string
	for i := range maxMoves + 5 {
		ids = append(ids, fmt.Sprintf("%d-0", i+1))
		r.buryFields(ids[i], "data", "x")
	}
	for _, want := range [][2]int{{len(ids) - 1, 0}, {0, len(ids) - 1}} {
		got := [2]int{}
		require.NoError(t, r.letters().Drop(r.ctx, ids[1:], func(dropped, gone int) { got[0] += dropped; got[1] += gone }))
		require.Equal(t, want, got)
	}
	require.Equal(t, ids[0], r.read()[0].ID)
	ctx, cancel := context.WithCancel(r.ctx)
	cancel()
	require.ErrorIs(t, r.letters().Drop(ctx, ids, nil), context.Canceled)
	require.Len(t, r.read(), 1)
}

func TestDeadLettersAtAKeyOfAnotherTypeAreOneClearLine(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	r := newRigAt(t, s.URL())
	require.NoError(t, r.redis.Set(r.ctx, r.dead.Stream, "x", 0).Err())
	_, _, get := r.letters().Get(r.ctx, "1-0")
	_, length := r.letters().Len(r.ctx)
	var all error
	for _, err := range r.letters().All(r.ctx, time.Time{}, time.Time{}, false) {
		all = errors.Join(all, err)
	}
	for _, err := range []error{get, length, all, r.letters().Drop(r.ctx, []string{"1-0"}, nil)} {
		require.ErrorContains(t, err, `key "sg:stream:dlq" is not a stream`)
	}
}

func TestFiltersOfLetters(t *testing.T) {
	t.Parallel()
	l := &Letter{TraceID: "tr", OriginalStream: "in", Error: "no result within 500ms"}
	for name, test := range map[string]struct {
		filter LetterFilter
		want   bool
	}{
		"none":              {LetterFilter{}, true},
		"trace":             {LetterFilter{TraceID: "tr"}, true},
		"part of a trace":   {LetterFilter{TraceID: "t"}, false},
		"stream":            {LetterFilter{OriginalStream: "in"}, true},
		"another stream":    {LetterFilter{TraceID: "tr", OriginalStream: "out"}, false},
		"part of the error": {LetterFilter{Error: "within 5"}, true},
		"the error's group": {LetterFilter{Error: "no result within <n>"}, true},
		"another error":     {LetterFilter{Error: "no luck"}, false},
	} {
		require.Equal(t, test.want, test.filter.Matches(l), name)
	}
}

func TestErrorsOfOneKindAreOneGroup(t *testing.T) {
	t.Parallel()
	for group, texts := range map[string][]string{
		"": {"", " \n "},
		`used up its <n> attempts: worker "sgstreamd-<id>" had not finished the last one when it was found idle for <n> ms`: {
			`used up its 3 attempts: worker "sgstreamd-vm-7651-LBQCFDKM" had not finished the last one when it was found idle for 60123 ms`,
			`used up its 4 attempts: worker "sgstreamd-b-1-AAAAAAAA" had not finished the last one when it was found idle for 7 ms`,
		},
		`no result within <n> (plugins.v2.timeout)`: {
			"no result within 500ms (plugins.v2.timeout)", "no result within 1m30.5s (plugins.v2.timeout)", "no result within 30s (plugins.v2.timeout)",
		},
		"dial tcp <n>: connection refused": {"dial tcp 127.0.0.1:6379: connection refused", "dial tcp 10.1.2.3:80: connection refused"},
		"byte <n> at <n>":                  {"byte 0xc1 at 0", "byte 0xFF at 17", "byte 7 at 0x7f1e22a0"},
		`no user "user_<n>"`:               {`no user "user_42"`, `no user "user_7"`},
		"request <id> failed": {
			"request 7d444840-9dc0-11d1-b245-5ffdce74fad2 failed", "request deadbeef01 failed", "request 1700000000000-12 failed",
			"request 5KJ7Q2MFXEB3VNAYTD4LZ6WUPS failed",
		},
		"at <n>-<n>-<n>T<n>Z: <n>MiB of utf8, sgs_v1": {"at 2026-01-31T12:00:05Z: 8MiB of utf8, sgs_v1", "at 2025-11-01T23:59:59Z: 64MiB of utf8, sgs_v1"},
		"KeyError: 'user_id'":                         {"Traceback (most recent call last):\n  File \"bot.py\", line 7, in handle\nKeyError: 'user_id'\n", "KeyError: 'user_id'"},
		"first line":                                  {"first line\nsecond line 5"},
	} {
		for _, text := range texts {
			require.Equal(t, group, ErrorGroup(text), text)
		}
	}
	require.NotEqual(t, ErrorGroup("asked to fail"), ErrorGroup("asked to reject"))
}

func FuzzErrorGroup(f *testing.F) {
	for _, seed := range []string{"", "a1b2 -5", "sgstreamd-", "sgstreamd-x1", "1.2.3:4,5", "Traceback\n x\n", "\xff0x", "1h2m", "2026-01-31T12:00:00Z", "<n>.5", "²5", "0X0AA000000"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		group := ErrorGroup(text)
		if again := ErrorGroup(group); again != group {
			t.Errorf("%q has the group %q, and that %q", text, group, again)
		}
		if strings.Contains(group, "\n") {
			t.Errorf("the group of %q is more than a line: %q", text, group)
		}
	})
}
