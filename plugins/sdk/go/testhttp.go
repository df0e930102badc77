//go:build !wasip1

package sgs

import (
	"strconv"
	"time"

	"github.com/sgstreamd/sgstreamd/abi"
)

// Answer is what a request gets in a test.
type Answer struct {
	// Status and Header are the response's head; the names of the header fields are in lower case. A status of 0 is 200
	// if Errno is 0, too.
	Status int
	Header map[string]string
	// Body are the pieces in which the body arrives.
	Body []string
	// Errno is 0, or how it fails, with Text as the reason: with a Status the body after its last piece, else the request.
	Errno abi.Errno
	Text  string
}

// World is what a plugin finds in a test.
type World struct {
	// State is its state, by key. What the function has set is in it afterwards, if the message is done. It may be nil.
	State map[string]string
	// Answers are what its requests get, in their order. A request beyond them is abi.ErrnoUnavailable.
	Answers []Answer
}

// TestIn is Test for a plugin that finds all that there. The secrets that a request names are only written down in
// Result.Requests: a plugin's test needs none.
func TestIn(w World, m Message) Result {
	r := recorder{codec: codecMsgpack, state: w.State, answers: w.Answers}
	r.run(&registered, m)
	if r.result.Status == abi.StatusDone && w.State != nil {
		r.commit()
	}
	return r.result
}

// httpOpen answers with the number of the request as its handle, counted from 1.
func (r *recorder) httpOpen(doc []byte) int32 {
	request, err := parseRequest(r.codec, string(doc))
	switch {
	case err != nil:
		return r.failHTTP(abi.ErrnoInvalid, err.Error())
	case request.URL == "":
		return r.failHTTP(abi.ErrnoInvalid, `a request has a "url", this one has none`)
	case len(r.result.Requests) == abi.MaxRequests:
		return r.failHTTP(abi.ErrnoLimit, "the call has made its "+strconv.Itoa(abi.MaxRequests)+" requests")
	}
	r.result.Requests = append(r.result.Requests, request)
	n := len(r.result.Requests)
	if n > len(r.answers) {
		return r.failHTTP(abi.ErrnoUnavailable, "the test has no answer for request "+strconv.Itoa(n))
	}
	answer := r.answers[n-1]
	if answer.Status == 0 && answer.Errno != abi.ErrnoOK {
		return r.failHTTP(answer.Errno, answer.Text)
	}
	if r.bodies == nil {
		r.bodies = map[int32][]string{}
	}
	r.bodies[int32(n)] = append([]string{}, answer.Body...)
	return int32(n)
}

func parseRequest(k codec, doc string) (Request, error) {
	d, err := k.read(doc)
	if err != nil {
		return Request{}, err
	}
	r := Request{Method: d.Text("method"), URL: d.Text("url"), Timeout: time.Duration(d.Int("timeout_ms")) * time.Millisecond}
	if text, ok := d["body"].(string); ok {
		r.Body = []byte(text)
	}
	for name, v := range d.Map("headers") {
		if r.Header == nil {
			r.Header = map[string]string{}
		}
		r.Header[name], _ = v.(string)
	}
	for _, v := range d.List("secrets") {
		id, _ := v.(string)
		r.Secrets = append(r.Secrets, id)
	}
	return r, nil
}

func (r *recorder) httpHead(handle int32, buf []byte) int32 {
	doc := []byte(r.httpFailure)
	if handle != 0 {
		if _, ok := r.bodies[handle]; !ok {
			return r.failHTTP(abi.ErrnoInvalid, "the call has no request of the handle "+strconv.Itoa(int(handle)))
		}
		answer, headers := r.answers[handle-1], Map{}
		for name, value := range answer.Header {
			headers[name] = []string{value}
		}
		status := answer.Status
		if status == 0 {
			status = 200
		}
		var err error
		doc, err = r.codec.appendMembers(nil, member{"status", status}, member{"url", r.result.Requests[handle-1].URL}, member{"headers", headers})
		if err != nil {
			return r.failHTTP(abi.ErrnoUnavailable, err.Error())
		}
	} else if len(doc) == 0 {
		return int32(abi.ErrnoNotFound)
	}
	if len(doc) <= len(buf) {
		copy(buf, doc)
	}
	return int32(len(doc))
}

func (r *recorder) httpRead(handle int32, buf []byte) int32 {
	left, ok := r.bodies[handle]
	if !ok {
		return r.failHTTP(abi.ErrnoInvalid, "the call has no request of the handle "+strconv.Itoa(int(handle)))
	}
	for len(left) > 0 && left[0] == "" {
		left = left[1:]
	}
	if len(left) == 0 {
		if answer := r.answers[handle-1]; answer.Errno != abi.ErrnoOK {
			return r.failHTTP(answer.Errno, answer.Text)
		}
		return 0
	}
	n := copy(buf, left[0])
	left[0] = left[0][n:]
	r.bodies[handle] = left
	return int32(n)
}

func (r *recorder) httpClose(handle int32) { delete(r.bodies, handle) }

// failHTTP keeps the reason for http_head.
func (r *recorder) failHTTP(errno abi.Errno, text string) int32 {
	r.httpFailure = text
	return int32(r.refuse("request", text, errno))
}
