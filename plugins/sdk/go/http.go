package sgs

import (
	"errors"
	"io"
	"strings"
	"time"

	"github.com/sgstreamd/sgstreamd/abi"
)

// HTTP makes requests through the daemon, to the origins that the operator lists in plugins.<name>.http.
//
// A request is no part of what is committed: what it has done at its server stays done when the message is tried again.
type HTTP struct {
	host  host
	codec codec
}

// Request is what is asked of a server.
type Request struct {
	// Method is the method; empty for GET.
	Method string
	// URL is absolute.
	URL string
	// Header are the header fields, by name.
	Header map[string]string
	// Body is what is sent; nil for nothing.
	Body []byte
	// Timeout is how long the request may take with all of its response; 0, and at most, as long as the operator allows.
	Timeout time.Duration
	// Secrets are the ids of the operator's secrets that the daemon is to put into the request. The plugin never sees
	// them. One that goes into the URL's path stands there as {id}.
	Secrets []string
}

// Header are the header fields of a response, by name in lower case.
type Header map[string][]string

// Get returns the first value of a field, whatever the case of its name, or "" if there is none.
func (h Header) Get(name string) string {
	if values := h[strings.ToLower(name)]; len(values) > 0 {
		return values[0]
	}
	return ""
}

// Response is what a server has answered.
type Response struct {
	// Status is the status, such as 200. Any status is a response, and no error.
	Status int
	// URL is what has answered: another than the request's if the daemon followed redirects.
	URL string
	// Header are the header fields.
	Header Header
	// Body is read as it arrives. It need not be read or closed: it ends with the call at the latest. A call that makes
	// many requests closes those that it is done with.
	Body io.ReadCloser
}

// Get is Do for a request of a URL and no more.
func (h HTTP) Get(url string) (*Response, error) { return h.Do(Request{URL: url}) }

// Do sends a request and waits for the head of its response. Its error is an *HTTPError, unless the request can't be
// written at all. Where the server does not answer in time, its number is abi.ErrnoUnavailable: return it, and the
// message is tried again.
func (h HTTP) Do(r Request) (*Response, error) {
	doc, err := r.document(h.codec)
	if err != nil {
		return nil, err
	}
	handle := h.host.httpOpen(doc)
	if handle < 0 {
		return nil, h.failure(handle)
	}
	head, err := h.head(handle)
	if err != nil {
		h.host.httpClose(handle)
		return nil, err
	}
	response := &Response{Status: int(head.Int("status")), URL: head.Text("url"), Header: Header{}, Body: &body{http: h, handle: handle}}
	for name, values := range head.Map("headers") {
		list, _ := values.([]any)
		for _, v := range list {
			if text, ok := v.(string); ok {
				response.Header[name] = append(response.Header[name], text)
			}
		}
	}
	return response, nil
}

// document writes the request as http_open reads it.
func (r *Request) document(k codec) ([]byte, error) {
	members := []member{{"url", r.URL}}
	if r.Method != "" {
		members = append(members, member{"method", r.Method})
	}
	if len(r.Header) > 0 {
		members = append(members, member{"headers", r.Header})
	}
	if r.Body != nil {
		members = append(members, member{"body", string(r.Body)})
	}
	if r.Timeout > 0 {
		members = append(members, member{"timeout_ms", max(r.Timeout.Milliseconds(), 1)})
	}
	if len(r.Secrets) > 0 {
		members = append(members, member{"secrets", r.Secrets})
	}
	doc, err := k.appendMembers(make([]byte, 0, len(r.Body)+256), members...)
	if err != nil {
		return nil, errors.New("http: " + err.Error())
	}
	return doc, nil
}

// firstHead is the room that a head is given before its length is known, in bytes.
const firstHead = 2048

func (h HTTP) head(handle int32) (Map, error) {
	for room := firstHead; ; {
		buf := make([]byte, room)
		n := h.host.httpHead(handle, buf)
		switch {
		case n < 0:
			return nil, h.failure(n)
		case int(n) <= room:
			return h.codec.read(string(buf[:n]))
		}
		room = int(n) // the head does not change: now it fits
	}
}

// failure asks the daemon why.
func (h HTTP) failure(errno int32) error {
	var text [512]byte
	n := h.host.httpHead(0, text[:])
	return &HTTPError{abi.Errno(errno), string(text[:min(max(n, 0), int32(len(text)))])}
}

// body is the body of a response.
type body struct {
	http   HTTP
	handle int32
	over   error
}

// Read implements io.Reader.
func (b *body) Read(p []byte) (int, error) {
	if b.over != nil || len(p) == 0 {
		return 0, b.over
	}
	n := b.http.host.httpRead(b.handle, p)
	switch {
	case n > 0:
		return int(n), nil
	case n == 0:
		b.over = io.EOF
	default:
		b.over = b.http.failure(n)
	}
	return 0, b.over
}

// Close implements io.Closer.
func (b *body) Close() error {
	if b.over != errClosed {
		b.http.host.httpClose(b.handle)
		b.over = errClosed
	}
	return nil
}

var errClosed = errors.New("http: the body was closed")

// HTTPError is why a request was refused or has failed; errors.As finds it.
type HTTPError struct {
	// Errno is abi.ErrnoInvalid, ErrnoDenied, ErrnoLimit, ErrnoCancelled or ErrnoUnavailable.
	Errno abi.Errno
	// Text is the daemon's reason, in one line.
	Text string
}

// Error implements error, with the number's name.
func (e *HTTPError) Error() string {
	if e.Text == "" {
		return "http: " + e.Errno.String()
	}
	return "http: " + e.Errno.String() + ": " + e.Text
}
