package consumer

import (
	"errors"
	"strconv"
	"strings"

	"github.com/sgstreamd/sgstreamd/envelope"
)

// seenEntry is an entry as the stream has it.
type seenEntry struct {
	id     string
	fields envelope.Fields
}

var errNoEntries = errors.New("redis: this is no reply to an XREAD of one stream")

// entriesOf are the entries in the reply to an XREAD of one stream, as it comes over the wire in either of the protocols. They
// do not share its memory: an entry may be needed for longer than those that came with it.
func entriesOf(reply string) ([]seenEntry, error) {
	r := wire{s: reply}
	switch kind, n := r.head(); {
	case kind == '_' || n < 0:
		return nil, nil // none came
	case kind == '-':
		return nil, errors.New(strings.TrimSpace(reply[1:]))
	case kind == '%' && n == 1:
	case kind == '*' && n == 1 && r.array() == 2:
	default:
		return nil, errNoEntries
	}
	r.bulk() // the stream's name
	n := r.array()
	if n < 0 || n > len(reply) {
		return nil, errNoEntries
	}
	entries := make([]seenEntry, 0, n)
	for range n {
		entries = append(entries, r.entry())
	}
	if r.broken {
		return nil, errNoEntries
	}
	return entries, nil
}

// wire reads a reply of Redis's. What is not as expected makes it broken.
type wire struct {
	s      string
	at     int
	broken bool
}

// head reads the line at which a value begins: its kind, and the number that follows.
func (r *wire) head() (kind byte, n int) {
	end := strings.Index(r.s[r.at:], "\r\n")
	if end < 1 {
		r.broken, r.at = true, len(r.s)
		return 0, 0
	}
	line := r.s[r.at : r.at+end]
	r.at += end + 2
	n, _ = strconv.Atoi(line[1:])
	return line[0], n
}

// array reads how many values an array has.
func (r *wire) array() int {
	kind, n := r.head()
	r.broken = r.broken || kind != '*' || n < 0
	return n
}

// bulk reads where a text begins and ends.
func (r *wire) bulk() (begin, end int) {
	kind, n := r.head()
	if kind != '$' || n < 0 || n > len(r.s)-r.at-2 {
		r.broken = true
		return 0, 0
	}
	begin = r.at
	r.at += n + 2
	return begin, begin + n
}

// entry reads an id, and names and values.
func (r *wire) entry() seenEntry {
	from := r.at
	r.broken = r.broken || r.array() != 2
	idBegin, idEnd := r.bulk()
	n := r.array()
	if r.broken || n > len(r.s) {
		r.broken = true
		return seenEntry{}
	}
	var few [16]int // as the fleet's entries have at the most
	at := few[:0]
	for range n {
		begin, end := r.bulk()
		at = append(at, begin-from, end-from)
	}
	if r.broken || n%2 != 0 {
		r.broken = true
		return seenEntry{}
	}
	own := strings.Clone(r.s[from:r.at])
	e := seenEntry{id: own[idBegin-from : idEnd-from], fields: make(envelope.Fields, n)}
	for i := range e.fields {
		e.fields[i] = own[at[2*i]:at[2*i+1]]
	}
	return e
}
