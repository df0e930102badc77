package host

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/sgstreamd/sgstreamd/abi"
)

// exchange is a request and its response. The call's goroutine owns it. Others wait for the server in its place: run for
// the head, which writes what is read once arrived is closed, and one at a time for more of the body, of which body is as
// long. Over HTTP/2 the client waits for a server that does not read, whatever the request's context says.
type exchange struct {
	egress  *egress
	call    *call
	context context.Context
	cancel  context.CancelCauseFunc
	arrived chan struct{} // closed by run at its end

	prepared *prepared
	placed   atomic.Bool // it holds one of the egress's places, until it has ended
	timer    *time.Timer // of the request's own time; nil before it has its place
	response *http.Response
	err      error

	forms    forms         // of the secrets that the response may hold; set before arrived is closed
	document []byte        // the head in the guest's codec, once it was asked for
	body     *redactor     // once it was asked for
	reading  chan struct{} // closed when the body has been read for the last time so far; nil before
	over     error         // what the body ended with, or why there is none; nil while there is more
	ended    bool          // the place and the connection are given back
}

// run waits for a place, and then for the head of the response. It ends soon after x.context is done.
func (x *exchange) run() {
	defer close(x.arrived)
	if !x.placed.Load() {
		if x.err = x.egress.places.Acquire(x.context, 1); x.err != nil {
			return
		}
		x.placed.Store(true)
	}
	x.timer = time.AfterFunc(x.prepared.timeout, func() { x.cancel(errRequestTimeout) })
	x.response, x.err = x.egress.do(x.context, x.prepared)
	x.forms = x.egress.echoed(x.prepared.met)
}

// head waits for the response, and returns its head in the guest's codec.
func (x *exchange) head() ([]byte, error) {
	if err := x.await(); err != nil {
		return nil, err
	}
	if x.document != nil {
		return x.document, nil
	}
	doc, err := json.Marshal(x.describe())
	if err == nil {
		x.document, err = x.call.plugin.codec.AppendJSON(nil, doc)
	}
	if err != nil {
		return nil, refuse(abi.ErrnoUnavailable, "the response's head can't be written in the plugin's codec: %s", oneLine(err.Error()))
	}
	return x.document, nil
}

// responseHead is the document of http_head.
type responseHead struct {
	Status  int                 `json:"status"`
	URL     string              `json:"url"`
	Headers map[string][]string `json:"headers"`
}

// describe returns the response's head without the secrets in it.
func (x *exchange) describe() responseHead {
	hide := x.forms.redact
	h := responseHead{Status: x.response.StatusCode, URL: hide(x.response.Request.URL.String()), Headers: map[string][]string{}}
	for name, values := range x.response.Header {
		name = hide(strings.ToLower(name))
		if len(x.response.Header) == 1 && strings.HasPrefix(name, "$") {
			name = "$" + name // or it would be taken for a tagged value
		}
		for _, v := range values {
			h.Headers[name] = append(h.Headers[name], hide(v))
		}
	}
	return h
}

// read waits for more of the body, and returns how much of it there was; 0 at its end.
func (x *exchange) read(p []byte) (int, error) {
	if x.over == nil {
		if err := x.await(); err != nil {
			return 0, err
		}
		if code := x.encoding(); code != "" && len(x.forms) > 0 {
			return 0, x.fail(refuse(abi.ErrnoUnavailable, "the response came with the Content-Encoding %s, which was not asked for, and a secret could not be found in it", code))
		}
		if x.body == nil {
			x.body = &redactor{forms: x.forms, rooms: &x.egress.rooms, body: &limitedBody{body: x.response.Body, left: int64(x.egress.cfg.MaxResponse), egress: x.egress}}
		}
	}
	for x.over == nil {
		if !x.fill() {
			return 0, x.fail(errStalled)
		}
		n, err := x.body.Read(p)
		switch {
		case n > 0:
			return n, nil
		case err == io.EOF:
			x.over = err
			x.end()
		case err != nil:
			return 0, x.fail(err)
		}
	}
	if x.over == io.EOF {
		return 0, nil
	}
	return 0, x.over
}

// encoding is how the body is compressed still; empty where it is not. What was asked for is undone by then, but with a
// Range nothing is, and a server may compress as it likes.
func (x *exchange) encoding() string {
	if x.response.Body == http.NoBody {
		return ""
	}
	for _, value := range x.response.Header.Values("Content-Encoding") {
		if value != "" && !strings.EqualFold(value, "identity") {
			return oneLine(value)
		}
	}
	return ""
}

// fail ends the exchange, and says why in words for the guest's author.
func (x *exchange) fail(err error) error {
	if x.over == nil {
		x.over = x.explain(err)
		x.end()
	}
	return x.over
}

