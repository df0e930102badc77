package redistest

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// settleTimeout is how long servers may take to find each other, or to fail over. A sentinel that was kept from its processor
// for two seconds does nothing for 30 s.
const settleTimeout = 90 * time.Second

// await polls until ok is true.
func await(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.NewTimer(settleTimeout)
	defer deadline.Stop()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for !ok() {
		select {
		case <-again.C:
		case <-deadline.C:
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// do runs a command at a server, and fails the test if the server refuses it.
func do(t testing.TB, c *redis.Client, command ...any) *redis.Cmd {
	t.Helper()
	reply := c.Do(context.Background(), command...)
	if err := reply.Err(); err != nil {
		t.Fatalf("%v: %v", command[0], err)
	}
	return reply
}

// tells is whether the server's answer to a command of the INFO kind has the line.
func tells(c *redis.Client, line string, command ...any) bool {
	text, err := c.Do(context.Background(), command...).Text()
	return err == nil && strings.Contains(text, line+"\r\n")
}
