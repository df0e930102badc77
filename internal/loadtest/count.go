package loadtest

import (
	"context"
	"io"
	"net"
	"sync"
	"sync/atomic"
)

// counter is a proxy to Redis that counts the round trips of those who connect through it: how often a connection's
// client has spoken again after an answer, or for the first time. Commands that are sent together are one.
type counter struct {
	listener   net.Listener
	dial       func(context.Context) (net.Conn, error)
	roundTrips atomic.Int64
	pumps      sync.WaitGroup

	mu     sync.Mutex
	links  map[io.Closer]struct{}
	closed bool
}

func newCounter(dial func(context.Context) (net.Conn, error)) (*counter, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	c := &counter{listener: l, dial: dial, links: map[io.Closer]struct{}{}}
	c.pumps.Go(c.accept)
	return c, nil
}

func (c *counter) addr() string { return c.listener.Addr().String() }

func (c *counter) accept() {
	for {
		client, err := c.listener.Accept()
		if err != nil {
			return
		}
		c.pumps.Go(func() { c.serve(client) })
	}
}

// serve carries one connection until either side closes it.
func (c *counter) serve(client net.Conn) {
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	server, err := c.dial(ctx)
	cancel()
	if err != nil {
		return
	}
	defer server.Close()
	if !c.keep(client, server) {
		return
	}
	defer c.drop(client, server)
	var answered atomic.Bool
	answered.Store(true)
	var back sync.WaitGroup
	back.Go(func() {
		_, _ = io.Copy(noted{client, func() { answered.Store(true) }}, server)
		_ = client.Close()
	})
	_, _ = io.Copy(noted{server, func() {
		if answered.Swap(false) {
			c.roundTrips.Add(1)
		}
	}}, client)
	_ = server.Close()
	back.Wait()
}

// noted calls note before each write.
type noted struct {
	io.Writer
	note func()
}

func (n noted) Write(b []byte) (int, error) {
	n.note()
	return n.Writer.Write(b)
}

func (c *counter) keep(links ...io.Closer) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, l := range links {
		c.links[l] = struct{}{}
	}
	return !c.closed
}

func (c *counter) drop(links ...io.Closer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, l := range links {
		delete(c.links, l)
	}
}

func (c *counter) close() {
	_ = c.listener.Close()
	c.mu.Lock()
	c.closed = true
	for l := range c.links {
		_ = l.Close()
	}
	c.mu.Unlock()
	c.pumps.Wait()
}
