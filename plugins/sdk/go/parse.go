package sgs

import (
	"encoding/base64"
	"errors"
	"math"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/sgstreamd/sgstreamd/abi"
)

// maxNesting is what abi.MaxDepth can come to in the daemon's JSON, where a tagged object takes three levels.
const maxNesting = 3*abi.MaxDepth + 8

// Parse reads a JSON object, such as the body of a response. It is ParseValue for what has to be an object.
func Parse(json []byte) (Map, error) {
	v, err := ParseValue(json)
	if err != nil {
		return nil, err
	}
	m, ok := v.(Map)
	if !ok {
		return nil, errors.New("the JSON is not an object")
	}
	return m, nil
}

// ParseValue reads any JSON value, nested up to 256 deep, into nil, bool, int64, uint64, float64, string, []any and Map.
// A number without point and exponent becomes an int64, a uint64 where only that holds it, and else a float64, as all
// other numbers. Of a key that is there twice the last counts. Half of a surrogate pair becomes U+FFFD.
//
// It exists because encoding/json would double a module's size, and has no integers.
func ParseValue(json []byte) (any, error) {
	if !utf8.Valid(json) {
		return nil, errors.New("not JSON: the text is not UTF-8")
	}
	return (&parser{doc: string(json), deepest: abi.MaxDepth}).document() // every text is a part of this one copy
}

// parser reads JSON.
type parser struct {
	doc       string
	at, depth int
	deepest   int  // how deep it may be nested
	tagged    bool // it is the daemon's JSON: {"$binary": base64} becomes []byte, and so on
}

func (p *parser) document() (any, error) {
	v, err := p.value()
	if err != nil {
		return nil, err
	}
	if p.space(); p.at < len(p.doc) {
		return nil, p.fail("more follows the value")
	}
	return v, nil
}

func (p *parser) fail(why string) error {
	return errors.New("not JSON: " + why + " at byte " + strconv.Itoa(p.at))
}

func (p *parser) space() {
	for p.at < len(p.doc) {
		switch p.doc[p.at] {
		case ' ', '\t', '\n', '\r':
			p.at++
		default:
			return
		}
	}
}

// next skips white space and returns the character behind it, or 0 at the end.
func (p *parser) next() byte {
	p.space()
	if p.at == len(p.doc) {
		return 0
	}
	return p.doc[p.at]
}

func (p *parser) value() (any, error) {
	switch c := p.next(); c {
	case '{':
		return p.object()
	case '[':
		return p.array()
	case '"':
		return p.text()
	case 'n':
		return nil, p.word("null")
	case 't':
		return true, p.word("true")
	case 'f':
		return false, p.word("false")
	default:
		return p.number()
	}
}

func (p *parser) word(w string) error {
	if len(p.doc)-p.at < len(w) || p.doc[p.at:p.at+len(w)] != w {
		return p.fail("no value")
	}
	p.at += len(w)
	return nil
}

// number reads -?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?
func (p *parser) number() (any, error) {
	start := p.at
	p.skipByte("-")
	whole := p.digits()
	ok := whole == 1 || whole > 1 && p.doc[p.at-whole] != '0'
	integer := true
	if ok && p.skipByte(".") {
		integer, ok = false, p.digits() > 0
	}
	if ok && p.skipByte("eE") {
		p.skipByte("+-")
		integer, ok = false, p.digits() > 0
	}
	text := p.doc[start:p.at]
	if !ok {
		p.at = start
		return nil, p.fail("no value")
	}
	if integer {
		if n, err := strconv.ParseInt(text, 10, 64); err == nil {
			return n, nil
		}
		if n, err := strconv.ParseUint(text, 10, 64); err == nil {
			return n, nil
		}
	}
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || integer && p.tagged {
		p.at = start
		return nil, p.fail("a number that does not fit 64 bits")
	}
	return n, nil
}

// skipByte skips one character of the set, if the next one is of it.
func (p *parser) skipByte(set string) bool {
	if p.at < len(p.doc) && strings.IndexByte(set, p.doc[p.at]) >= 0 {
		p.at++
		return true
	}
	return false
}

// digits skips decimal digits and returns how many there were.
func (p *parser) digits() int {
	start := p.at
	for p.at < len(p.doc) && p.doc[p.at]-'0' <= 9 {
		p.at++
	}
	return p.at - start
}

// members reads what stands between two brackets, separated by commas; the first bracket is next.
func (p *parser) members(end byte, member func() error) error {
	if p.depth == p.deepest {
		return p.fail("too deep a nesting")
	}
	p.depth++
	p.at++
	if p.next() != end {
		for {
			if err := member(); err != nil {
				return err
			}
			if p.next() != ',' {
				break
			}
			p.at++
		}
	}
	if p.next() != end {
		return p.fail("no comma or closing bracket")
	}
	p.at++
	p.depth--
	return nil
}

func (p *parser) array() (any, error) {
	list := []any{}
	err := p.members(']', func() error {
		v, err := p.value()
		list = append(list, v)
		return err
	})
	return list, err
}

