package loadtest

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/tinylib/msgp/msgp"

	"github.com/sgstreamd/sgstreamd/internal/verify"
)

// platform is the payloads' platform, and the one that verify's guest answers on.
const platform = "verify"

// words are what the texts of messages are made of.
var words = strings.Fields("would anybody here know at what time the last ferry leaves for the island on a sunday in november and where to buy a ticket")

// prose is the text of the nth message, of so many bytes. No two are the same, as in a chat: Redis keeps the strings of a script by
// a hash of some of their bytes, and takes long for many that differ in few.
func prose(number, size int) string {
	random := rand.New(rand.NewPCG(uint64(number), 0))
	var b strings.Builder
	for b.Len() < size {
		b.WriteString(words[random.IntN(len(words))])
		b.WriteByte(' ')
	}
	return b.String()[:size]
}

// MinSize is the least size of a payload in bytes: that of one with all its fields and little text. MaxSize is the most.
const (
	MinSize = 520
	MaxSize = 1 << 20
)

// payload is the nth message in msgpack, of so many bytes, with every field of the contract and the orders to verify's
// guest. All messages are addressed, so that they take their channel's lock where there is one.
func payload(n names, number, channels, size int, at time.Time) []byte {
	// The head of the text is the longer, the longer the text.
	text := max(size-len(encode(n, number, channels, 0, at)), 1)
	for {
		b := encode(n, number, channels, text, at)
		if over := len(b) - size; over > 0 && over < text {
			text -= over
			continue
		}
		return b
	}
}

func encode(n names, number, channels, filler int, at time.Time) []byte {
	channel := strconv.Itoa(number % channels)
	seconds := float64(at.UnixMicro()) / 1e6
	b := msgp.AppendMapHeader(make([]byte, 0, 600+filler), 24)
	text := func(key, value string) { b = msgp.AppendString(msgp.AppendString(b, key), value) }
	null := func(key string) { b = msgp.AppendNil(msgp.AppendString(b, key)) }
	truth := func(key string, value bool) { b = msgp.AppendBool(msgp.AppendString(b, key), value) }
	moment := func(key string) { b = msgp.AppendFloat64(msgp.AppendString(b, key), seconds) }
	none := func(key string) { b = msgp.AppendArrayHeader(msgp.AppendString(b, key), 0) }
	text("channel_key", platform+":"+channel)
	text("platform", platform)
	text("channel_id", channel)
	text("user_id", "u"+channel)
	text("username", "user "+channel)
	null("display_name")
	text("content", prose(number, filler))
	text("message_id", strconv.Itoa(number))
	moment("timestamp")
	none("attachments")
	null("reply_to")
	null("embeds")
	null("room_name")
	truth("is_dm", false)
	null("guild_id")
	none("member_roles")
	text("trace_id", n.traceID(number))
	moment("enqueued_at")
	truth("is_addressed", true)
	text("strangler_route", "")
	none("user_aliases")
	null("unified_user_id")
	text("reactions", "")
	orders := verify.GuestOrders(number)
	b = msgp.AppendArrayHeader(msgp.AppendString(b, "verify"), uint32(len(orders)))
	for _, order := range orders {
		b = msgp.AppendInt(b, order)
	}
	return b
}

// numberOf finds out which message a reply belongs to, by the trace id in its payload.
func numberOf(n names, reply string) (int, error) {
	prefix := n.tracePrefix()
	at := strings.Index(reply, prefix)
	if at < 0 {
		return 0, fmt.Errorf("a reply has no trace id of this run")
	}
	digits := []byte(reply[at+len(prefix) : min(len(reply), at+len(prefix)+10)])
	if end := bytes.IndexFunc(digits, func(r rune) bool { return r < '0' || r > '9' }); end >= 0 {
		digits = digits[:end]
	}
	return strconv.Atoi(string(digits))
}
