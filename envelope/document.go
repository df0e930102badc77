package envelope

import (
	"fmt"
	"unicode/utf8"
)

// document walks over the fields of one msgpack map with text keys, in order, and checks it on the way:
//
//	d := openDocument(doc, depth)
//	for d.next() {
//		// the field is d.field
//	}
//	err := d.end()
//
// Its errors begin with "is" or "has", to follow the document's name.
type document struct {
	field
	// depth is what the map itself counts for in abi.MaxDepth.
	depth int
	// count is the number of fields, and left of those that are still to come.
	count, left int
	err         error
}

// field is one entry of a document.
type field struct {
	// in is the document.
	in []byte
	// start is where the key begins in msgpack, from where its text does, at where the value begins, and after where that ends.
	start, from, at, after int
}

// openDocument begins the walk over doc.
func openDocument(doc []byte, depth int) document { return openAt(doc, 0, depth) }

// openAt begins the walk over the map that begins at doc[at], and that something may follow.
func openAt(doc []byte, at, depth int) document {
	d := document{field: field{in: doc}, depth: depth}
	var top head
	if top, d.err = readHead(doc, at); d.err != nil {
		return d
	}
	if top.kind != kindMap {
		d.err = notMap(doc[at:], top.kind)
		return d
	}
	d.after, d.count, d.left = top.end, top.count/2, top.count/2
	return d
}

// next reads the next field. It returns false behind the last one, and at what is malformed.
func (d *document) next() bool { return d.nextKey() && d.passValue() }

// nextKey reads the next field's key; passValue is to be called for its value.
func (d *document) nextKey() bool {
	if d.err != nil || d.left == 0 {
		return false
	}
	d.left--
	d.start = d.after
	if end := scalarEnd(d.in, d.start); end > 0 && isShortText(d.in[d.start]) {
		d.from, d.at = d.start+1, end
		return true
	}
	return d.anyKey()
}

// anyKey is nextKey for the keys that are not of the common kind.
func (d *document) anyKey() bool {
	key, err := readHead(d.in, d.start)
	if err == nil && key.kind != kindStr {
		err = fmt.Errorf("has a key that is not text but %v, at byte %d", key.kind, d.start)
	}
	d.from, d.at, d.err = key.body, key.end, err
	return err == nil
}

// passValue finds the end of the value, having checked everything inside of it.
func (d *document) passValue() bool {
	if d.after = scalarEnd(d.in, d.at); d.after == 0 {
		d.after, d.err = skip(d.in, d.at, d.depth)
	}
	return d.err == nil
}

// end says what is wrong with the document, once next has returned false.
func (d *document) end() error {
	if d.err == nil {
		d.err = atEnd(d.in, d.after)
	}
	return d.err
}

// checkDocument checks a document to its end.
func checkDocument(doc []byte, depth int) error {
	d := openDocument(doc, depth)
	for d.next() { // to its end
	}
	return d.end()
}

// key is the text of the field's key.
func (f *field) key() []byte { return f.in[f.from:f.at] }

// value is the field's value in msgpack.
func (f *field) value() []byte { return f.in[f.at:f.after] }

// text returns the field's value if it is text, and UTF-8 as msgpack demands.
func (f *field) text() (text []byte, ok bool) {
	h, err := readHead(f.in, f.at)
	if err != nil || h.kind != kindStr || !utf8.Valid(f.in[h.body:h.end]) {
		return nil, false
	}
	return f.in[h.body:h.end], true
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