func (p *parser) object() (any, error) {
	m := Map{}
	err := p.members('}', func() error {
		if p.next() != '"' {
			return p.fail("no key")
		}
		key, err := p.text()
		if err != nil {
			return err
		}
		if p.next() != ':' {
			return p.fail("no colon")
		}
		p.at++
		m[key], err = p.value()
		return err
	})
	if err != nil || len(m) != 1 || !p.tagged {
		return m, err
	}
	return untag(m)
}

// text reads a string; its opening quote is next.
func (p *parser) text() (string, error) {
	p.at++
	start := p.at
	if end := p.plain(); end == '"' {
		p.at++
		return p.doc[start : p.at-1], nil
	}
	s := append([]byte(nil), p.doc[start:p.at]...)
	for {
		switch c := p.plain(); c {
		case '"':
			p.at++
			return string(s), nil
		case '\\':
			r, err := p.escape()
			if err != nil {
				return "", err
			}
			s = utf8.AppendRune(s, r)
		case 0:
			return "", p.fail("no closing quote")
		default:
			return "", p.fail("a control character that is not escaped")
		}
		start = p.at
		p.plain()
		s = append(s, p.doc[start:p.at]...)
	}
}

// plain goes on to the next character that is not itself in a string, and returns it, or 0 at the end.
func (p *parser) plain() byte {
	for ; p.at < len(p.doc); p.at++ {
		if c := p.doc[p.at]; c < ' ' || c == '"' || c == '\\' {
			return max(c, 1)
		}
	}
	return 0
}

func (p *parser) escape() (rune, error) {
	if p.at+1 == len(p.doc) {
		return 0, p.fail("half an escape")
	}
	c := p.doc[p.at+1]
	if c == 'u' {
		return p.unicodeEscape()
	}
	const from, to = `"\/bfnrt`, "\"\\/\b\f\n\r\t"
	for i := range len(from) {
		if from[i] == c {
			p.at += 2
			return rune(to[i]), nil
		}
	}
	return 0, p.fail("an unknown escape")
}

func (p *parser) unicodeEscape() (rune, error) {
	r, ok := p.unit(p.at)
	if !ok {
		return 0, p.fail("a bad escape")
	}
	if low, ok := p.unit(p.at + 6); ok && utf16.IsSurrogate(r) {
		if both := utf16.DecodeRune(r, low); both != utf8.RuneError {
			p.at += 12
			return both, nil
		}
	}
	p.at += 6
	return r, nil // half a surrogate pair becomes U+FFFD, as in encoding/json
}

// unit reads the escape \u0000 at an offset.
func (p *parser) unit(at int) (rune, bool) {
	if len(p.doc)-at < 6 || p.doc[at] != '\\' || p.doc[at+1] != 'u' {
		return 0, false
	}
	n, err := strconv.ParseUint(p.doc[at+2:at+6], 16, 16) // takes no sign, and no _ where the base is given
	return rune(n), err == nil
}

// untag turns the one-key object m into what it stands for, if its key is a tag.
func untag(m Map) (any, error) {
	for key, v := range m {
		if len(key) < 2 || key[0] != '$' {
			return m, nil
		}
		if key[1] == '$' {
			return Map{key[1:]: v}, nil
		}
		return untagged(key, v, m)
	}
	return m, nil
}

func untagged(tag string, v any, m Map) (any, error) {
	text, isText := v.(string)
	list, isList := v.([]any)
	switch tag {
	case "$binary", "$str":
		data, err := base64.StdEncoding.DecodeString(text)
		if !isText || err != nil {
			return nil, errors.New(tag + " does not hold base64")
		}
		if tag == "$str" {
			return string(data), nil
		}
		return data, nil
	case "$float":
		if n, ok := map[string]float64{"NaN": math.NaN(), "Infinity": math.Inf(1), "-Infinity": math.Inf(-1)}[text]; ok {
			return n, nil
		}
		return nil, errors.New("$float does not hold NaN, Infinity or -Infinity")
	case "$ext":
		return extension(list)
	case "$map":
		if !isList {
			return nil, errors.New("$map does not hold an array")
		}
		return pairs(list)
	}
	return m, nil
}

func extension(list []any) (any, error) {
	if len(list) == 2 {
		kind, isInt := list[0].(int64)
		text, isText := list[1].(string)
		data, err := base64.StdEncoding.DecodeString(text)
		if isInt && isText && err == nil && kind == int64(int8(kind)) {
			return Ext{int8(kind), data}, nil
		}
	}
	return nil, errors.New("$ext does not hold [type, base64]")
}

// pairs makes a Map of what one can hold, and Pairs of the rest.
func pairs(list []any) (any, error) {
	all := make(Pairs, 0, len(list))
	for _, v := range list {
		pair, _ := v.([]any)
		if len(pair) != 2 {
			return nil, errors.New("$map does not hold arrays of [key, value]")
		}
		all = append(all, Pair{pair[0], pair[1]})
	}
	return all.fold(), nil
}
