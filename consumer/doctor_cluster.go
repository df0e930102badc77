package consumer

import (
	"strconv"
	"strings"
)

// slotCount is the number of slots of a Redis Cluster.
const slotCount = 16384

// hashTag is the part of a key that tells its slot: the text between the first { and the } after it, or the whole key
// where there is none or it is empty.
func hashTag(key string) string {
	if _, rest, ok := strings.Cut(key, "{"); ok {
		if tag, _, ok := strings.Cut(rest, "}"); ok && tag != "" {
			return tag
		}
	}
	return key
}

// slotOf is the Cluster slot of a key: CRC16 (XMODEM) of its hash tag.
func slotOf(key string) int {
	key = hashTag(key)
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

// tagOf is a hash tag of a slot. It is found by trying, which takes a millisecond or two.
func tagOf(slot int) string {
	for n := 0; ; n++ {
		if tag := strconv.Itoa(n); slotOf(tag) == slot {
			return tag
		}
	}
}

// sharesSlot tells whether a key that begins so is in that slot, whatever follows.
func sharesSlot(prefix string, slot int) bool {
	return slotOf(prefix+"a") == slot && slotOf(prefix+"b") == slot
}

// slots examines whether one script can reach all the keys that a commit writes to.
func (e *examination) slots(w *Worker) {
	if err := w.checkOwnKeys(); err != nil {
		e.found(Danger, w.cfg.Stream, "it is not read", err.Error())
		return
	}
	if w.split() {
		e.found(Warning, w.cfg.Stream, w.splitProblem(), splitRemedy)
	}
	if isCluster(e.redis) {
		return
	}
	apart := w.otherSlots()
	for _, key := range w.ownKeys() {
		if slotOf(key) != slotOf(w.cfg.Stream) {
			apart = append(apart, key)
		}
	}
	if len(apart) > 0 {
		e.found(Danger, w.cfg.Stream, "other Cluster slots hold "+strings.Join(apart, ", ")+", so no script can commit all of it",
			"put one hash tag into every configured name, such as {sg}:stream:inbound and {sg}:stream:dlq")
	}
}
