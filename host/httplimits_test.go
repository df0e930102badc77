package host

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/units"
	"github.com/stretchr/testify/require"

	"github.com/sgstreamd/sgstreamd/abi"
)

// A response is read while it arrives: the server sends the second event when the guest has logged the first.
func TestAResponseIsReadAsItArrives(t *testing.T) {
	t.Parallel()
	seen := make(chan struct{})
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprint(w, "data: first\n\n")
		_ = http.NewResponseController(w).Flush()
		select {
		case <-seen:
		case <-r.Context().Done():
			return
		}
		fmt.Fprint(w, "data: second\n\n")
	})
	b := newBench(t, "")
	p := b.start(t, "http", withServer(s), withSecret(t, "key", "sk-0123456789", s.URL))
	done := background(t.Context(), p, newProgram().open(object{"url": s.URL}).step(6, nth(0), 0, 0, 0, 0).step(6, nth(0), 0, 0, 0, 0).document())
	b.logs.await(t, "data: first")
	close(seen)
	require.NoError(t, <-done)
	require.NotNil(t, b.logs.find("data: second"))
}

func TestLimitsOfAResponse(t *testing.T) {
	t.Parallel()
	small := withHTTP(func(c *HTTPConfig) {
		c.MaxResponse, c.MaxHeaders, c.Timeout = 64*units.KiB, 4*units.KiB, soon
	})
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	for range 256 {
		_, _ = z.Write(make([]byte, 64<<10))
	}
	require.NoError(t, z.Close())
	bomb := zipped.Bytes() // 16 MiB in 16 KiB
	hang := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	for _, tt := range []struct {
		name  string
		serve http.HandlerFunc
		errno abi.Errno
		text  string
		label string
	}{
		{"endless", func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				if _, err := w.Write(make([]byte, 4096)); err != nil {
					return
				}
			}
		}, abi.ErrnoLimit, "the response's body has more than the 64KiB of plugins.p.http.max_response", "limit"},
		{"a gzip bomb", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write(bomb)
		}, abi.ErrnoLimit, "the response's body has more than the 64KiB", "limit"},
		{"huge headers", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X", strings.Repeat("x", 64<<10))
		}, abi.ErrnoLimit, "the response's header has more than the 4KiB of plugins.p.http.max_headers", "limit"},
		{"no answer", hang, abi.ErrnoUnavailable, "there was no whole response within 500ms", "unavailable"},
		{"a slow drip", func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				_, _ = w.Write([]byte("x"))
				_ = http.NewResponseController(w).Flush()
				time.Sleep(time.Millisecond)
			}
		}, abi.ErrnoUnavailable, "there was no whole response within 500ms", "unavailable"},
		{"cut short", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			_, _ = w.Write([]byte("x"))
		}, abi.ErrnoUnavailable, "unexpected EOF", "unavailable"},
		{"headers without end", func(w http.ResponseWriter, r *http.Request) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				return
			}
			defer conn.Close()
			_, err = io.WriteString(conn, "HTTP/1.1 200 OK\r\n")
			for i := 0; err == nil; i++ {
				_, err = fmt.Fprintf(conn, "X-%d: x\r\n", i)
			}
		}, abi.ErrnoLimit, "the response's header has more than the 4KiB", "limit"},
		{"no HTTP", func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err == nil {
				_, _ = io.WriteString(conn, "220 smtp.example\r\n")
				_ = conn.Close()
			}
		}, abi.ErrnoUnavailable, "malformed HTTP", "unavailable"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, tt.serve)
			b := newBench(t, "")
			p := b.start(t, "http", withServer(s), small)
			a := newProgram().open(object{"url": s.URL}).drain(nth(0)).headOf(0).ask(t, p)
			a.handle()
			a.rest = a.rest[len(a.rest)-headRoom-8:]
			a.errno(tt.errno)
			require.Contains(t, a.text(), tt.text)
			require.EqualValues(t, 1, b.value(t, "sgstreamd_plugin_http_requests_total", tt.label))
		})
	}
}

func TestARequestsOwnTimeIsShorter(t *testing.T) {
	t.Parallel()
	s := serve(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	p := newBench(t, "").start(t, "http", withServer(s))
	a := newProgram().open(object{"url": s.URL, "timeout_ms": 50}).step(2, nth(0), stateBuffer, 8, 0, 0).headOf(0).ask(t, p)
	a.handle()
	a.errno(abi.ErrnoUnavailable)
	require.Equal(t, "there was no whole response within 50ms", a.text())
}

// The call's deadline, and the loss of its message, end a request wherever it is, and the server sees it.
func TestARequestEndsWithItsCall(t *testing.T) {
	t.Parallel()
	for name, handler := range map[string]func(w http.ResponseWriter){
		"before the head": func(http.ResponseWriter) {},
		"in the body": func(w http.ResponseWriter) {
			fmt.Fprint(w, "some")
			_ = http.NewResponseController(w).Flush()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			asked, gone := make(chan struct{}, 2), make(chan struct{}, 2)
			s := serve(t, func(w http.ResponseWriter, r *http.Request) {
				handler(w)
				asked <- struct{}{}
				<-r.Context().Done()
				gone <- struct{}{}
			})
			b := newBench(t, "")
			doc := newProgram().open(object{"url": s.URL}).drain(nth(0)).document()
			p := b.start(t, "http", withServer(s))
			ctx, cancel := context.WithCancelCause(t.Context())
			done := background(ctx, p, doc)
			<-asked
			cancel(errors.New("the message is another worker's now"))
			require.ErrorContains(t, <-done, "the message is another worker's now")
			<-gone
			require.EqualValues(t, 1, b.value(t, "sgstreamd_plugin_http_requests_total", "cancelled"))

			_, err := handle(b.start(t, "http", withServer(s), withTimeout(soon)), doc)
			requireLine(t, err, `plugin "p": sgs_handle: no result within 500ms (plugins.p.timeout)`)
			<-gone
		})
	}
	t.Run("a guest that does not read", func(t *testing.T) {
		t.Parallel()
		gone := make(chan struct{})
		s := serve(t, func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, "some")
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
			close(gone)
		})
		a := newProgram().open(object{"url": s.URL}).headOf(nth(0)).ask(t, newBench(t, "").start(t, "http", withServer(s)))
		a.handle()
		require.Equal(t, 200, a.head().Status)
		<-gone
	})
}
