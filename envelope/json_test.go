package envelope

import (
	"encoding/json"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tinylib/msgp/msgp"

	"github.com/sgstreamd/sgstreamd/abi"
)

// TestJSONOfEveryValue holds a payload {"v": value} in both forms, each written by hand from its specification.
func TestJSONOfEveryValue(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ msgpack, json string }{
		"nil":                   {"\xc0", `null`},
		"true":                  {"\xc3", `true`},
		"false":                 {"\xc2", `false`},
		"zero":                  {"\x00", `0`},
		"fixint's end":          {"\x7f", `127`},
		"uint 8":                {"\xcc\x80", `128`},
		"uint 8's end":          {"\xcc\xff", `255`},
		"uint 16":               {"\xcd\x01\x00", `256`},
		"uint 32":               {"\xce\x00\x01\x00\x00", `65536`},
		"uint 64":               {"\xcf\x00\x00\x00\x01\x00\x00\x00\x00", `4294967296`},
		"above 2^53":            {"\xcf\x00\x20\x00\x00\x00\x00\x00\x01", `9007199254740993`},
		"the greatest int64":    {"\xcf\x7f\xff\xff\xff\xff\xff\xff\xff", `9223372036854775807`},
		"beyond int64":          {"\xcf\x80\x00\x00\x00\x00\x00\x00\x00", `9223372036854775808`},
		"the greatest uint64":   {"\xcf\xff\xff\xff\xff\xff\xff\xff\xff", `18446744073709551615`},
		"minus one":             {"\xff", `-1`},
		"negative fixint's end": {"\xe0", `-32`},
		"int 8":                 {"\xd0\xdf", `-33`},
		"int 8's end":           {"\xd0\x80", `-128`},
		"int 16":                {"\xd1\xff\x7f", `-129`},
		"int 32":                {"\xd2\xff\xff\x7f\xff", `-32769`},
		"int 64":                {"\xd3\xff\xff\xff\xff\x7f\xff\xff\xff", `-2147483649`},
		"the least int64":       {"\xd3\x80\x00\x00\x00\x00\x00\x00\x00", `-9223372036854775808`},

		"a whole float":    {"\xcb\x3f\xf0\x00\x00\x00\x00\x00\x00", `1.0`},
		"a fraction":       {"\xcb\x3f\xf8\x00\x00\x00\x00\x00\x00", `1.5`},
		"float zero":       {"\xcb\x00\x00\x00\x00\x00\x00\x00\x00", `0.0`},
		"minus zero":       {"\xcb\x80\x00\x00\x00\x00\x00\x00\x00", `-0.0`},
		"a great float":    {"\xcb\x7e\x37\xe4\x3c\x88\x00\x75\x9c", `1e+300`},
		"the least float":  {"\xcb\x00\x00\x00\x00\x00\x00\x00\x01", `5e-324`},
		"not a number":     {"\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00", `{"$float":"NaN"}`},
		"infinity":         {"\xcb\x7f\xf0\x00\x00\x00\x00\x00\x00", `{"$float":"Infinity"}`},
		"minus infinity":   {"\xcb\xff\xf0\x00\x00\x00\x00\x00\x00", `{"$float":"-Infinity"}`},
		"empty text":       {"\xa0", `""`},
		"text with quotes": {"\xa4\"\\\n\x00", `"\"\\\n\u0000"`},
		"text beyond BMP":  {"\xa4\xf0\x9f\x98\x80", `"😀"`},
		"not UTF-8":        {"\xa2\xff\xfe", `{"$str":"//4="}`},
		"binary":           {"\xc4\x03abc", `{"$binary":"YWJj"}`},
		"empty binary":     {"\xc4\x00", `{"$binary":""}`},
		"ext of 1":         {"\xd4\x05a", `{"$ext":[5,"YQ=="]}`},
		"ext of 3":         {"\xc7\x03\x80abc", `{"$ext":[-128,"YWJj"]}`},
		"empty ext":        {"\xc7\x00\x07", `{"$ext":[7,""]}`},
		"a timestamp":      {"\xd6\xff\x00\x00\x00\x01", `{"$ext":[-1,"AAAAAQ=="]}`},
		"complex":          {"\xd7\x03\x00\x00\x00\x00\x00\x00\x00\x00", `{"$ext":[3,"AAAAAAAAAAA="]}`},

		"an empty array":    {"\x90", `[]`},
		"an array":          {"\x93\x01\xa1a\x90", `[1,"a",[]]`},
		"an empty map":      {"\x80", `{}`},
		"a map":             {"\x82\xa1b\x01\xa1a\x02", `{"b":1,"a":2}`},
		"an empty key":      {"\x81\xa0\x01", `{"":1}`},
		"a dollar key":      {"\x81\xa1$\x01", `{"$$":1}`},
		"a key like a tag":  {"\x81\xa7$binary\xa4YWJj", `{"$$binary":"YWJj"}`},
		"two dollars":       {"\x81\xa4$$ab\x01", `{"$$$ab":1}`},
		"tags are lone":     {"\x82\xa7$binary\x01\xa4$map\x02", `{"$binary":1,"$map":2}`},
		"an integer key":    {"\x81\x01\xa1a", `{"$map":[[1,"a"]]}`},
		"mixed keys":        {"\x82\xa1a\x01\xc0\x02", `{"$map":[["a",1],[null,2]]}`},
		"a binary key":      {"\x81\xc4\x01a\x01", `{"$map":[[{"$binary":"YQ=="},1]]}`},
		"a key not UTF-8":   {"\x81\xa1\xff\x01", `{"$map":[[{"$str":"/w=="},1]]}`},
		"a key twice":       {"\x82\xa1a\x01\xa1a\x02", `{"$map":[["a",1],["a",2]]}`},
		"a map for a key":   {"\x81\x81\xa1a\x01\x02", `{"$map":[[{"a":1},2]]}`},
		"odd within odd":    {"\x81\x01\x81\x02\x81\xa1a\x03", `{"$map":[[1,{"$map":[[2,{"a":3}]]}]]}`},
		"odd behind an odd": {"\x92\x81\x01\x02\x81\xa1a\x81\xc3\xc2", `[{"$map":[[1,2]]},{"a":{"$map":[[true,false]]}}]`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			payload, doc := "\x81\xa1v"+c.msgpack, `{"v":`+c.json+`}`
			got, err := ToJSON([]byte(payload))
			require.NoError(t, err)
			require.Equal(t, doc, string(got))
			require.True(t, json.Valid(got))
			back, err := FromJSON([]byte(doc))
			require.NoError(t, err)
			require.Equal(t, []byte(payload), back)
			rest, err := msgp.Skip(back)
			require.NoError(t, err, "another reader")
			require.Empty(t, rest, "another reader")
		})
	}
}

