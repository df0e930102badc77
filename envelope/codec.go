package envelope

import (
	"fmt"
	"slices"

	"github.com/go-faster/jx"
	"github.com/tinylib/msgp/msgp"

	"github.com/sgstreamd/sgstreamd/abi"
)

// Codecs returns every codec by the name that a manifest calls it.
func Codecs() map[string]abi.Codec {
	return map[string]abi.Codec{abi.CodecJSON: JSON{}, abi.CodecMsgpack: Msgpack{}}
}

// Keys of a message's document.
const (
	docStream  = "stream"
	docID      = "id"
	docAttempt = "attempt"
	docTS      = "ts"
	docMaybe   = "maybe_delivered"
	docPayload = "payload"
	docKeys    = 8 // without docMaybe, which is there only when it is true
)

// JSON is the codec of plugins that read JSON, with the tagged objects of ToJSON.
type JSON struct{}

// AppendMessage implements abi.Codec. A payload that Decode would refuse is an error.
func (JSON) AppendMessage(dst []byte, m *abi.Message) ([]byte, error) {
	w := jx.Writer{Buf: slices.Grow(dst, 2*len(m.Payload)+256)}
	text := func(before, value string) {
		w.RawStr(before)
		w.Str(value)
	}
	text(`{"`+docStream+`":`, m.Stream)
	text(`,"`+docID+`":`, m.ID)
	w.RawStr(`,"` + docAttempt + `":`)
	w.Int64(m.Attempt)
	w.RawStr(`,"` + docTS + `":`)
	w.Buf = appendFloat(w.Buf, m.TS)
	text(`,"`+keyTraceID+`":`, m.TraceID)
	text(`,"`+keyPlatform+`":`, m.Platform)
	text(`,"`+keyChannelKey+`":`, m.ChannelKey)
	if m.MaybeDelivered {
		w.RawStr(`,"` + docMaybe + `":true`)
	}
	w.RawStr(`,"` + docPayload + `":`)
	buf, err := appendJSON(w.Buf, m.Payload)
	if err != nil {
		return nil, fmt.Errorf("payload %w", err)
	}
	return append(buf, '}'), nil
}

// AppendJSON implements abi.Codec: it checks the document as FromJSON does, and appends it as it is.
func (JSON) AppendJSON(dst, json []byte) ([]byte, error) {
	if _, err := appendMsgpack(nil, json, 0); err != nil {
		return nil, fmt.Errorf("document %w", err)
	}
	return append(dst, json...), nil
}

// DecodeEmit implements abi.Codec.
func (JSON) DecodeEmit(doc []byte) (abi.Emit, error) {
	encoded, err := appendMsgpack(nil, doc, 1)
	if err != nil {
		return abi.Emit{}, fmt.Errorf("an emit %w", err)
	}
	return decodeEmit(encoded)
}

// Msgpack is the codec of plugins that read msgpack. Payloads pass through it byte for byte.
type Msgpack struct{}

// AppendMessage implements abi.Codec.
func (Msgpack) AppendMessage(dst []byte, m *abi.Message) ([]byte, error) {
	if h, err := readHead(m.Payload, 0); err != nil {
		return nil, fmt.Errorf("payload %w", err)
	} else if h.kind != kindMap {
		return nil, fmt.Errorf("payload is not a map but %v", h.kind)
	}
	text := func(key, value string) {
		dst = msgp.AppendString(msgp.AppendString(dst, key), value)
	}
	keys := uint32(docKeys)
	if m.MaybeDelivered {
		keys++
	}
	dst = msgp.AppendMapHeader(slices.Grow(dst, len(m.Payload)+256), keys)
	text(docStream, m.Stream)
	text(docID, m.ID)
	dst = msgp.AppendInt64(msgp.AppendString(dst, docAttempt), m.Attempt)
	dst = msgp.AppendFloat64(msgp.AppendString(dst, docTS), m.TS)
	text(keyTraceID, m.TraceID)
	text(keyPlatform, m.Platform)
	text(keyChannelKey, m.ChannelKey)
	if m.MaybeDelivered {
		dst = msgp.AppendBool(msgp.AppendString(dst, docMaybe), true)
	}
	return append(msgp.AppendString(dst, docPayload), m.Payload...), nil
}

// AppendJSON implements abi.Codec.
func (Msgpack) AppendJSON(dst, json []byte) ([]byte, error) {
	out, err := appendMsgpack(slices.Grow(dst, len(json)), json, 0)
	if err != nil {
		return nil, fmt.Errorf("document %w", err)
	}
	return out, nil
}

// DecodeEmit implements abi.Codec.
func (Msgpack) DecodeEmit(doc []byte) (abi.Emit, error) {
	return decodeEmit(doc)
}
