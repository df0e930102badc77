package host

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/alecthomas/units"
	"github.com/stretchr/testify/require"

	"github.com/sgstreamd/sgstreamd/abi"
)

func TestARequestAndItsResponse(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Add("X-Two", "1")
		w.Header().Add("X-Two", "2")
		w.WriteHeader(http.StatusTeapot)
		fmt.Fprintf(w, "%s %s %s %s %s", r.Method, r.URL, r.Header.Get("X-Ask"), r.UserAgent(), body)
	})
	b := newBench(t, "")
	p := b.start(t, "http", withServer(s))
	a := newProgram().
		open(object{"method": "POST", "url": s.URL + "/a?b=c#d", "headers": object{"X-Ask": "me"}, "body": "hello"}).
		headOf(nth(0)).step(1, nth(0), stateBuffer, 0, 0, 0).drain(nth(0)).ask(t, p)
	a.handle()
	h := a.head()
	require.Equal(t, http.StatusTeapot, h.Status)
	require.Equal(t, []string{"1", "2"}, h.Headers["x-two"])
	require.Equal(t, s.URL+"/a?b=c#d", h.URL)
	require.Greater(t, a.number(), int32(100), "a head that does not fit tells its length")
	body, errno := a.body()
	require.Equal(t, "POST /a?b=c me sgstreamd hello", body)
	require.Equal(t, abi.ErrnoOK, errno)
	require.EqualValues(t, 1, b.value(t, "sgstreamd_plugin_http_requests_total", "4xx"))
	require.Empty(t, b.logs.all())
}

