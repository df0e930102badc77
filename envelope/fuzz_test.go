package envelope

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"strconv"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"github.com/tinylib/msgp/msgp"

	"github.com/sgstreamd/sgstreamd/abi"
)

// random appends a random value in its shortest encoding.
func random(r *rand.Rand, dst []byte, depth int) []byte {
	bits := func() uint64 { return r.Uint64() >> r.IntN(64) }
	bytes := func() []byte {
		b := make([]byte, r.IntN(40))
		for i := range b {
			b[i] = byte(r.IntN(256))
		}
		return b
	}
	n := 10
	if depth == 0 {
		n = 8
	}
	switch r.IntN(n) {
	case 0:
		return msgp.AppendNil(dst)
	case 1:
		return msgp.AppendBool(dst, r.IntN(2) == 0)
	case 2:
		return msgp.AppendUint64(dst, bits())
	case 3:
		return msgp.AppendInt64(dst, -1-int64(bits()>>1))
	case 4:
		f := math.Float64frombits(r.Uint64())
		if math.IsNaN(f) {
			f = 0
		}
		return msgp.AppendFloat64(dst, f)
	case 5:
		return msgp.AppendString(dst, randomKey(r))
	case 6:
		if r.IntN(2) == 0 {
			return msgp.AppendStringFromBytes(dst, bytes())
		}
		return msgp.AppendBytes(dst, bytes())
	case 7:
		dst, _ = msgp.AppendExtension(dst, &msgp.RawExtension{Type: int8(r.IntN(256)), Data: bytes()})
		return dst
	case 8:
		n := r.IntN(20)
		dst = msgp.AppendArrayHeader(dst, uint32(n))
		for range n {
			dst = random(r, dst, depth-1)
		}
		return dst
	default:
		return randomMap(r, dst, depth, r.IntN(4) == 0)
	}
}

func randomMap(r *rand.Rand, dst []byte, depth int, odd bool) []byte {
	n := r.IntN(20)
	if r.IntN(3) == 0 {
		n = 1
	}
	dst = msgp.AppendMapHeader(dst, uint32(n))
	for range n {
		if odd {
			dst = random(r, dst, 0)
		} else {
			dst = msgp.AppendString(dst, randomKey(r))
		}
		dst = random(r, dst, depth-1)
	}
	return dst
}

func randomKey(r *rand.Rand) string {
	keys := []string{"", "$", "$$", "$binary", "$map", "$$ext", "text", "é", "😀", "a\"b", "\x00", "$float", "$str", "$foo"}
	if r.IntN(2) == 0 {
		return keys[r.IntN(len(keys))]
	}
	return strconv.Itoa(r.IntN(1000))
}

func TestRandomPayloadsComeBackByteForByte(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	for range 3000 {
		payload := randomMap(r, nil, 4, false)
		doc, err := ToJSON(payload)
		require.NoError(t, err)
		require.True(t, json.Valid(doc), "%s", doc)
		require.True(t, utf8.Valid(doc), "%s", doc)
		back, err := FromJSON(doc)
		require.NoError(t, err, "%s", doc)
		require.Equal(t, payload, back, "%s", doc)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add("1700000000.25", "T", inboundPayload(f))
	f.Add("", "", []byte("\x81\xa1a\xdd\xff\xff\xff\xff"))
	f.Add("x", "\xff", []byte(deep(abi.MaxDepth+1)))
	f.Fuzz(func(t *testing.T, ts, trace string, payload []byte) {
		e, err := Decode("s", "5-0", 1, Fields{"data", string(payload), "ts", ts, "trace_id", trace}, limit)
		rest, otherErr := msgp.Skip(payload)
		if err != nil {
			return
		}
		require.NoError(t, otherErr, "another reader refuses what this one takes")
		require.Empty(t, rest)
		require.True(t, e.Message.TS >= 0 && !math.IsInf(e.Message.TS, 0))
		_, err = ToJSON(payload)
		require.NoError(t, err, "every payload that is decoded has a JSON form")
		out, _, err := Normalize(abi.Emit{Platform: "p", Payload: payload}, "K", "T")
		require.NoError(t, err)
		again, _, err := Normalize(abi.Emit{Platform: "p", Payload: out}, "other", "other")
		require.NoError(t, err)
		require.Equal(t, out, again, "a normal payload is left as it is")
	})
}

func FuzzJSONRoundTrip(f *testing.F) {
	for _, value := range every() {
		if len(value) < 1000 { // larger ones only slow the fuzzer down
			f.Add(append([]byte("\x81\xa1v"), value...))
		}
	}
	f.Add([]byte("\x82\xa1a\x01\xa1a\x81\xc0\x81\xa4$map\x01"))
	f.Fuzz(func(t *testing.T, payload []byte) {
		doc, err := ToJSON(payload)
		if err != nil {
			return
		}
		require.True(t, json.Valid(doc), "%s", doc)
		normal, err := appendMsgpack(nil, doc, 0)
		require.NoError(t, err, "%s", doc)
		again, err := ToJSON(normal)
		require.NoError(t, err)
		require.Equal(t, string(doc), string(again))
	})
}

func FuzzDecodeEmit(f *testing.F) {
	for _, doc := range []string{
		`{"platform":"discord","payload":{"text":"hi","n":[1,-2.5,null]}}`, `{"stream":"s","payload":{"b":{"$binary":"AA=="}}}`,
		`{"payload":{"$map":[["a",{"$ext":[1,"AA=="]}]]},"platform":"\ud83d\ude00"}`, `{"platform":"a","payload":{"x":1e400,"y":18446744073709551616}}`,
		`{"platform":"a","payload":[{}`, `]]}}"`, "\x82\xa8platform\xa1p\xa7payload\x80",
	} {
		f.Add([]byte(doc))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		if _, err := appendMsgpack(nil, doc, 0); err == nil {
			require.True(t, json.Valid(doc), "%q is taken and is not JSON", doc)
		}
		for name, codec := range Codecs() {
			e, err := codec.DecodeEmit(doc)
			if err != nil {
				continue
			}
			require.True(t, (e.Platform == "") != (e.Stream == ""), name)
			require.LessOrEqual(t, len(e.Platform)+len(e.Stream), abi.MaxNameBytes)
			_, err = Decode("s", "5-0", 1, Fields{"data", string(e.Payload)}, len(e.Payload))
			require.NoError(t, err, "an emit's payload can be read again (%s)", name)
		}
	})
}
