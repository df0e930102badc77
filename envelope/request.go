package envelope

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tinylib/msgp/msgp"

	"github.com/sgstreamd/sgstreamd/abi"
)

// DecodeRequest implements abi.Codec.
func (JSON) DecodeRequest(doc []byte) (abi.Request, error) {
	encoded, err := appendMsgpack(nil, doc, 1)
	if err != nil {
		return abi.Request{}, fmt.Errorf("a request %w", err)
	}
	return decodeRequest(encoded)
}

// DecodeRequest implements abi.Codec.
func (Msgpack) DecodeRequest(doc []byte) (abi.Request, error) {
	r, err := decodeRequest(doc)
	r.Body = slices.Clone(r.Body)
	return r, err
}

// decodeRequest reads a request's document in msgpack. The request's body shares the document's memory.
func decodeRequest(doc []byte) (abi.Request, error) {
	var r requestDraft
	if err := r.read(doc); err != nil {
		return abi.Request{}, fmt.Errorf("a request %w", err)
	}
	if r.request.URL == "" {
		return abi.Request{}, errors.New(`a request has a "url", this one has none`)
	}
	return r.request, nil
}

// requestDraft is a request as far as it has been read.
type requestDraft struct {
	request abi.Request
	// seen are the keys so far.
	seen []string
}

func (d *requestDraft) read(doc []byte) error {
	w := openDocument(doc, 0)
	for w.next() {
		if err := d.set(&w.field); err != nil {
			return err
		}
	}
	return w.end()
}

// set takes one field of the document. Its errors begin with "has". Nil is as good as absent.
func (d *requestDraft) set(f *field) (err error) {
	key := string(f.key())
	if slices.Contains(d.seen, key) {
		return fmt.Errorf("has the key %q twice", brief(key))
	}
	d.seen = append(d.seen, key)
	isNil := msgp.IsNil(f.value())
	switch key {
	case "method", "url", "headers", "body", "timeout_ms", "secrets":
		if isNil {
			return nil
		}
	default:
		return fmt.Errorf("has the unknown key %q; its keys are method, url, headers, body, timeout_ms and secrets", brief(key))
	}
	r := &d.request
	switch key {
	case "method":
		r.Method, err = f.wantText()
	case "url":
		r.URL, err = f.wantText()
	case "headers":
		r.Headers, err = readHeaders(f.value())
	case "body":
		r.Body, err = readBody(f.value())
	case "timeout_ms":
		r.Timeout, err = readMilliseconds(f.value())
	case "secrets":
		r.Secrets, err = f.wantTexts()
	}
	return err
}

func (f *field) wantText() (string, error) {
	s, ok := f.text()
	if !ok {
		return "", fmt.Errorf("has a %s that is not UTF-8 text", brief(string(f.key())))
	}
	return string(s), nil
}

// maxTexts bounds the header fields of a request, and its secrets. An empty text takes one byte of the document, and
// many of ours.
const maxTexts = 10_000

// wantTexts reads an array of text.
func (f *field) wantTexts() ([]string, error) {
	array, err := readHead(f.in, f.at)
	if err != nil {
		return nil, err
	}
	wrong := fmt.Errorf("has a %s that is not an array of UTF-8 text", brief(string(f.key())))
	if array.kind != kindArray {
		return nil, wrong
	}
	if array.count > maxTexts {
		return nil, fmt.Errorf("has a %s of %d texts; %d are allowed", brief(string(f.key())), array.count, maxTexts)
	}
	var texts []string
	for at := array.end; len(texts) < array.count; {
		element := field{in: f.in, at: at}
		if element.after, err = skip(f.in, at, 1); err != nil {
			return nil, err
		}
		text, ok := element.text()
		if !ok {
			return nil, wrong
		}
		texts, at = append(texts, string(text)), element.after
	}
	return texts, nil
}

// readHeaders reads a map of names to values; a value is text, or an array of texts for a field that is there more
// than once.
func readHeaders(doc []byte) ([]abi.Header, error) {
	var all []abi.Header
	d := openDocument(doc, 1)
	for d.next() {
		values, err := d.headerValues(len(all))
		if err != nil {
			return nil, fmt.Errorf("has headers: %w", err)
		}
		for _, value := range values {
			all = append(all, abi.Header{Name: string(d.key()), Value: value})
		}
	}
	if err := d.end(); err != nil {
		return nil, fmt.Errorf("has headers: %w", err)
	}
	return all, nil
}

// headerValues reads the text or the texts of a header field, before which there are so many.
func (f *field) headerValues(before int) ([]string, error) {
	if before >= maxTexts {
		return nil, fmt.Errorf("has more than %d", maxTexts)
	}
	if value, ok := f.text(); ok {
		return []string{string(value)}, nil
	}
	return f.wantTexts()
}

func readBody(value []byte) ([]byte, error) {
	h, err := readHead(value, 0)
	if err != nil {
		return nil, err
	}
	if h.kind != kindStr && h.kind != kindBin {
		return nil, fmt.Errorf("has a body that is neither text nor binary but %v", h.kind)
	}
	return value[h.body:h.end], nil
}

// longestTimeout is more than any operator grants, and far from overflowing.
const longestTimeout = 30 * 24 * time.Hour

func readMilliseconds(value []byte) (time.Duration, error) {
	n, _, err := msgp.ReadInt64Bytes(value)
	if err != nil || n < 0 {
		return 0, errors.New("has a timeout_ms that is not a whole number, 0 or more")
	}
	return time.Duration(min(n, longestTimeout.Milliseconds())) * time.Millisecond, nil
}
