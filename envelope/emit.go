package envelope

import (
	"bytes"
	"errors"
	"fmt"
	"unicode"
	"unsafe"

	"github.com/tinylib/msgp/msgp"

	"github.com/sgstreamd/sgstreamd/abi"
)

// draft is an emit as far as it has been read. Its names and its payload share the document's memory; nil is absent.
type draft struct {
	platform, stream, payload []byte
	// seen are the keys so far, a bit for each of the three.
	seen uint8
}

// decodeEmit reads an emit's document in msgpack, and keeps nothing of it. The document's own map does not count in
// abi.MaxDepth, so that any payload that fits a stream fits an emit.
func decodeEmit(doc []byte) (abi.Emit, error) {
	var r draft
	if err := r.read(doc); err != nil {
		return abi.Emit{}, fmt.Errorf("an emit %w", err)
	}
	switch {
	case r.platform != nil && r.stream != nil:
		return abi.Emit{}, errors.New(`an emit names "platform" or "stream", not both`)
	case r.platform == nil && r.stream == nil:
		return abi.Emit{}, errors.New(`an emit names "platform" or "stream", this one has neither`)
	case r.payload == nil:
		return abi.Emit{}, errors.New(`an emit has a "payload", this one has none`)
	}
	return r.emit(), nil
}

// emit copies what was read, into one piece of memory.
func (r *draft) emit() abi.Emit {
	n := len(r.payload)
	own := append(make([]byte, 0, n+len(r.platform)+len(r.stream)), r.payload...)
	own = append(append(own, r.platform...), r.stream...)
	// The bytes as a string without a copy: nothing writes to them, and to the payload only up to its end.
	name := unsafe.String(unsafe.SliceData(own[n:]), len(own)-n)
	if r.platform != nil {
		return abi.Emit{Platform: name, Payload: own[:n:n]}
	}
	return abi.Emit{Stream: name, Payload: own[:n:n]}
}

func (r *draft) read(doc []byte) error {
	d := openDocument(doc, 0)
	for d.nextKey() {
		// A payload that is as it has to be is walked over once. What is wrong with another one is said below.
		isChecked := string(d.key()) == docPayload && d.passMap()
		if !isChecked && !d.passValue() {
			break
		}
		if err := r.set(&d.field, isChecked); err != nil {
			return err
		}
	}
	return d.end()
}

// passMap is passValue for a map with text keys only. Where it returns false, it has done nothing.
func (d *document) passMap() bool {
	inner := openAt(d.in, d.at, d.depth+1)
	for inner.next() { // to its end
	}
	if inner.err != nil {
		return false
	}
	d.after = inner.after
	return true
}

// set takes one field of the document. Its errors begin with "has".
func (r *draft) set(f *field, isChecked bool) (err error) {
	switch string(f.key()) {
	case keyPlatform:
		if err = r.once(f, 1); err == nil {
			r.platform, err = name(f)
		}
	case docStream:
		if err = r.once(f, 2); err == nil {
			r.stream, err = name(f)
		}
	case docPayload:
		if err = r.once(f, 4); err == nil {
			r.payload, err = payload(f, isChecked)
		}
	default:
		err = fmt.Errorf("has the unknown key %q; its keys are platform or stream, and payload", brief(string(f.key())))
	}
	return err
}

// once refuses the key that has the bit where it was there before.
func (r *draft) once(f *field, bit uint8) error {
	if r.seen&bit != 0 {
		return fmt.Errorf("has the key %q twice", f.key())
	}
	r.seen |= bit
	return nil
}

func payload(f *field, isChecked bool) ([]byte, error) {
	if !isChecked {
		if err := checkDocument(f.value(), 1); err != nil {
			return nil, fmt.Errorf("has a payload that %w", err)
		}
	}
	return f.value(), nil
}

// name reads the name of a platform or stream. Nil is as good as absent: it is how some languages write that.
func name(f *field) ([]byte, error) {
	if msgp.IsNil(f.value()) {
		return nil, nil
	}
	s, ok := f.text()
	switch {
	case !ok:
		return nil, fmt.Errorf("has a %s that is not UTF-8 text", f.key())
	case len(s) == 0:
		return nil, fmt.Errorf("has an empty %s", f.key())
	case len(s) > abi.MaxNameBytes:
		return nil, fmt.Errorf("has a %s of %d bytes, more than the limit of %d", f.key(), len(s), abi.MaxNameBytes)
	case bytes.ContainsFunc(s, func(r rune) bool { return unicode.IsControl(r) || unicode.IsSpace(r) }):
		return nil, fmt.Errorf("has the %s %q, with a space or control character in it", f.key(), s)
	}
	return s, nil
}
