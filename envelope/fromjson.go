package envelope

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/go-faster/jx"
	"github.com/tinylib/msgp/msgp"

	"github.com/sgstreamd/sgstreamd/abi"
)

// FromJSON writes a JSON object as a payload. Numbers without point and exponent become integers, all others
// 64-bit floats; the tagged objects of ToJSON become what they stand for. Duplicate keys, integers beyond 64
// bits and anything behind the object are errors.
func FromJSON(doc []byte) (payload []byte, err error) {
	if payload, err = appendMsgpack(nil, doc, 0); err != nil {
		return nil, fmt.Errorf("document %w", err)
	}
	if err = checkDocument(payload, 1); err != nil {
		return nil, fmt.Errorf("document %w", err)
	}
	return payload, nil
}

// appendMsgpack appends the one JSON value in doc to dst as msgpack. free is how many containers around
// the value count for nothing in abi.MaxDepth. Its errors begin with "is" or "has".
func appendMsgpack(dst, doc []byte, free int) ([]byte, error) {
	counts, err := measure(doc)
	if err != nil {
		return nil, err
	}
	if dst == nil {
		dst = make([]byte, 0, len(doc))
	}
	r := jsonReader{d: jx.DecodeBytes(doc), counts: counts, dst: dst, depth: -free}
	if err := r.value(); err != nil {
		return nil, err
	}
	// Skip alone would say EOF of a value that is cut, too.
	if r.d.Next() != jx.Invalid || !errors.Is(r.d.Skip(), io.EOF) {
		return nil, errors.New("is not JSON: more follows the value")
	}
	return r.dst, nil
}

// jsonReader reads JSON and appends it to dst as msgpack.
type jsonReader struct {
	d *jx.Decoder
	// counts are the members of the containers that are still to come.
	counts []int
	dst    []byte
	depth  int
	// keys are those of the objects that the reader is in, the innermost's last.
	keys [][]byte
}

func notJSON(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("is not JSON: it ends too early")
	}
	return fmt.Errorf("is not JSON: %w", err)
}

func (r *jsonReader) value() error {
	switch r.d.Next() {
	case jx.Null:
		r.dst = msgp.AppendNil(r.dst)
		return r.checked(r.d.Null())
	case jx.Bool:
		b, err := r.d.Bool()
		r.dst = msgp.AppendBool(r.dst, b)
		return r.checked(err)
	case jx.String:
		s, err := r.d.StrBytes()
		r.dst = msgp.AppendStringFromBytes(r.dst, s)
		return r.checked(err)
	case jx.Number:
		return r.number()
	case jx.Array:
		return r.array()
	case jx.Object:
		return r.object()
	}
	return r.checked(r.d.Skip())
}

func (r *jsonReader) checked(err error) error {
	if err != nil {
		return notJSON(err)
	}
	return nil
}

func (r *jsonReader) number() error {
	raw, err := r.d.Raw()
	if err != nil {
		return notJSON(err)
	}
	text := string(raw)
	if bytes.ContainsAny(raw, ".eE") {
		n, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return fmt.Errorf("has the number %s, which does not fit a 64-bit float", brief(text))
		}
		r.dst = msgp.AppendFloat64(r.dst, n)
		return nil
	}
	if raw[0] == '-' {
		n, err := strconv.ParseInt(text, 10, 64)
		if err == nil {
			r.dst = msgp.AppendInt64(r.dst, n)
			return nil
		}
	} else if n, err := strconv.ParseUint(text, 10, 64); err == nil {
		// AppendInt64 would write 200 in three bytes.
		r.dst = msgp.AppendUint64(r.dst, n)
		return nil
	}
	return fmt.Errorf("has the integer %s, which does not fit 64 bits; write it as text, or with a point as a float", brief(text))
}

// brief shortens what a guest wrote to what an error has room for.
func brief(s string) string {
	if len(s) > 40 {
		return s[:40] + "…"
	}
	return s
}

// count takes the size of the next container from counts.
func (r *jsonReader) count() int {
	if len(r.counts) == 0 {
		return 0
	}
	n := r.counts[0]
	r.counts = r.counts[1:]
	return n
}

// descend counts one more container around what is read next.
func (r *jsonReader) descend() error {
	if r.depth == abi.MaxDepth {
		return fmt.Errorf("is nested deeper than %d", abi.MaxDepth)
	}
	r.depth++
	return nil
}

func (r *jsonReader) array() error {
	n := r.count()
	if err := r.descend(); err != nil {
		return err
	}
	r.dst = msgp.AppendArrayHeader(r.dst, uint32(n))
	err := r.elements(n, r.value)
	r.depth--
	return err
}

// elements reads an array of n elements.
func (r *jsonReader) elements(n int, element func() error) error {
	it, err := r.d.ArrIter()
	if err != nil {
		return notJSON(err)
	}
	for ; it.Next(); n-- {
		if err := element(); err != nil {
			return err
		}
	}
	return r.ended(it.Err(), n)
}

// ended holds the number of members that were counted against what was there. They differ in malformed
// documents only.
func (r *jsonReader) ended(err error, left int) error {
	if err == nil && left != 0 {
		err = errors.New("a bracket or comma is out of place")
	}
	return r.checked(err)
}

func (r *jsonReader) object() error {
	n := r.count()
	it, err := r.d.ObjIter()
	if err != nil {
		return notJSON(err)
	}
	if n == 1 {
		return r.lone(&it)
	}
	if err := r.descend(); err != nil {
		return err
	}
	r.dst = msgp.AppendMapHeader(r.dst, uint32(n))
	outer := len(r.keys)
	for ; it.Next(); n-- {
		r.keys = append(r.keys, it.Key())
		if err := r.member(it.Key()); err != nil {
			return err
		}
	}
	if key := repeated(r.keys[outer:]); key != nil {
		return fmt.Errorf("has the key %q twice in one object", brief(string(key)))
	}
	r.keys = r.keys[:outer]
	r.depth--
	return r.ended(it.Err(), n)
}

func (r *jsonReader) member(key []byte) error {
	r.dst = msgp.AppendStringFromBytes(r.dst, key)
	return r.value()
}

// lone reads an object of one member, which may be a tag.
func (r *jsonReader) lone(it *jx.ObjIter) error {
	if !it.Next() {
		return r.ended(it.Err(), 1)
	}
	left := 0
	if err := r.tagOrMember(it.Key()); err != nil {
		return err
	}
	if it.Next() {
		left--
	}
	return r.ended(it.Err(), left)
}

func (r *jsonReader) tagOrMember(key []byte) error {
	if read := r.tag(key); read != nil {
		return read()
	}
	if bytes.HasPrefix(key, []byte("$$")) {
		key = key[1:]
	}
	if err := r.descend(); err != nil {
		return err
	}
	r.dst = msgp.AppendMapHeader(r.dst, 1)
	err := r.member(key)
	r.depth--
	return err
}
