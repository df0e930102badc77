package envelope

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tinylib/msgp/msgp"

	"github.com/sgstreamd/sgstreamd/abi"
)

func message(t testing.TB) *abi.Message {
	return &abi.Message{
		Stream: "sg:stream:inbound", ID: "5-0", Attempt: 2, TS: 1700000000, TraceID: "T", Platform: "discord",
		ChannelKey: "discord:42", Payload: encode(t, map[string]any{"id": uint64(1<<64 - 1)}),
	}
}

func TestJSONMessage(t *testing.T) {
	t.Parallel()
	got, err := JSON{}.AppendMessage([]byte("before "), message(t))
	require.NoError(t, err)
	require.Equal(t, `before {"stream":"sg:stream:inbound","id":"5-0","attempt":2,"ts":1700000000.0,"trace_id":"T",`+
		`"platform":"discord","channel_key":"discord:42","payload":{"id":18446744073709551615}}`, string(got))
	m := message(t)
	m.TraceID = "a\"\n"
	got, err = JSON{}.AppendMessage(nil, m)
	require.NoError(t, err)
	require.True(t, json.Valid(got))
	m.Payload = []byte{0x90, 0x90}
	_, err = JSON{}.AppendMessage(nil, m)
	require.EqualError(t, err, "payload is not msgpack: more follows the value that ends at byte 1")
}

func TestMsgpackMessage(t *testing.T) {
	t.Parallel()
	m := message(t)
	m.Payload = []byte("\xdf\x00\x00\x00\x01\xa1a\xd3\x00\x00\x00\x00\x00\x00\x00\x05")
	got, err := Msgpack{}.AppendMessage([]byte("before "), m)
	require.NoError(t, err)
	require.True(t, strings.HasSuffix(string(got), "\xa7payload"+string(m.Payload)), "byte for byte")
	doc, rest, err := msgp.ReadMapStrIntfBytes([]byte(strings.TrimPrefix(string(got), "before ")), nil)
	require.NoError(t, err)
	require.Empty(t, rest)
	require.Equal(t, map[string]any{
		"stream": "sg:stream:inbound", "id": "5-0", "attempt": int64(2), "ts": 1700000000.0, "trace_id": "T",
		"platform": "discord", "channel_key": "discord:42", "payload": map[string]any{"a": int64(5)},
	}, doc)
	m.Payload = nil
	_, err = Msgpack{}.AppendMessage(nil, m)
	require.Error(t, err)
	m.Payload = []byte{0x90}
	_, err = Msgpack{}.AppendMessage(nil, m)
	require.EqualError(t, err, "payload is not a map but an array")
}

func TestAppendJSON(t *testing.T) {
	t.Parallel()
	doc := []byte(`{"greeting": "hi", "n": 1}`)
	got, err := JSON{}.AppendJSON([]byte("x"), doc)
	require.NoError(t, err)
	require.Equal(t, "x"+string(doc), string(got))
	got, err = Msgpack{}.AppendJSON([]byte("x"), doc)
	require.NoError(t, err)
	require.Equal(t, "x\x82\xa8greeting\xa2hi\xa1n\x01", string(got))
	for name, codec := range Codecs() {
		_, err = codec.AppendJSON(nil, []byte(`{"a":1}}`))
		require.EqualError(t, err, "document is not JSON: more follows the value", name)
	}
}

func TestDecodeEmit(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		json string
		want abi.Emit
	}{
		"to a platform":        {`{"platform":"discord","payload":{"text":"hi"}}`, abi.Emit{Platform: "discord", Payload: []byte("\x81\xa4text\xa2hi")}},
		"to a stream":          {`{"payload":{},"stream":"my:stream"}`, abi.Emit{Stream: "my:stream", Payload: []byte("\x80")}},
		"a null is an absence": {`{"platform":null,"stream":"s","payload":{}}`, abi.Emit{Stream: "s", Payload: []byte("\x80")}},
		"with binary":          {`{"platform":"p","payload":{"b":{"$binary":"AA=="}}}`, abi.Emit{Platform: "p", Payload: []byte("\x81\xa1b\xc4\x01\x00")}},
		"as deep as can be": {`{"platform":"p","payload":` + strings.Repeat(`{"a":`, abi.MaxDepth-1) + `{}` + strings.Repeat(`}`, abi.MaxDepth),
			abi.Emit{Platform: "p", Payload: []byte(deep(abi.MaxDepth))}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := JSON{}.DecodeEmit([]byte(c.json))
			require.NoError(t, err)
			require.Equal(t, c.want, got)
			doc, err := appendMsgpack(nil, []byte(c.json), 1)
			require.NoError(t, err)
			got, err = Msgpack{}.DecodeEmit(doc)
			require.NoError(t, err)
			clear(doc)
			require.Equal(t, c.want, got, "the payload must outlive the document")
		})
	}
}

