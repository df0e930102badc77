package sgs

// Object is a payload, read by key. That of a message in msgpack is looked up in the message's document: nothing of it is
// read that is not asked for. A Map is an Object, too. The getters return the zero value for what is absent or of
// another type.
type Object interface {
	// Text returns the text under the key.
	Text(key string) string
	// Bool returns the boolean under the key.
	Bool(key string) bool
	// Int returns the integer under the key, if an int64 holds it.
	Int(key string) int64
	// Uint returns the integer under the key, if it is not negative.
	Uint(key string) uint64
	// Float returns the number under the key, integer or not.
	Float(key string) float64
	// Bytes returns the binary value under the key.
	Bytes(key string) []byte
	// List returns the array under the key.
	List(key string) []any
	// Map returns the object under the key. The getters work on a nil Map.
	Map(key string) Map
	// Value returns what is under the key, whatever it is; see Map for the types.
	Value(key string) any
	// Raw returns what is under the key for an Emit, which hands it on exactly as it was received. It is nil if there is
	// nothing, and good for that call only.
	Raw(key string) any
	// All reads everything.
	All() Map
}

// view is an object in msgpack whose values are where they came.
type view struct {
	doc     string
	entries []entry // in their order
}

// entry is a key, and where its value is.
type entry struct {
	key     string
	at, end int
}

// packed is a value in msgpack.
type packed string

// set makes a view of the map at an offset of the document, and returns where the map ends, or a negative number if it is
// no map or malformed. The entries' memory is used again.
func (v *view) set(doc string, at int) int {
	v.doc, v.entries = doc, v.entries[:0]
	if at >= len(doc) || codecOf(doc[at:]) != codecMsgpack {
		return -1
	}
	size, values := head(doc, at)
	at += size
	if at > len(doc) || values > len(doc)-at {
		return -1
	}
	for n := values / 2; n > 0; n-- {
		keyAt := at
		if at = skipOne(doc, at); at < 0 {
			return -1
		}
		valueAt := at
		if at = skipOne(doc, at); at < 0 {
			return -1
		}
		if key, ok := textAt(doc, keyAt, valueAt); ok {
			v.entries = append(v.entries, entry{key, valueAt, at})
		}
	}
	return at
}

// skipOne is skip, with the short cut for what has a short head and lies well within the document.
func skipOne(doc string, at int) int {
	if at < len(doc) {
		if end := at + int(short[doc[at]]); end > at && end <= len(doc) {
			return end
		}
	}
	return skip(doc, at)
}

// find returns the entry of the key, or nil. Of a key that is there twice the last counts, as in most languages.
func (v *view) find(key string) *entry {
	for i := len(v.entries) - 1; i >= 0; i-- {
		if v.entries[i].key == key {
			return &v.entries[i]
		}
	}
	return nil
}

func (v *view) Text(key string) string {
	e := v.find(key)
	if e == nil {
		return ""
	}
	text, _ := textAt(v.doc, e.at, e.end)
	return text
}

func (v *view) Value(key string) any {
	e := v.find(key)
	if e == nil {
		return nil
	}
	value, err := parseMsgpack(v.doc[e.at:e.end])
	if err != nil {
		return nil // it is nested deeper than the daemon lets any message be
	}
	return value
}

func (v *view) Raw(key string) any {
	if e := v.find(key); e != nil {
		return packed(v.doc[e.at:e.end])
	}
	return nil
}

func (v *view) All() Map {
	m := make(Map, len(v.entries))
	for _, e := range v.entries {
		m[e.key] = v.Value(e.key)
	}
	return m
}

func (v *view) Bool(key string) bool     { return is[bool](v.Value(key)) }
func (v *view) Int(key string) int64     { return is[int64](v.Value(key)) }
func (v *view) Uint(key string) uint64   { return unsigned(v.Value(key)) }
func (v *view) Float(key string) float64 { return number(v.Value(key)) }
func (v *view) Bytes(key string) []byte  { return is[[]byte](v.Value(key)) }
func (v *view) List(key string) []any    { return is[[]any](v.Value(key)) }
func (v *view) Map(key string) Map       { return is[Map](v.Value(key)) }

// is returns v if it is a T, and T's zero value otherwise.
func is[T any](v any) T {
	t, _ := v.(T)
	return t
}

func unsigned(v any) uint64 {
	if n, ok := v.(int64); ok && n > 0 {
		return uint64(n)
	}
	return is[uint64](v)
}

func number(v any) float64 {
	switch n := v.(type) {
	case float64:
		return n
	case int64:
		return float64(n)
	case uint64:
		return float64(n)
	}
	return 0
}
