package envelope

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/tinylib/msgp/msgp"

	"github.com/sgstreamd/sgstreamd/abi"
)

// draft is an emit as far as it has been read.
type draft struct {
	emit abi.Emit
	// seen are the keys so far.
	seen []string
}

// decodeEmit reads an emit's document in msgpack. The emit's payload shares the document's memory. The
// document's own map does not count in abi.MaxDepth, so that any payload that fits a stream fits an emit.
func decodeEmit(doc []byte) (abi.Emit, error) {
	var d draft
	if _, err := readDocument(doc, 0, d.set); err != nil {
		return abi.Emit{}, fmt.Errorf("an emit %w", err)
	}
	switch e := d.emit; {
	case e.Platform != "" && e.Stream != "":
		return abi.Emit{}, errors.New(`an emit names "platform" or "stream", not both`)
	case e.Platform == "" && e.Stream == "":
		return abi.Emit{}, errors.New(`an emit names "platform" or "stream", this one has neither`)
	case e.Payload == nil:
		return abi.Emit{}, errors.New(`an emit has a "payload", this one has none`)
	}
	return d.emit, nil
}

// set takes one field of the document. Its errors begin with "has".
func (d *draft) set(f field) (err error) {
	key := string(f.key)
	if slices.Contains(d.seen, key) {
		return fmt.Errorf("has the key %q twice", brief(key))
	}
	d.seen = append(d.seen, key)
	switch key {
	case keyPlatform:
		d.emit.Platform, err = name(f)
	case docStream:
		d.emit.Stream, err = name(f)
	case docPayload:
		d.emit.Payload = f.value
		if _, err = readDocument(f.value, 1, func(field) error { return nil }); err != nil {
			err = fmt.Errorf("has a payload that %w", err)
		}
	default:
		err = fmt.Errorf("has the unknown key %q; its keys are platform or stream, and payload", brief(key))
	}
	return err
}

// name reads the name of a platform or stream. Nil is as good as absent: it is how some languages write that.
func name(f field) (string, error) {
	if msgp.IsNil(f.value) {
		return "", nil
	}
	s, ok := f.text()
	switch {
	case !ok:
		return "", fmt.Errorf("has a %s that is not UTF-8 text", f.key)
	case s == "":
		return "", fmt.Errorf("has an empty %s", f.key)
	case len(s) > abi.MaxNameBytes:
		return "", fmt.Errorf("has a %s of %d bytes, more than the limit of %d", f.key, len(s), abi.MaxNameBytes)
	case strings.ContainsFunc(s, func(r rune) bool { return unicode.IsControl(r) || unicode.IsSpace(r) }):
		return "", fmt.Errorf("has the %s %q, with a space or control character in it", f.key, s)
	}
	return s, nil
}
