package envelope

import (
	"encoding/hex"
	"fmt"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/sgstreamd/sgstreamd/abi"
)

// maxJSONDepth is what abi.MaxDepth can come to in JSON, where a tagged map takes three levels.
const maxJSONDepth = 3*abi.MaxDepth + 8

// measure counts the members of every object and array in a JSON document, in the order in which they begin:
// msgpack wants the count in front, and an object of one member may be a tag. It refuses text that msgpack
// can't hold, and too deep a nesting; whether the rest is JSON is for the reader to say.
func measure(doc []byte) (counts []int, err error) {
	if at := invalidUTF8(doc); at >= 0 {
		return nil, fmt.Errorf("is not JSON: it is not UTF-8 at byte %d", at)
	}
	var open []int
	for at := 0; at < len(doc); {
		c := doc[at]
		if n := len(open); n > 0 && counts[open[n-1]] == 0 && isToken(c) {
			counts[open[n-1]] = 1
		}
		at++
		switch c {
		case '{', '[':
			if len(open) == maxJSONDepth {
				return nil, tooDeep(at - 1)
			}
			open = append(open, len(counts))
			counts = append(counts, 0)
		case '}', ']':
			open = open[:max(0, len(open)-1)]
		case ',':
			if n := len(open); n > 0 {
				counts[open[n-1]]++
			}
		case '"':
			if at, err = stringEnd(doc, at); err != nil {
				return nil, err
			}
		}
	}
	return counts, nil
}

// isToken tells whether c can begin a member.
func isToken(c byte) bool {
	switch c {
	case ' ', '\t', '\r', '\n', ']', '}', ',':
		return false
	}
	return true
}

func invalidUTF8(doc []byte) int {
	if utf8.Valid(doc) {
		return -1
	}
	for at := 0; ; {
		r, size := utf8.DecodeRune(doc[at:])
		if r == utf8.RuneError && size <= 1 {
			return at
		}
		at += size
	}
}

// stringEnd returns where the string ends whose first character is doc[at].
func stringEnd(doc []byte, at int) (int, error) {
	for at < len(doc) {
		switch doc[at] {
		case '"':
			return at + 1, nil
		case '\\':
			n := escapeSize(doc[at:])
			if n == 0 {
				return 0, fmt.Errorf("has text with half of a surrogate pair, %s, at byte %d", doc[at:at+6], at)
			}
			at += n
		default:
			at++
		}
	}
	return at, nil
}

// escapeSize returns the size of the escape that s begins with, or 0 for a surrogate without its other half.
func escapeSize(s []byte) int {
	r, ok := unicodeEscape(s)
	if !ok {
		return 2
	}
	if !utf16.IsSurrogate(r) {
		return 6
	}
	if low, ok := unicodeEscape(s[6:]); ok && utf16.DecodeRune(r, low) != utf8.RuneError {
		return 12
	}
	return 0
}

// unicodeEscape reads an escape of the form \u0000.
func unicodeEscape(s []byte) (rune, bool) {
	var unit [2]byte
	if len(s) < 6 || s[0] != '\\' || s[1] != 'u' {
		return 0, false
	}
	_, err := hex.Decode(unit[:], s[2:6])
	return rune(unit[0])<<8 | rune(unit[1]), err == nil
}
