package host

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sgstreamd/sgstreamd/abi"
)

// DecodeRequest reads JSON without the tagged forms. A body is text.
func (c *testCodec) DecodeRequest(doc []byte) (abi.Request, error) {
	var r struct {
		Method, URL, Body string
		Headers           map[string]string
		TimeoutMS         int64 `json:"timeout_ms"`
		Secrets           []string
	}
	if err := json.Unmarshal(doc, &r); err != nil {
		return abi.Request{}, err
	}
	ask := abi.Request{Method: r.Method, URL: r.URL, Timeout: time.Duration(r.TimeoutMS) * time.Millisecond, Secrets: r.Secrets}
	for name, value := range r.Headers {
		ask.Headers = append(ask.Headers, abi.Header{Name: name, Value: value})
	}
	if r.Body != "" {
		ask.Body = []byte(r.Body)
	}
	return ask, nil
}

// nth is the nth handle of a call in a program, counted from 0.
func nth(n uint32) uint32 { return 0x7fff0000 + n }

// object is a request's document, or its head.
type object = map[string]any

// open asks for a request.
func (p *program) open(ask object) *program {
	doc, err := json.Marshal(ask)
	if err != nil {
		panic(err)
	}
	ptr, size := p.put(string(doc))
	return p.step(0, ptr, size, 0, 0, 0)
}

// headOf asks for the head with plenty of room, and shows the buffer's first 4 KiB.
func (p *program) headOf(handle uint32) *program {
	return p.step(1, handle, stateBuffer, headRoom, 0, 0).step(4, stateBuffer, headRoom, 0, 0, 0)
}

// headRoom is the room for a head, and what of the buffer is shown.
const headRoom = 4096

func (p *program) drain(handle uint32) *program { return p.step(5, handle, 0, 0, 0, 0) }

// answer is what a program's steps have answered, from the front.
type answer struct {
	t    *testing.T
	rest string
}

// ask runs a program and returns what its steps answered.
func (p *program) ask(t *testing.T, plugin *Plugin) *answer {
	t.Helper()
	v, err := handle(plugin, p.document())
	require.NoError(t, err)
	require.Len(t, v.Emits, 1)
	return &answer{t, string(v.Emits[0].Payload)}
}

// number takes one result.
func (a *answer) number() int32 {
	a.t.Helper()
	require.GreaterOrEqual(a.t, len(a.rest), 4)
	n := int32(binary.LittleEndian.Uint32([]byte(a.rest)))
	a.rest = a.rest[4:]
	return n
}

func (a *answer) errno(want abi.Errno) {
	a.t.Helper()
	require.Equal(a.t, want, abi.Errno(a.number()))
}

// handle takes the result of a successful http_open.
func (a *answer) handle() int32 {
	a.t.Helper()
	h := a.number()
	require.Positive(a.t, h, "%v", abi.Errno(h))
	return h
}

// text takes the results of headOf: a text, or the errno.
func (a *answer) text() string {
	a.t.Helper()
	n := a.number()
	require.Positive(a.t, n, "%v", abi.Errno(n))
	s := a.rest[:n]
	a.rest = a.rest[headRoom:]
	return s
}

func (a *answer) head() responseHead {
	a.t.Helper()
	var h responseHead
	require.NoError(a.t, json.Unmarshal([]byte(a.text()), &h))
	return h
}

// body takes the results of a drain that is the last step: the body, and how it ended.
func (a *answer) body() (string, abi.Errno) {
	a.t.Helper()
	require.GreaterOrEqual(a.t, len(a.rest), 4)
	at := len(a.rest) - 4
	return a.rest[:at], abi.Errno(int32(binary.LittleEndian.Uint32([]byte(a.rest[at:]))))
}

// serve starts a server that ends with the test.
func serve(t testing.TB, h http.HandlerFunc) *httptest.Server {
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s
}

// withServer allows requests to the servers, and connections to their addresses.
func withServer(servers ...*httptest.Server) func(*PluginConfig) {
	return func(c *PluginConfig) {
		for _, s := range servers {
			c.HTTP.Origins = append(c.HTTP.Origins, s.URL)
			c.HTTP.Addresses = append(c.HTTP.Addresses, strings.TrimPrefix(strings.TrimPrefix(s.URL, "http://"), "https://"))
		}
	}
}

// withHTTP changes what the plugin may do.
func withHTTP(change func(*HTTPConfig)) func(*PluginConfig) {
	return func(c *PluginConfig) { change(&c.HTTP) }
}

// portOf is the port that the server listens on.
func portOf(t testing.TB, s *httptest.Server) string {
	u, err := url.Parse(s.URL)
	require.NoError(t, err)
	return u.Port()
}

// background runs a program whose result nobody waits for; the error comes on the channel.
func background(ctx context.Context, p *Plugin, doc string) <-chan error {
	result := make(chan error, 1)
	go func() {
		_, err := p.Handle(ctx, nil, message(doc))
		result <- err
	}()
	return result
}
