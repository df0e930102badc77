package envelope

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"math"
	"unicode/utf8"

	"github.com/go-faster/jx"
	"github.com/tinylib/msgp/msgp"
)

// ToJSON writes a payload, or any one msgpack value, as JSON. FromJSON is its inverse: integers have neither
// point nor exponent, floats always have one, and what JSON has no form for becomes a tagged object.
func ToJSON(payload []byte) ([]byte, error) {
	doc, err := appendJSON(make([]byte, 0, len(payload)+len(payload)/2), payload)
	if err != nil {
		return nil, fmt.Errorf("payload %w", err)
	}
	return doc, nil
}

// appendJSON appends the one msgpack value in src to dst as JSON. Its errors begin with "is" or "has".
func appendJSON(dst, src []byte) ([]byte, error) {
	odd, err := inspect(src)
	if err != nil {
		return nil, err
	}
	j := jsonWriter{src: src, odd: odd, w: jx.Writer{Buf: dst}}
	j.value(0)
	return j.w.Buf, nil
}

// jsonWriter writes msgpack that inspect has passed, and so meets no errors.
type jsonWriter struct {
	src []byte
	odd oddMaps
	w   jx.Writer
}

// value writes the value that begins at src[at] and returns where it ends.
func (j *jsonWriter) value(at int) int {
	h, _ := readHead(j.src, at)
	body := j.src[h.body:h.end]
	switch h.kind {
	case kindNil:
		j.w.Null()
	case kindBool:
		j.w.Bool(j.src[at] == 0xc3)
	case kindInt:
		j.integer(j.src[at:h.end])
	case kindFloat:
		n, _, _ := msgp.ReadFloat64Bytes(j.src[at:h.end])
		j.w.Buf = appendFloat(j.w.Buf, n)
	case kindStr:
		j.text(body)
	case kindBin:
		j.tagged(tagBinary, body)
	case kindExt:
		j.w.RawStr(`{"` + tagExt + `":[`)
		j.w.Int8(int8(body[0]))
		j.w.Comma()
		j.base64(body[1:])
		j.w.RawStr(`]}`)
	case kindArray:
		return j.array(h)
	case kindMap:
		if _, odd := j.odd[at]; odd {
			return j.pairs(h)
		}
		return j.object(h)
	}
	return h.end
}

func (j *jsonWriter) integer(value []byte) {
	if n, _, err := msgp.ReadInt64Bytes(value); err == nil {
		j.w.Int64(n)
		return
	}
	n, _, _ := msgp.ReadUint64Bytes(value)
	j.w.UInt64(n)
}

func (j *jsonWriter) text(body []byte) {
	if !utf8.Valid(body) {
		j.tagged(tagStr, body)
		return
	}
	j.w.ByteStr(body)
}

func (j *jsonWriter) tagged(tag string, body []byte) {
	j.w.RawStr(`{"` + tag + `":`)
	j.base64(body)
	j.w.ObjEnd()
}

func (j *jsonWriter) base64(body []byte) {
	j.w.RawStr(`"`)
	j.w.Buf = base64.StdEncoding.AppendEncode(j.w.Buf, body)
	j.w.RawStr(`"`)
}

func (j *jsonWriter) array(h head) int {
	j.w.ArrStart()
	at := h.end
	for i := range h.count {
		if i > 0 {
			j.w.Comma()
		}
		at = j.value(at)
	}
	j.w.ArrEnd()
	return at
}

func (j *jsonWriter) object(h head) int {
	j.w.ObjStart()
	at := h.end
	for i := range h.count / 2 {
		if i > 0 {
			j.w.Comma()
		}
		k, _ := readHead(j.src, at)
		key := j.src[k.body:k.end]
		if h.count == 2 && bytes.HasPrefix(key, []byte("$")) {
			key = append([]byte("$"), key...)
		}
		j.w.ByteStr(key)
		j.w.RawStr(":")
		at = j.value(k.end)
	}
	j.w.ObjEnd()
	return at
}

// pairs writes an odd map.
func (j *jsonWriter) pairs(h head) int {
	j.w.RawStr(`{"` + tagMap + `":[`)
	at := h.end
	for i := range h.count / 2 {
		if i > 0 {
			j.w.Comma()
		}
		j.w.ArrStart()
		at = j.value(at)
		j.w.Comma()
		at = j.value(at)
		j.w.ArrEnd()
	}
	j.w.RawStr(`]}`)
	return at
}

// appendFloat writes a float so that it is read back as one, and as the same one.
func appendFloat(dst []byte, n float64) []byte {
	switch {
	case math.IsNaN(n):
		return append(dst, `{"`+tagFloat+`":"`+floatNaN+`"}`...)
	case math.IsInf(n, 1):
		return append(dst, `{"`+tagFloat+`":"`+floatInf+`"}`...)
	case math.IsInf(n, -1):
		return append(dst, `{"`+tagFloat+`":"`+floatNegInf+`"}`...)
	}
	w := jx.Writer{Buf: dst}
	w.Float64(n)
	if bytes.ContainsAny(w.Buf[len(dst):], ".e") {
		return w.Buf
	}
	return append(w.Buf, ".0"...)
}
