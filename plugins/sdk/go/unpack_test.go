package sgs

import (
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/stretchr/testify/require"
	"github.com/tinylib/msgp/msgp"
)

// Each form that a value has in msgpack, whether or not the SDK writes it.
func TestEveryFormOfMsgpackIsRead(t *testing.T) {
	t.Parallel()
	long, longer := strings.Repeat("x", 300), strings.Repeat("x", 70000)
	for doc, want := range map[string]any{
		"\xc0": nil, "\xc2": false, "\xc3": true, "\x00": int64(0), "\x7f": int64(127), "\xff": int64(-1), "\xe0": int64(-32),
		"\xcc\xff": int64(255), "\xcd\xff\xfe": int64(65534), "\xce\xff\xff\xff\xfe": int64(math.MaxUint32 - 1),
		"\xcf\x7f\xff\xff\xff\xff\xff\xff\xff": int64(math.MaxInt64), "\xcf\x80\x00\x00\x00\x00\x00\x00\x00": uint64(1 << 63),
		"\xd0\x80": int64(-128), "\xd1\x80\x00": int64(-32768), "\xd2\x80\x00\x00\x00": int64(math.MinInt32),
		"\xd3\x80\x00\x00\x00\x00\x00\x00\x00": int64(math.MinInt64), "\xca\x3f\x00\x00\x00": 0.5, "\xcb\xbf\xe0\x00\x00\x00\x00\x00\x00": -0.5,
		"\xa0": "", "\xa2hi": "hi", "\xd9\x02hi": "hi", "\xda\x00\x02hi": "hi", "\xdb\x00\x00\x00\x02hi": "hi",
		"\xda\x01\x2c" + long: long, "\xdb\x00\x01\x11\x70" + longer: longer, "\xbf" + long[:31]: long[:31],
		"\xc4\x01\x00": []byte{0}, "\xc5\x00\x01\x00": []byte{0}, "\xc6\x00\x00\x00\x01\x00": []byte{0}, "\xc4\x00": []byte{},
		"\xd4\xff\x01": Ext{-1, []byte{1}}, "\xd5\x05ab": Ext{5, []byte("ab")}, "\xd6\x05abcd": Ext{5, []byte("abcd")},
		"\xd7\x05abcdefgh": Ext{5, []byte("abcdefgh")}, "\xd8\x05abcdefghijklmnop": Ext{5, []byte("abcdefghijklmnop")},
		"\xc7\x03\x05abc": Ext{5, []byte("abc")}, "\xc8\x00\x00\x05": Ext{5, []byte{}}, "\xc9\x00\x00\x00\x01\x05a": Ext{5, []byte("a")},
		"\x90": []any{}, "\x92\x01\x90": []any{int64(1), []any{}}, "\xdc\x00\x01\x01": []any{int64(1)}, "\xdd\x00\x00\x00\x01\x01": []any{int64(1)},
		"\x80": Map{}, "\x81\xa1a\x01": Map{"a": int64(1)}, "\xde\x00\x01\xa1a\x01": Map{"a": int64(1)}, "\xdf\x00\x00\x00\x01\xa1a\x80": Map{"a": Map{}},
		"\x81\x01\x02": Pairs{{int64(1), int64(2)}}, "\x82\xa1a\x01\xa1a\x02": Pairs{{"a", int64(1)}, {"a", int64(2)}},
	} {
		got, err := parseMsgpack(doc)
		require.NoError(t, err, "%x", doc)
		require.Equal(t, want, got, "%x", doc)
		require.Equal(t, len(doc), skip(doc+"more", 0), "%x", doc)
		for cut := range min(len(doc), 64) {
			_, err := parseMsgpack(doc[:cut])
			require.Error(t, err, "%x", doc[:cut])
			require.Negative(t, skip(doc[:cut], 0), "%x", doc[:cut])
		}
		again, err := appendPackedValue(nil, want, 0)
		require.NoError(t, err)
		back, err := parseMsgpack(string(again))
		require.NoError(t, err)
		require.Equal(t, want, back)
	}
}

func TestMsgpackIsRefused(t *testing.T) {
	t.Parallel()
	for doc, want := range map[string]string{
		"":                          "not msgpack: no value at byte 0",
		"\xc1":                      "not msgpack: a value that is cut or malformed at byte 0",
		"\x01\x02":                  "not msgpack: more follows the value at byte 1",
		"\xdd\xff\xff\xff\xff":      "not msgpack: a value that is cut or malformed at byte 0",
		"\xdb\xff\xff\xff\xffabc":   "not msgpack: a value that is cut or malformed at byte 0",
		"\x81\xa1a\xc1":             "not msgpack: a value that is cut or malformed at byte 3",
		strings.Repeat("\x91", 300): "not msgpack: too deep a nesting at byte 258",
	} {
		_, err := parseMsgpack(doc)
		require.EqualError(t, err, want, "%x", doc)
	}
}