// Denied by default, and everything that is not in the table.
func TestRequestsThatThePolicyDenies(t *testing.T) {
	t.Parallel()
	b := newBench(t, "")
	denied, invalid, limit := abi.ErrnoDenied, abi.ErrnoInvalid, abi.ErrnoLimit
	granted := func(c *HTTPConfig) {
		c.Origins = []string{"https://api.example.org", "https://*.wild.example", "http://plain.example:8080"}
		c.Methods = []string{"GET", "POST"}
		c.MaxRequest, c.MaxHeaders = units.KiB, units.KiB
	}
	for _, tt := range []struct {
		name  string
		ask   object
		errno abi.Errno
		text  string
	}{
		{"another host", object{"url": "https://example.org/"}, denied, "https://example.org is not in plugins.p.http.origins"},
		{"another scheme", object{"url": "http://api.example.org/"}, denied, "http://api.example.org is not in"},
		{"another port", object{"url": "https://api.example.org:8443/"}, denied, "https://api.example.org:8443 is not in"},
		{"the scheme's own port elsewhere", object{"url": "http://plain.example/"}, denied, "http://plain.example is not in"},
		{"the wildcard's own name", object{"url": "https://wild.example/"}, denied, "https://wild.example is not in"},
		{"an end that is no name", object{"url": "https://notwild.example/"}, denied, "https://notwild.example is not in"},
		{"the host as a beginning", object{"url": "https://api.example.org.evil.example/"}, denied, "is not in"},
		{"the host as a user", object{"url": "https://api.example.org@evil.example/"}, invalid, "the URL has a user or password in it"},
		{"a user", object{"url": "https://a:b@api.example.org/"}, invalid, "the URL has a user or password in it"},
		{"a backslash", object{"url": `https://evil.example\@api.example.org/`}, invalid, "the URL is malformed"},
		{"a decimal address", object{"url": "https://2130706433/"}, denied, "https://2130706433 is not in"},
		{"an octal address", object{"url": "https://0177.0.0.1/"}, denied, "https://0177.0.0.1 is not in"},
		{"a hexadecimal address", object{"url": "https://0x7f.1/"}, denied, "https://0x7f.1 is not in"},
		{"a mapped address", object{"url": "https://[::ffff:127.0.0.1]/"}, denied, "https://[::ffff:127.0.0.1] is not in"},
		{"an address with a zone", object{"url": "https://[fe80::1%25lo]/"}, invalid, "the URL's host is an address with a zone"},
		{"a full stop in another script", object{"url": "https://api。example。org/"}, invalid, "write other letters in punycode"},
		{"a letter whose lower case is another", object{"url": "https://\u212aiosk.wild.example/"}, invalid, "write other letters in punycode"},
		{"a full-width letter", object{"url": "https://\uff41pi.example.org/"}, invalid, "write other letters in punycode"},
		{"an escape in the host", object{"url": "https://api.example.org%2eevil.example/"}, invalid, "the URL is malformed"},
		{"a port with a zero before it", object{"url": "https://api.example.org:0443/"}, denied, "https://api.example.org:0443 is not in"},
		{"no number as a port", object{"url": "https://api.example.org:https/"}, invalid, "the URL is malformed"},
		{"a tunnel", object{"url": "https://api.example.org/", "method": "CONNECT"}, denied, "the method CONNECT is not in"},
		{"a trace", object{"url": "https://api.example.org/", "method": "TRACE"}, denied, "the method TRACE is not in"},
		{"a long host", object{"url": "https://" + strings.Repeat("x", 5000) + "/"}, denied, "https://xxx"},
		{"a long header's name", object{"url": "https://api.example.org/", "headers": object{"Proxy-" + strings.Repeat("x", 5000): "x"}}, denied, "the header field Proxy-Xxx"},
		{"a space in the query", object{"url": "https://api.example.org/?q=a b"}, invalid, "the URL's query has a space in it; write %20"},
		{"a dot at the end", object{"url": "https://api.example.org./"}, invalid, "has a dot at its beginning or end"},
		{"a dot before the wildcard", object{"url": "https://.wild.example/"}, invalid, "has a dot at its beginning or end"},
		{"no host", object{"url": "https:///x"}, invalid, "the URL's host is empty"},
		{"no scheme", object{"url": "//api.example.org/"}, invalid, "the URL is not one of http:// and https://"},
		{"a file", object{"url": "file:///etc/passwd"}, invalid, "the URL is not one of http:// and https://"},
		{"opaque", object{"url": "https:api.example.org"}, invalid, "the URL is not one of http:// and https://"},
		{"a long URL", object{"url": "https://api.example.org/" + strings.Repeat("x", abi.MaxURLBytes)}, limit, "the URL has 8216 bytes; 8192 are allowed"},
		{"another method", object{"url": "https://api.example.org/", "method": "PUT"}, denied, "the method PUT is not in plugins.p.http.methods"},
		{"a method in lower case", object{"url": "https://api.example.org/", "method": "get"}, denied, "the method get is not in"},
		{"a large body", object{"url": "https://api.example.org/", "body": strings.Repeat("x", 1025)}, limit, "the body has 1025 bytes; plugins.p.http.max_request allows 1KiB"},
		{"a large header", object{"url": "https://api.example.org/", "headers": object{"X": strings.Repeat("x", 1024)}}, limit, "the header has more than the 1KiB of plugins.p.http.max_headers"},
		{"a header in two lines", object{"url": "https://api.example.org/", "headers": object{"X": "a\r\nY: b"}}, invalid, "the header field X has a line break"},
		{"a header's odd name", object{"url": "https://api.example.org/", "headers": object{"X:": "a"}}, invalid, `a header field's name is malformed: "X:"`},
		{"another host in the header", object{"url": "https://api.example.org/", "headers": object{"host": "evil"}}, denied, "the header field Host is the host's to set"},
		{"a compression of its own", object{"url": "https://api.example.org/", "headers": object{"accept-encoding": "br"}}, denied, "the header field Accept-Encoding is the host's to set"},
		{"a word to a proxy", object{"url": "https://api.example.org/", "headers": object{"proxy-authorization": "x"}}, denied, "is the host's to set"},
		{"an unknown secret", object{"url": "https://api.example.org/", "secrets": []string{"key"}}, denied, "there is no secret plugins.p.secrets.key"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := b.start(t, "http", withHTTP(granted))
			a := newProgram().open(tt.ask).headOf(0).ask(t, p)
			a.errno(tt.errno)
			text := a.text()
			require.Contains(t, text, tt.text, "the text for the guest")
			require.LessOrEqual(t, len(text), 500)
		})
	}
	t.Run("no table", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, "")
		a := newProgram().headOf(0).step(0, stateMessage, 2, 0, 0, 0).open(object{"url": "https://api.example.org/"}).headOf(0).
			ask(t, b.start(t, "http"))
		a.errno(abi.ErrnoNotFound)
		a.rest = a.rest[headRoom:]
		a.errno(abi.ErrnoInvalid)
		a.errno(denied)
		require.Equal(t, "plugins.p.http.origins allows nothing", a.text())
		require.EqualValues(t, 1, b.value(t, "sgstreamd_plugin_http_requests_total", "denied"))
		require.Equal(t, "EDENIED", b.logs.find("an http_open was refused: plugins.p.http.origins allows nothing").attrs["errno"])
	})
}

