package consumer

import "strings"

// slotCount is the number of slots of a Redis Cluster.
const slotCount = 16384

// slotOf is the Cluster slot of a key: CRC16 (XMODEM) of its hash tag, the text between the first { and the } after
// it, or of the whole key where there is none or it is empty.
func slotOf(key string) int {
	if _, rest, ok := strings.Cut(key, "{"); ok {
		if tag, _, ok := strings.Cut(rest, "}"); ok && tag != "" {
			key = tag
		}
	}
	var crc uint16
	for i := range len(key) {
		crc ^= uint16(key[i]) << 8
		for range 8 {
			carry := crc&0x8000 != 0
			crc <<= 1
			if carry {
				crc ^= 0x1021
			}
		}
	}
	return int(crc % slotCount)
}

// sharesSlot tells whether a key that begins so is in that slot, whatever follows.
func sharesSlot(prefix string, slot int) bool {
	return slotOf(prefix+"a") == slot && slotOf(prefix+"b") == slot
}

// slots examines whether one script can reach all the keys that a commit writes to.
func (e *examination) slots(w *Worker) {
	slot := slotOf(w.cfg.Stream)
	var apart []string
	for _, key := range []string{w.cfg.DeadLetters.Stream, w.ledgerKey(), w.scheduleKey(), w.orderKey(), w.auditKey(), w.deliveredKey(), w.deliveringKey()} {
		if slotOf(key) != slot {
			apart = append(apart, key)
		}
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
	if len(apart) > 0 {
		e.found(Danger, w.cfg.Stream, "other Cluster slots hold "+strings.Join(apart, ", ")+", so no script can commit all of it",
			"put one hash tag into every configured name, such as {sg}:stream:inbound and {sg}:stream:dlq")
	}
}
