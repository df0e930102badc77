package consumer

import (
	"context"
	"fmt"
	"iter"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/sgstreamd/sgstreamd/envelope"
)

// originalField begins the name of a dead letter's field that holds a field of the entry that it once was.
const originalField = "original_field:"

// Dead letters are read in pages: the first is small, since payloads may be large, and the next ones grow as
// long as they stay below maxPageBytes.
const (
	firstPage    = 20
	maxPage      = 500
	maxPageBytes = 8 << 20
)

// Letter is one dead letter. Only its ID is certain: other services write dead letters too, and what one of them
// left out is empty here.
type Letter struct {
	// ID is the letter's own id in the stream of dead letters.
	ID string
	// OriginalStream and OriginalID name the entry that it once was.
	OriginalStream, OriginalID string
	// Error is why it could not be handled.
	Error string
	// Attempt and TS are its delivery count and the moment of its writing, as text.
	Attempt, TS string
	TraceID     string
	// Data is the payload's bytes as they came. Size is their number, which WithoutData keeps.
	Data string
	Size int
	// Original are the fields that the entry had beside those of the contract, by their own names.
	Original map[string]string
	// Other are the letter's own fields that the contract does not know. A replay leaves them behind.
	Other map[string]string
}

// DeadLetters is the stream of messages that could not be handled, for people who work with it. It is safe for
// concurrent use, also by several processes.
type DeadLetters struct {
	redis  Client
	stream string
	replay *redis.Script
}

// NewDeadLetters makes a DeadLetters of the stream at that key. It does not talk to Redis.
func NewDeadLetters(c Client, stream string) *DeadLetters {
	return &DeadLetters{redis: c, stream: stream, replay: redis.NewScript(replayLua)}
}

// Len is the number of dead letters.
func (d *DeadLetters) Len(ctx context.Context) (int64, error) {
	n, err := d.redis.XLen(ctx, d.stream).Result()
	if err != nil {
		return 0, explain(err, d.stream)
	}
	return n, nil
}

// Get reads one dead letter. The boolean is false if it is not there: it never was, or was replayed or dropped.
func (d *DeadLetters) Get(ctx context.Context, id string) (Letter, bool, error) {
	found, err := d.redis.XRange(ctx, d.stream, id, id).Result()
	if err != nil {
		return Letter{}, false, explain(err, d.stream)
	}
	if len(found) == 0 {
		return Letter{}, false, nil
	}
	return readLetter(found[0]), true, nil
}

// All reads the dead letters that were written from since to until, both included; the zero time is no bound. They
// come page by page, oldest or newest first. An error is the last thing that comes.
func (d *DeadLetters) All(ctx context.Context, since, until time.Time, newestFirst bool) iter.Seq2[Letter, error] {
	from, to := idBound(since, "-"), idBound(until, "+")
	return func(yield func(Letter, error) bool) {
		for size := int64(firstPage); ; {
			page, err := d.page(ctx, from, to, size, newestFirst)
			if err != nil {
				yield(Letter{}, explain(err, d.stream))
				return
			}
			bytes := 0
			for _, m := range page {
				l := readLetter(m)
				bytes += l.Size
				if !yield(l, nil) {
					return
				}
			}
			if int64(len(page)) < size {
				return
			}
			if last := "(" + page[len(page)-1].ID; newestFirst {
				to = last
			} else {
				from = last
			}
			size = nextPage(size, bytes)
		}
	}
}

func (d *DeadLetters) page(ctx context.Context, from, to string, size int64, newestFirst bool) ([]redis.XMessage, error) {
	if newestFirst {
		return d.redis.XRevRangeN(ctx, d.stream, to, from, size).Result()
	}
	return d.redis.XRangeN(ctx, d.stream, from, to, size).Result()
}

func nextPage(size int64, bytes int) int64 {
	if bytes > maxPageBytes {
		return max(size/5, 1)
	}
	return min(size*5, maxPage)
}

// idBound is the id from which, or up to which, entries were written at t. An id without its second part stands
// for the whole of its millisecond.
func idBound(t time.Time, none string) string {
	if t.IsZero() {
		return none
	}
	return strconv.FormatInt(max(t.UnixMilli(), 0), 10)
}

func readLetter(m redis.XMessage) Letter {
	l := Letter{ID: m.ID, Original: map[string]string{}, Other: map[string]string{}}
	own := map[string]*string{
		"original_stream": &l.OriginalStream, "original_msg_id": &l.OriginalID, "error": &l.Error, "attempt": &l.Attempt,
		envelope.FieldData: &l.Data, envelope.FieldTS: &l.TS, envelope.FieldTraceID: &l.TraceID,
	}
	for name, v := range m.Values {
		value, _ := v.(string)
		if field, ok := own[name]; ok {
			*field = value
		} else if original, ok := strings.CutPrefix(name, originalField); ok {
			l.Original[original] = value
		} else {
			l.Other[name] = value
		}
	}
	l.Size = len(l.Data)
	return l
}

// WithoutData is the letter without its payload, for those that are kept in great number.
func (l Letter) WithoutData() Letter {
	l.Data = ""
	return l
}

// At is the moment at which the letter was written, by Redis's clock.
func (l *Letter) At() time.Time {
	id, _ := parseStreamID(l.ID)
	return time.UnixMilli(int64(min(id.ms, math.MaxInt64)))
}

// CheckLetterID returns an error where the text is not a whole id, such as "1700000000000-0".
func CheckLetterID(id string) error {
	if _, ok := parseStreamID(id); !ok {
		return fmt.Errorf("%q is not the id of a dead letter; write it in full, such as 1700000000000-0", id)
	}
	return nil
}

// streamID is the id of a stream's entry. Ids are ordered as numbers, not as text.
type streamID struct{ ms, seq uint64 }

func parseStreamID(s string) (streamID, bool) {
	first, second, _ := strings.Cut(s, "-")
	ms, err1 := strconv.ParseUint(first, 10, 64)
	seq, err2 := strconv.ParseUint(second, 10, 64)
	return streamID{ms, seq}, err1 == nil && err2 == nil
}
