package verify

import (
	"bytes"
	"context"
	"net"
	"sync"
	"time"
)

// dialTimeout bounds the making of one connection to Redis.
const dialTimeout = 3 * time.Second

// dialer makes connections to Redis, wherever it is at the moment.
type dialer func(ctx context.Context) (net.Conn, error)

// proxy stands between one worker and Redis, on a loopback port. It is what breaks the worker's connections.
type proxy struct {
	dial     dialer
	listener net.Listener
	pumps    sync.WaitGroup

	mu      sync.Mutex
	links   map[*link]struct{}
	refused bool
	losing  []byte // the command whose next reply is lost; nil: none
}

// link is one connection through the proxy.
type link struct {
	client, server net.Conn

	mu      sync.Mutex
	request []byte // the one that is under way
}

func newProxy(dial dialer) (*proxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &proxy{dial: dial, listener: l, links: map[*link]struct{}{}}
	p.pumps.Go(p.accept)
	return p, nil
}

func (p *proxy) addr() string { return p.listener.Addr().String() }

func (p *proxy) close() {
	_ = p.listener.Close()
	p.refuse(true)
	p.pumps.Wait()
}

// cut cuts all connections that there are.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for l := range p.links {
		l.cut()
	}
}

// refuse cuts all connections, and new ones as soon as they come, until it is called with false.
func (p *proxy) refuse(refused bool) {
	p.mu.Lock()
	p.refused = refused
	p.mu.Unlock()
	if refused {
		p.cut()
	}
}

// loseReply lets Redis run the next command of that name, but cuts the connection instead of passing the reply on.
func (p *proxy) loseReply(command string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.losing = []byte("\r\n" + command + "\r\n")
}

func (p *proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.pumps.Go(func() { p.connect(client) })
	}
}

func (p *proxy) connect(client net.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), dialTimeout)
	defer cancel()
	server, err := p.dial(ctx)
	if err != nil {
		_ = client.Close()
		return
	}
	l := &link{client: client, server: server}
	if !p.add(l) {
		l.cut()
		return
	}
	p.pumps.Go(func() { p.requests(l) })
	p.replies(l)
}

func (p *proxy) add(l *link) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.refused {
		p.links[l] = struct{}{}
	}
	return !p.refused
}

func (p *proxy) remove(l *link) {
	l.cut()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.links, l)
}

// requests carries what the client says. A client sends one command and waits for its reply.
func (p *proxy) requests(l *link) {
	defer p.remove(l)
	buf := make([]byte, 32<<10)
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

func (p *proxy) replies(l *link) {
	defer p.remove(l)
	buf := make([]byte, 32<<10)
	for {
		n, err := l.server.Read(buf)
		if err != nil || p.loses(l) {
			return
		}
		if _, err := l.client.Write(buf[:n]); err != nil {
			return
		}
	}
}

// loses tells whether the reply to what is under way is to be lost. That happens once.
func (p *proxy) loses(l *link) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.losing == nil || !l.asks(p.losing) {
		return false
	}
	p.losing = nil
	return true
}

// headBytes is as much of a request as its command is looked for in.
const headBytes = 64

// began notes what is under way. A long request comes in pieces, and only the first begins as requests do.
func (l *link) began(request []byte) {
	if request[0] != '*' {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.request = append(l.request[:0], request[:min(len(request), headBytes)]...)
}

func (l *link) asks(command []byte) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return bytes.Contains(l.request, command)
}

func (l *link) cut() {
	_ = l.client.Close()
	_ = l.server.Close()
}
