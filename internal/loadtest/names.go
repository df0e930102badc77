package loadtest

import (
	"context"
	"crypto/rand"
	"fmt"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/sgstreamd/sgstreamd/consumer"
)

// names are the keys of one pass. Nothing else in Redis is written or removed.
type names struct {
	run  string // random, of letters and digits only, so that it can stand in a pattern
	pass int
}

func newNames() names { return names{run: strings.ToLower(rand.Text()[:12])} }

// next are the names of the next pass.
func (n names) next() names { return names{n.run, n.pass + 1} }

// whole begins the keys of all passes.
func (n names) whole() string       { return "sg:bench:" + n.run + ":" }
func (n names) prefix() string      { return n.whole() + strconv.Itoa(n.pass) + ":" }
func (n names) stream() string      { return n.prefix() + "in" }
func (n names) outbound() string    { return n.prefix() + "out" }
func (n names) replies() string     { return n.outbound() + ":" + platform }
func (n names) deadLetters() string { return n.prefix() + "dead" }
func (n names) lock() string        { return n.prefix() + "lock:" }
func (n names) trace() string       { return n.prefix() + "trace:" }

// group is the consumer group.
const group = "workers"

// PluginName is what the plugin is called in the daemon's configuration.
const PluginName = "bench"

// traceID is the trace id of the nth message. It stands in every reply.
func (n names) traceID(number int) string { return n.tracePrefix() + strconv.Itoa(number) }

func (n names) tracePrefix() string { return n.run + "-" }

// patterns are the keys of all passes: our own, and those that the daemon keeps for the streams.
func (n names) patterns() []string { return append(consumer.OwnKeys(n.whole()), n.whole()+"*") }

// scanPage is how many keys one step of a scan looks at.
const scanPage = 5000

// remove removes every key of the run.
func (n names) remove(ctx context.Context, c *redis.Client) error {
	for _, pattern := range n.patterns() {
		for cursor := uint64(0); ; {
			keys, next, err := c.Scan(ctx, cursor, pattern, scanPage).Result()
			if err == nil && len(keys) > 0 {
				err = c.Unlink(ctx, keys...).Err()
			}
			if err != nil {
				return fmt.Errorf("remove the keys %q: %w", pattern, err)
			}
			if cursor = next; cursor == 0 {
				break
			}
		}
	}
	return nil
}
