package sgs

import (
	"encoding/binary"
	"errors"
	"math"
	"strconv"

	"github.com/sgstreamd/sgstreamd/abi"
)

// Each taken branch of a module costs a look at the call's deadline, some 30 ns, and a Go function call at least one. So
// what runs for every key of every message is written with few of both: a table in place of a switch, and no
// function where one look at the table is enough.

// short is the length in bytes of a msgpack value that begins with the byte, or 0 where the byte alone does not tell.
var short = func() (t [256]uint8) {
	for c := range t {
		switch {
		case c <= 0x80, c == 0x90, c >= 0xe0, c == 0xc0, c == 0xc2, c == 0xc3:
			t[c] = 1
		case c >= 0xa0 && c < 0xc0:
			t[c] = uint8(1 + c - 0xa0)
		case c == 0xca, c == 0xcb:
			t[c] = uint8(1 + 4<<(c-0xca))
		case c >= 0xcc && c <= 0xd3:
			t[c] = uint8(1 + 1<<((c-0xcc)&3))
		case c >= 0xd4 && c <= 0xd8:
			t[c] = uint8(2 + 1<<(c-0xd4))
		}
	}
	return t
}()

// skipOne returns where the value at an offset ends, a container with all that is in it, or a negative number if it is
// malformed or not all there.
func skipOne(doc string, at int) int {
	if uint(at) < uint(len(doc)) {
		if end := at + int(short[doc[at]]); end > at && end <= len(doc) {
			return end
		}
	}
	return skip(doc, at)
}

// skip is skipOne without the short cut.
func skip(doc string, at int) int {
	for left := 1; left > 0; left-- {
		if at >= len(doc) {
			return -1
		}
		if c := doc[at]; short[c] > 0 {
			at += int(short[c])
			continue
		}
		size, values := head(doc, at)
		if size < 0 {
			return -1
		}
		at += size
		left += values
	}
	if at > len(doc) {
		return -1
	}
	return at
}

// head returns the length of the value at an offset, without what is in it if it is a container, and how many
// values, keys among them, that is. The length is negative if it is no value, and may be beyond the document's end.
func head(doc string, at int) (size, values int) {
	c := doc[at]
	if c == 0xd9 && at+1 < len(doc) {
		return 2 + int(doc[at+1]), 0 // texts of up to 255 bytes are most of what has no short head
	}
	switch {
	case short[c] > 0:
		return int(short[c]), 0
	case c < 0x90:
		return 1, 2 * int(c&0x0f)
	case c < 0xa0:
		return 1, int(c & 0x0f)
	case c >= 0xc4 && c <= 0xc6:
		n, width := length(doc, at, c-0xc4)
		return 1 + width + n, 0
	case c >= 0xc7 && c <= 0xc9:
		n, width := length(doc, at, c-0xc7)
		return 2 + width + n, 0
	case c >= 0xd9 && c <= 0xdb:
		n, width := length(doc, at, c-0xd9)
		return 1 + width + n, 0
	case c == 0xdc, c == 0xdd:
		n, width := length(doc, at, c-0xdc+1)
		return 1 + width, n
	case c == 0xde, c == 0xdf:
		n, width := length(doc, at, c-0xde+1)
		return 1 + width, 2 * n
	}
	return -1, 0
}

// length reads the length of 1<<power bytes behind a first byte. Of one that is not all there it makes more than any
// document has.
func length(doc string, at int, power byte) (n, width int) {
	width = 1 << power
	if len(doc)-at-1 < width {
		return math.MaxInt32, width
	}
	for _, b := range []byte(doc[at+1 : at+1+width]) {
		n = n<<8 | int(b)
	}
	return n, width
}

// textAt returns the text that is the value between two offsets, or "" and false if that is none.
func textAt(doc string, at, end int) (string, bool) {
	c := doc[at]
	if c&0xe0 == 0xa0 {
		return doc[at+1 : end], true
	}
	if c < 0xd9 || c > 0xdb {
		return "", false
	}
	return doc[at+1+1<<(c-0xd9) : end], true
}

// integerAt returns the integer between two offsets, or 0 if that is none or no int64 holds it.
func integerAt(doc string, at, end int) int64 {
	if c := doc[at]; c < 0x80 {
		return int64(c)
	} else if c < 0xcc || c > 0xd3 && c < 0xe0 {
		return 0
	}
	n, _ := scalar(doc[at], doc[at+1:end]).(int64)
	return n
}