// The name and the payload lie in one piece of memory.
func TestWhoeverAppendsToAnEmitsPayloadLeavesItsNameAlone(t *testing.T) {
	t.Parallel()
	for name, codec := range Codecs() {
		doc := []byte(`{"platform":"discord","payload":{}}`)
		if name == abi.CodecMsgpack {
			doc = encode(t, map[string]any{"platform": "discord", "payload": map[string]any{}})
		}
		e, err := codec.DecodeEmit(doc)
		require.NoError(t, err)
		_ = append(e.Payload, "something else"...)
		require.Equal(t, abi.Emit{Platform: "discord", Payload: []byte("\x80")}, e, name)
	}
}

func TestDecodeEmitRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ json, err string }{
		"both names":          {`{"platform":"a","stream":"b","payload":{}}`, `an emit names "platform" or "stream", not both`},
		"no name":             {`{"payload":{}}`, `an emit names "platform" or "stream", this one has neither`},
		"no payload":          {`{"platform":"a"}`, `an emit has a "payload", this one has none`},
		"a payload of text":   {`{"platform":"a","payload":"hi"}`, `an emit has a payload that is not a map but text`},
		"a payload of null":   {`{"platform":"a","payload":null}`, `an emit has a payload that is not a map but nil`},
		"integer keys":        {`{"platform":"a","payload":{"$map":[[1,2]]}}`, `an emit has a payload that has a key that is not text but an integer, at byte 1`},
		"an unknown key":      {`{"platfrom":"a","payload":{}}`, `an emit has the unknown key "platfrom"; its keys are platform or stream, and payload`},
		"a key twice":         {`{"platform":"a","platform":"b","payload":{}}`, `an emit has the key "platform" twice`},
		"not an object":       {`[]`, `an emit is not a map but an array`},
		"an empty name":       {`{"platform":"","payload":{}}`, `an emit has an empty platform`},
		"a name of a number":  {`{"stream":5,"payload":{}}`, `an emit has a stream that is not UTF-8 text`},
		"a name not UTF-8":    {`{"stream":{"$str":"/w=="},"payload":{}}`, `an emit has a stream that is not UTF-8 text`},
		"a space in a name":   {`{"platform":"a b","payload":{}}`, `an emit has the platform "a b", with a space or control character in it`},
		"a control character": {`{"platform":"a\u0000","payload":{}}`, `an emit has the platform "a\x00", with a space or control character in it`},
		"a long name":         {`{"platform":"` + strings.Repeat("x", 257) + `","payload":{}}`, `an emit has a platform of 257 bytes, more than the limit of 256`},
		"nested too deep":     {`{"platform":"p","payload":` + strings.Repeat(`{"a":`, abi.MaxDepth) + `{}` + strings.Repeat(`}`, abi.MaxDepth+1), `an emit is nested deeper than 256`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := JSON{}.DecodeEmit([]byte(c.json))
			require.ErrorContains(t, err, strings.TrimSuffix(c.err, " twice"))
			require.Zero(t, got)
			if doc, err := appendMsgpack(nil, []byte(c.json), 1); err == nil {
				got, err = Msgpack{}.DecodeEmit(doc)
				require.EqualError(t, err, c.err)
				require.Zero(t, got)
			}
		})
	}
}

func TestADoubtIsInTheDocumentOnlyWhereThereIsOne(t *testing.T) {
	t.Parallel()
	m := abi.Message{Stream: "s", ID: "1-1", Attempt: 2, Payload: []byte("\x80")}
	for name, c := range Codecs() {
		for _, maybe := range []bool{false, true} {
			m.MaybeDelivered = maybe
			doc, err := c.AppendMessage(nil, &m)
			require.NoError(t, err)
			if name == abi.CodecMsgpack {
				doc, err = ToJSON(doc)
				require.NoError(t, err)
			}
			var fields map[string]any
			require.NoError(t, json.Unmarshal(doc, &fields))
			told, there := fields["maybe_delivered"]
			require.Equal(t, maybe, there, name)
			require.Equal(t, maybe, told == true, name)
		}
	}
}
