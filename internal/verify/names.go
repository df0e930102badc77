package verify

import (
	"context"
	"crypto/rand"
	"fmt"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/sgstreamd/sgstreamd/consumer"
)

// names are what belongs to one run. Nothing else in Redis is read or written.
type names struct {
	run string // random, of letters and digits only, so that it can stand in a pattern
}

// newNames makes names that no other run has. They do not follow from the seed.
func newNames() names { return names{strings.ToLower(rand.Text()[:12])} }

func (n names) prefix() string      { return "sg:verify:" + n.run + ":" }
func (n names) stream() string      { return n.prefix() + "in" }
func (n names) group() string       { return "workers" }
func (n names) outbound() string    { return n.prefix() + "out" }
func (n names) outputs() string     { return n.outbound() + ":verify" } // verify is the guest's platform
func (n names) deadLetters() string { return n.prefix() + "dead" }
func (n names) lock() string        { return n.prefix() + "lock:" }
func (n names) trace() string       { return n.prefix() + "trace:" }
func (n names) audit() string       { return n.prefix() + "audit" }
func (n names) auditHash() string   { return n.audit() + ":" + n.stream() + ":" + n.group() }
func (n names) plugin() string      { return "verify-" + n.run }
func (n names) counter(channel int) string {
	return "sg:state:" + n.plugin() + ":" + channelID(channel)
}
func (n names) schedule() string { return "sg:schedule:" + n.stream() + ":" + n.group() }

// order and lanes begin the keys in which the order of a channel is kept.
func (n names) order() string { return "sg:order:" + n.stream() + ":" }
func (n names) lanes() string { return "sg:lanes:" + n.stream() + ":" }

// client is the name under which a worker's connections appear in CLIENT LIST.
func (n names) client(worker int) string { return fmt.Sprintf("sgstreamd-verify-%s-%d", n.run, worker) }

// patterns are the keys of the run: our own, those that the daemon keeps for the streams, and the plugin's state.
func (n names) patterns() []string {
	return append(consumer.OwnKeys(n.prefix()), n.prefix()+"*", "sg:state:"+n.plugin()+":*")
}

// scanPage is how many keys one step of a scan looks at.
const scanPage = 1000

// find calls each with pages of the keys that the pattern means.
func find(ctx context.Context, c redis.UniversalClient, pattern string, each func(keys []string) error) error {
	for cursor := uint64(0); ; {
		keys, next, err := c.Scan(ctx, cursor, pattern, scanPage).Result()
		if err != nil {
			return fmt.Errorf("look for the keys %q: %w", pattern, err)
		}
		if len(keys) > 0 {
			if err := each(keys); err != nil {
				return err
			}
		}
		if cursor = next; cursor == 0 {
			return nil
		}
	}
}

// requireFree fails where any key of the run is there already: it is not the run's to remove.
func (n names) requireFree(ctx context.Context, c redis.UniversalClient) error {
	for _, pattern := range n.patterns() {
		err := find(ctx, c, pattern, func(keys []string) error {
			return fmt.Errorf("the key %q is there already, and not this run's to remove; run verify again, which takes another name", keys[0])
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// remove removes every key of the run.
func (n names) remove(ctx context.Context, c redis.UniversalClient) error {
	for _, pattern := range n.patterns() {
		err := find(ctx, c, pattern, func(keys []string) error { return c.Unlink(ctx, keys...).Err() })
		if err != nil {
			return fmt.Errorf("remove the keys of the run: %w", err)
		}
	}
	return nil
}

// traceID is the trace id of the nth message, and traceKey the key of its trace.
func (n names) traceID(number int) string  { return n.run + "-" + strconv.Itoa(number) }
func (n names) traceKey(number int) string { return n.trace() + n.traceID(number) }

// channelID is the channel_id of a channel's messages.
func channelID(channel int) string { return "c" + strconv.Itoa(channel) }