// patience is how long a call waits, once, for the client to see that a request is over.
const patience = time.Second

// awaits waits until done is closed, and tells whether it is. It does not outlive the request for more than the call's
// patience.
func (x *exchange) awaits(done <-chan struct{}) bool {
	select {
	case <-done:
		return true
	case <-x.context.Done():
	}
	left := patience
	if x.call.requests.stalled {
		left = 0
	}
	t := time.NewTimer(left)
	defer t.Stop()
	select {
	case <-done:
		return true
	case <-t.C:
		x.call.requests.stalled = true
		return false
	}
}

// await waits for the response. Without an error, it is there.
func (x *exchange) await() error {
	switch {
	case !x.awaits(x.arrived):
		return x.fail(errStalled)
	case x.response == nil:
		return x.fail(x.err)
	}
	return nil
}

// fill waits until there is something to be read of the body, and tells whether there is.
func (x *exchange) fill() bool {
	if !x.body.isEmpty() {
		return true
	}
	done := make(chan struct{})
	x.reading = done
	go func() { defer close(done); x.body.fill() }()
	return x.awaits(done)
}

// close ends the exchange, wherever it is.
func (x *exchange) close() {
	x.cancel(errRequestClosed)
	if x.over == nil {
		_ = x.await()
	}
	x.end()
}

// end gives back the connection and the place. What was not read of the body is not read any more.
func (x *exchange) end() {
	if x.ended {
		return
	}
	x.ended = true
	x.cancel(errRequestClosed)
	released := make(chan struct{})
	go func() { defer close(released); x.release() }()
	x.awaits(released)
	outcome := "cancelled"
	// What the guest has not read to its end was its own choice only as long as its call went on.
	cut := x.over == nil && x.call.ctx.Err() != nil
	if x.hasArrived() && x.response != nil && !cut {
		outcome = statusOutcome(x.response.StatusCode)
	}
	if failed, ok := errors.AsType[*refusal](x.over); ok {
		outcome = errnoOutcome(failed.errno)
	}
	x.call.plugin.metrics.requests.WithLabelValues(outcome).Inc()
}

// release is the last to touch what the client has.
func (x *exchange) release() {
	<-x.arrived
	if x.reading != nil {
		<-x.reading
	}
	if x.timer != nil {
		x.timer.Stop()
	}
	if x.response != nil {
		_ = x.response.Body.Close()
	}
	if x.placed.Load() {
		x.egress.places.Release(1)
	}
}

// hasArrived tells whether the head is there, or why there is none.
func (x *exchange) hasArrived() bool {
	select {
	case <-x.arrived:
		return true
	default:
		return false
	}
}

// explain says what an error of the request means for the guest. The error's own text may name what it was sent.
func (x *exchange) explain(err error) *refusal {
	if outer, ok := errors.AsType[*url.Error](err); ok {
		err = outer.Err
	}
	// In one piece: of a secret that the line's end has cut off, what is left would not be found.
	text := err.Error()
	known, isKnown := errors.AsType[*refusal](err)
	if isKnown {
		text = known.text
	}
	if x.hasArrived() { // before, it is not the server's
		text = x.forms.redact(text)
	}
	text = oneLine(text)
	switch {
	case x.call.ctx.Err() != nil:
		return refuse(abi.ErrnoCancelled, "the call was over before the response")
	case isKnown:
		return &refusal{known.errno, text} // it may name where a redirect leads
	case context.Cause(x.context) == errRequestTimeout:
		return refuse(abi.ErrnoUnavailable, "there was no whole response within %v", x.prepared.timeout)
	case x.context.Err() != nil:
		return refuse(abi.ErrnoCancelled, "the request was closed before the response")
	case strings.Contains(text, "response header"), strings.Contains(text, "header list too large"): // the client has no error of its own for headers that are too large
		return refuse(abi.ErrnoLimit, "the response's header has more than the %v of plugins.%s.http.max_headers", x.egress.cfg.MaxHeaders, x.egress.plugin)
	}
	return refuse(abi.ErrnoUnavailable, "%s", text)
}

// limitedBody is a body that fails where it is larger than the operator allows.
type limitedBody struct {
	body   io.Reader
	left   int64
	egress *egress
}

// Read implements io.Reader.
func (b *limitedBody) Read(p []byte) (int, error) {
	n, err := b.body.Read(p[:min(int64(len(p)), b.left+1)])
	if int64(n) > b.left {
		n, b.left = int(b.left), 0
		return n, refuse(abi.ErrnoLimit, "the response's body has more than the %v of plugins.%s.http.max_response", b.egress.cfg.MaxResponse, b.egress.plugin)
	}
	b.left -= int64(n)
	return n, err
}
