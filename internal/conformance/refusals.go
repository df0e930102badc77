package conformance

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/sgstreamd/sgstreamd/abi"
)

// unknown is an errno that the contract may have one day.
const unknown abi.Errno = -99

// refused has every call of the functions answered with each of the errnos.
func refused(ctx context.Context, k *kit, functions []string, errnos ...abi.Errno) (string, error) {
	if !k.in.ImportsAny(functions...) {
		return "does not import it", nil
	}
	var now atomic.Int32
	w := &world{refuse: func(function string) abi.Errno {
		if slices.Contains(functions, function) {
			return abi.Errno(now.Load())
		}
		return abi.ErrnoOK
	}}
	return "", k.with(ctx, w, func(p *plugin) error {
		for _, errno := range errnos {
			now.Store(int32(errno))
			for range 3 {
				if err := p.handle(ctx, message(encode(p.payload()))); err != nil {
					return fmt.Errorf("%v: %w", errno, err)
				}
			}
		}
		now.Store(0)
		return p.try(ctx, nil)
	})
}

func emitsRefused(ctx context.Context, k *kit) (string, error) {
	return refused(ctx, k, []string{abi.ImportEmit}, abi.ErrnoDenied, abi.ErrnoLimit, abi.ErrnoInvalid, abi.ErrnoCancelled, unknown)
}

func countersRefused(ctx context.Context, k *kit) (string, error) {
	return refused(ctx, k, []string{abi.ImportMetricAdd}, abi.ErrnoLimit, abi.ErrnoInvalid, abi.ErrnoCancelled, unknown)
}

func stateRefused(ctx context.Context, k *kit) (string, error) {
	for _, functions := range [][]string{{abi.ImportKVGet}, {abi.ImportKVSet}, {abi.ImportKVGet, abi.ImportKVSet}} {
		note, err := refused(ctx, k, functions, abi.ErrnoDenied, abi.ErrnoLimit, abi.ErrnoUnavailable, abi.ErrnoCancelled, unknown)
		if err != nil || note != "" && len(functions) == 2 {
			return note, err
		}
	}
	// What is kept may be another version's, or anybody's.
	for what, value := range map[string]string{"empty": "", "no text": "\xff\x00\xc1", "text": "x", "JSON": `{"a":[1]}`, "large": strings.Repeat("9", 1<<20)} {
		err := k.with(ctx, &world{state: oddState(value)}, func(p *plugin) error { return p.try(ctx, nil) })
		if err != nil {
			return "", fmt.Errorf("every value %s: %w", what, err)
		}
	}
	return "", k.with(ctx, &world{state: brokenState{}}, func(p *plugin) error { return p.try(ctx, nil) })
}

func requestsRefused(ctx context.Context, k *kit) (string, error) {
	for _, functions := range [][]string{{abi.ImportHTTPOpen}, {abi.ImportHTTPHead}, {abi.ImportHTTPRead}} {
		note, err := refused(ctx, k, functions, abi.ErrnoDenied, abi.ErrnoLimit, abi.ErrnoUnavailable, abi.ErrnoInvalid, abi.ErrnoCancelled, unknown)
		if err != nil || note != "" {
			return note, err
		}
	}
	return "", nil
}

// answer is what every request gets for now.
type answer struct {
	what    string
	status  int
	headers map[string]string
	body    string
	cut     bool // the body ends with an error
}

// network answers every request in the same way. Its zero value refuses the connection.
type network struct{ now atomic.Pointer[answer] }

// RoundTrip implements http.RoundTripper.
func (n *network) RoundTrip(r *http.Request) (*http.Response, error) {
	a := n.now.Load()
	if a == nil {
		return nil, errors.New("connection refused")
	}
	response := &http.Response{
		StatusCode: a.status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{}, ContentLength: -1, Request: r,
	}
	for name, value := range a.headers {
		response.Header.Set(name, value)
	}
	var body io.Reader = bytes.NewReader([]byte(a.body))
	if a.cut {
		body = io.MultiReader(body, broken{})
	}
	response.Body = io.NopCloser(body)
	return response, nil
}

// broken is a connection that ends.
type broken struct{}

// Read implements io.Reader.
func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func answers(ctx context.Context, k *kit) (string, error) {
	if !k.in.ImportsAny(abi.ImportHTTPOpen) {
		return "does not import it", nil
	}
	n := &network{}
	return "", k.with(ctx, &world{network: n}, func(p *plugin) error {
		for _, a := range oddAnswers() {
			n.now.Store(&a)
			if err := p.handle(ctx, message(encode(p.payload()))); err != nil {
				return fmt.Errorf("%d with %s: %w", a.status, a.what, err)
			}
		}
		return nil
	})
}

func oddAnswers() []answer {
	bodies := map[string]string{
		"an empty body": "", "no JSON": "<html>\x00\xff", "an empty object": "{}", "a list": "[]", "null": "null",
		"a deep body": strings.Repeat("[", 100_000), "a large body": strings.Repeat("x", 2<<20),
		"odd events": "data\ndata:\n\n: x\nid: \x00\nretry: x\ndata: {\n\ndata: [DONE]\n\n",
		"odd values": `{"ok":1,"error":[],"id":{},"choices":[null],"data":"\ud800","retry_after":-1e300}`,
	}
	headers := map[string]string{"Retry-After": "-1", "X-Odd": strings.Repeat("x", 8<<10)}
	var all []answer
	for _, what := range slices.Sorted(maps.Keys(bodies)) {
		for _, status := range []int{200, 204, 299, 302, 400, 401, 404, 409, 418, 429, 500, 503, 599, 999} {
			all = append(all, answer{what, status, headers, bodies[what], false})
		}
		all = append(all, answer{what + ", cut short", 200, headers, bodies[what], true})
	}
	for _, after := range []string{"1", "0", "1e9", "99999999999999999999", "Wed, 21 Oct 2015 07:28:00 GMT", "soon"} {
		all = append(all, answer{"Retry-After " + after, 429, map[string]string{"Retry-After": after}, "", false})
	}
	return all
}