// What lies outside of the memory, and what is no handle, is an errno and no trap.
func TestBadPointersAndHandles(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "body") })
	const end, far, in = stateMemory, 0xffffffff, stateBuffer
	const open, head, read, closes = 0, 1, 2, 3
	fault, invalid := abi.ErrnoFault, abi.ErrnoInvalid
	b := newBench(t, "")
	p := b.start(t, "http", withServer(s))
	for _, tt := range []struct {
		name       string
		op         uint32
		a, b, c    uint32
		errno      abi.Errno
		afterwards string
	}{
		{"open behind the end", open, end, 1, 0, fault, "the document lies outside of the memory"},
		{"open across the end", open, end - 1, 2, 0, fault, "the document lies outside of the memory"},
		{"open all numbers", open, far, far, 0, fault, "the document lies outside of the memory"},
		{"open nothing", open, 0, 0, 0, invalid, "unexpected end"},
		{"head behind the end", head, nth(0), end, 1, fault, "the buffer lies outside of the memory"},
		{"head of all numbers", head, nth(0), far, far, fault, "the buffer lies outside of the memory"},
		{"head of no handle", head, 12345, in, 1, invalid, "the call has no request of the handle 12345"},
		{"head of a negative handle", head, far, in, 1, invalid, "the call has no request of the handle 4294967295"},
		{"read across the end", read, nth(0), end - 1, 2, fault, "the buffer lies outside of the memory"},
		{"read of no handle", read, 12345, in, 1, invalid, "the call has no request of the handle 12345"},
		{"read of handle 0", read, 0, in, 1, invalid, "the call has no request of the handle 0"},
		{"read into nothing", read, nth(0), in, 0, invalid, "the buffer has no room"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			prog := newProgram()
			if tt.op != open {
				prog.open(object{"url": s.URL})
			}
			a := prog.step(tt.op, tt.a, tt.b, tt.c, 0, 0).step(closes, far, 0, 0, 0, 0).headOf(0).ask(t, p)
			if tt.op != open {
				a.handle()
			}
			a.errno(tt.errno)
			require.Contains(t, a.text(), tt.afterwards)
		})
	}
	t.Run("closed", func(t *testing.T) {
		a := newProgram().open(object{"url": s.URL}).step(closes, nth(0), 0, 0, 0, 0).step(closes, nth(0), 0, 0, 0, 0).
			step(read, nth(0), in, 8, 0, 0).ask(t, p)
		a.handle()
		a.errno(invalid)
	})
	t.Run("of another call", func(t *testing.T) {
		h := newProgram().open(object{"url": s.URL}).ask(t, p).handle()
		a := newProgram().open(object{"url": s.URL}).step(read, uint32(h), in, 8, 0, 0).drain(nth(0)).ask(t, p)
		require.NotEqual(t, h, a.handle())
		a.errno(invalid)
		body, errno := a.body()
		require.Equal(t, "body", body)
		require.Equal(t, abi.ErrnoOK, errno)
	})
}

func TestRequestsAreDeniedOutsideOfACall(t *testing.T) {
	t.Parallel()
	b := newBench(t, "")
	v, err := handle(b.start(t, "initialize_http", withHTTP(func(c *HTTPConfig) { c.Origins = []string{"http://a.example"} })), "")
	require.NoError(t, err)
	require.Equal(t, abi.ErrnoDenied, abi.Errno(-v.RetryAfter.Milliseconds()))
}

// Another hundred thousand requests cost a number each, and the next message is answered.
func TestAFloodOfRequests(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "body") })
	b := newBench(t, "")
	p := b.start(t, "http", withServer(s), withHTTP(func(c *HTTPConfig) { c.MaxConcurrent = 1000 }))
	prog := newProgram()
	ptr, size := prog.put(`{"url":"` + s.URL + `"}`)
	a := prog.step(7, ptr, size, 0, 0, 0).headOf(0).ask(t, p)
	a.errno(abi.ErrnoLimit)
	require.Equal(t, "the call has made its 100 requests", a.text())
	a = newProgram().open(object{"url": s.URL}).drain(nth(0)).ask(t, p)
	a.handle()
	body, _ := a.body()
	require.Equal(t, "body", body)
}

// A header whose name the json codec would take for a tagged value.
func TestAHeaderThatLooksLikeATaggedValue(t *testing.T) {
	t.Parallel()
	x := exchange{egress: &egress{}, response: &http.Response{Header: http.Header{"$binary": {"x"}}, Request: httptest.NewRequest("GET", "http://h/", nil)}}
	require.Equal(t, map[string][]string{"$$binary": {"x"}}, x.describe().Headers)
}
