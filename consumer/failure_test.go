package consumer

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/units"
	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/sgstreamd/sgstreamd/abi"
)

// failing is a handler that answers only to what is fine, and tells of every other try.
func failing(tries chan<- int64, v abi.Verdict, err error) handlerFunc {
	return func(_ context.Context, _ <-chan struct{}, m *abi.Message) (abi.Verdict, error) {
		if contentOf(m) == "fine" {
			return answer(m), nil
		}
		tries <- m.Attempt
		return v, err
	}
}

func TestAFailedMessageComesBackAndIsDeadLetteredAfterItsLastTry(t *testing.T) {
	for name, c := range map[string]struct {
		v   abi.Verdict
		err error
	}{
		"asked for": {abi.Verdict{Status: abi.StatusRetry, Reason: "no luck"}, nil},
		"an error":  {abi.Verdict{}, errors.New("no luck")},
		"a status that the contract does not have": {abi.Verdict{Status: 77, Reason: "no luck"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, _ := newRig(t)
			tries := make(chan int64, 1000)
			w := r.start(failing(tries, c.v, c.err))
			id := r.send("bad")
			for attempt := int64(1); attempt <= 3; attempt++ {
				require.Equal(t, attempt, receive(t, tries, "a try"))
			}
			dead := r.awaitDeadLetters(1)[0]
			require.Contains(t, dead, "ts")
			delete(dead, "ts")
			require.Empty(t, cmp.Diff(map[string]any{
				"original_stream": r.in.Stream, "original_msg_id": id, "error": "no luck", "attempt": "3", "trace_id": "bad",
				"data": string(encode(map[string]any{"platform": platform, "channel_key": "", "is_addressed": false, "content": "bad"})),
			}, map[string]any(dead), cmp.Comparer(sameDocument(t))))
			require.Empty(t, r.pending())
			require.Empty(t, r.replies())
			r.send("fine")
			r.awaitReplies("fine")
			require.NoError(t, w.stopped())
			require.EqualValues(t, 2, w.counted("sgstreamd_messages_retried_total"))
			require.EqualValues(t, 1, w.counted("sgstreamd_messages_dead_lettered_total"))
			require.Zero(t, w.counted("sgstreamd_messages_reclaimed_total"), "a worker's own failures are not taken from anybody")
		})
	}
}

// sameDocument compares text, and msgpack maps by what they hold: the order of their keys is not fixed.
func sameDocument(t *testing.T) func(a, b string) bool {
	return func(a, b string) bool {
		if a == b || a == "" || b == "" || a[0]&0xf0 != 0x80 || b[0]&0xf0 != 0x80 {
			return a == b
		}
		return cmp.Equal(decode(t, a), decode(t, b))
	}
}

func TestAFailedMessageThatSucceedsLaterIsAnsweredOnce(t *testing.T) {
	t.Parallel()
	r, _ := newRig(t)
	r.start(func(_ context.Context, _ <-chan struct{}, m *abi.Message) (abi.Verdict, error) {
		if m.Attempt < 3 {
			v := answer(m)
			v.Status = abi.StatusRetry
			return v, nil
		}
		return answer(m), nil
	})
	r.send("third time lucky")
	r.awaitReplies("third time lucky")
	r.awaitNothingPending()
	require.Empty(t, r.entries(r.dead.Stream))
}

func TestARejectedMessageIsDeadLetteredAtOnce(t *testing.T) {
	t.Parallel()
	r, _ := newRig(t)
	tries := make(chan int64, 1000)
	r.start(failing(tries, abi.Verdict{Status: abi.StatusReject, Reason: "not for me"}, nil))
	r.sendFields("data", encode(map[string]any{"content": "bad"}), "ts", "1", "trace_id", "t", "zone", "b", "color", "red")
	dead := r.awaitDeadLetters(1)[0]
	require.Equal(t, "not for me", dead["error"])
	require.Equal(t, "1", dead["attempt"])
	require.Equal(t, "red", dead["original_field:color"], "fields that the contract does not know are kept")
	require.Equal(t, "b", dead["original_field:zone"])
	require.Empty(t, r.pending())
	require.Len(t, tries, 1)
}

func TestADroppedMessageIsAcknowledgedWithoutItsEmits(t *testing.T) {
	t.Parallel()
	r, _ := newRig(t)
	r.start(func(_ context.Context, _ <-chan struct{}, m *abi.Message) (abi.Verdict, error) {
		v := answer(m)
		if contentOf(m) == "drop" {
			v.Status = abi.StatusDrop
		}
		return v, nil
	})
	r.send("drop")
	r.send("fine")
	r.awaitReplies("fine")
	r.awaitNothingPending()
	require.Empty(t, r.entries(r.dead.Stream))
}