func TestWhatIsEmittedIsAsShortAsMsgpackAllows(t *testing.T) {
	t.Parallel()
	for _, n := range []int64{0, 127, 128, 255, 256, 65535, 65536, math.MaxUint32, math.MaxUint32 + 1, -1, -32, -33, -128, -129, -32768, -32769, math.MinInt32, math.MinInt32 - 1} {
		want := msgp.AppendInt64(nil, n)
		if n > 0 {
			want = msgp.AppendUint64(nil, uint64(n))
		}
		got, err := appendPackedValue(nil, n, 0)
		require.NoError(t, err)
		require.Equal(t, want, got, n)
	}
	for _, size := range []int{0, 15, 16, 31, 32, 255, 256, 65535, 65536} {
		require.Equal(t, msgp.AppendString(nil, strings.Repeat("x", size)), appendStr(nil, strings.Repeat("x", size)))
		require.Equal(t, msgp.AppendBytes(nil, make([]byte, size)), appendBin(nil, make([]byte, size)))
		require.Equal(t, msgp.AppendMapHeader(nil, uint32(size)), appendMapHeader(nil, size))
		require.Equal(t, msgp.AppendArrayHeader(nil, uint32(size)), appendArrayHeader(nil, size))
	}
}

func TestAMessageInMsgpackIsRefused(t *testing.T) {
	t.Parallel()
	for doc, want := range map[string]string{
		"\x80":                                "the message's document has no payload",
		"\x81\xa7payload\xc0":                 "the message's document is cut or malformed",
		"\x81\xa7payload\x82\xa1a\x01":        "the message's document is cut or malformed",
		"\x81\xa7payload\x81\xa1a\xd9":        "the message's document is cut or malformed",
		"\x81\xa7payload\x80\x00":             "the message's document is cut or malformed",
		"\x82\xa7payload\x80\xa2id":           "the message's document is cut or malformed",
		"\x82\xa2id\xa3abc\xa7payload":        "the message's document is cut or malformed",
		"\xdf\xff\xff\xff\xff\xa2id\x00":      "the message's document is cut or malformed",
		"\xde":                                "the message's document is cut or malformed",
		"\x81\xa7payload\x81\xa1a":            "the message's document is cut or malformed",
		"\x81\xa7payload\x81\xa5a":            "the message's document is cut or malformed",
		"\x81\xa7payload\xdf\xff\xff\xff\xff": "the message's document is cut or malformed",
	} {
		var in inbox
		require.EqualError(t, in.open(codecMsgpack, doc), want, "%x", doc)
	}
	require.Negative(t, new(view).set("\x81\xa1a\xa5x", 0))
	var in inbox
	require.NoError(t, in.open(codecMsgpack, "\x87\xa2id\x01\xa2ts\xa1x\xa7attempt\xaa0123456789\xa8trace_id\x90\x01\xa1x\xa6future\x81\x01\x02\xa7payload\x82\x01\x02\xa1a\xa1b"))
	require.Equal(t, Message{Payload: &in.payload}, in.message, "what is of another type is as good as absent")
	require.Equal(t, Map{"a": "b"}, in.message.Payload.All())
}

func FuzzMessageInMsgpack(f *testing.F) {
	m := Message{Stream: "s", ID: "1-0", Attempt: 300, TS: 1.5, TraceID: "T", Platform: "p", ChannelKey: "c", MaybeDelivered: true, Payload: Map{
		"a": []any{int64(1), "x", Map{}, []byte{1}, Ext{1, []byte{1, 2, 3}}, 1.5, nil, true}, "b": strings.Repeat("x", 40),
	}}
	doc, err := m.document(codecMsgpack)
	require.NoError(f, err)
	f.Add(doc)
	f.Add([]byte("\x81\xa7payload\xde\x00\x01\xa1a\xdf\x00\x00\x00\x01\xc0\xc0"))
	f.Fuzz(func(t *testing.T, doc []byte) {
		if codecOf(string(doc)) != codecMsgpack {
			return
		}
		var in inbox
		if in.open(codecMsgpack, string(doc)) != nil {
			return
		}
		rest, err := msgp.Skip(doc)
		if err == nil {
			require.Empty(t, rest)
		}
		all := in.message.Payload.All()
		for key, v := range all {
			require.Empty(t, cmp.Diff(v, in.message.Payload.Value(key), cmpopts.EquateNaNs()))
			_ = []any{in.payload.Text(key), in.payload.Int(key), in.payload.Uint(key), in.payload.Float(key), in.payload.Bytes(key), in.payload.Map(key)}
			again, err := appendPackedValue(nil, in.payload.Raw(key), 0)
			require.NoError(t, err)
			raw, err := parseMsgpack(string(again))
			require.True(t, err != nil || cmp.Equal(v, raw, cmpopts.EquateNaNs()))
		}
	})
}
