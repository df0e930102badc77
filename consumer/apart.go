package consumer

import (
	"context"
	"fmt"
	"strings"
	"sync"
)

// A Cluster may keep what a worker writes to in several slots, and no script reaches more than one. The keys that belong
// to the stream are always in its slot, so that what is pending, parked, scheduled and in order is one script's
// business as ever. What else is apart (dead letters, outbound streams, locks, traces, the plugin's state) is written
// before or after it, as split.go says. Where a common hash tag holds all of it together, nothing of this is used.

// split tells whether a worker's keys are in several slots.
func (w *Worker) split() bool { return len(w.apart) > 0 }

// ownName is a stream's name in the keys that belong to it. In a Cluster they have to be in its slot, and so a name
// without a hash tag becomes theirs.
func ownName(stream string, clustered bool) string {
	if clustered && hashTag(stream) == stream {
		return "{" + stream + "}"
	}
	return stream
}

// ownKeys are the keys that belong to the stream.
func (w *Worker) ownKeys() []string {
	return []string{w.ledgerKey(), w.scheduleKey(), w.orderKey(), w.lanesKey(), w.auditKey(), w.deliveredKey(), w.deliveringKey()}
}

// checkOwnKeys returns an error where a Cluster does not have them in the stream's slot.
func (w *Worker) checkOwnKeys() error {
	if !isCluster(w.redis) {
		return nil
	}
	for _, key := range w.ownKeys() {
		if slotOf(key) != slotOf(w.cfg.Stream) {
			return fmt.Errorf("key %q is in another Cluster slot than stream %q; give the stream a hash tag, such as {sg}:inbound, and take braces out of autoclaim.audit_key", key, w.cfg.Stream)
		}
	}
	return nil
}

// otherSlots are the keys, and the prefixes of keys with a * behind them, that are not in the stream's slot and do not
// belong to it.
func (w *Worker) otherSlots() []string {
	slot := slotOf(w.cfg.Stream)
	var apart []string
	if slotOf(w.cfg.DeadLetters.Stream) != slot {
		apart = append(apart, w.cfg.DeadLetters.Stream)
	}
	prefixes := []string{w.cfg.StatePrefix}
	if w.cfg.Lock.Enabled {
		prefixes = append(prefixes, w.cfg.Lock.Prefix)
	}
	if w.cfg.Trace.Enabled {
		prefixes = append(prefixes, w.cfg.Trace.Prefix)
	}
	if w.cfg.Role == "processor" {
		prefixes = append(prefixes, w.cfg.Emits.StreamPrefix+":")
	}
	for _, p := range prefixes {
		if !sharesSlot(p, slot) {
			apart = append(apart, p+"*")
		}
	}
	return apart
}

// splitRemedy is how to get back what splitProblem says is missing.
const splitRemedy = "put one hash tag into every configured name, such as {sg}:stream:inbound and {sg}:stream:dlq, if that is not good enough"

// splitProblem is what is not promised while keys are apart, in one line.
func (w *Worker) splitProblem() string {
	return "no common hash tag (apart: " + strings.Join(w.apart, ", ") + "), so answers and acknowledgements are not one step: " +
		"an answer may be written twice if a worker dies in between, but is never left out; message_key tells"
}

// reachOthers returns an error where the Redis user may not use what is in other slots. Which commands it may run is
// the same in every slot.
func (w *Worker) reachOthers(ctx context.Context) error {
	for _, key := range w.apart {
		if strings.HasPrefix(key, w.cfg.Emits.StreamPrefix+":") {
			continue // a stream that can't be emitted to is a failed message's business
		}
		if prefix, ok := strings.CutSuffix(key, "*"); ok {
			key = prefix + "-"
		}
		if err := w.redis.Type(ctx, key).Err(); isNoPerm(err) {
			return fmt.Errorf("key %q: %w", key, err)
		} else if err != nil {
			return err
		}
	}
	return nil
}

// deadLettersHere is what scripts in the stream's slot are told of the dead letters: these, or the stream itself where
// they are apart and so left alone.
func (w *Worker) deadLettersHere() string {
	if w.split() {
		return w.cfg.Stream
	}
	return w.cfg.DeadLetters.Stream
}

// ledgerAt is a hash in a slot that remembers what this worker's last commit has written there, to the key or the keys
// that what names. The daemon's other workers have the same consumer name, but another stream.
func (w *Worker) ledgerAt(slot int, what string) string {
	tag, ok := w.slotTags[slot]
	if !ok {
		if w.slotTags == nil {
			w.slotTags = map[int]string{}
		}
		tag = tagOf(slot)
		w.slotTags[slot] = tag
	}
	return ledgerPrefix + "{" + tag + "}:" + what + ":" + w.cfg.Stream + ":" + w.cfg.Group + ":" + w.cfg.Consumer
}

// atATime bounds the scripts that a step runs at the same time. Each needs a connection.
const atATime = 8

// atOnce calls f for 0 to n-1, a few at the same time, and returns when all have.
func atOnce(n int, f func(i int)) {
	var calls sync.WaitGroup
	places := make(chan struct{}, atATime)
	for i := range n {
		places <- struct{}{}
		calls.Go(func() {
			f(i)
			<-places
		})
	}
	calls.Wait()
}
