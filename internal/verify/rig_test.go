package verify

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
	"github.com/tinylib/msgp/msgp"

	"github.com/sgstreamd/sgstreamd/consumer"
	"github.com/sgstreamd/sgstreamd/envelope"
	"github.com/sgstreamd/sgstreamd/internal/redistest"
)

// rig is a run without workers: the test plays their part, and verify has to see through it.
type rig struct {
	t      *testing.T
	server *server
	names  names
	book   *book
	watch  *watcher
	load   *load
}

func newRig(t *testing.T) *rig {
	t.Helper()
	s, err := existing(t.Context(), consumer.RedisConfig{URL: redistest.Start(t).URL()})
	require.NoError(t, err)
	t.Cleanup(s.close)
	r := &rig{t: t, server: s, names: newNames()}
	r.book = newBook(r.names.stream())
	r.watch = &watcher{server: s, names: r.names, book: r.book}
	r.load = &load{server: s, names: r.names, book: r.book, seed: 1}
	return r
}

// send sends messages, all well-behaved and of one channel, with so many emits each.
func (r *rig) send(emits ...int) {
	r.t.Helper()
	for _, n := range emits {
		c, id := r.book.enroll(recipe{number: r.load.next, emits: n, addressed: true}, uint64(time.Now().UnixMilli()))
		r.add(c, id)
	}
}

// sendCounting sends messages that raise the counter of their channel.
func (r *rig) sendCounting(n int) {
	r.t.Helper()
	for range n {
		r.add(r.book.enroll(recipe{number: r.load.next, emits: 1, counts: true}, uint64(time.Now().UnixMilli())))
	}
}

// counter sets the counter of the channel.
func (r *rig) counter(n byte) {
	r.t.Helper()
	require.NoError(r.t, r.server.client.Set(r.t.Context(), r.names.counter(0), []byte{n, 0, 0, 0}, 0).Err())
}

// poison sends a message that can't succeed.
func (r *rig) poison() {
	r.t.Helper()
	c, id := r.book.enroll(recipe{number: r.load.next, emits: 1, doom: doomTrap}, uint64(time.Now().UnixMilli()))
	r.add(c, id)
}

func (r *rig) add(c recipe, id entryID) {
	r.t.Helper()
	trace := r.names.traceID(c.number)
	require.NoError(r.t, r.server.client.XAdd(r.t.Context(), &redis.XAddArgs{Stream: r.names.stream(), ID: id.String(), Values: []any{
		"data", c.payload(trace, time.Now()), "ts", "1.5", "trace_id", trace,
	}}).Err())
	r.load.next++
}

// answer commits a message as a worker would: all its emits, and its trace.
func (r *rig) answer(number int) {
	r.t.Helper()
	for n := range int(r.book.fates[number].emits) {
		r.emit(number, n, 1)
	}
	r.trace(number, "COMPLETED")
}

// emit writes one output as the guest does.
func (r *rig) emit(number, ordinal, attempt int) {
	r.t.Helper()
	f := r.book.fates[number]
	b := msgp.AppendMapHeader(nil, 2)
	b = msgp.AppendString(msgp.AppendString(b, "message_key"), envelope.MessageKey(r.names.stream(), f.id.String(), ordinal))
	b = msgp.AppendArrayHeader(msgp.AppendString(b, "verify"), 5)
	for _, n := range []int{number, int(f.sequence), ordinal, int(f.emits), attempt} {
		b = msgp.AppendInt(b, n)
	}
	r.output(b)
}

func (r *rig) output(payload []byte) {
	r.t.Helper()
	r.write(r.names.outputs(), "data", payload)
}

// write appends an entry, and waits until the next one's millisecond is another: entries of different streams are told
// apart by that only.
func (r *rig) write(stream string, values ...any) {
	r.t.Helper()
	id, err := r.server.client.XAdd(r.t.Context(), &redis.XAddArgs{Stream: stream, Values: values}).Result()
	require.NoError(r.t, err)
	for {
		now, err := r.server.client.Time(r.t.Context()).Result()
		require.NoError(r.t, err)
		if uint64(now.UnixMilli()) > parseID(id).ms {
			return
		}
	}
}

// bury dead-letters a message.
func (r *rig) bury(number int) {
	r.t.Helper()
	c := recipe{number: number}
	r.write(r.names.deadLetters(), "original_stream", r.names.stream(), "original_msg_id", r.book.fates[number].id.String(),
		"error", "why", "attempt", 15, "data", c.payload("", time.Now()))
	r.trace(number, "ERRORED")
}

func (r *rig) trace(number int, state string) {
	r.t.Helper()
	require.NoError(r.t, r.server.client.HSet(r.t.Context(), r.names.traceKey(number), "state", state, "worker", "w", "attempt", 2).Err())
}

// taken writes the audit's row of a takeover, with the delivery count of the try that follows it.
func (r *rig) taken(number, deliveries int) {
	r.t.Helper()
	row := fmt.Sprintf(`{"what":"claimed","from":"v","by":"w","at":1.5,"idle_ms":7,"deliveries":%d}`, deliveries)
	require.NoError(r.t, r.server.client.HSet(r.t.Context(), r.names.auditHash(), r.book.fates[number].id.String(), row).Err())
}

// verdict is what verify makes of it: a line for each violation, kind and message.
func (r *rig) verdict(order string) []violation {
	r.t.Helper()
	require.NoError(r.t, r.watch.finish(r.t.Context()))
	found := r.book.reconcile(order)
	traces, err := r.book.wrongTraces(r.t.Context(), r.server, r.names)
	require.NoError(r.t, err)
	left, err := look(r.t.Context(), r.server, r.names)
	require.NoError(r.t, err)
	states, err := r.book.wrongStates(r.t.Context(), r.server, r.names)
	require.NoError(r.t, err)
	found = append(append(append(found, traces...), states...), r.book.leftViolations(left)...)
	for i := range found {
		r.t.Logf("%s: message %d: %s", found[i].kind, found[i].number, found[i].what)
		found[i].what = ""
	}
	return found
}

// read makes the group, and lets a worker of it read everything.
func (r *rig) read(ctx context.Context) {
	r.t.Helper()
	c := r.server.client
	_ = c.XGroupCreateMkStream(ctx, r.names.stream(), r.names.group(), "0").Err() // it may be there
	err := c.XReadGroup(ctx, &redis.XReadGroupArgs{Group: r.names.group(), Consumer: "w", Streams: []string{r.names.stream(), ">"}, Block: -1}).Err()
	require.NoError(r.t, err)
}

func (r *rig) acknowledge(number int) {
	r.t.Helper()
	require.NoError(r.t, r.server.client.XAck(r.t.Context(), r.names.stream(), r.names.group(), r.book.fates[number].id.String()).Err())
}
