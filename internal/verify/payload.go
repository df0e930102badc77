package verify

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/tinylib/msgp/msgp"
)

// words fill the text of a message.
const words = "the quick brown fox jumps over the lazy dog while seven wizards mix jugs of potion and nobody at the harbour asks why "

// payload is the message in msgpack, with every field of the contract and the orders to the guest.
func (c recipe) payload(trace string, at time.Time) []byte {
	channel, user := channelID(c.channel), "u"+strconv.Itoa(c.number%977)
	seconds := float64(at.UnixMicro()) / 1e6
	b := msgp.AppendMapHeader(make([]byte, 0, 700), 23)
	text := func(key, value string) { b = msgp.AppendString(msgp.AppendString(b, key), value) }
	null := func(key string) { b = msgp.AppendNil(msgp.AppendString(b, key)) }
	truth := func(key string, value bool) { b = msgp.AppendBool(msgp.AppendString(b, key), value) }
	moment := func(key string) { b = msgp.AppendFloat64(msgp.AppendString(b, key), seconds) }
	none := func(key string) { b = msgp.AppendArrayHeader(msgp.AppendString(b, key), 0) }
	text("channel_key", "verify:"+channel)
	text("platform", "verify")
	text("channel_id", channel)
	text("user_id", user)
	text("username", "user "+user)
	null("display_name")
	text("content", strings.Repeat(words, c.filler/len(words)+1)[:c.filler])
	text("message_id", strconv.Itoa(c.number))
	moment("timestamp")
	none("attachments")
	null("reply_to")
	null("embeds")
	null("room_name")
	truth("is_dm", false)
	null("guild_id")
	none("member_roles")
	text("trace_id", trace)
	moment("enqueued_at")
	truth("is_addressed", c.addressed)
	text("strangler_route", "")
	none("user_aliases")
	null("unified_user_id")
	b = msgp.AppendString(b, "verify")
	counts := 0
	if c.counts {
		counts = 1
	}
	orders := []int{c.number, c.sequence, c.emits, c.retries, c.traps, int(c.sleep.Milliseconds()), int(c.doom), counts}
	b = msgp.AppendArrayHeader(b, uint32(len(orders)))
	for _, n := range orders {
		b = msgp.AppendInt(b, n)
	}
	return b
}

// tag is what a payload says of the message that it belongs to.
type tag struct {
	key     string // message_key
	numbers []int  // the array "verify"
}

// readTag reads a payload: an output's, or a message's own in a dead letter.
func readTag(payload []byte) (tag, error) {
	var t tag
	n, b, err := msgp.ReadMapHeaderBytes(payload)
	for ; err == nil && n > 0; n-- {
		var key []byte
		if key, b, err = msgp.ReadStringZC(b); err != nil {
			break
		}
		switch string(key) {
		case "message_key":
			t.key, b, err = msgp.ReadStringBytes(b)
		case "verify":
			t.numbers, b, err = readNumbers(b)
		default:
			b, err = msgp.Skip(b)
		}
	}
	if err == nil && len(t.numbers) == 0 {
		err = errors.New("it has no orders")
	}
	return t, err
}

func readNumbers(b []byte) ([]int, []byte, error) {
	size, b, err := msgp.ReadArrayHeaderBytes(b)
	if err == nil && size > 16 {
		err = errors.New("its orders are too many")
	}
	var numbers []int
	for ; err == nil && size > 0; size-- {
		var n int
		if n, b, err = msgp.ReadIntBytes(b); err == nil {
			numbers = append(numbers, n)
		}
	}
	return numbers, b, err
}