func TestAnEntryThatCannotBeDecodedIsDeadLetteredUnseen(t *testing.T) {
	for name, c := range map[string]struct {
		fields []any
		error  string
	}{
		"not msgpack":        {[]any{"data", "\xc1", "ts", "1"}, "payload"},
		"not a map":          {[]any{"data", "\x93\x01\x02\x03"}, "payload is not a map but an array"},
		"cut short":          {[]any{"data", "\x81\xa1a"}, "payload"},
		"without data":       {[]any{"body", "x", "ts", "1", "trace_id", "t"}, `the entry has no field "data" (it has "body", "trace_id", "ts")`},
		"too large":          {[]any{"data", strings.Repeat("x", int(32*units.MiB))}, "payload is 33554432 bytes, more than the limit of 8388608"},
		"of too many fields": {manyFields(4000), `the entry has no field "data" (it has`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, _ := newRig(t)
			tries := make(chan int64, 1000)
			r.start(failing(tries, abi.Verdict{}, nil))
			id := r.sendFields(c.fields...)
			dead := r.awaitDeadLetters(1)[0]
			require.Contains(t, dead["error"], c.error)
			require.NotContains(t, dead["error"], "\n")
			require.Equal(t, id, dead["original_msg_id"])
			if c.fields[0] == "data" {
				require.Equal(t, c.fields[1], dead["data"], "the payload is kept as it came")
			} else {
				require.Equal(t, c.fields[1], dead["original_field:"+c.fields[0].(string)])
			}
			r.send("fine")
			r.awaitReplies("fine")
			r.awaitNothingPending()
			require.Empty(t, tries, "no plugin saw it")
			require.Len(t, r.log.lines("level=ERROR"), 1, "one clear line")
		})
	}
}

func manyFields(n int) []any {
	fields := make([]any, 0, 2*n)
	for i := range n {
		fields = append(fields, fmt.Sprintf("f%04d", i), "x")
	}
	return fields
}

func TestEmitsToAKeyThatIsNoStreamAreAFailedTryAndNothingIsHalfWritten(t *testing.T) {
	t.Parallel()
	r, _ := newRig(t)
	require.NoError(t, r.redis.Set(r.ctx, r.out.StreamOf("broken"), "x", 0).Err())
	tries := make(chan int64, 1000)
	r.start(func(_ context.Context, _ <-chan struct{}, m *abi.Message) (abi.Verdict, error) {
		v := answer(m)
		if contentOf(m) != "fine" {
			tries <- m.Attempt
			v.Emits = append(v.Emits, abi.Emit{Platform: "broken", Payload: encode(map[string]any{"text": "x"})})
		}
		return v, nil
	})
	r.send("bad")
	for attempt := int64(1); attempt <= 3; attempt++ {
		require.Equal(t, attempt, receive(t, tries, "a try"))
	}
	dead := r.awaitDeadLetters(1)[0]
	require.Equal(t, `key "sg:stream:outbound:broken" is a string, not a stream; rename or delete it`, dead["error"])
	require.Empty(t, r.replies(), "the emit to the good stream must not be written either")
	r.send("fine")
	r.awaitReplies("fine")
	r.awaitNothingPending()
}

func TestAnEmitWithAMalformedPayloadIsAFailedTry(t *testing.T) {
	t.Parallel()
	r, _ := newRig(t)
	r.in.MaxAttempts = 1
	r.start(func(_ context.Context, _ <-chan struct{}, m *abi.Message) (abi.Verdict, error) {
		v := answer(m)
		v.Emits = append(v.Emits, abi.Emit{Platform: platform, Payload: []byte{0xc1}})
		return v, nil
	})
	r.send("bad")
	require.Contains(t, r.awaitDeadLetters(1)[0]["error"], "emit 1: payload ")
	require.Empty(t, r.replies())
}

func TestDeadLettersThatCannotBeWrittenLeaveTheMessagePending(t *testing.T) {
	t.Parallel()
	r, _ := newRig(t)
	require.NoError(t, r.redis.HSet(r.ctx, r.dead.Stream, "a", "b").Err())
	tries := make(chan int64, 1000)
	r.start(failing(tries, abi.Verdict{Status: abi.StatusReject, Reason: "no"}, nil))
	bad := r.send("bad")
	for attempt := int64(1); attempt <= 3; attempt++ {
		require.Equal(t, attempt, receive(t, tries, "a try"))
	}
	r.send("fine")
	r.awaitReplies("fine")
	r.awaitSweeps(2)
	pending := r.pending()
	require.Len(t, pending, 1)
	require.Equal(t, bad, pending[0].ID)
	require.Empty(t, tries, "a message without attempts left is not run again")
	require.NotEmpty(t, r.log.lines("rename or delete it"))

	require.NoError(t, r.redis.Del(r.ctx, r.dead.Stream).Err())
	require.Equal(t, bad, r.awaitDeadLetters(1)[0]["original_msg_id"])
	r.awaitNothingPending()
}

func TestADeadLetterSaysHowManyFieldsItLacks(t *testing.T) {
	t.Parallel()
	r, _ := newRig(t)
	var fields []any
	for i := range maxForeignFields + 7 {
		fields = append(fields, fmt.Sprintf("field%d", i), "x")
	}
	// One is dead-lettered by its commit, since it has no data, and one by a sweep, its attempts used up.
	swept := r.sendFields(fields...)
	r.readAs("crashed", 1)
	r.claimAs("crashed", swept, time.Hour, 3)
	r.start(echo)
	r.sendFields(fields...)
	for _, dead := range r.awaitDeadLetters(2) {
		require.Equal(t, "7", dead["original_fields_left_out"])
		require.Equal(t, 7+1+maxForeignFields, len(dead), "the contract's seven fields, the note, and the foreign ones")
	}
	r.awaitNothingPending()
}
