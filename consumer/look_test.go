package consumer

import (
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
)

// eventually polls until ok is true. It is the only place where a test looks at Redis again and again.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for !ok() {
		select {
		case <-again.C:
		case <-deadline.C:
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// receive waits for a value.
func receive[T any](t *testing.T, c <-chan T, what string) T {
	t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	select {
	case v := <-c:
		return v
	case <-deadline.C:
		t.Fatalf("waited in vain: %s", what)
		panic("unreachable")
	}
}

// nothingWithin fails if a value comes within d: for what must not happen, and has no other sign.
func nothingWithin[T any](t *testing.T, d time.Duration, c <-chan T, what string) {
	t.Helper()
	over := time.NewTimer(d)
	defer over.Stop()
	select {
	case <-c:
		t.Fatalf("it happened: %s", what)
	case <-over.C:
	}
}

// entries are the fields of a stream's entries, by their order.
func (r *rig) entries(stream string) []map[string]any {
	r.t.Helper()
	messages, err := r.redis.XRange(r.ctx, stream, "-", "+").Result()
	require.NoError(r.t, err)
	fields := make([]map[string]any, 0, len(messages))
	for _, m := range messages {
		fields = append(fields, m.Values)
	}
	return fields
}

// replies are the texts of all that was answered, in order.
func (r *rig) replies() []string {
	r.t.Helper()
	texts := []string{}
	for _, e := range r.entries(r.out.StreamOf(platform)) {
		text, _ := decode(r.t, e["data"].(string))["text"].(string)
		texts = append(texts, text)
	}
	return texts
}

func (r *rig) awaitReplies(want ...string) {
	r.t.Helper()
	eventually(r.t, "the replies "+strings.Join(want, ", "), func() bool { return len(r.replies()) >= len(want) })
	require.ElementsMatch(r.t, want, r.replies())
}

// pending is the group's pending list.
func (r *rig) pending() []redis.XPendingExt {
	r.t.Helper()
	p, err := r.redis.XPendingExt(r.ctx, &redis.XPendingExtArgs{
		Stream: r.in.Stream, Group: r.in.Group, Start: "-", End: "+", Count: 10_000,
	}).Result()
	if err != nil && !isNoGroup(err) {
		require.NoError(r.t, err)
	}
	return p
}

func (r *rig) awaitNothingPending() {
	r.t.Helper()
	eventually(r.t, "nothing is pending", func() bool { return len(r.pending()) == 0 })
}

func (r *rig) awaitDeadLetters(n int) []map[string]any {
	r.t.Helper()
	eventually(r.t, "the dead letters", func() bool { return len(r.entries(r.dead.Stream)) >= n })
	dead := r.entries(r.dead.Stream)
	require.Len(r.t, dead, n)
	return dead
}

// readAs moves entries to the pending list of a consumer that never comes back.
func (r *rig) readAs(consumer string, count int64) []redis.XMessage {
	r.t.Helper()
	require.NoError(r.t, ensureGroup(r.ctx, r.redis, r.in.Stream, r.in.Group))
	s, err := r.redis.XReadGroup(r.ctx, &redis.XReadGroupArgs{
		Group: r.in.Group, Consumer: consumer, Streams: []string{r.in.Stream, ">"}, Count: count, Block: -1,
	}).Result()
	require.NoError(r.t, err)
	return s[0].Messages
}

// claimAs gives a pending entry to another consumer, with a delivery count.
func (r *rig) claimAs(consumer, id string, idle time.Duration, count int64) {
	r.t.Helper()
	claimed, err := r.redis.Do(r.ctx, "XCLAIM", r.in.Stream, r.in.Group, consumer, 0, id,
		"IDLE", idle.Milliseconds(), "RETRYCOUNT", count, "JUSTID").StringSlice()
	require.NoError(r.t, err)
	require.Equal(r.t, []string{id}, claimed)
}

func (r *rig) consumers() []string {
	r.t.Helper()
	infos, err := r.redis.XInfoConsumers(r.ctx, r.in.Stream, r.in.Group).Result()
	require.NoError(r.t, err)
	names := []string{}
	for _, c := range infos {
		names = append(names, c.Name)
	}
	return names
}

// calls is how many times the server has run a command, in scripts or not, since it was started.
func (r *rig) calls(command string) int {
	r.t.Helper()
	info, err := r.redis.Info(r.ctx, "commandstats").Result()
	require.NoError(r.t, err)
	_, stats, _ := strings.Cut(info, "cmdstat_"+command+":calls=")
	number, _, _ := strings.Cut(stats, ",")
	n, _ := strconv.Atoi(number)
	return n
}

// blockedClients is how many clients wait for an entry.
func (r *rig) blockedClients() int {
	r.t.Helper()
	info, err := r.redis.Info(r.ctx, "clients").Result()
	require.NoError(r.t, err)
	_, number, _ := strings.Cut(info, "blocked_clients:")
	number, _, _ = strings.Cut(number, "\r\n")
	n, err := strconv.Atoi(number)
	require.NoError(r.t, err)
	return n
}

// firstID is the id of the stream's first entry.
func (r *rig) firstID() string {
	r.t.Helper()
	messages, err := r.redis.XRangeN(r.ctx, r.in.Stream, "-", "+", 1).Result()
	require.NoError(r.t, err)
	return messages[0].ID
}

// awaitSweeps waits for n more whole sweeps.
func (r *rig) awaitSweeps(n int) {
	r.t.Helper()
	// Every sweep ends with a look at the group's consumers. The one that is under way does not count.
	before := r.calls("xinfo|consumers")
	eventually(r.t, "sweeps", func() bool { return r.calls("xinfo|consumers") > before+n })
}

// audit is what the audit hash says of an entry, as JSON, or empty.
func (r *rig) audit(id string) string {
	r.t.Helper()
	text, err := r.redis.HGet(r.ctx, r.in.Autoclaim.AuditKey+":"+r.in.Stream+":"+r.in.Group, id).Result()
	if !errors.Is(err, redis.Nil) {
		require.NoError(r.t, err)
	}
	return text
}

func isDone(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
