package host

import (
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/units"
	"github.com/stretchr/testify/require"

	"github.com/sgstreamd/sgstreamd/abi"
)

// A name is dialled only where its address, at that very moment, is one that may be.
func TestAddressesAreCheckedWhenTheyAreDialled(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "reached") })
	port := portOf(t, s)
	t.Run("a private one", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, "")
		b.resolver = resolverOf(t, func(int) []string { return []string{"127.0.0.1"} })
		p := b.start(t, "http", withHTTP(func(c *HTTPConfig) { c.Origins = []string{"http://rebound.example:" + port} }))
		a := newProgram().open(object{"url": "http://rebound.example:" + port}).headOf(nth(0)).headOf(0).ask(t, p)
		a.handle()
		a.errno(abi.ErrnoDenied)
		a.rest = a.rest[headRoom:]
		require.Equal(t, "the address 127.0.0.1:"+port+" is loopback, and is not in plugins.p.http.addresses", a.text())
		require.EqualValues(t, 1, b.value(t, "sgstreamd_plugin_http_requests_total", "denied"))
	})
	t.Run("one that changes", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, "")
		// The first look-up names an address that is allowed and refuses the connection, the second one that is not.
		b.resolver = resolverOf(t, func(n int) []string { return [][]string{{"127.0.0.2"}, {"127.0.0.1"}}[min(n, 1)] })
		p := b.start(t, "http", withHTTP(func(c *HTTPConfig) {
			c.Origins, c.Addresses = []string{"http://rebound.example:" + port}, []string{"127.0.0.2:" + port}
		}))
		ask := object{"url": "http://rebound.example:" + port}
		a := newProgram().open(ask).step(2, nth(0), stateBuffer, 8, 0, 0).open(ask).step(2, nth(1), stateBuffer, 8, 0, 0).ask(t, p)
		a.handle()
		a.errno(abi.ErrnoUnavailable)
		a.handle()
		a.errno(abi.ErrnoDenied)
	})
	t.Run("one that is granted", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, "")
		b.resolver = resolverOf(t, func(int) []string { return []string{"127.0.0.1"} })
		p := b.start(t, "http", withHTTP(func(c *HTTPConfig) {
			c.Origins, c.Addresses = []string{"http://*.granted.example:" + port}, []string{"127.0.0.0/8:" + port}
		}))
		a := newProgram().open(object{"url": "http://A.granted.example:" + port}).drain(nth(0)).ask(t, p)
		a.handle()
		body, _ := a.body()
		require.Equal(t, "reached", body)
	})
}

func TestRedirects(t *testing.T) {
	t.Parallel()
	inner := serve(t, func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "reached with %q %q", r.Header.Get("Authorization"), r.Referer())
	})
	outer := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/inner":
			http.Redirect(w, r, inner.URL+"/x", http.StatusFound)
		case "/loop":
			http.Redirect(w, r, "/loop", http.StatusFound)
		case "/same":
			http.Redirect(w, r, "/end", http.StatusTemporaryRedirect)
		case "/odd":
			w.Header().Set("Location", "http://%zz")
			w.WriteHeader(http.StatusFound)
		default:
			body, _ := io.ReadAll(r.Body)
			fmt.Fprintf(w, "%s %s %v", r.Method, body, r.Header.Get("Authorization") != "")
		}
	})
	follow := withHTTP(func(c *HTTPConfig) { c.Redirects = 2 })
	secret := withSecret(t, "key", "sk-0123456789", outer.URL, inner.URL)
	ask := func(path string) object {
		return object{"url": outer.URL + path, "method": "POST", "body": "text", "secrets": []string{"key"}}
	}
	t.Run("off", func(t *testing.T) {
		t.Parallel()
		for _, path := range []string{"/inner", "/odd"} {
			a := newProgram().open(ask(path)).headOf(nth(0)).ask(t, newBench(t, "").start(t, "http", withServer(outer, inner), secret))
			a.handle()
			h := a.head()
			require.Equal(t, http.StatusFound, h.Status)
			require.NotEmpty(t, h.Headers["location"])
		}
	})
	for _, tt := range []struct {
		name, path string
		servers    []*httptest.Server
		errno      abi.Errno
		want       string
	}{
		{"to another origin", "/inner", []*httptest.Server{outer}, abi.ErrnoDenied, inner.URL + " is not in plugins.p.http.origins"},
		{"to an allowed one, without the secret", "/inner", []*httptest.Server{outer, inner}, abi.ErrnoOK, `reached with "" ""`},
		{"to the same, with the secret and the body", "/same", []*httptest.Server{outer}, abi.ErrnoOK, "POST text true"},
		{"without end", "/loop", []*httptest.Server{outer}, abi.ErrnoLimit, "there are more redirects than the 2 of plugins.p.http.redirects"},
		{"to nowhere", "/odd", []*httptest.Server{outer}, abi.ErrnoUnavailable, "failed to parse Location header"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := newBench(t, "").start(t, "http", withServer(tt.servers...), follow, secret)
			a := newProgram().open(ask(tt.path)).drain(nth(0)).ask(t, p)
			a.handle()
			body, errno := a.body()
			require.Equal(t, tt.errno, errno)
			if errno == abi.ErrnoOK {
				require.Equal(t, tt.want, body)
				return
			}
			a = newProgram().open(ask(tt.path)).step(1, nth(0), 0, 0, 0, 0).headOf(0).ask(t, p)
			a.handle()
			a.errno(tt.errno)
			require.Contains(t, a.text(), tt.want)
		})
	}
	t.Run("to an allowed name at a refused address", func(t *testing.T) {
		t.Parallel()
		p := newBench(t, "").start(t, "http", withServer(outer), follow, func(c *PluginConfig) {
			c.HTTP.Origins = append(c.HTTP.Origins, inner.URL)
		})
		a := newProgram().open(object{"url": outer.URL + "/inner"}).step(1, nth(0), 0, 0, 0, 0).headOf(0).ask(t, p)
		a.handle()
		a.errno(abi.ErrnoDenied)
		require.Contains(t, a.text(), "is loopback, and is not in plugins.p.http.addresses")
	})
}

