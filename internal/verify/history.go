package verify

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

const (
	// nearBefore and nearAfter are how far from a message's life a fault may lie to be told with it.
	nearBefore = 3 * time.Second
	nearAfter  = time.Second
	// maxLines bounds the lines of one worker's log in a history.
	maxLines = 20
)

// history tells all that is known about a violation: the message, what came of it, the faults near it, and what the
// workers said of it.
func (r *run) history(ctx context.Context, v violation) string {
	var h strings.Builder
	say := func(format string, args ...any) { fmt.Fprintf(&h, format+"\n", args...) }
	if v.number < 0 {
		say("%s: %s", v.kind, v.what)
		return h.String()
	}
	say("%s: message %d: %s", v.kind, v.number, v.what)
	r.life(ctx, say, v.number)
	if v.kind == OutOfOrder {
		say("message %d:", v.other)
		r.life(ctx, say, v.other)
	}
	return h.String()
}

// life tells what is known about one message.
func (r *run) life(ctx context.Context, say func(string, ...any), n int) {
	f := r.book.fates[n]
	id := f.id.String()
	say("  entry %s of %s; channel c%d, its message %d there", id, r.names.stream(), f.channel, f.sequence)
	say("  recipe: %v", recipeOf(r.Seed, n, r.traps()))
	until := r.effects(say, n, f)
	r.traceAndAudit(ctx, say, n, id)
	r.near(say, f.id.ms, until)
	for _, w := range r.fleet.workers {
		for _, line := range linesWith(w.logFile(), id) {
			say("  worker %d: %s", w.number, line)
		}
	}
}

// effects tells what came of the message, and returns the time of the last of it.
func (r *run) effects(say func(string, ...any), n int, f fate) uint64 {
	sent := f.id.ms
	until := max(f.first.ms, sent)
	what := "answered"
	if f.dead {
		what = "dead-lettered"
	}
	if f.dead || f.answered != 0 {
		say("  +%v %s first: %v at attempt %d", since(sent, f.first.ms), what, f.first, f.attempt)
	}
	for _, e := range r.book.again[n] {
		what = fmt.Sprintf("answered again, emit %d", e.ordinal)
		if e.dead {
			what = "dead-lettered again"
		}
		say("  +%v %s: %v at attempt %d", since(sent, e.id.ms), what, e.id, e.attempt)
		until = max(until, e.id.ms)
	}
	return until
}

func since(from, to uint64) time.Duration { return time.Duration(to-from) * time.Millisecond }

func (r *run) traceAndAudit(ctx context.Context, say func(string, ...any), n int, id string) {
	c := r.server.client
	if trace, err := c.HGetAll(ctx, r.names.traceKey(n)).Result(); err == nil {
		say("  trace: %v", trace)
	}
	for _, key := range []string{r.names.auditHash() + ":previous", r.names.auditHash()} {
		if row, err := c.HGet(ctx, key, id).Result(); err == nil {
			say("  audit: %s", row)
		}
	}
}

// near tells the faults in the time of the message's life.
func (r *run) near(say func(string, ...any), from, until uint64) {
	begin := time.UnixMilli(int64(from)).Add(-r.ahead)
	end := time.UnixMilli(int64(until)).Add(-r.ahead)
	r.chaos.mu.Lock()
	defer r.chaos.mu.Unlock()
	incidents := slices.Clone(r.chaos.incidents)
	slices.SortFunc(incidents, func(a, b incident) int { return a.at.Compare(b.at) })
	for _, i := range incidents {
		if i.at.After(begin.Add(-nearBefore)) && i.at.Before(end.Add(nearAfter)) {
			say("  %+.3fs fault %s", i.at.Sub(begin).Seconds(), i.what)
		}
	}
}

// linesWith are the lines of a log that hold the text, the last ones if there are many.
func linesWith(file, text string) []string {
	f, err := os.Open(file)
	if err != nil {
		return []string{err.Error()}
	}
	defer f.Close()
	var lines []string
	s := bufio.NewScanner(f)
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		if strings.Contains(s.Text(), text) {
			lines = append(lines, s.Text())
		}
	}
	return lines[max(0, len(lines)-maxLines):]
}
