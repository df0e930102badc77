package host

import (
	"bufio"
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/alecthomas/units"
	"github.com/stretchr/testify/require"

	"github.com/sgstreamd/sgstreamd/abi"
)

// serveRaw starts a server that answers each connection's first request with whatever the function writes. The
// connection is closed when the function has returned. It returns the server's URL.
func serveRaw(t testing.TB, answer func(conn net.Conn, r *http.Request)) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	return serveListener(t, l, answer)
}

func serveListener(t testing.TB, l net.Listener, answer func(conn net.Conn, r *http.Request)) string {
	done := make(chan struct{})
	t.Cleanup(func() { _ = l.Close(); <-done })
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				if r, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
					answer(conn, r)
				}
			}()
		}
	}()
	return "http://" + l.Addr().String()
}

// withURL allows requests to the server at the URL, and connections to its address.
func withURL(url string) func(*PluginConfig) {
	return func(c *PluginConfig) {
		c.HTTP.Origins = append(c.HTTP.Origins, url)
		_, address, _ := strings.Cut(url, "://")
		c.HTTP.Addresses = append(c.HTTP.Addresses, address)
	}
}

// untilClosed returns when the other side has closed the connection.
func untilClosed(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }

// What a server can do to HTTP/1.1 itself ends the request, and not later than the request's own time.
func TestServersThatAbuseHTTP(t *testing.T) {
	t.Parallel()
	write := func(text string) func(net.Conn, *http.Request) {
		return func(conn net.Conn, _ *http.Request) { _, _ = io.WriteString(conn, text) }
	}
	stay := func(text string) func(net.Conn, *http.Request) {
		return func(conn net.Conn, _ *http.Request) { _, _ = io.WriteString(conn, text); untilClosed(conn) }
	}
	flood := func(first, again string) func(net.Conn, *http.Request) {
		return func(conn net.Conn, _ *http.Request) {
			_, err := io.WriteString(conn, first)
			for err == nil {
				_, err = io.WriteString(conn, again)
			}
		}
	}
	const ok = "HTTP/1.1 200 OK\r\n"
	for _, tt := range []struct {
		name   string
		answer func(net.Conn, *http.Request)
		errno  abi.Errno
		text   string
	}{
		{"another protocol", stay("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"), abi.ErrnoUnavailable, "the server switches to another protocol"},
		{"informational responses without end", flood("", "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"), abi.ErrnoLimit, "the response's header has more than the 4KiB"},
		{"a status line without end", flood(ok[:13], "xxxxxxxxxxxxxxxx"), abi.ErrnoLimit, "the response's header has more than the 4KiB"},
		{"a header's line without end", flood(ok+"X: ", "xxxxxxxxxxxxxxxx"), abi.ErrnoLimit, "the response's header has more than the 4KiB"},
		{"two lengths", write(ok + "Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx"), abi.ErrnoUnavailable, "Content-Length"},
		{"a length and chunks", stay(ok + "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n"), abi.ErrnoOK, "x"},
		{"an unknown coding", write(ok + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"), abi.ErrnoUnavailable, "transfer encoding"},
		{"a negative length", write(ok + "Content-Length: -1\r\n\r\n"), abi.ErrnoUnavailable, "Content-Length"},
		{"a chunk's odd length", write(ok + "Transfer-Encoding: chunked\r\n\r\n-1\r\nx\r\n"), abi.ErrnoUnavailable, "invalid byte in chunk length"},
		{"a chunk of all bytes", stay(ok + "Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nx"), abi.ErrnoUnavailable, "within 500ms"},
		{"chunks' extensions without end", flood(ok+"Transfer-Encoding: chunked\r\n\r\n", "1;"+strings.Repeat("x", 2000)+"\r\nx\r\n"), abi.ErrnoUnavailable, "chunked encoding"},
		{"trailers without end", flood(ok+"Transfer-Encoding: chunked\r\n\r\n0\r\n", "X: x\r\n"), abi.ErrnoUnavailable, "trailer"},
		{"a header in the trailer", write(ok + "Trailer: Content-Length\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nContent-Length: 9\r\n\r\n"), abi.ErrnoUnavailable, "bad trailer key"},
		{"not gzip", write(ok + "Content-Encoding: gzip\r\nContent-Length: 1\r\n\r\nx"), abi.ErrnoUnavailable, "EOF"},
		{"gone", write(""), abi.ErrnoUnavailable, "EOF"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			url := serveRaw(t, tt.answer)
			p := newBench(t, "").start(t, "http", withURL(url), withHTTP(func(c *HTTPConfig) {
				c.MaxResponse, c.MaxHeaders, c.Timeout = 64*units.KiB, 4*units.KiB, soon
			}))
			a := newProgram().open(object{"url": url}).drain(nth(0)).ask(t, p)
			a.handle()
			body, errno := a.body()
			require.Equal(t, tt.errno, errno)
			if errno == abi.ErrnoOK {
				require.Equal(t, tt.text, body)
				return
			}
			a = newProgram().open(object{"url": url}).drain(nth(0)).headOf(0).ask(t, p)
			a.handle()
			a.rest = a.rest[len(a.rest)-headRoom-8:]
			a.errno(tt.errno)
			require.Contains(t, a.text(), tt.text)
		})
	}
}

// The bytes of a request are those that the host means, whatever a guest has put into its parts.
func TestWhatAGuestSendsIsOneRequest(t *testing.T) {
	t.Parallel()
	got := make(chan string, 1)
	s := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got <- fmt.Sprintf("%s %s %s %d %v %s", r.Method, r.RequestURI, r.Host, r.ContentLength, r.TransferEncoding, body)
	})
	host := strings.TrimPrefix(s.URL, "http://")
	p := newBench(t, "").start(t, "http", withServer(s))
	for _, tt := range []struct {
		name string
		ask  object
		want string // without an errno
	}{
		{"a path with odd characters", object{"url": s.URL + "/a b\"<>{}|é"}, "GET /a%20b%22%3C%3E%7B%7D%7C%C3%A9 " + host + " 0 [] "},
		{"a query with odd characters", object{"url": s.URL + "/?a=\"<>{}|"}, "GET /?a=\"<>{}| " + host + " 0 [] "},
		{"two slashes", object{"url": s.URL + "//evil.example/x"}, "GET //evil.example/x " + host + " 0 [] "},
		{"dots", object{"url": s.URL + "/a/../b"}, "GET /a/../b " + host + " 0 [] "},
		{"a body that looks like a request", object{"url": s.URL, "method": "GET", "body": "GET /x HTTP/1.1\r\n\r\n"}, "GET / " + host + " 19 [] GET /x HTTP/1.1\r\n\r\n"},
		{"a space in the query", object{"url": s.URL + "/?x HTTP/1.0"}, ""},
		{"a line break in the query", object{"url": s.URL + "/?x\r\nA: b"}, ""},
		{"a line break in the host", object{"url": s.URL + "\r\nA: b/"}, ""},
		{"a line break in the method", object{"url": s.URL, "method": "GET\r\nA: b"}, ""},
		{"a space in the method", object{"url": s.URL, "method": "GET /x"}, ""},
		{"a line break in a name", object{"url": s.URL, "headers": object{"A\r\nB": "x"}}, ""},
		{"a colon in a name", object{"url": s.URL, "headers": object{"A: b\r\nB": "x"}}, ""},
		{"a space behind a name", object{"url": s.URL, "headers": object{"Transfer-Encoding ": "chunked"}}, ""},
		{"a bare line feed in a value", object{"url": s.URL, "headers": object{"A": "b\nTransfer-Encoding: chunked"}}, ""},
		{"a bare carriage return in a value", object{"url": s.URL, "headers": object{"A": "b\rc"}}, ""},
		{"a nul in a value", object{"url": s.URL, "headers": object{"A": "b\x00"}}, ""},
		{"a length of its own", object{"url": s.URL, "body": "abc", "headers": object{"content-length": "1"}}, ""},
		{"chunks of its own", object{"url": s.URL, "body": "abc", "headers": object{"TRANSFER-ENCODING": "chunked"}}, ""},
		{"an upgrade", object{"url": s.URL, "headers": object{"upgrade": "h2c"}}, ""},
		{"a connection of its own", object{"url": s.URL, "headers": object{"Connection": "X-Api-Key"}}, ""},
		{"a pseudo header", object{"url": s.URL, "headers": object{":authority": "evil.example"}}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := newProgram().open(tt.ask).step(1, nth(0), 0, 0, 0, 0).ask(t, p)
			if tt.want == "" {
				require.Negative(t, a.number())
				require.Empty(t, got)
				return
			}
			a.handle()
			require.Equal(t, tt.want, <-got)
		})
	}
}

