package verify

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"
)

// incident is a fault that happened.
type incident struct {
	at   time.Time
	what string
}

// chaos carries the plan out.
type chaos struct {
	server *server
	names  names
	fleet  *fleet
	book   *book

	mu        sync.Mutex
	done      map[string]int
	failed    map[string]error // the first failure of a kind of fault
	incidents []incident
}

func newChaos(s *server, n names, f *fleet, b *book) *chaos {
	return &chaos{server: s, names: n, fleet: f, book: b, done: map[string]int{}, failed: map[string]error{}}
}

// run does every fault at its time, until all are done or ctx is. Those that happen to Redis happen one after the
// other, the rest whenever it is their time.
func (c *chaos) run(ctx context.Context, events []event, begun time.Time) {
	var under sync.WaitGroup
	toRedis := make(chan event, len(events))
	under.Go(func() {
		for e := range toRedis {
			c.do(ctx, e)
		}
	})
	for _, e := range events {
		if !pause(ctx, time.Until(begun.Add(e.at))) {
			break
		}
		switch e.fault {
		case faultGroup, faultRestart, faultFailover:
			toRedis <- e
		default:
			under.Go(func() { c.do(ctx, e) })
		}
	}
	close(toRedis)
	under.Wait()
}

func (c *chaos) do(ctx context.Context, e event) {
	if ctx.Err() != nil {
		return
	}
	begun := time.Now()
	what, err := c.cause(ctx, e)
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case err == nil:
		c.done[e.fault]++
		c.incidents = append(c.incidents, incident{begun, what})
	case ctx.Err() == nil:
		c.incidents = append(c.incidents, incident{begun, what + ": " + err.Error()})
		if c.failed[e.fault] == nil {
			c.failed[e.fault] = err
		}
	}
}

// cause does one fault, and says what it was.
func (c *chaos) cause(ctx context.Context, e event) (string, error) {
	w := c.fleet.workers[e.worker]
	who := fmt.Sprintf("%s: worker %d", e.fault, w.number)
	switch e.fault {
	case faultKill:
		return who, w.kill()
	case faultStall:
		return fmt.Sprintf("%s for %v", who, e.lasts), w.stall(ctx, e.lasts)
	case faultDrain:
		code, err := w.drain()
		return fmt.Sprintf("%s, which ended with the exit code %d", who, code), err
	case faultCut:
		w.proxy.cut()
		return who, nil
	case faultRefuse:
		w.proxy.refuse(true)
		pause(ctx, e.lasts)
		w.proxy.refuse(false)
		return fmt.Sprintf("%s for %v", who, e.lasts), nil
	case faultLoseReply:
		// go-redis writes commands in small letters.
		command := []string{"evalsha", "evalsha", "xreadgroup"}[e.chance%3]
		w.proxy.loseReply(command)
		return who + ", to " + command, nil
	case faultClientKill:
		// Another fault may be under way, and have cut verify's own connection.
		return who, c.server.sure(ctx, func() error { return c.clientKill(ctx, w) })
	}
	return c.toRedis(ctx, e)
}

// clientKill closes the connections of one worker from Redis's side. They are known by the name that the worker's
// URL gives them, so that nobody else's is ever closed.
func (c *chaos) clientKill(ctx context.Context, w *worker) error {
	list, err := c.server.client.ClientList(ctx).Result()
	if err != nil {
		return err
	}
	name := "name=" + c.names.client(w.number)
	for line := range strings.Lines(list) {
		fields := map[string]bool{}
		id := ""
		for _, field := range strings.Fields(line) {
			fields[field] = true
			if v, ok := strings.CutPrefix(field, "id="); ok {
				id = v
			}
		}
		if fields[name] {
			if err := c.server.client.ClientKillByFilter(ctx, "ID", id).Err(); err != nil {
				return err
			}
		}
	}
	return nil
}

// counts are how many faults of each kind were done.
func (c *chaos) counts() map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	counts := map[string]int{}
	for name, n := range c.done {
		counts[name] = n
	}
	return counts
}
