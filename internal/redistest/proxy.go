package redistest

import (
	"bytes"
	"net"
	"strings"
	"sync"
	"testing"
)

// Proxy stands between a client and a server, and breaks their connections when it is told to.
type Proxy struct {
	target   string
	listener net.Listener
	pumps    sync.WaitGroup

	mu      sync.Mutex
	links   map[*link]struct{}
	refused bool
	fault   *fault
}

// link is one connection through the proxy.
type link struct {
	client, server net.Conn

	mu      sync.Mutex
	request []byte // the one that is under way
}

// fault is a reply to be lost.
type fault struct {
	command, request, reply []byte
	happened                chan struct{}
}

// NewProxy starts a proxy to the server, and stops it when the test ends.
func NewProxy(t testing.TB, s *Server) *Proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{target: s.Addr(), listener: l, links: map[*link]struct{}{}}
	p.pumps.Go(p.accept)
	t.Cleanup(func() {
		_ = l.Close()
		p.Refuse(true)
		p.pumps.Wait()
	})
	return p
}

// URL is the Redis URL of the server behind the proxy.
func (p *Proxy) URL() string { return "redis://" + p.listener.Addr().String() + "/0" }

// Cut cuts all connections that there are.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for l := range p.links {
		l.cut()
	}
}

// Refuse cuts all connections, and cuts new ones as soon as they come, until it is called with false.
func (p *Proxy) Refuse(refused bool) {
	p.mu.Lock()
	p.refused = refused
	p.mu.Unlock()
	if refused {
		p.Cut()
	}
}

// DropReply lets the server run the next command of that name, or one that is under way, but loses its reply
// and cuts the connection. Only a request that holds the text in, and a reply that holds the text out, are meant;
// empty is any. The channel is closed when it has happened.
func (p *Proxy) DropReply(command, in, out string) <-chan struct{} {
	f := &fault{
		// A request begins with an array's head and then the command: *7\r\n$10\r\nxreadgroup\r\n
		command: []byte("\r\n" + strings.ToLower(command) + "\r\n"),
		request: []byte(in), reply: []byte(out), happened: make(chan struct{}),
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fault = f
	return f.happened
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", p.target)
		if err != nil {
			_ = client.Close()
			continue
		}
		l := &link{client: client, server: server}
		if !p.add(l) {
			l.cut()
			continue
		}
		p.pumps.Go(func() { p.requests(l) })
		p.pumps.Go(func() { p.replies(l) })
	}
}

func (p *Proxy) add(l *link) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.refused {
		p.links[l] = struct{}{}
	}
	return !p.refused
}

func (p *Proxy) remove(l *link) {
	l.cut()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.links, l)
}

// requests carries what the client says. A client sends one command and waits for its reply.
func (p *Proxy) requests(l *link) {
	defer p.remove(l)
	buf := make([]byte, 64<<10)
	for {
		n, err := l.client.Read(buf)
		if err != nil {
			return
		}
		l.began(buf[:n])
		if _, err := l.server.Write(buf[:n]); err != nil {
			return
		}
	}
}

func (p *Proxy) replies(l *link) {
	defer p.remove(l)
	buf := make([]byte, 64<<10)
	for {
		n, err := l.server.Read(buf)
		if err != nil {
			return
		}
		if p.loses(l.underWay(), buf[:n]) {
			return
		}
		if _, err := l.client.Write(buf[:n]); err != nil {
			return
		}
	}
}

// loses tells whether the reply is the one to be lost. That happens once.
func (p *Proxy) loses(request, reply []byte) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	f := p.fault
	if f == nil || !bytes.Contains(request, f.command) || !bytes.Contains(request, f.request) || !bytes.Contains(reply, f.reply) {
		return false
	}
	p.fault = nil
	close(f.happened)
	return true
}

func (l *link) began(request []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.request = bytes.Clone(request)
}

func (l *link) underWay() []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.request
}

func (l *link) cut() {
	_ = l.client.Close()
	_ = l.server.Close()
}
