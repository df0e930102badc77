package sgs

import (
	"encoding/json"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/stretchr/testify/require"
)

func TestDocumentsInJSONAreRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ json, err string }{
		"nothing":          {"", "not JSON: no value at byte 0"},
		"an array":         {"[]", "the document is not an object"},
		"more behind it":   {"{}{}", "not JSON: more follows the value at byte 2"},
		"cut":              {`{"a":1`, "not JSON: no comma or closing bracket at byte 6"},
		"cut within text":  {`{"a":"b`, "not JSON: no closing quote at byte 7"},
		"cut in escape":    {`{"a":"\"\`, "not JSON: half an escape at byte 8"},
		"an odd escape":    {`{"a":"\x"}`, "not JSON: an unknown escape at byte 6"},
		"a bad escape":     {`{"a":"\u00g0"}`, "not JSON: a bad escape at byte 6"},
		"a bare word":      {`{"a":nul}`, "not JSON: no value at byte 5"},
		"no key":           {`{a:1}`, "not JSON: no key at byte 1"},
		"no colon":         {`{"a" 1}`, "not JSON: no colon at byte 5"},
		"a comma too many": {`{"a":1,}`, "not JSON: no key at byte 7"},
		"too great":        {`{"a":18446744073709551616}`, "not JSON: a number that does not fit 64 bits at byte 5"},
		"too deep":         {`{"a":` + strings.Repeat("[", 1<<20), "not JSON: too deep a nesting at byte 780"},
		"bad base64":       {`{"a":{"$binary":"?"}}`, "$binary does not hold base64"},
		"a bad $float":     {`{"a":{"$float":"1"}}`, "$float does not hold NaN, Infinity or -Infinity"},
		"a bad $ext":       {`{"a":{"$ext":[200,""]}}`, "$ext does not hold [type, base64]"},
		"a bad $map":       {`{"a":{"$map":[[1]]}}`, "$map does not hold arrays of [key, value]"},
		"$map of text":     {`{"a":{"$map":"x"}}`, "$map does not hold an array"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := codecJSON.read(c.json)
			require.EqualError(t, err, c.err)
		})
	}
}

func TestParseReadsWhatOthersWrite(t *testing.T) {
	t.Parallel()
	got, err := codecJSON.read(" { \"a\\u0062\" : [ 1 , -2.5E1 , true , false , null ] , \"\\ud83d\\ude00\\n\\/\" : { \"$foo\" : 1 } } \n")
	require.NoError(t, err)
	require.Equal(t, Map{"ab": []any{int64(1), -25.0, true, false, nil}, "😀\n/": Map{"$foo": int64(1)}}, got)
}

func FuzzDocumentInJSON(f *testing.F) {
	for _, doc := range []string{
		`{"a":[1,-2.5e3,null,true],"b":{"$binary":"AA=="}}`, `{"$map":[[1,{"$ext":[-1,"AA=="]}]]}`, `{"\ud83d\ude00":"\ud83d"}`,
		`{"a":18446744073709551615}`, `{"$$a":{"$float":"NaN"}}`, `{"a":{"$str":"/w=="}}`, `{"a":`,
	} {
		f.Add([]byte(doc))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		m, err := codecJSON.read(string(doc))
		if err != nil {
			return
		}
		text, err := (&jsonWriter{tagged: true}).value(nil, m, 0)
		if err != nil {
			return // nested deeper than a payload may be
		}
		require.True(t, json.Valid(text), "%s", text)
		again, err := codecJSON.read(string(text))
		require.NoError(t, err, "%s", text)
		require.Empty(t, cmp.Diff(m, again, cmpopts.EquateNaNs()))
		bin, err := appendPackedValue(nil, m, 0)
		require.NoError(t, err)
		unpacked, err := codecMsgpack.read(string(bin))
		require.NoError(t, err, "%x", bin)
		require.Empty(t, cmp.Diff(m, unpacked, cmpopts.EquateNaNs()))
	})
}

func TestParseReadsJSONAsTheStandardSays(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]any{
		` "a\u0000\ud83d\ude00\u00e9\/\b\f\n\r\t\"\\" `: "a\x00😀é/\b\f\n\r\t\"\\",
		`"\ud83d"`:                  "\ufffd",
		`"\ude00\ud83d"`:            "\ufffd\ufffd",
		`0`:                         int64(0),
		`-0`:                        int64(0),
		`-9223372036854775808`:      int64(math.MinInt64),
		`18446744073709551615`:      uint64(math.MaxUint64),
		`18446744073709551616`:      18446744073709551616.0,
		`1.5e-3`:                    0.0015,
		`1E+2`:                      100.0,
		`[]`:                        []any{},
		`{"$binary":"AA==","a":{}}`: Map{"$binary": "AA==", "a": Map{}},
		`{"$binary":"AA=="}`:        Map{"$binary": "AA=="},
		`{"a":1,"a":2}`:             Map{"a": int64(2)},
		strings.Repeat("[", 256) + strings.Repeat("]", 256): nil,
	} {
		got, err := ParseValue([]byte(text))
		require.NoError(t, err, text)
		if want != nil {
			require.Equal(t, want, got, text)
		}
	}
	_, err := Parse([]byte("[]"))
	require.EqualError(t, err, "the JSON is not an object")
	m, err := Parse([]byte(`{"a":1}`))
	require.NoError(t, err)
	require.Equal(t, Map{"a": int64(1)}, m)
}

func TestParseRefusesWhatTheStandardDoesNotHave(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", " ", "+1", "01", "-", "1.", ".5", "1e", "1e+", "0x1", "NaN", "Infinity", "1_0", "nul", "truee", "'a'", "\"a", "\"\n\"", "\"\x00\"",
		`"\u12"`, `"\u+123"`, `"\x"`, "\"\xff\"", "[1,]", "[,1]", "[1 2]", "{,}", `{"a"}`, `{"a":}`, `{a:1}`, `{"a":1,}`, "[", "]", "[}", "{]", "1 1", "1e400",
		"\ufeff1", "\u00a01", strings.Repeat("[", 257) + strings.Repeat("]", 257), strings.Repeat("{\"a\":", 1<<16),
	} {
		_, err := ParseValue([]byte(text))
		require.Error(t, err, "%.100q", text)
	}
}

func TestAppendJSON(t *testing.T) {
	t.Parallel()
	type name string
	got, err := AppendJSON([]byte("x="), Map{
		"b": []byte("hi"), "a": []any{nil, true, 1, int64(-2), uint64(math.MaxUint64), 0.5, 1.0, 1e21, float32(0.5), uint8(3)}, "$binary": name("n"),
		"text": "\"\\\n\x01é\xff", "deep": map[string][]int{"k": {1}}, "any": map[string]any{"x": Map{}},
	})
	require.NoError(t, err)
	require.Equal(t, `x={"$binary":"n","a":[null,true,1,-2,18446744073709551615,0.5,1.0,1e+21,0.5,3],"any":{"x":{}},"b":"aGk=","deep":{"k":[1]},"text":"\"\\\u000a\u0001é`+"\ufffd"+`"}`, string(got))
	for want, v := range map[string]any{
		"a: can't be in JSON": Map{"a": math.NaN()}, "0: can't be in JSON": []any{Pairs{}}, "can't be in JSON": Ext{},
		"a value of type chan int can't be in a payload": make(chan int),
	} {
		_, err := AppendJSON(nil, v)
		require.EqualError(t, err, want)
	}
	loop := Map{}
	loop["a"] = loop
	_, err = AppendJSON(nil, loop)
	require.ErrorContains(t, err, "nested deeper than 256")
}

func FuzzParse(f *testing.F) {
	for _, text := range []string{`{"a":[1,-2.5e3,null,true,"\ud83d\ude00\n"],"b":{}}`, `18446744073709551616`, `"\ud83d"`, "[[[", "-0.0"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		v, err := ParseValue(text)
		if err != nil {
			return
		}
		require.True(t, json.Valid(text), "%q", text)
		out, err := AppendJSON(nil, v)
		require.NoError(t, err)
		require.True(t, json.Valid(out), "%q", out)
		again, err := ParseValue(out)
		require.NoError(t, err)
		require.Empty(t, cmp.Diff(v, again))
	})
}
