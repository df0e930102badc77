package verify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/redis/go-redis/v9"
)

// takeover is the last time that a message was given to another worker, as the audit tells it.
type takeover struct {
	By         string  `json:"by"`
	At         float64 `json:"at"`
	Deliveries int     `json:"deliveries"`
}

// readAudit takes what the audit tells into the book. The hash is bounded, so it is read from time to time.
func readAudit(ctx context.Context, s *server, n names, b *book) error {
	return s.sure(ctx, func() error {
		for _, key := range []string{n.auditHash() + ":previous", n.auditHash()} {
			rows, err := s.client.HGetAll(ctx, key).Result()
			if err != nil {
				return err
			}
			for id, row := range rows {
				var t takeover
				if err := json.Unmarshal([]byte(row), &t); err != nil {
					return fmt.Errorf("audit of %s: %w", id, err)
				}
				b.takenOver(parseID(id), t)
			}
		}
		return nil
	})
}

// takenOver notes a takeover, if it is the last one of its message.
func (b *book) takenOver(id entryID, t takeover) {
	number := b.numberOf(id)
	b.mu.Lock()
	defer b.mu.Unlock()
	if number >= 0 && t.At >= b.owners[number].At {
		b.owners[number] = t
	}
}

// wrongTraces finds the messages whose trace does not tell their end, and those that were ended by a worker that had
// lost them. What a destroyed group delivers again after its end may be trimmed off the stream before it is begun
// again, so its trace is not looked at.
func (b *book) wrongTraces(ctx context.Context, s *server, n names) ([]violation, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var found []violation
	for from := 0; from < len(b.fates); from += scanPage {
		traces, err := readTraces(ctx, s, n, from, min(from+scanPage, len(b.fates)))
		if err != nil {
			return nil, err
		}
		for i, t := range traces {
			if b.fates[from+i].settled && b.reached[from+i] == nil {
				found = append(found, b.judgeTrace(from+i, t)...)
			}
		}
	}
	return found, nil
}

// trace is what the trace of a message tells.
type trace struct {
	state, worker string
	attempt       int
}

func readTraces(ctx context.Context, s *server, n names, from, to int) ([]trace, error) {
	rows := make([]*redis.SliceCmd, to-from)
	err := s.sure(ctx, func() error {
		p := s.client.Pipeline()
		for i := range rows {
			rows[i] = p.HMGet(ctx, n.traceKey(from+i), "state", "worker", "attempt")
		}
		_, err := p.Exec(ctx)
		if errors.Is(err, redis.Nil) {
			err = nil
		}
		return err
	})
	traces := make([]trace, 0, len(rows))
	for _, row := range rows {
		var t trace
		if v := row.Val(); len(v) == 3 {
			t.state, _ = v[0].(string)
			t.worker, _ = v[1].(string)
			attempt, _ := v[2].(string)
			t.attempt, _ = strconv.Atoi(attempt)
		}
		traces = append(traces, t)
	}
	return traces, err
}

func (b *book) judgeTrace(n int, t trace) []violation {
	want := "COMPLETED"
	if b.fates[n].dead {
		want = "ERRORED"
	}
	if t.state != want {
		return []violation{{kind: WrongTrace, number: n, what: fmt.Sprintf("its trace says %q instead of %q", t.state, want)}}
	}
	// A try after the last takeover is anybody's: what failed, or was given back, is handed out without being taken from
	// somebody. What was begun before it has a lower count, whoever had it.
	if last := b.owners[n]; t.attempt < last.Deliveries {
		return []violation{{kind: Zombie, number: n, what: fmt.Sprintf("its end was written by %s at attempt %d, which had lost it to %s at attempt %d",
			t.worker, t.attempt, last.By, last.Deliveries)}}
	}
	return nil
}
