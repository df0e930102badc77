package sgs

import "errors"

// codec is how documents cross the border. The module's manifest chooses it; the first byte of a document tells it, so
// that the SDK need not be told as well.
type codec uint8

const (
	codecJSON codec = iota
	codecMsgpack
)

// codecOf tells the codec of a document, which is an object or a map: in JSON that begins with a bracket.
func codecOf(doc string) codec {
	if doc != "" && (doc[0]&0xf0 == 0x80 || doc[0] == 0xde || doc[0] == 0xdf) {
		return codecMsgpack
	}
	return codecJSON
}

// read reads a whole document.
func (k codec) read(doc string) (Map, error) {
	var (
		v   any
		err error
	)
	if k == codecMsgpack {
		v, err = parseMsgpack(doc)
	} else {
		v, err = (&parser{doc: doc, tagged: true, deepest: maxNesting}).document()
	}
	if err != nil {
		return nil, err
	}
	m, ok := v.(Map)
	if !ok {
		return nil, errors.New("the document is not an object")
	}
	return m, nil
}

// member is one member of an object whose keys are in order.
type member struct {
	key   string
	value any
}

// appendMembers writes an object whose keys are none of the tags of the daemon's JSON.
func (k codec) appendMembers(dst []byte, members ...member) ([]byte, error) {
	if k == codecMsgpack {
		return appendPacked(dst, members, 0)
	}
	return (&jsonWriter{tagged: true}).members(dst, members, 0)
}

// field is a member whose value is text.
type field struct{ key, text string }

// appendTexts writes the document of an emit to a platform, whose payload is texts.
func (k codec) appendTexts(dst []byte, platform string, payload []field) []byte {
	if k == codecMsgpack {
		dst = appendStr(append(dst, "\x82\xa8platform"...), platform)
		dst = appendMapHeader(append(dst, "\xa7payload"...), len(payload))
		for i := range payload {
			key := payload[i].key
			dst = append(append(dst, 0xa0|byte(len(key))), key...) // all of them are short
			dst = appendStr(dst, payload[i].text)
		}
		return dst
	}
	dst = append(appendText(append(dst, `{"platform":`...), platform), `,"payload":`...)
	for i, f := range payload {
		dst = appendQuoted(append(dst, "{,"[min(i, 1)]), f.key)
		dst = appendText(append(dst, ':'), f.text)
	}
	return append(dst, "}}"...)
}