// What a server makes of a secret that it was sent comes back without it, wherever a response has room for text.
func TestASecretInWhatGoesWrong(t *testing.T) {
	t.Parallel()
	const value = "sk-Open-0123456789abcdefghij"
	const ok = "HTTP/1.1 200 OK\r\n"
	pad := strings.Repeat("x", maxLine-60)
	long := strings.Repeat("y", 2000)
	for name, answer := range map[string]string{
		"the status line":                     "HTTP/1.1 2xx " + value + "\r\n\r\n",
		"the protocol":                        "Bearer " + value + " 200 OK\r\n\r\n",
		"a text that is cut inside of it":     "HTTP/1.1 " + pad + value + long + " OK\r\n\r\n",
		"a text that is cut a little later":   "HTTP/1.1 " + pad + "12345" + value + long + " OK\r\n\r\n",
		"a header's line":                     ok + "Bearer " + value + "\r\n\r\n",
		"a header's name":                     ok + value + ": x\r\nContent-Length: 0\r\n\r\n",
		"a length":                            ok + "Content-Length: " + value + "\r\n\r\n",
		"a coding":                            ok + "Transfer-Encoding: " + value + "\r\n\r\n",
		"the reason of a good status":         "HTTP/1.1 200 " + value + "\r\nContent-Length: 0\r\n\r\n",
		"a redirect's host":                   "HTTP/1.1 302 Found\r\nLocation: https://" + value + ".example/\r\nContent-Length: 0\r\n\r\n",
		"a redirect's odd host":               "HTTP/1.1 302 Found\r\nLocation: https://" + value + "\r\nContent-Length: 0\r\n\r\n",
		"a redirect that can't be read":       "HTTP/1.1 302 Found\r\nLocation: http://%zz" + value + "\r\nContent-Length: 0\r\n\r\n",
		"one that can't be read and is cut":   "HTTP/1.1 302 Found\r\nLocation: http://%zz" + pad + value + long + "\r\nContent-Length: 0\r\n\r\n",
		"a redirect's scheme":                 "HTTP/1.1 302 Found\r\nLocation: " + value + "://h/\r\nContent-Length: 0\r\n\r\n",
		"a body that is cut":                  ok + "Content-Length: 1000\r\n\r\n" + value[:27],
		"a chunk's length":                    ok + "Transfer-Encoding: chunked\r\n\r\n" + value + "\r\n",
		"a body that is cut behind a few":     ok + "Content-Length: 1000\r\n\r\nyou sent " + value + " and " + value[:20],
		"a trailer":                           ok + "Transfer-Encoding: chunked\r\n\r\n0\r\nX: " + value + "\r\n\r\n",
		"a body beyond the limit, cut inside": ok + "Content-Length: 2000\r\n\r\n" + strings.Repeat("x", 1024-20) + value + long,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := serveRaw(t, func(conn net.Conn, _ *http.Request) { _, _ = io.WriteString(conn, answer) })
			for _, redirects := range []int{0, 3} {
				b := newBench(t, "")
				p := b.start(t, "http", withURL(url), withSecret(t, "key", value, url), withHTTP(func(c *HTTPConfig) {
					c.Redirects, c.MaxResponse, c.MaxHeaders = redirects, units.KiB, 16*units.KiB
				}))
				a := newProgram().open(object{"url": url, "secrets": []string{"key"}}).headOf(nth(0)).drain(nth(0)).headOf(0).ask(t, p)
				said := a.rest
				for _, e := range b.logs.all() {
					said += fmt.Sprint(e)
				}
				require.NotContains(t, strings.ToLower(said), strings.ToLower(value[3:12]))
			}
		})
	}
}

