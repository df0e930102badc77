package sgs

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/stretchr/testify/require"
)

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ json, err string }{
		"nothing":          {"", "not JSON: no value that fits 64 bits at byte 0"},
		"an array":         {"[]", "the JSON is not an object"},
		"more behind it":   {"{}{}", "not JSON: more follows the value at byte 2"},
		"cut":              {`{"a":1`, "not JSON: no comma or closing bracket at byte 6"},
		"cut within text":  {`{"a":"b`, "not JSON: no closing quote at byte 6"},
		"cut in escape":    {`{"a":"\"\`, "not JSON: half an escape at byte 8"},
		"an odd escape":    {`{"a":"\x"}`, "not JSON: an unknown escape at byte 6"},
		"a bad escape":     {`{"a":"\u00g0"}`, "not JSON: a bad escape at byte 6"},
		"a bare word":      {`{"a":nul}`, "not JSON: no value at byte 5"},
		"no key":           {`{a:1}`, "not JSON: no key at byte 1"},
		"no colon":         {`{"a" 1}`, "not JSON: no colon at byte 5"},
		"a comma too many": {`{"a":1,}`, "not JSON: no key at byte 7"},
		"too great":        {`{"a":18446744073709551616}`, "not JSON: no value that fits 64 bits at byte 5"},
		"too deep":         {`{"a":` + strings.Repeat("[", 1<<20), "not JSON: too deep a nesting at byte 780"},
		"bad base64":       {`{"a":{"$binary":"?"}}`, "$binary does not hold base64"},
		"a bad $float":     {`{"a":{"$float":"1"}}`, "$float does not hold NaN, Infinity or -Infinity"},
		"a bad $ext":       {`{"a":{"$ext":[200,""]}}`, "$ext does not hold [type, base64]"},
		"a bad $map":       {`{"a":{"$map":[[1]]}}`, "$map does not hold arrays of [key, value]"},
		"$map of text":     {`{"a":{"$map":"x"}}`, "$map does not hold an array"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := Parse([]byte(c.json))
			require.EqualError(t, err, c.err)
		})
	}
}

func TestParseReadsWhatOthersWrite(t *testing.T) {
	t.Parallel()
	got, err := Parse([]byte(" { \"a\\u0062\" : [ 1 , -2.5E1 , true , false , null ] , \"\\ud83d\\ude00\\n\\/\" : { \"$foo\" : 1 } } \n"))
	require.NoError(t, err)
	require.Equal(t, Map{"ab": []any{int64(1), -25.0, true, false, nil}, "😀\n/": Map{"$foo": int64(1)}}, got)
}

func FuzzParse(f *testing.F) {
	for _, doc := range []string{
		`{"a":[1,-2.5e3,null,true],"b":{"$binary":"AA=="}}`, `{"$map":[[1,{"$ext":[-1,"AA=="]}]]}`, `{"\ud83d\ude00":"\ud83d"}`,
		`{"a":18446744073709551615}`, `{"$$a":{"$float":"NaN"}}`, `{"a":{"$str":"/w=="}}`, `{"a":`,
	} {
		f.Add([]byte(doc))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		m, err := Parse(doc)
		if err != nil {
			return
		}
		text, err := appendMap(nil, m, 0)
		if err != nil {
			return // nested deeper than a payload may be
		}
		require.True(t, json.Valid(text), "%s", text)
		again, err := Parse(text)
		require.NoError(t, err, "%s", text)
		require.Empty(t, cmp.Diff(m, again, cmpopts.EquateNaNs()))
	})
}
