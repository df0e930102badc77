package envelope

import (
	"bytes"
	"encoding/binary"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"github.com/tinylib/msgp/msgp"

	"github.com/sgstreamd/sgstreamd/abi"
)

const limit = 8 << 20

// encode writes v with another writer of msgpack than this package's.
func encode(t testing.TB, v any) []byte {
	t.Helper()
	b, err := msgp.AppendIntf(nil, v)
	require.NoError(t, err)
	return b
}

// inboundPayload is an inbound payload with every key of the contract.
func inboundPayload(t testing.TB) []byte {
	return encode(t, map[string]any{
		"channel_key": "discord:1122334455667788990", "platform": "discord", "channel_id": "1122334455667788990",
		"user_id": "998877665544332211", "username": "ada", "display_name": "Ada Lovelace",
		"content": "Could you sum up what we decided about the engine yesterday evening, please?", "message_id": "1234567890123456789",
		"timestamp": 1700000000.25, "attachments": []any{}, "reply_to": nil, "embeds": nil, "room_name": "general",
		"is_dm": false, "guild_id": "112233", "member_roles": []any{"admin", "engineer"}, "trace_id": "0af7651916cd43dd8448eb211c80319c",
		"enqueued_at": 1700000000.5, "is_addressed": true, "strangler_route": "", "user_aliases": []any{"countess"},
		"unified_user_id": nil, "reactions": "",
	})
}

func TestDecodeReadsAnInboundEntry(t *testing.T) {
	t.Parallel()
	payload := inboundPayload(t)
	got, err := Decode("sg:stream:inbound", "1700000001000-3", 2, Fields{
		"data", "not the last one", "data", string(payload), "ts", "1700000000.75", "trace_id", "outer",
	}, limit)
	require.NoError(t, err)
	want := Entry{
		Message: abi.Message{
			Stream: "sg:stream:inbound", ID: "1700000001000-3", Attempt: 2, TS: 1700000000.75, TraceID: "outer",
			Platform: "discord", ChannelKey: "discord:1122334455667788990", Payload: payload,
		},
		Addressed:  true,
		EnqueuedAt: 1700000000.5,
	}
	require.Empty(t, cmp.Diff(want, got))
}

func TestDecodeFallsBack(t *testing.T) {
	t.Parallel()
	decode := func(ts, trace string, payload map[string]any) Entry {
		e, err := Decode("s", "1700000001500-0", 1, Fields{"data", string(encode(t, payload)), "ts", ts, "trace_id", trace}, limit)
		require.NoError(t, err)
		return e
	}
	for _, ts := range []string{"", "yesterday", "NaN", "Inf", "-5", "0x10", "1e999", "1_000"} {
		require.Equal(t, 1700000001.5, decode(ts, "", nil).Message.TS, "ts %q: the id's milliseconds", ts)
	}
	require.Equal(t, 12.5, decode("12.5", "", nil).EnqueuedAt, "without enqueued_at: ts")
	require.Equal(t, 7.0, decode("12.5", "", map[string]any{"enqueued_at": 7}).EnqueuedAt)
	require.Equal(t, 12.5, decode("12.5", "", map[string]any{"enqueued_at": math.Inf(1)}).EnqueuedAt)
	require.Equal(t, "inner", decode("", "", map[string]any{"trace_id": "inner"}).Message.TraceID)
	require.Equal(t, "inner", decode("", "\xff", map[string]any{"trace_id": "inner"}).Message.TraceID)
	require.Equal(t, "key", decode("", "", map[string]any{"message_key": "key"}).MessageKey)

	odd := decode("12.5", "", map[string]any{
		"platform": 5, "channel_key": []any{}, "trace_id": true, "message_key": nil, "is_addressed": "yes", "enqueued_at": "now",
	})
	odd.Message.Payload = nil
	require.Equal(t, Entry{Message: abi.Message{Stream: "s", ID: "1700000001500-0", Attempt: 1, TS: 12.5}, EnqueuedAt: 12.5}, odd)

	e, err := Decode("s", "no id", 1, Fields{"data", "\x80"}, limit)
	require.NoError(t, err)
	require.Zero(t, e.Message.TS)
}

// deep is n maps in one another.
func deep(n int) string { return strings.Repeat("\x81\xa1a", n-1) + "\x80" }

