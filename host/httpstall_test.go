package host

import (
	"context"
	"crypto/tls"
	"encoding/binary"
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

// Types of frames (RFC 9113, 6).
const (
	frameData         = 0
	frameHeaders      = 1
	frameSettings     = 4
	frameWindowUpdate = 8
)

func writeFrame(w io.Writer, kind, flags byte, stream uint32, body []byte) error {
	f := binary.BigEndian.AppendUint32(nil, uint32(len(body))<<8|uint32(kind))
	f = binary.BigEndian.AppendUint32(append(f, flags), stream)
	_, err := w.Write(append(f, body...))
	return err
}

// readFrame returns the kind of the next frame.
func readFrame(r io.Reader) (kind byte, err error) {
	var head [9]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, err
	}
	size := int64(binary.BigEndian.Uint32(head[:])) >> 8
	_, err = io.CopyN(io.Discard, r, size)
	return head[3], err
}

// stall is a server of HTTP/2 that grants every window, answers the first request with a body that drips, and reads
// nothing more.
func stall(conn net.Conn) error {
	if _, err := io.CopyN(io.Discard, conn, int64(len("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"))); err != nil {
		return err
	}
	if err := writeFrame(conn, frameSettings, 0, 0, []byte{0, 4, 0x7f, 0xff, 0xff, 0xff}); err != nil { // the initial window
		return err
	}
	if err := writeFrame(conn, frameWindowUpdate, 0, 0, []byte{0x7f, 0xff, 0, 0}); err != nil {
		return err
	}
	for kind := byte(frameData); kind != frameHeaders; {
		var err error
		if kind, err = readFrame(conn); err != nil {
			return err
		}
	}
	if err := writeFrame(conn, frameSettings, 1, 0, nil); err != nil { // acknowledges
		return err
	}
	err := writeFrame(conn, frameHeaders, 4, 1, []byte{0x88}) // :status: 200, and no further header
	for range 500 {
		if err == nil {
			err = writeFrame(conn, frameData, 0, 1, make([]byte, 8<<10))
		}
		time.Sleep(time.Millisecond) // of the server: it must not use up its window before the client is stuck
	}
	return err
}

// A server that stops reading holds up who writes to it, and, over HTTP/2, who reads from it. It does not hold the call up,
// and not for long the connection and the places.
func TestAServerThatStopsReading(t *testing.T) {
	t.Parallel()
	free := func(t *testing.T, p *Plugin, within time.Duration) {
		ctx, cancel := context.WithTimeout(t.Context(), within)
		defer cancel()
		require.NoError(t, p.egress.places.Acquire(ctx, int64(p.cfg.HTTP.MaxConcurrent)), "a request is still under way")
	}
	t.Run("and the plugin ends", func(t *testing.T) {
		t.Parallel()
		p := stalled(t)
		require.NoError(t, p.Close(t.Context()))
		free(t, p, writeTimeout/2)
	})
	t.Run("and the plugin goes on", func(t *testing.T) {
		t.Parallel()
		free(t, stalled(t), 3*writeTimeout)
	})
}

// stalled is a plugin one of whose calls has met such a server, and is over.
func stalled(t *testing.T) *Plugin {
	t.Helper()
	s := httptest.NewTLSServer(nil) // for its certificate
	t.Cleanup(s.Close)
	config := s.TLS.Clone()
	config.NextProtos = []string{"h2"}
	l, err := tls.Listen("tcp", "127.0.0.1:0", config)
	require.NoError(t, err)
	done, gone := make(chan struct{}), make(chan struct{})
	t.Cleanup(func() { _ = l.Close(); <-done })
	go func() {
		defer close(done)
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		if stall(conn) == nil {
			<-gone
		}
	}()
	t.Cleanup(func() { close(gone) })
	b := newBench(t, "")
	b.roots = s.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	url := "https://" + l.Addr().String()
	p := b.start(t, "http", withURL(url), withTimeout(2*time.Second), withHTTP(func(c *HTTPConfig) { c.MaxRequest = 4 * units.MiB }))
	prog := newProgram().open(object{"url": url}).headOf(nth(0))
	ptr, size := prog.put(`{"method":"POST","url":"` + url + `","body":"` + strings.Repeat("x", 2<<20) + `"}`)
	for range 60 {
		prog.step(0, ptr, size, 0, 0, 0)
	}
	began := time.Now()
	_, err = handle(p, prog.drain(nth(0)).document())
	require.ErrorIs(t, err, ErrDeadline)
	require.Less(t, time.Since(began), 10*time.Second)
	return p
}

// What is done to connect to a server ends with the request that it is done for, and not only after its own time.
func TestAConnectionIsNotMadeForARequestThatIsOver(t *testing.T) {
	t.Parallel()
	ends := func(t *testing.T, p *Plugin, url string, begun <-chan struct{}, gone <-chan struct{}) {
		ctx, cancel := context.WithCancel(t.Context())
		done := background(ctx, p, newProgram().open(object{"url": url}).headOf(nth(0)).document())
		<-begun
		began := time.Now()
		cancel()
		require.ErrorIs(t, <-done, context.Canceled)
		<-gone
		require.Less(t, time.Since(began), 5*time.Second)
	}
	t.Run("the handshake", func(t *testing.T) {
		t.Parallel()
		begun, gone := make(chan struct{}), make(chan struct{})
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		t.Cleanup(func() { _ = l.Close() })
		go func() {
			defer close(gone)
			if conn, err := l.Accept(); err == nil {
				close(begun)
				untilClosed(conn)
				_ = conn.Close()
			}
		}()
		url := "https://" + l.Addr().String()
		ends(t, newBench(t, "").start(t, "http", withURL(url)), url, begun, gone)
	})
	t.Run("the look-up", func(t *testing.T) {
		t.Parallel()
		begun, gone := make(chan struct{}, 10), make(chan struct{}, 10)
		b := newBench(t, "")
		b.resolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
			begun <- struct{}{}
			<-ctx.Done()
			gone <- struct{}{}
			return nil, ctx.Err()
		}}
		const url = "http://slow.example"
		ends(t, b.start(t, "http", withHTTP(func(c *HTTPConfig) { c.Origins = []string{url} })), url, begun, gone)
	})
}

// Over HTTP/2 the header's limit holds for everything before the body, too, and for what is behind it.
func TestHeadersOverHTTP2(t *testing.T) {
	t.Parallel()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/early":
			w.Header().Set("Link", strings.Repeat("x", 500))
			for range 100 {
				w.WriteHeader(http.StatusEarlyHints)
			}
		case "/many":
			for i := range 1000 {
				w.Header().Set(fmt.Sprint("X-", i), "x")
			}
		case "/trailer":
			w.Header().Set("Trailer", "X")
			w.WriteHeader(http.StatusOK)
			w.Header().Set("X", strings.Repeat("x", 64<<10))
		}
	}))
	s.EnableHTTP2 = true
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	b := newBench(t, "")
	b.roots = s.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	p := b.start(t, "http", withServer(s), withHTTP(func(c *HTTPConfig) { c.MaxHeaders = 4 * units.KiB }))
	for path, errno := range map[string]abi.Errno{"/early": abi.ErrnoLimit, "/many": abi.ErrnoLimit, "/trailer": abi.ErrnoUnavailable} {
		a := newProgram().open(object{"url": s.URL + path}).drain(nth(0)).ask(t, p)
		a.handle()
		a.errno(errno)
		a = newProgram().open(object{"url": s.URL}).drain(nth(0)).ask(t, p)
		a.handle()
		_, after := a.body()
		require.Equal(t, abi.ErrnoOK, after, "after %s", path)
	}
}
