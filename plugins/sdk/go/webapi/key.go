package webapi

import (
	"encoding/base64"
	"hash/fnv"
)

// Key is a text of 22 letters, digits, - and _ that stands for a text of any length: a hash of 128 bits, for platforms
// that take short idempotency keys only.
func Key(s string) string {
	h := fnv.New128a()
	_, _ = h.Write([]byte(s))
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}
