package consumer

import "strconv"

// mostWalked is how many values of a payload its channel is looked for in, as order.lua has it.
const mostWalked = 5000

// laneOf is the lane of an entry with this data, as lane_of of order.lua finds it: "<length>:<channel>:" with more colons
// behind it, or empty where its order is not kept. The two must agree on every payload, broken ones included, since either may register an entry and
// the scripts take it off again.
func laneOf(order, channelKey, data string) string {
	if order == OrderNone || data == "" {
		return ""
	}
	if b := data[0]; (b < 0x80 || b > 0x8f) && b != 0xde && b != 0xdf {
		return ""
	}
	s := scan{data: data}
	channel, found, addressed, known := "", false, true, order != OrderAddressed
	at, _, elements, _ := s.head(0)
	for n := int64(0); n < elements; n += 2 {
		name, isText := s.text(at)
		value, ok := s.behind(at)
		if !ok {
			return ""
		}
		if isText && name == channelKey {
			channel, found = s.text(value)
		}
		if isText && name == "is_addressed" && order == OrderAddressed {
			addressed, known = value < int64(len(data)) && data[value] == 0xc3, true
		}
		if found && known {
			break
		}
		if at, ok = s.behind(value); !ok {
			return ""
		}
	}
	if channel == "" || !known || !addressed {
		return ""
	}
	const colons = ":::::::::::::::::::::::::::::::::::::::::::::::::::::::::::::::::" // as many as a lane has bytes at least
	length := strconv.Itoa(len(channel))
	return length + ":" + channel + colons[:max(len(colons)-len(length)-1-len(channel), 1)]
}

// scan walks over a msgpack payload.
type scan struct {
	data   string
	walked int
}

// head reads the head of the value at i: where its body begins, the body's bytes, and how many values follow as its elements.
// It returns false where there is no value.
func (s *scan) head(i int64) (body, bytes, elements int64, ok bool) {
	if i >= int64(len(s.data)) || s.data[i] == 0xc1 {
		return 0, 0, 0, false
	}
	switch b := int64(s.data[i]); {
	case b <= 0x7f || b >= 0xe0:
		return i + 1, 0, 0, true
	case b <= 0x8f:
		return i + 1, 0, 2 * (b - 0x80), true
	case b <= 0x9f:
		return i + 1, 0, b - 0x90, true
	case b <= 0xbf:
		return i + 1, b - 0xa0, 0, true
	case b <= 0xc3: // nil and bool
		return i + 1, 0, 0, true
	case b <= 0xc6: // bin
		n := int64(1) << (b - 0xc4)
		return i + 1 + n, s.uint(i, n), 0, true
	case b <= 0xc9: // ext
		n := int64(1) << (b - 0xc7)
		return i + 2 + n, s.uint(i, n), 0, true
	case b <= 0xcb: // float
		return i + 1, 4 * (b - 0xc9), 0, true
	case b <= 0xcf: // uint
		return i + 1, 1 << (b - 0xcc), 0, true
	case b <= 0xd3: // int
		return i + 1, 1 << (b - 0xd0), 0, true
	case b <= 0xd8: // fixext
		return i + 2, 1 << (b - 0xd4), 0, true
	case b <= 0xdb: // str
		n := int64(1) << (b - 0xd9)
		return i + 1 + n, s.uint(i, n), 0, true
	case b <= 0xdd: // array
		n := int64(1) << (b - 0xdb)
		return i + 1 + n, 0, s.uint(i, n), true
	default: // map
		n := int64(1) << (b - 0xdd)
		return i + 1 + n, 0, 2 * s.uint(i, n), true
	}
}

// uint is the number of n bytes behind position i; bytes that are missing are 0.
func (s *scan) uint(i, n int64) int64 {
	v := int64(0)
	for k := i + 1; k <= i+n; k++ {
		v *= 256
		if k < int64(len(s.data)) {
			v += int64(s.data[k])
		}
	}
	return v
}

// behind is the position behind the value at i; false where there is none, or too much was walked over.
func (s *scan) behind(i int64) (int64, bool) {
	for left := int64(1); left > 0; left-- {
		body, bytes, elements, ok := s.head(i)
		if s.walked++; !ok || s.walked > mostWalked {
			return 0, false
		}
		i, left = body+bytes, left+elements
	}
	return i, true
}

// text is the text that is the value at i; false where that is of another type. What is cut off has what is there of it.
func (s *scan) text(i int64) (string, bool) {
	if i >= int64(len(s.data)) {
		return "", false
	}
	if b := s.data[i]; (b < 0xa0 || b > 0xbf) && (b < 0xd9 || b > 0xdb) {
		return "", false
	}
	body, bytes, _, _ := s.head(i)
	end := min(body+bytes, int64(len(s.data)))
	return s.data[min(body, end):end], true
}
