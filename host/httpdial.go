package host

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"time"
)

// Times within which a connection has to be made, and to take what is written to it. The first two lie within the
// request's own.
const (
	dialTimeout      = 10 * time.Second
	handshakeTimeout = 10 * time.Second
	writeTimeout     = 10 * time.Second // of writePiece
	idleConnTimeout  = 90 * time.Second
)

// writePiece is how much has to be taken within writeTimeout, in bytes.
const writePiece = 16 << 10

// requestKey is where a context holds that of the request itself.
type requestKey struct{}

// dialer makes an egress's connections.
type dialer struct {
	egress *egress
	tcp    net.Dialer
	tls    *tls.Config
}

func (e *egress) newTransport(h *Host) *http.Transport {
	d := &dialer{
		egress: e,
		tcp:    net.Dialer{Timeout: dialTimeout, Resolver: h.resolver, Control: newAddressPolicy(e.plugin, e.cfg.Addresses).control},
		tls:    &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: h.roots, NextProtos: []string{"h2", "http/1.1"}},
	}
	return &http.Transport{
		Proxy:       nil, // not even that of the environment: it would dial in our place
		DialContext: d.dial, DialTLSContext: d.dialTLS,
		ForceAttemptHTTP2: true, MaxResponseHeaderBytes: int64(e.cfg.MaxHeaders),
		MaxIdleConns: e.cfg.MaxConcurrent, MaxIdleConnsPerHost: e.cfg.MaxConcurrent, IdleConnTimeout: idleConnTimeout,
	}
}

// dial connects to a server.
func (d *dialer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	ctx, unbind := d.bind(ctx)
	defer unbind()
	conn, err := d.tcp.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return d.own(conn), nil
}

// dialTLS connects to a server, and makes sure that it is the one.
func (d *dialer) dialTLS(ctx context.Context, network, address string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	conn, err := d.dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	ctx, unbind := d.bind(ctx)
	defer unbind()
	ctx, cancel := context.WithTimeout(ctx, handshakeTimeout)
	defer cancel()
	config := d.tls.Clone()
	config.ServerName = host
	secure := tls.Client(conn, config)
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return secure, nil
}

// bind ends a context with the request that a connection is made for, and with the plugin. The client goes on without
// its request otherwise, for the sake of those to come: a guest that begins requests and closes them could have as many
// connections under way as it likes.
func (d *dialer) bind(ctx context.Context) (bound context.Context, unbind func()) {
	bound, cancel := context.WithCancel(ctx)
	stops := []func() bool{context.AfterFunc(d.egress.life, cancel)}
	if request, ok := ctx.Value(requestKey{}).(context.Context); ok {
		stops = append(stops, context.AfterFunc(request, cancel))
	}
	return bound, func() {
		for _, stop := range stops {
			stop()
		}
		cancel()
	}
}

// connection is one that ends with the plugin, whoever still uses it, and when a server does not take what is written.
type connection struct {
	net.Conn
	forget func() bool
}

func (d *dialer) own(conn net.Conn) net.Conn {
	return &connection{conn, context.AfterFunc(d.egress.life, func() { _ = conn.Close() })}
}

// Close implements net.Conn.
func (c *connection) Close() error {
	c.forget()
	return c.Conn.Close()
}

// Write implements net.Conn. Over HTTP/2 all requests of a connection wait for the one that writes.
func (c *connection) Write(b []byte) (written int, err error) {
	for {
		piece := b[written:min(len(b), written+writePiece)]
		if err := c.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
			return written, err
		}
		n, err := c.Conn.Write(piece)
		if written += n; err != nil || written == len(b) {
			return written, err
		}
	}
}