func TestAProxyOfTheEnvironmentIsNotUsed(t *testing.T) {
	asked := make(chan string, 10)
	proxy := serve(t, func(_ http.ResponseWriter, r *http.Request) { asked <- r.URL.String() })
	t.Setenv("HTTP_PROXY", proxy.URL)
	t.Setenv("http_proxy", proxy.URL)
	b := newBench(t, "")
	b.resolver = resolverOf(t, func(int) []string { return []string{"127.0.0.1"} })
	// Nothing but the client's own settings keeps it from the proxy, which is at an address that is granted.
	p := b.start(t, "http", withServer(proxy), withHTTP(func(c *HTTPConfig) { c.Origins = []string{"http://a.example"} }))
	a := newProgram().open(object{"url": "http://a.example/"}).step(1, nth(0), 0, 0, 0, 0).headOf(0).ask(t, p)
	a.handle()
	a.errno(abi.ErrnoDenied)
	require.Contains(t, a.text(), "the address 127.0.0.1:80 is loopback")
	require.Empty(t, asked)
}

// The plugin's requests at the same time are bounded. A call waits for the place of its first one, and for no other.
func TestRequestsAtTheSameTime(t *testing.T) {
	t.Parallel()
	asked, release := make(chan struct{}, 10), make(chan struct{})
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		select {
		case <-release:
		case <-r.Context().Done():
		}
		fmt.Fprint(w, "body")
	})
	p := newBench(t, "").start(t, "http", withServer(s), func(c *PluginConfig) { c.MaxInstances, c.HTTP.MaxConcurrent = 4, 1 })
	doc := newProgram().open(object{"url": s.URL}).step(1, nth(0), 0, 0, 0, 0).document()
	first, second := background(t.Context(), p, doc), background(t.Context(), p, doc)
	<-asked
	select {
	case <-asked:
		require.Fail(t, "the second one did not wait")
	case <-first:
		require.Fail(t, "the first one did not wait for its response")
	case <-second:
		require.Fail(t, "the second one was refused")
	case <-time.After(50 * time.Millisecond):
	}
	close(release)
	require.NoError(t, <-first)
	require.NoError(t, <-second)
	a := newProgram().open(object{"url": s.URL}).open(object{"url": s.URL}).headOf(0).drain(nth(0)).ask(t, p)
	a.handle()
	a.errno(abi.ErrnoLimit)
	require.Contains(t, a.text(), "plugins.p.http.max_concurrent")
	a = newProgram().open(object{"url": s.URL}).drain(nth(0)).open(object{"url": s.URL}).drain(nth(1)).ask(t, p)
	a.handle()
	require.Contains(t, a.rest, "body", "what has ended holds no place")
	_, errno := a.body()
	require.Equal(t, abi.ErrnoOK, errno)
}

// Connections are kept for the next request, and end with the plugin.
func TestConnectionsArePooled(t *testing.T) {
	t.Parallel()
	conns := make(chan struct{}, 10)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "body") }))
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			conns <- struct{}{}
		}
	}
	s.Start()
	t.Cleanup(s.Close)
	p := newBench(t, "").start(t, "http", withServer(s))
	for range 3 {
		a := newProgram().open(object{"url": s.URL}).drain(nth(0)).ask(t, p)
		a.handle()
		_, errno := a.body()
		require.Equal(t, abi.ErrnoOK, errno)
	}
	require.Len(t, conns, 1)
}

func TestTLSAndHTTP2(t *testing.T) {
	t.Parallel()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/large" {
			for i := range 5 {
				w.Header().Set(fmt.Sprint("X-", i), strings.Repeat("x", 1000))
			}
		}
		fmt.Fprint(w, r.Proto)
	}))
	s.EnableHTTP2 = true
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	b := newBench(t, "")
	p := b.start(t, "http", withServer(s))
	a := newProgram().open(object{"url": s.URL}).step(1, nth(0), 0, 0, 0, 0).headOf(0).ask(t, p)
	a.handle()
	a.errno(abi.ErrnoUnavailable)
	require.Contains(t, a.text(), "certificate signed by unknown authority")

	trusting := newBench(t, "")
	trusting.roots = s.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	p = trusting.start(t, "http", withServer(s), withHTTP(func(c *HTTPConfig) { c.MaxHeaders = 4 * units.KiB }))
	a = newProgram().open(object{"url": s.URL}).drain(nth(0)).ask(t, p)
	a.handle()
	body, _ := a.body()
	require.Equal(t, "HTTP/2.0", body)
	a = newProgram().open(object{"url": s.URL + "/large"}).step(1, nth(0), 0, 0, 0, 0).headOf(0).ask(t, p)
	a.handle()
	a.errno(abi.ErrnoLimit)
	require.Contains(t, a.text(), "the response's header has more than")
}
