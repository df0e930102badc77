package envelope

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tinylib/msgp/msgp"

	"github.com/sgstreamd/sgstreamd/abi"
)

func TestDecodeRequest(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		json string
		want abi.Request
	}{
		"the least":     {`{"url":"https://h/"}`, abi.Request{URL: "https://h/"}},
		"nulls":         {`{"url":"u","method":null,"headers":null,"body":null,"timeout_ms":null,"secrets":null}`, abi.Request{URL: "u"}},
		"text body":     {`{"url":"u","body":"hé"}`, abi.Request{URL: "u", Body: []byte("hé")}},
		"binary body":   {`{"url":"u","body":{"$binary":"/wA="}}`, abi.Request{URL: "u", Body: []byte("\xff\x00")}},
		"an empty body": {`{"url":"u","body":""}`, abi.Request{URL: "u", Body: []byte{}}},
		"one header":    {`{"url":"u","headers":{"$$odd":"1"}}`, abi.Request{URL: "u", Headers: []abi.Header{{Name: "$odd", Value: "1"}}}},
		"a long wait":   {`{"url":"u","timeout_ms":9223372036854775807}`, abi.Request{URL: "u", Timeout: longestTimeout}},
		"everything": {
			`{"secrets":["a","b"],"timeout_ms":1500,"body":"b","headers":{"X":["1","2"],"Y":"3","Z":[]},"url":"u","method":"POST"}`,
			abi.Request{Method: "POST", URL: "u", Headers: []abi.Header{{Name: "X", Value: "1"}, {Name: "X", Value: "2"}, {Name: "Y", Value: "3"}},
				Body: []byte("b"), Timeout: 1500 * time.Millisecond, Secrets: []string{"a", "b"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := JSON{}.DecodeRequest([]byte(c.json))
			require.NoError(t, err)
			require.Equal(t, c.want, got)
			doc, err := appendMsgpack(nil, []byte(c.json), 1)
			require.NoError(t, err)
			got, err = Msgpack{}.DecodeRequest(doc)
			require.NoError(t, err)
			clear(doc)
			require.Equal(t, c.want, got, "the body must outlive the document")
		})
	}
}

func TestDecodeRequestRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ json, err string }{
		"no url":              {`{"method":"GET"}`, `a request has a "url", this one has none`},
		"an empty url":        {`{"url":""}`, `a request has a "url", this one has none`},
		"a url of a number":   {`{"url":1}`, `a request has a url that is not UTF-8 text`},
		"a method of a list":  {`{"url":"u","method":[]}`, `a request has a method that is not UTF-8 text`},
		"a body of a number":  {`{"url":"u","body":1}`, `a request has a body that is neither text nor binary but an integer`},
		"headers of a list":   {`{"url":"u","headers":[]}`, `a request has headers: is not a map but an array`},
		"a header's number":   {`{"url":"u","headers":{"n":1}}`, `a request has headers: has a n that is not an array of UTF-8 text`},
		"a number in a list":  {`{"url":"u","headers":{"n":["1",2]}}`, `a request has headers: has a n that is not an array of UTF-8 text`},
		"secrets of text":     {`{"url":"u","secrets":"a"}`, `a request has a secrets that is not an array of UTF-8 text`},
		"a negative time-out": {`{"url":"u","timeout_ms":-1}`, `a request has a timeout_ms that is not a whole number, 0 or more`},
		"a fraction of one":   {`{"url":"u","timeout_ms":1.5}`, `a request has a timeout_ms that is not a whole number, 0 or more`},
		"an unknown key":      {`{"uri":"u"}`, `a request has the unknown key "uri"; its keys are method, url, headers, body, timeout_ms and secrets`},
		"not an object":       {`[]`, `a request is not a map but an array`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := JSON{}.DecodeRequest([]byte(c.json))
			require.EqualError(t, err, c.err)
			require.Zero(t, got)
			doc, err := appendMsgpack(nil, []byte(c.json), 1)
			require.NoError(t, err)
			got, err = Msgpack{}.DecodeRequest(doc)
			require.EqualError(t, err, c.err)
			require.Zero(t, got)
		})
	}
	twice := msgp.AppendMapHeader(nil, 2)
	for range 2 {
		twice = msgp.AppendString(msgp.AppendString(twice, "url"), "u")
	}
	_, err := Msgpack{}.DecodeRequest(twice)
	require.EqualError(t, err, `a request has the key "url" twice`)
}

// Whatever a guest writes is a request or one line, and the two codecs agree.
func FuzzDecodeRequest(f *testing.F) {
	for _, doc := range []string{
		`{"url":"https://h/","method":"POST","headers":{"X":["1","2"]},"body":{"$binary":"AA=="},"timeout_ms":5,"secrets":["a"]}`,
		`{"url":1}`, `{"url":"u","headers":{"$map":[[1,2]]}}`, `{"url":"u","secrets":[[[]]]}`,
	} {
		f.Add([]byte(doc))
		if encoded, err := appendMsgpack(nil, []byte(doc), 1); err == nil {
			f.Add(encoded)
		}
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		for _, codec := range Codecs() {
			r, err := codec.DecodeRequest(doc)
			if err != nil {
				require.NotContains(t, err.Error(), "\n")
				require.Empty(t, r.URL)
				continue
			}
			require.NotEmpty(t, r.URL)
			require.GreaterOrEqual(t, r.Timeout, time.Duration(0))
		}
		fromJSON, err := JSON{}.DecodeRequest(doc)
		if err == nil {
			encoded, err := appendMsgpack(nil, doc, 1)
			require.NoError(t, err)
			again, err := Msgpack{}.DecodeRequest(encoded)
			require.NoError(t, err)
			require.Equal(t, fromJSON.URL, again.URL)
			require.Equal(t, fromJSON.Headers, again.Headers)
			require.Equal(t, string(fromJSON.Body), string(again.Body))
		}
	})
}

// A document of a few MiB does not make the host hold a hundred times that.
func TestRequestsOfManyTexts(t *testing.T) {
	t.Parallel()
	const many = 1 << 20
	array := msgp.AppendArrayHeader(nil, many)
	fields := msgp.AppendMapHeader(nil, many)
	for range many {
		array = msgp.AppendString(array, "")
		fields = msgp.AppendString(msgp.AppendString(fields, ""), "")
	}
	doc := func(key string, value []byte) []byte {
		d := msgp.AppendString(msgp.AppendString(msgp.AppendMapHeader(nil, 2), "url"), "u")
		return append(msgp.AppendString(d, key), value...)
	}
	_, err := Msgpack{}.DecodeRequest(doc("secrets", array))
	require.EqualError(t, err, "a request has a secrets of 1048576 texts; 10000 are allowed")
	_, err = Msgpack{}.DecodeRequest(doc("headers", append(msgp.AppendString(msgp.AppendMapHeader(nil, 1), "X"), array...)))
	require.ErrorContains(t, err, "1048576 texts; 10000 are allowed")
	_, err = Msgpack{}.DecodeRequest(doc("headers", fields))
	require.ErrorContains(t, err, "has more than 10000")
}
