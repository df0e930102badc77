package envelope

import (
	"encoding/base64"
	"fmt"
	"math"
	"strconv"

	"github.com/go-faster/jx"
	"github.com/tinylib/msgp/msgp"
)

// What JSON has no form for travels as an object of one of these keys. So that nothing else can be taken for
// one, every map whose only key begins with "$" gets one more "$" in front of it.
const (
	// tagFloat holds one of the texts below.
	tagFloat = "$float"
	// tagBinary holds binary in standard base64.
	tagBinary = "$binary"
	// tagExt holds an extension: [type, base64].
	tagExt = "$ext"
	// tagStr holds text that is not UTF-8, in standard base64.
	tagStr = "$str"
	// tagMap holds a map as [[key, value], …], where a key is not UTF-8 text or is there twice.
	tagMap = "$map"
)

// The texts of tagFloat.
const (
	floatNaN    = "NaN"
	floatInf    = "Infinity"
	floatNegInf = "-Infinity"
)

// tag returns what reads the value behind the key of a lone member, or nil if the key is no tag.
func (r *jsonReader) tag(key []byte) func() error {
	switch string(key) {
	case tagFloat:
		return r.float
	case tagBinary:
		return r.binary
	case tagExt:
		return r.extension
	case tagStr:
		return r.rawText
	case tagMap:
		return r.pairs
	}
	return nil
}

// tagText reads the text that a tag holds.
func (r *jsonReader) tagText(tag string) (string, error) {
	if t := r.d.Next(); t != jx.String && t != jx.Invalid {
		return "", fmt.Errorf("has a %s that is not text but of type %v", tag, t)
	}
	s, err := r.d.Str()
	return s, r.checked(err)
}

func (r *jsonReader) base64(tag string) ([]byte, error) {
	text, err := r.tagText(tag)
	if err != nil {
		return nil, err
	}
	data, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil {
		return nil, fmt.Errorf("has a %s that is not standard base64: %q", tag, brief(text))
	}
	return data, nil
}

func (r *jsonReader) float() error {
	text, err := r.tagText(tagFloat)
	if err != nil {
		return err
	}
	var n float64
	switch text {
	case floatNaN:
		// The quiet NaN of other languages; Go's math.NaN has one more bit set.
		n = math.Float64frombits(0x7ff8 << 48)
	case floatInf:
		n = math.Inf(1)
	case floatNegInf:
		n = math.Inf(-1)
	default:
		return fmt.Errorf("has a %s of %q, which is not one of %s, %s, %s", tagFloat, brief(text), floatNaN, floatInf, floatNegInf)
	}
	r.dst = msgp.AppendFloat64(r.dst, n)
	return nil
}

func (r *jsonReader) binary() error {
	data, err := r.base64(tagBinary)
	r.dst = msgp.AppendBytes(r.dst, data)
	return err
}

func (r *jsonReader) rawText() error {
	data, err := r.base64(tagStr)
	r.dst = msgp.AppendStringFromBytes(r.dst, data)
	return err
}

// row opens an array that must have n elements and reads them; read gets their indexes.
func (r *jsonReader) row(what string, n int, read func(i int) error) error {
	if t := r.d.Next(); t != jx.Array && t != jx.Invalid {
		return fmt.Errorf("has %s of type %v, it must be an array of %d", what, t, n)
	}
	if have := r.count(); have != n {
		return fmt.Errorf("has %s of %d elements, it must have %d", what, have, n)
	}
	i := 0
	return r.elements(n, func() error {
		i++
		return read(i - 1)
	})
}

func (r *jsonReader) extension() error {
	var ext msgp.RawExtension
	err := r.row("a "+tagExt, 2, func(i int) (err error) {
		if i == 0 {
			ext.Type, err = r.extensionType()
		} else {
			ext.Data, err = r.base64(tagExt)
		}
		return err
	})
	if err != nil {
		return err
	}
	r.dst, err = msgp.AppendExtension(r.dst, &ext)
	return err
}

func (r *jsonReader) extensionType() (int8, error) {
	raw, err := r.d.Raw()
	if err != nil {
		return 0, notJSON(err)
	}
	n, err := strconv.ParseInt(string(raw), 10, 8)
	if err != nil {
		return 0, fmt.Errorf("has a %s of type %s, which is not an integer of -128 to 127", tagExt, brief(string(raw)))
	}
	return int8(n), nil
}

func (r *jsonReader) pairs() error {
	if t := r.d.Next(); t != jx.Array && t != jx.Invalid {
		return fmt.Errorf("has a %s of type %v, it must be an array of [key, value]", tagMap, t)
	}
	n := r.count()
	if err := r.descend(); err != nil {
		return err
	}
	r.dst = msgp.AppendMapHeader(r.dst, uint32(n))
	err := r.elements(n, func() error {
		return r.row("a pair in a "+tagMap, 2, func(int) error { return r.value() })
	})
	r.depth--
	return err
}