// A secret can't be found in what is still compressed, so where one may be, the guest does not get it.
func TestASecretInACompressedBody(t *testing.T) {
	t.Parallel()
	const value = "sk-0123456789abcdef"
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		var body io.Writer = w
		w.Header()["Content-Encoding"] = []string{r.URL.Query().Get("code")}
		if strings.Contains(r.URL.Query().Get("code"), "gzip") {
			z := gzip.NewWriter(w)
			defer z.Close()
			body = z
		}
		fmt.Fprint(body, "you sent ", r.Header.Get("Authorization"))
	})
	secret := withSecret(t, "key", value, s.URL)
	p := newBench(t, "").start(t, "http", withServer(s), secret)
	without := newBench(t, "").start(t, "http", withServer(s))
	ranged := object{"Range": "bytes=0-"}
	for _, tt := range []struct {
		name, code string
		headers    object
		errno      abi.Errno
	}{
		{"gzip, as it was asked for", "gzip", nil, abi.ErrnoOK},
		{"not at all", "identity", ranged, abi.ErrnoOK},
		{"gzip, of a range", "gzip", ranged, abi.ErrnoUnavailable},
		{"gzip in the old spelling", "x-gzip", nil, abi.ErrnoUnavailable},
		{"twice", "gzip, gzip", nil, abi.ErrnoUnavailable},
		{"otherwise", "br", nil, abi.ErrnoUnavailable},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ask := object{"url": s.URL + "?code=" + url.QueryEscape(tt.code), "headers": tt.headers, "secrets": []string{"key"}}
			a := newProgram().open(ask).drain(nth(0)).ask(t, p)
			a.handle()
			body, errno := a.body()
			require.Equal(t, tt.errno, errno)
			if errno == abi.ErrnoOK {
				require.Equal(t, "you sent Bearer [redacted]", body)
				return
			}
			require.Empty(t, body)
			delete(ask, "secrets")
			a = newProgram().open(ask).drain(nth(0)).ask(t, without)
			a.handle()
			body, errno = a.body()
			require.Equal(t, abi.ErrnoOK, errno, "who has no secret there gets what there is")
			require.NotEmpty(t, body)
			ask["method"] = "HEAD"
			a = newProgram().open(ask).drain(nth(0)).ask(t, p)
			a.handle()
			_, errno = a.body()
			require.Equal(t, abi.ErrnoOK, errno)
		})
	}
}