func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	data := func(s string) Fields { return Fields{"data", s} }
	many := Fields{}
	for _, c := range "abcdefghijkl" {
		many = append(many, string(c), "")
	}
	for name, c := range map[string]struct {
		fields Fields
		err    string
	}{
		"no data":               {Fields{"foo", "1", "bar", "2"}, `the entry has no field "data" (it has "bar", "foo")`},
		"no field at all":       {nil, `the entry has no field "data", and no other`},
		"no data, many others":  {many, `the entry has no field "data" (it has "a", "b", "c", "d", "e", "f", "g", "h" and 4 more)`},
		"too large":             {data(strings.Repeat("x", 32<<20)), "payload is 33554432 bytes, more than the limit of 8388608"},
		"empty":                 {data(""), "payload is not msgpack: a value is missing at byte 0"},
		"JSON":                  {data(`{"a":1}`), "payload is not msgpack: more follows the value that ends at byte 1"},
		"the byte 0xc1":         {data("\x81\xa1a\xc1"), "payload is not msgpack: 0xc1 begins no value, at byte 3"},
		"0xc1 deep inside":      {data("\x81\xa1a\x92\x01\xc1"), "payload is not msgpack: 0xc1 begins no value, at byte 5"},
		"an integer":            {data("\x05"), "payload is not a map but an integer"},
		"an array":              {data("\x91\x05"), "payload is not a map but an array"},
		"nil":                   {data("\xc0"), "payload is not a map but nil"},
		"a cut array":           {data("\x92\x05"), "payload is not msgpack: it ends within an array that begins at byte 0"},
		"a number for a key":    {data("\x81\x01\x02"), "payload has a key that is not text but an integer, at byte 1"},
		"binary for a key":      {data("\x81\xc4\x01a\x02"), "payload has a key that is not text but binary, at byte 1"},
		"a byte too many":       {data("\x81\xa1a\x01\x00"), "payload is not msgpack: more follows the value that ends at byte 4"},
		"cut within text":       {data("\x81\xa1a\xa5hell"), "payload is not msgpack: it ends within text that begins at byte 3"},
		"cut within a float":    {data("\x81\xa1a\xcb\x00"), "payload is not msgpack: it ends within a float that begins at byte 3"},
		"cut within a length":   {data("\x81\xa1a\xc6\x00\x00"), "payload is not msgpack: it ends within binary that begins at byte 3"},
		"cut within an ext":     {data("\x81\xa1a\xc7\x02\x05x"), "payload is not msgpack: it ends within an extension that begins at byte 3"},
		"an ext without a type": {data("\x81\xa1a\xc7\x00"), "payload is not msgpack: it ends within an extension that begins at byte 3"},
		"a map of 2^32-1":       {data("\xdf\xff\xff\xff\xff"), "payload is not msgpack: it ends within a map that begins at byte 0"},
		"an array of 2^32-1":    {data("\x81\xa1a\xdd\xff\xff\xff\xff"), "payload is not msgpack: it ends within an array that begins at byte 3"},
		"text of 2^32-1":        {data("\x81\xa1a\xdb\xff\xff\xff\xffabc"), "payload is not msgpack: it ends within text that begins at byte 3"},
		"a value is missing":    {data("\x82\xa1a\x90\xa1b"), "payload is not msgpack: a value is missing at byte 6"},
		"nested too deep":       {data(deep(abi.MaxDepth + 1)), "payload is nested deeper than 256 at byte 768"},
		"nested far too deep":   {data("\x81\xa1a" + strings.Repeat("\x91", 1<<20) + "\xc0"), "payload is nested deeper than 256 at byte 258"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e, err := Decode("s", "5-0", 1, c.fields, limit)
			require.EqualError(t, err, c.err)
			require.Equal(t, Entry{Message: abi.Message{Stream: "s", ID: "5-0", Attempt: 1, TS: 0.005}, EnqueuedAt: 0.005}, e)
		})
	}
}

func TestDecodeTakesTheGreatestDepth(t *testing.T) {
	t.Parallel()
	_, err := Decode("s", "5-0", 1, Fields{"data", deep(abi.MaxDepth)}, limit)
	require.NoError(t, err)
}

// every is one value of each of msgpack's formats, by its name in the specification.
func every() map[string][]byte {
	long := func(head string, n int) []byte { return append([]byte(head), make([]byte, n)...) }
	n32 := func(c byte, n int) string { return string(binary.BigEndian.AppendUint32([]byte{c}, uint32(n))) }
	return map[string][]byte{
		"nil": {0xc0}, "false": {0xc2}, "true": {0xc3}, "positive fixint": {0x7f}, "negative fixint": {0xe0},
		"uint 8": long("\xcc", 1), "uint 16": long("\xcd", 2), "uint 32": long("\xce", 4), "uint 64": long("\xcf", 8),
		"int 8": long("\xd0", 1), "int 16": long("\xd1", 2), "int 32": long("\xd2", 4), "int 64": long("\xd3", 8),
		"float 32": long("\xca", 4), "float 64": long("\xcb", 8),
		"fixstr": long("\xbf", 31), "str 8": long("\xd9\xff", 255), "str 16": long("\xda\x01\x00", 256), "str 32": long(n32(0xdb, 65536), 65536),
		"bin 8": long("\xc4\x03", 3), "bin 16": long("\xc5\x01\x00", 256), "bin 32": long(n32(0xc6, 65536), 65536),
		"fixext 1": long("\xd4", 2), "fixext 2": long("\xd5", 3), "fixext 4": long("\xd6", 5), "fixext 8": long("\xd7", 9), "fixext 16": long("\xd8", 17),
		"ext 8": long("\xc7\x03", 4), "ext 16": long("\xc8\x01\x00", 257), "ext 32": long(n32(0xc9, 65536), 65537),
		"fixarray": long("\x9f", 15), "array 16": long("\xdc\x00\x10", 16), "array 32": long(n32(0xdd, 65536), 65536),
		"fixmap": long("\x8f", 30), "map 16": long("\xde\x00\x10", 32), "map 32": long(n32(0xdf, 65536), 2*65536),
	}
}

func TestSkipFindsTheEndOfEveryFormat(t *testing.T) {
	t.Parallel()
	for name, value := range every() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rest, err := msgp.Skip(value)
			require.NoError(t, err, "the table is wrong")
			require.Empty(t, rest, "the table is wrong")
			end, err := skip(append(bytes.Clone(value), 0xc1), 0, 0)
			require.NoError(t, err)
			require.Equal(t, len(value), end)
			for _, n := range []int{0, 1, 2, len(value) / 2, len(value) - 1} {
				if n < len(value) {
					_, err = skip(value[:n:n], 0, 0)
					require.Error(t, err, "cut to %d bytes", n)
				}
			}
		})
	}
}

func TestFormatTSIsDecimalTextWithAFraction(t *testing.T) {
	t.Parallel()
	require.Equal(t, "1700000000.250000", FormatTS(time.Unix(1700000000, 250_000_000)))
	require.Equal(t, "1700000000.123456", FormatTS(time.Unix(1700000000, 123_456_789)))
	require.Equal(t, 1700000000.123456, enqueued(FormatTS(time.Unix(1700000000, 123_456_789)), ""))
}
