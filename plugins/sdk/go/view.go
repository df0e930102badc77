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

// entry says where a key and its value are. It holds no pointer, so that the garbage collector has nothing to do with it.
type entry struct {
	sum            int32 // of the key
	key, at, after int32 // offsets: of the key's text, of the value, and behind it
}

// sum is a number that few keys of a payload share: the length, and the last byte.
func sum(key string) int32 {
	if key == "" {
		return emptySum
	}
	return int32(len(key))<<8 | int32(key[len(key)-1])
}

// emptySum is the sum of the empty key, whose last byte is taken to be that of the head before it.
const emptySum = 0xa0

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
	if cap(v.entries) < values/2 {
		v.entries = make([]entry, 0, values/2)
	}
	entries, used := v.entries[:values/2], 0
	for range entries {
		key := at
		if at >= len(doc) {
			return -1
		}
		value := key + int(short[doc[key]]) // skipOne without its call
		if value == key {
			value = skip(doc, key)
		}
		if uint(value) >= uint(len(doc)) {
			return -1
		}
		if at = value + int(short[doc[value]]); at == value {
			if at = skip(doc, value); at < 0 {
				return -1
			}
		}
		if c := doc[key]; c&0xe0 != 0xa0 {
			used += longKey(&entries[used], doc, key, value, at)
			continue
		}
		entries[used] = entry{int32(doc[key]&0x1f)<<8 | int32(doc[value-1]), int32(key + 1), int32(value), int32(at)}
		used++
	}
	if at > len(doc) {
		return -1
	}
	v.entries = entries[:used]
	return at
}

// longKey makes the entry of a key that is longer than most, and returns 1; or 0 if it is no text, which is in no message.
func longKey(e *entry, doc string, key, value, after int) int {
	text, ok := textAt(doc, key, value)
	if !ok {
		return 0
	}
	*e = entry{sum(text), int32(value - len(text)), int32(value), int32(after)}
	return 1
}

// find returns the entry of the key, or nil. Of a key that is there twice the last counts, as in most languages.
func (v *view) find(key string) *entry {
	want, i := sum(key), len(v.entries)-1
	for {
		for i >= 0 && v.entries[i].sum != want {
			i--
		}
		if i < 0 {
			return nil
		}
		if e := &v.entries[i]; v.keyOf(e) == key {
			return e
		}
		i--
	}
}

func (v *view) keyOf(e *entry) string { return v.doc[e.key : e.key+e.sum>>8] }

func (v *view) Text(key string) string {
	e := v.find(key)
	if e == nil {
		return ""
	}
	text, _ := textAt(v.doc, int(e.at), int(e.after))
	return text
}

func (v *view) Value(key string) any {
	if e := v.find(key); e != nil {
		return v.at(e)
	}
	return nil
}

// at reads the value of an entry.
func (v *view) at(e *entry) any {
	value, err := parseMsgpack(v.doc[e.at:e.after])
	if err != nil {
		return nil // it is nested deeper than the daemon lets any message be
	}
	return value
}

func (v *view) Raw(key string) any {
	if e := v.find(key); e != nil {
		return packed(v.doc[e.at:e.after])
	}
	return nil
}

func (v *view) All() Map {
	m := make(Map, len(v.entries))
	for i := range v.entries {
		m[v.keyOf(&v.entries[i])] = v.at(&v.entries[i])
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