// What a server sends too much, or what is not read of an answer, is no part of the answer to the next request.
func TestWhatIsLeftOfAnAnswerIsNotTheNext(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	url := serveRaw(t, func(conn net.Conn, _ *http.Request) {
		n := asked.Add(1)
		answer := fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n%d%s", n, strings.Repeat("x", 1999))
		_, _ = io.WriteString(conn, answer+"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged")
		untilClosed(conn)
	})
	for name, limit := range map[string]units.Base2Bytes{"one that is read": units.MiB, "one that is too large": units.KiB} {
		t.Run(name, func(t *testing.T) {
			p := newBench(t, "").start(t, "http", withURL(url), withHTTP(func(c *HTTPConfig) { c.MaxResponse = limit }))
			for range 3 {
				a := newProgram().open(object{"url": url}).step(2, nth(0), stateBuffer, 1, 0, 0).step(4, stateBuffer, 1, 0, 0, 0).drain(nth(0)).ask(t, p)
				a.handle()
				require.EqualValues(t, 1, a.number())
				require.Equal(t, fmt.Sprint(asked.Load()), a.rest[:1])
				require.NotContains(t, a.rest, "forged")
			}
		})
	}
}

func TestMethodsThatNobodyMayAllow(t *testing.T) {
	t.Parallel()
	for _, m := range []string{"CONNECT", "TRACE", "get", "", "GET ", "GET\r\n", "G ET", "é"} {
		c := HTTPConfig{Methods: []string{m}}
		require.ErrorContains(t, c.Validate(), "methods holds ", m)
	}
}
