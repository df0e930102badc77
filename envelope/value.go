package envelope

import (
	"encoding/binary"
	"fmt"

	"github.com/sgstreamd/sgstreamd/abi"
)

// maxLength bounds a length or count, far above what Redis holds in one value, so that sums with it fit an
// int on every platform.
const maxLength = 1 << 29

// kind is what a msgpack value is, whichever of its encodings was used.
type kind uint8

const (
	kindNil kind = iota
	kindBool
	kindInt
	kindFloat
	kindStr
	kindBin
	kindExt
	kindArray
	kindMap
)

// String returns the kind as an error text names it.
func (k kind) String() string {
	return [...]string{"nil", "a boolean", "an integer", "a float", "text", "binary", "an extension", "an array", "a map"}[k]
}

// head says where a value lies in its buffer.
type head struct {
	kind kind
	// body and end enclose what follows the type byte and the length. The body of an extension begins with
	// its type. Arrays and maps have an empty one: their values come after end.
	body, end int
	// count is the number of values in an array, or of keys and values together in a map.
	count int
}

// readHead reads the head of the value that begins at b[at] (https://github.com/msgpack/msgpack/blob/master/spec.md).
// It promises that end lies within b, and that b has a byte for each of count.
func readHead(b []byte, at int) (head, error) {
	if at >= len(b) {
		return head{}, fmt.Errorf("is not msgpack: a value is missing at byte %d", at)
	}
	switch c := b[at]; {
	case c < 0x80 || c >= 0xe0:
		return head{kind: kindInt, body: at, end: at + 1}, nil
	case c < 0x90:
		return bounded(b, at, head{kind: kindMap, body: at + 1, end: at + 1, count: 2 * int(c&0x0f)})
	case c < 0xa0:
		return bounded(b, at, head{kind: kindArray, body: at + 1, end: at + 1, count: int(c & 0x0f)})
	case c < 0xc0:
		return bounded(b, at, head{kind: kindStr, body: at + 1, end: at + 1 + int(c&0x1f)})
	default:
		return readLongHead(b, at, c)
	}
}

// readLongHead is readHead for the type bytes 0xc0 to 0xdf.
func readLongHead(b []byte, at int, c byte) (head, error) {
	switch {
	case c == 0xc0:
		return fixed(b, at, kindNil, 0)
	case c == 0xc1:
		return head{}, fmt.Errorf("is not msgpack: 0xc1 begins no value, at byte %d", at)
	case c <= 0xc3:
		return fixed(b, at, kindBool, 0)
	case c <= 0xc6:
		return sized(b, at, kindBin, 1<<(c-0xc4), 0)
	case c <= 0xc9:
		return sized(b, at, kindExt, 1<<(c-0xc7), 1)
	case c <= 0xcb:
		return fixed(b, at, kindFloat, 4<<(c-0xca))
	case c <= 0xcf:
		return fixed(b, at, kindInt, 1<<(c-0xcc))
	case c <= 0xd3:
		return fixed(b, at, kindInt, 1<<(c-0xd0))
	case c <= 0xd8:
		return fixed(b, at, kindExt, 1+1<<(c-0xd4))
	case c <= 0xdb:
		return sized(b, at, kindStr, 1<<(c-0xd9), 0)
	case c <= 0xdd:
		return counted(b, at, kindArray, 2<<(c-0xdc), 1)
	default:
		return counted(b, at, kindMap, 2<<(c-0xde), 2)
	}
}

// fixed is a value whose type byte says its size.
func fixed(b []byte, at int, k kind, size int) (head, error) {
	return bounded(b, at, head{kind: k, body: at + 1, end: at + 1 + size})
}

// sized is a value whose length, in width bytes, follows its type byte; extra bytes are not in the length.
func sized(b []byte, at int, k kind, width, extra int) (head, error) {
	n, err := length(b, at, width)
	body := at + 1 + width
	if err != nil || n > len(b)-body-extra {
		return head{}, cut(k, at)
	}
	return head{kind: k, body: body, end: body + extra + n}, nil
}

// counted is a container whose count, in width bytes, follows its type byte; per is how many values it counts as one.
func counted(b []byte, at int, k kind, width, per int) (head, error) {
	n, err := length(b, at, width)
	if err != nil {
		return head{}, cut(k, at)
	}
	body := at + 1 + width
	return bounded(b, at, head{kind: k, body: body, end: body, count: per * n})
}

// bounded refuses a value that b is too short for. A container needs at least a byte for each of its values.
func bounded(b []byte, at int, h head) (head, error) {
	if h.end > len(b) || h.count > len(b)-h.end {
		return head{}, cut(h.kind, at)
	}
	return h, nil
}

func cut(k kind, at int) error {
	return fmt.Errorf("is not msgpack: it ends within %v that begins at byte %d", k, at)
}

// length reads the big-endian number of width bytes behind the type byte. The caller's error tells more than its own.
func length(b []byte, at, width int) (int, error) {
	if len(b)-at-1 < width {
		return 0, fmt.Errorf("is not msgpack: a length is missing at byte %d", at)
	}
	switch tail := b[at+1:]; width {
	case 1:
		return int(tail[0]), nil
	case 2:
		return int(binary.BigEndian.Uint16(tail)), nil
	}
	n := binary.BigEndian.Uint32(b[at+1:])
	if n > maxLength {
		return 0, fmt.Errorf("is not msgpack: a length is %d at byte %d", n, at)
	}
	return int(n), nil
}

// isShortText tells whether a type byte is one of text that has its length in it.
func isShortText(c byte) bool { return c >= 0xa0 && c < 0xc0 }

// scalarEnd returns where the value ends that begins at b[at], if it is of the common ones that hold no others, and whole;
// otherwise 0.
func scalarEnd(b []byte, at int) int {
	if at >= len(b) {
		return 0
	}
	end := at + 1
	switch c := b[at]; {
	case c < 0x80 || c >= 0xe0 || c == 0xc0 || c == 0xc2 || c == 0xc3: // small integers, nil, booleans
	case isShortText(c):
		end += int(c & 0x1f)
	case c == 0xd9 && end < len(b): // text
		end += 1 + int(b[end])
	case c == 0xcb || c == 0xcf || c == 0xd3: // floats and integers of eight bytes
		end += 8
	default:
		return 0
	}
	if end > len(b) {
		return 0
	}
	return end
}

// skip returns where the value that begins at b[at] ends, having checked everything inside of it. depth is
// the number of containers around it. It keeps its own stack, so that no input can exhaust the goroutine's.
func skip(b []byte, at, depth int) (int, error) {
	var room [16]int
	left := room[:0] // values that are still to come, in each container that the walk is in
	for {
		if end := scalarEnd(b, at); end > 0 {
			at = end
		} else {
			h, err := readHead(b, at)
			if err != nil {
				return 0, err
			}
			if h.kind >= kindArray {
				if depth+len(left) == abi.MaxDepth {
					return 0, tooDeep(at)
				}
				left = append(left, h.count)
			}
			at = h.end
		}
		for len(left) > 0 && left[len(left)-1] == 0 {
			left = left[:len(left)-1]
		}
		if len(left) == 0 {
			return at, nil
		}
		left[len(left)-1]--
	}
}

func tooDeep(at int) error {
	return fmt.Errorf("is nested deeper than %d at byte %d", abi.MaxDepth, at)
}
