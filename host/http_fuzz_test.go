package host

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sgstreamd/sgstreamd/abi"
)

// Whatever a guest hands to the functions for HTTP, the host keeps the limits and serves the next message.
func FuzzHTTP(f *testing.F) {
	s := serve(f, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "body") })
	ask := object{"url": s.URL, "method": "POST", "body": "x", "secrets": []string{"key"}}
	f.Add([]byte(newProgram().open(ask).headOf(nth(0)).drain(nth(0)).step(3, nth(0), 0, 0, 0, 0).document()))
	f.Add([]byte(newProgram().open(object{"url": "http://127.0.0.1:1/"}).headOf(0).step(2, 0xffffffff, 0xffffffff, 0xffffffff, 0, 0).document()))
	f.Add([]byte(newProgram().open(ask).open(ask).step(2, nth(1), stateMemory-1, 1, 0, 0).step(6, nth(0), 0, 0, 0, 0).step(8, 0, 0, 0, 0, 0).document()))
	h := quietHost(f)
	cfg := testConfig()
	withServer(s)(&cfg)
	withSecret(f, "key", "sk-0123456789", s.URL)(&cfg)
	cfg.Timeout, cfg.HTTP.Timeout = 2*time.Second, time.Second
	p, err := h.Load(context.Background(), "p", filepath.Join("testdata", "http.wasm"), cfg, 1)
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, doc []byte) {
		if len(doc) < 4 || len(doc) > 100_000 {
			return
		}
		steps := min(binary.LittleEndian.Uint32(doc), stateSteps)
		if _, err := handle(p, string(binary.LittleEndian.AppendUint32(nil, steps))+string(doc[4:])); err != nil {
			require.False(t, strings.ContainsAny(err.Error(), "\n\r"), "%q", err)
		}
		a := newProgram().open(ask).drain(nth(0)).ask(t, p)
		a.handle()
		body, _ := a.body()
		require.Equal(t, "body", body)
		require.True(t, p.egress.places.TryAcquire(int64(cfg.HTTP.MaxConcurrent)), "a place was not given back")
		p.egress.places.Release(int64(cfg.HTTP.MaxConcurrent))
	})
}

// What passes the policy goes to the one host that it allows, whatever the spelling.
func FuzzPolicy(f *testing.F) {
	for _, url := range []string{
		"https://api.example.org/", "https://API.example.org:443/x?y#z", "https://api.example.org@evil.example/", `https://evil.example\@api.example.org/`,
		"https://api.example.org%2eevil.example/", "https://api.example.org:/", "https://[::ffff:127.0.0.1]/", "https:api.example.org", "https://api.example.org\t/",
		"https://api.example.org/?a b", "https://api.example.or\u212a/", "https://api.example.org/a b",
	} {
		f.Add("GET", url, "X-Name", "value")
	}
	h := quietHost(f)
	cfg := testConfig()
	cfg.HTTP.Origins = []string{"https://api.example.org"}
	e, err := h.newEgress("p", &cfg, nil)
	require.NoError(f, err)
	f.Cleanup(e.close)
	f.Fuzz(func(t *testing.T, method, url, name, value string) {
		p, err := e.prepare(abi.Request{Method: method, URL: url, Headers: []abi.Header{{Name: name, Value: value}}})
		if err != nil {
			_, known := errors.AsType[*refusal](err)
			require.True(t, known, "%v", err)
			require.False(t, strings.ContainsAny(err.Error(), "\n\r"), "%q", err)
			return
		}
		r := p.request
		require.Contains(t, []string{"api.example.org", "api.example.org:443", "api.example.org:"}, strings.ToLower(r.URL.Host))
		require.Contains(t, []string{"api.example.org", "api.example.org:443"}, strings.ToLower(r.Host))
		require.Equal(t, "https", r.URL.Scheme)
		require.False(t, strings.ContainsAny(r.URL.RequestURI(), " \t\r\n\x00"), "%q", r.URL.RequestURI())
		require.True(t, slices.Contains(defaultMethods(), r.Method))
		require.False(t, isHostsHeader(name))
		require.False(t, strings.ContainsAny(value, "\r\n\x00"))
	})
}