// floatAt returns the float of 64 bits between two offsets, or 0 if that is none.
func floatAt(doc string, at, end int) float64 {
	if doc[at] != 0xcb {
		return 0
	}
	return math.Float64frombits(bigEndian(doc[at+1 : end]))
}

// bigEndian reads a number of eight bytes.
func bigEndian(b string) uint64 {
	_ = b[7]
	return uint64(b[7]) | uint64(b[6])<<8 | uint64(b[5])<<16 | uint64(b[4])<<24 |
		uint64(b[3])<<32 | uint64(b[2])<<40 | uint64(b[1])<<48 | uint64(b[0])<<56
}

// unpacker reads msgpack into the values that Map lists.
type unpacker struct {
	doc       string
	at, depth int
}

// parseMsgpack reads the one value that a document holds. Its texts are parts of the document.
func parseMsgpack(doc string) (any, error) {
	u := unpacker{doc: doc}
	v, err := u.value()
	if err == nil && u.at < len(doc) {
		return nil, u.fail("more follows the value")
	}
	return v, err
}

func (u *unpacker) fail(why string) error {
	return errors.New("not msgpack: " + why + " at byte " + strconv.Itoa(u.at))
}

// value reads the next value.
func (u *unpacker) value() (any, error) {
	if u.at >= len(u.doc) {
		return nil, u.fail("no value")
	}
	c := u.doc[u.at]
	size, values := head(u.doc, u.at)
	if size < 0 || size > len(u.doc)-u.at || values > len(u.doc)-u.at {
		return nil, u.fail("a value that is cut or malformed")
	}
	start := u.at
	switch {
	case c&0xf0 == 0x80, c == 0xde, c == 0xdf:
		u.at += size
		return u.object(values / 2)
	case c&0xf0 == 0x90, c == 0xdc, c == 0xdd:
		u.at += size
		return u.array(values)
	}
	u.at += size
	body := u.doc[start+1 : u.at]
	if text, ok := textAt(u.doc, start, u.at); ok {
		return text, nil
	}
	switch {
	case c >= 0xc4 && c <= 0xc6:
		return []byte(body[1<<(c-0xc4):]), nil
	case c >= 0xc7 && c <= 0xc9:
		body = body[1<<(c-0xc7):]
		return Ext{int8(body[0]), []byte(body[1:])}, nil
	case c >= 0xd4 && c <= 0xd8:
		return Ext{int8(body[0]), []byte(body[1:])}, nil
	}
	return scalar(c, body), nil
}

// scalar reads what has a fixed size: nil, a boolean or a number.
func scalar(c byte, body string) any {
	var b [8]byte
	copy(b[8-len(body):], body)
	n := binary.BigEndian.Uint64(b[:])
	switch c {
	case 0xc0:
		return nil
	case 0xc2, 0xc3:
		return c == 0xc3
	case 0xca:
		return float64(math.Float32frombits(uint32(n)))
	case 0xcb:
		return math.Float64frombits(n)
	case 0xcc, 0xcd, 0xce:
		return int64(n)
	case 0xcf:
		if n > math.MaxInt64 {
			return n
		}
		return int64(n)
	case 0xd0:
		return int64(int8(n))
	case 0xd1:
		return int64(int16(n))
	case 0xd2:
		return int64(int32(n))
	case 0xd3:
		return int64(n)
	}
	return int64(int8(c))
}

func (u *unpacker) enter() error {
	if u.depth > abi.MaxDepth {
		return u.fail("too deep a nesting")
	}
	u.depth++
	return nil
}

func (u *unpacker) array(n int) (any, error) {
	if err := u.enter(); err != nil {
		return nil, err
	}
	list := make([]any, 0, n)
	for range n {
		v, err := u.value()
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	u.depth--
	return list, nil
}

// object makes a Map of what one can hold, and Pairs of the rest.
func (u *unpacker) object(n int) (any, error) {
	if err := u.enter(); err != nil {
		return nil, err
	}
	all := make(Pairs, 0, n)
	for range n {
		key, err := u.value()
		if err != nil {
			return nil, err
		}
		v, err := u.value()
		if err != nil {
			return nil, err
		}
		all = append(all, Pair{key, v})
	}
	u.depth--
	return all.fold(), nil
}

// fold makes a Map of pairs that one can hold, and leaves others as they are.
func (all Pairs) fold() any {
	m := make(Map, len(all))
	for _, pair := range all {
		if key, ok := pair.Key.(string); ok {
			m[key] = pair.Value
		}
	}
	if len(m) == len(all) {
		return m
	}
	return all
}