func TestToJSONOfWhatIsNotMinimal(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ msgpack, json string }{
		"a small uint 64":    {"\xcf\x00\x00\x00\x00\x00\x00\x00\x05", `5`},
		"a positive int 64":  {"\xd3\x00\x00\x00\x00\x00\x00\x00\xc8", `200`},
		"a small int 16":     {"\xd1\xff\xff", `-1`},
		"a float 32":         {"\xca\x3f\xc0\x00\x00", `1.5`},
		"a float 32 of 0.1":  {"\xca\x3d\xcc\xcc\xcd", `0.10000000149011612`},
		"an infinite float":  {"\xca\x7f\x80\x00\x00", `{"$float":"Infinity"}`},
		"short text, long":   {"\xdb\x00\x00\x00\x01a", `"a"`},
		"a short map, long":  {"\xdf\x00\x00\x00\x01\xa1a\x01", `{"a":1}`},
		"short ext, long":    {"\xc9\x00\x00\x00\x01\x05a", `{"$ext":[5,"YQ=="]}`},
		"empty array, long":  {"\xdd\x00\x00\x00\x00", `[]`},
		"a NaN with payload": {"\xcb\x7f\xf8\x00\x00\x00\x00\x00\x07", `{"$float":"NaN"}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := ToJSON([]byte("\x81\xa1v" + c.msgpack))
			require.NoError(t, err)
			require.Equal(t, `{"v":`+c.json+`}`, string(got))
		})
	}
}

func TestFromJSONOfWhatAGuestMayWrite(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ json, msgpack string }{
		"white space":         {" {\n\t\"v\" : [ 1 , 2 ] }\r\n", "\x81\xa1v\x92\x01\x02"},
		"an exponent":         {`{"v":1E2}`, "\x81\xa1v\xcb\x40\x59\x00\x00\x00\x00\x00\x00"},
		"minus zero, integer": {`{"v":-0}`, "\x81\xa1v\x00"},
		"escapes":             {`{"\u0076":"\u00e9\/\ud83d\ude00\"\\"}`, "\x81\xa1v\xa9\xc3\xa9/\xf0\x9f\x98\x80\"\\"},
		"an unknown tag":      {`{"v":{"$foo":1}}`, "\x81\xa1v\x81\xa4$foo\x01"},
		"text in $str":        {`{"v":{"$str":"YWJj"}}`, "\x81\xa1v\xa3abc"},
		"$map with text keys": {`{"$map":[["a",1]]}`, "\x81\xa1a\x01"},
		"an empty $map":       {`{"v":{"$map":[]}}`, "\x81\xa1v\x80"},
		"brackets in text":    {`{"v":"[{,\"","w":["}"]}`, "\x82\xa1v\xa4[{,\"\xa1w\x91\xa1}"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := FromJSON([]byte(c.json))
			require.NoError(t, err)
			require.Equal(t, []byte(c.msgpack), got)
		})
	}
}

func TestFromJSONRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ json, err string }{
		"nothing":              {``, "document is not JSON: it ends too early"},
		"an array":             {`[]`, "document is not a map but an array"},
		"a tag for a document": {`{"$binary":""}`, "document is not a map but binary"},
		"integer keys":         {`{"$map":[[1,2]]}`, "document has a key that is not text but an integer, at byte 1"},
		"cut":                  {`{"a":1`, "document is not JSON: it ends too early"},
		"cut within text":      {`{"a":"b`, "document is not JSON: it ends too early"},
		"more behind it":       {`{} {}`, "document is not JSON: more follows the value"},
		"a cut object behind":  {`{}{"":`, "document is not JSON: more follows the value"},
		"garbage behind it":    {`{}}`, "document is not JSON: more follows the value"},
		"a comma too many":     {`{"a":1,}`, "document is not JSON: field name: unexpected byte 125 '}' at 7"},
		"no comma":             {`{"a":[1 2]}`, `document is not JSON: "," expected: unexpected byte 50 '2' at 8`},
		"not UTF-8":            {"{\"a\":\"\xff\"}", "document is not JSON: it is not UTF-8 at byte 6"},
		"half a surrogate":     {`{"a":"\ud83d"}`, `document has text with half of a surrogate pair, \ud83d, at byte 6`},
		"surrogates reversed":  {`{"a":"\ude00\ud83d"}`, `document has text with half of a surrogate pair, \ude00, at byte 6`},
		"too great":            {`{"a":18446744073709551616}`, "document has the integer 18446744073709551616, which does not fit 64 bits; write it as text, or with a point as a float"},
		"too small":            {`{"a":-9223372036854775809}`, "document has the integer -9223372036854775809, which does not fit 64 bits; write it as text, or with a point as a float"},
		"a float too great":    {`{"a":1e400}`, "document has the number 1e400, which does not fit a 64-bit float"},
		"a key twice":          {`{"a":1,"b":2,"a":3}`, `document has the key "a" twice in one object`},
		"a key twice, escaped": {`{"a":1,"\u0061":3}`, `document has the key "a" twice in one object`},
		"bad base64":           {`{"a":{"$binary":"YQ"}}`, `document has a $binary that is not standard base64: "YQ"`},
		"a number in $binary":  {`{"a":{"$binary":5}}`, `document has a $binary that is not text but of type number`},
		"a bad $float":         {`{"a":{"$float":"1.5"}}`, `document has a $float of "1.5", which is not one of NaN, Infinity, -Infinity`},
		"an $ext type of 200":  {`{"a":{"$ext":[200,""]}}`, `document has a $ext of type 200, which is not an integer of -128 to 127`},
		"an $ext of one":       {`{"a":{"$ext":[1]}}`, `document has a $ext of 1 elements, it must have 2`},
		"an $ext of text":      {`{"a":{"$ext":"x"}}`, `document has a $ext of type string, it must be an array of 2`},
		"a $map of an object":  {`{"a":{"$map":{}}}`, `document has a $map of type object, it must be an array of [key, value]`},
		"a $map of threes":     {`{"a":{"$map":[[1,2,3]]}}`, `document has a pair in a $map of 3 elements, it must have 2`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := FromJSON([]byte(c.json))
			require.EqualError(t, err, c.err)
		})
	}
}

func TestDepthIsTheSameInBothForms(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ open, inner, close string }{
		"objects": {`{"a":`, `{}`, `}`}, "odd maps": {`{"$map":[[1,`, `{}`, `]]}`}, "arrays": {`[`, `[]`, `]`},
		"escaped keys": {`{"$$":`, `{}`, `}`}, "with a tag inside": {`[`, `[{"$ext":[1,""]}]`, `]`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// The outermost map and the innermost container are two of the levels.
			nested := func(depth int) string {
				return `{"v":` + strings.Repeat(c.open, depth-2) + c.inner + strings.Repeat(c.close, depth-2) + `}`
			}
			payload, err := FromJSON([]byte(nested(abi.MaxDepth)))
			require.NoError(t, err)
			doc, err := ToJSON(payload)
			require.NoError(t, err)
			require.Equal(t, nested(abi.MaxDepth), string(doc))
			_, err = ToJSON(append([]byte("\x81\xa1v"), payload...))
			require.ErrorContains(t, err, "payload is nested deeper than 256 at byte")
			for _, depth := range []int{abi.MaxDepth + 1, 4 * abi.MaxDepth, 1 << 18} {
				_, err = FromJSON([]byte(nested(depth)))
				require.ErrorContains(t, err, "document is nested deeper than 256")
			}
		})
	}
}

func TestManyKeysAreComparedToo(t *testing.T) {
	t.Parallel()
	var doc strings.Builder
	for i := range 10_000 {
		doc.WriteString(`"` + MessageKey("k", "", i) + `":0,`)
	}
	_, err := FromJSON([]byte(`{` + doc.String() + `"last":0}`))
	require.NoError(t, err)
	_, err = FromJSON([]byte(`{` + doc.String() + `"sgs:k::77":0}`))
	require.EqualError(t, err, `document has the key "sgs:k::77" twice in one object`)
}

func TestFloatsComeBackBitForBit(t *testing.T) {
	t.Parallel()
	for _, n := range []float64{0.1, 1.0 / 3, 1e21, 1e20, 123456789012345680000, 1e-6, 9.999e-7, math.MaxFloat64, math.Pi, 1700000000.123456, math.Copysign(0, -1)} {
		payload := msgp.AppendFloat64([]byte("\x81\xa1v"), n)
		doc, err := ToJSON(payload)
		require.NoError(t, err)
		back, err := FromJSON(doc)
		require.NoError(t, err)
		require.Equal(t, payload, back, "%v became %s", n, doc)
	}
}
