package verify

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/redis/go-redis/v9"
)

// wrongStates finds the channels whose counter, in the plugin's state, is not the number of messages that have counted:
// those that were answered, once for each time. More is a try that left something behind, less an update that was lost.
func (b *book) wrongStates(ctx context.Context, s *server, n names) ([]violation, error) {
	var counters [channels]*redis.StringCmd
	err := s.sure(ctx, func() error {
		p := s.client.Pipeline()
		for c := range counters {
			counters[c] = p.Get(ctx, n.counter(c))
		}
		_, err := p.Exec(ctx)
		if errors.Is(err, redis.Nil) {
			err = nil
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	var found []violation
	for c, want := range b.counted() {
		raw, _ := counters[c].Bytes()
		var got uint32
		if len(raw) == 4 {
			got = binary.LittleEndian.Uint32(raw)
		}
		if got != want {
			found = append(found, violation{kind: WrongState, number: -1, what: fmt.Sprintf(
				"the counter of channel c%d is %d, and %d messages have counted", c, got, want)})
		}
	}
	return found, nil
}

// counted is how often each channel's counter was to be raised.
func (b *book) counted() [channels]uint32 {
	b.mu.Lock()
	defer b.mu.Unlock()
	var counted [channels]uint32
	for n := range b.fates {
		f := &b.fates[n]
		if !f.counts || f.answered == 0 {
			continue
		}
		counted[f.channel]++
		for _, e := range b.again[n] {
			if !e.dead && e.ordinal == 0 {
				counted[f.channel]++
			}
		}
	}
	return counted
}
