package envelope

import (
	"fmt"
	"unicode/utf8"
)

// field is one entry of a document.
type field struct {
	// key is the key's text.
	key []byte
	// encodedKey and value are the key and the value in msgpack.
	encodedKey, value []byte
}

// text returns the field's value if it is text, and UTF-8 as msgpack demands.
func (f field) text() (string, bool) {
	h, err := readHead(f.value, 0)
	if err != nil || h.kind != kindStr || !utf8.Valid(f.value[h.body:h.end]) {
		return "", false
	}
	return string(f.value[h.body:h.end]), true
}

// readDocument checks that doc is one msgpack map with text keys, well-formed to its end, and calls visit for
// each of its fields, in order. It returns the number of fields. depth is what the map itself counts for in
// abi.MaxDepth. Its errors begin with "is" or "has", to follow the document's name.
func readDocument(doc []byte, depth int, visit func(field) error) (int, error) {
	top, err := readHead(doc, 0)
	if err != nil {
		return 0, err
	}
	if top.kind != kindMap {
		return 0, notMap(doc, top.kind)
	}
	at := top.end
	for range top.count / 2 {
		var f field
		if f, at, err = readField(doc, at, depth); err != nil {
			return 0, err
		}
		if err = visit(f); err != nil {
			return 0, err
		}
	}
	return top.count / 2, atEnd(doc, at)
}

// readField reads the key and the value that begin at doc[at], and says where the value ends.
func readField(doc []byte, at, depth int) (field, int, error) {
	key, err := readHead(doc, at)
	if err != nil {
		return field{}, 0, err
	}
	if key.kind != kindStr {
		return field{}, 0, fmt.Errorf("has a key that is not text but %v, at byte %d", key.kind, at)
	}
	end, err := skip(doc, key.end, depth)
	if err != nil {
		return field{}, 0, err
	}
	return field{doc[key.body:key.end], doc[at:key.end], doc[key.end:end]}, end, nil
}

// notMap says what doc is instead of a map. Text that was never msgpack tends to read as an integer with
// something behind it, which is why the rest is checked.
func notMap(doc []byte, k kind) error {
	end, err := skip(doc, 0, 0)
	if err == nil {
		err = atEnd(doc, end)
	}
	if err != nil {
		return err
	}
	return fmt.Errorf("is not a map but %v", k)
}

func atEnd(doc []byte, at int) error {
	if at < len(doc) {
		return fmt.Errorf("is not msgpack: more follows the value that ends at byte %d", at)
	}
	return nil
}
