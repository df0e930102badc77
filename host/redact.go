package host

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"html"
	"io"
	"net/url"
	"slices"
	"strings"
	"sync"
)

// redacted is what stands in the place of a secret.
const redacted = "[redacted]"

// minForm is the length of the shortest form that is looked for: a shorter one would be found everywhere.
const minForm = 6

// forms are the spellings of secrets that are looked for in what a server answers, the longest first.
type forms [][]byte

// formsOf returns how servers are known to spell what they echo: as it is, in one case (the name of a host or header),
// in JSON, in HTML, in a URL, in hexadecimal, and inside of a text in base64.
func formsOf(secrets []*secret) forms {
	var all forms
	add := func(s string) {
		if len(s) >= minForm && !slices.ContainsFunc(all, func(f []byte) bool { return string(f) == s }) {
			all = append(all, []byte(s))
		}
	}
	for _, s := range secrets {
		v := s.value
		add(v)
		add(strings.ToLower(v))
		add(strings.ToUpper(v))
		add(html.EscapeString(v))
		add(jsonText(v, true))
		add(jsonText(v, false))
		add(strings.ReplaceAll(jsonText(v, false), "/", `\/`))
		for _, escaped := range []string{url.QueryEscape(v), url.PathEscape(v), strings.ReplaceAll(url.QueryEscape(v), "+", "%20")} {
			add(escaped)
			add(lowerEscapes(escaped))
		}
		add(hex.EncodeToString([]byte(v)))
		add(strings.ToUpper(hex.EncodeToString([]byte(v))))
		for _, core := range base64Cores(v) {
			add(core)
			add(strings.NewReplacer("+", "-", "/", "_").Replace(core))
			add(strings.ReplaceAll(core, "/", `\/`))
		}
	}
	slices.SortStableFunc(all, func(a, b []byte) int { return len(b) - len(a) })
	return all
}

func jsonText(s string, html bool) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(html)
	if e.Encode(s) != nil {
		return s // text can always be written
	}
	quoted := strings.TrimSuffix(b.String(), "\n")
	return quoted[1 : len(quoted)-1]
}

// lowerEscapes writes %2F as %2f.
func lowerEscapes(s string) string {
	b := []byte(s)
	for i := 0; i+2 < len(b); i++ {
		if b[i] == '%' {
			copy(b[i+1:], bytes.ToLower(b[i+1:i+3]))
			i += 2
		}
	}
	return string(b)
}

// base64Cores returns what of the secret's base64 is the same whatever stands around it in the encoded text: one for
// each of the three places in a group of three bytes at which it can begin.
func base64Cores(s string) []string {
	var cores []string
	for before := range 3 {
		encoded := base64.RawStdEncoding.EncodeToString(append(make([]byte, before), s...))
		first := (before*8 + 5) / 6       // characters that hold bits of what stands before
		last := (before + len(s)) * 8 / 6 // characters that hold bits of the secret alone
		cores = append(cores, encoded[first:last])
	}
	return cores
}

// find returns the first place of a form in b, the longest one there; -1 if there is none.
func (f forms) find(b []byte) (at, size int) {
	at = -1
	for _, form := range f {
		within := b
		if at >= 0 { // only what begins before what was found
			within = b[:min(len(b), at+len(form)-1)]
		}
		if i := bytes.Index(within, form); i >= 0 {
			at, size = i, len(form)
		}
	}
	return at, size
}

// begun returns where the longest end of b begins that may be the beginning of a form; len(b) if there is none.
func (f forms) begun(b []byte) int {
	if len(f) == 0 {
		return len(b)
	}
	for at := max(0, len(b)-len(f[0])+1); at < len(b); at++ {
		for _, form := range f {
			if len(b)-at < len(form) && bytes.HasPrefix(form, b[at:]) {
				return at
			}
		}
	}
	return len(b)
}

// redact replaces every form in a text.
func (f forms) redact(s string) string {
	if len(f) == 0 {
		return s
	}
	out, _ := f.replace(nil, []byte(s), true)
	return string(out)
}

// replace appends to dst what of b is known to hold no secret any more, and returns the rest, which may begin with a
// part of one; at the end there is no rest.
func (f forms) replace(dst, b []byte, end bool) (out, rest []byte) {
	for {
		at, size := f.find(b)
		open := len(b)
		if !end {
			open = f.begun(b)
		}
		if at < 0 || open <= at { // what has begun before may turn out to be longer
			return append(dst, b[:open]...), b[open:]
		}
		dst = append(append(dst, b[:at]...), redacted...)
		b = b[at+size:]
	}
}

// redactor is a body without the secrets in it. It passes on at once what can't be a part of one, and what may be one
// that has begun only once the body has come to its end.
type redactor struct {
	forms forms
	body  io.Reader
	rooms *sync.Pool // of *readRoom
	rest  []byte     // read, and not yet known
	out   []byte     // to be handed on
	err   error      // what the body ended with
}

// readRoom is what a body is read into. A body has one only while it is waited for.
type readRoom [16 << 10]byte

func (r *redactor) room() *readRoom {
	if room, ok := r.rooms.Get().(*readRoom); ok {
		return room
	}
	return new(readRoom)
}

// isEmpty tells whether Read would have to wait for the body.
func (r *redactor) isEmpty() bool { return len(r.out) == 0 && r.err == nil }

// fill waits for the body until Read need not.
func (r *redactor) fill() {
	if !r.isEmpty() {
		return
	}
	room := r.room()
	defer r.rooms.Put(room)
	for r.isEmpty() {
		n, err := r.body.Read(room[:])
		r.err = err
		var rest []byte
		// What a failure has cut off may be a secret but for its end, so it is not handed on.
		r.out, rest = r.forms.replace(r.out, append(r.rest, room[:n]...), err == io.EOF)
		r.rest = append([]byte(nil), rest...)
	}
}

// Read implements io.Reader.
func (r *redactor) Read(p []byte) (int, error) {
	r.fill()
	n := copy(p, r.out)
	r.out = r.out[n:]
	if n > 0 || len(p) == 0 {
		return n, nil
	}
	return 0, r.err
}
