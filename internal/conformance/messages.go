package conformance

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/tinylib/msgp/msgp"

	"github.com/sgstreamd/sgstreamd/abi"
)

// inbound is a message's payload as a gateway writes it, and outbound one that an adapter delivers.
func inbound() map[string]any {
	return map[string]any{
		"channel_key": "irc:7", "platform": "irc", "channel_id": "7", "user_id": "1", "username": "user", "display_name": nil,
		"content": "hello", "message_id": "m1", "timestamp": 1700000000.5, "attachments": []any{}, "reply_to": nil, "embeds": nil,
		"room_name": nil, "is_dm": true, "guild_id": nil, "member_roles": []any{}, "trace_id": "T", "enqueued_at": 1700000000.5,
		"is_addressed": true, "strangler_route": "", "user_aliases": []any{}, "unified_user_id": nil, "reactions": "",
	}
}

func outbound() map[string]any {
	return map[string]any{
		"platform": "irc", "channel_id": "7", "channel_key": "irc:7", "type": "message", "text": "hello", "reply_to": "m1", "trace_id": "T",
		"message_key": "sgs:s:1-0:0", "buttons": []any{map[string]any{"label": "yes", "value": "1"}}, "attachments": []any{},
	}
}

// payload is a good one for the plugin's kind; of both kinds where it may serve as either.
func (p *plugin) payload() map[string]any {
	all := map[string]any{}
	if p.kind != abi.KindAdapter {
		maps.Copy(all, inbound())
	}
	if p.kind != abi.KindProcessor {
		maps.Copy(all, outbound())
	}
	return all
}

// message is a good one around a payload.
func message(payload []byte) *abi.Message {
	return &abi.Message{
		Stream: "sg:stream:inbound", ID: "1700000000000-0", Attempt: 1, TS: 1700000000.5, TraceID: "T", Platform: "irc", ChannelKey: "irc:7",
		Payload: payload,
	}
}

// encode is a value in msgpack. The values of the checks can all be written.
func encode(v any) []byte {
	doc, err := msgp.AppendIntf(nil, v)
	if err != nil {
		panic(err) // one of our own tables is wrong
	}
	return doc
}

// handle has the plugin handle a message. Any status is good.
func (p *plugin) handle(ctx context.Context, m *abi.Message) error {
	_, err := p.Handle(ctx, nil, m)
	return err
}

// variant is a message, and what is odd about it.
type variant struct {
	what    string
	message *abi.Message
}

// try has the plugin handle each variant, and a good message after it, whose outcome must stay what it was.
func (p *plugin) try(ctx context.Context, all []variant) error {
	good := message(encode(p.payload()))
	first, err := p.Handle(ctx, nil, good)
	if err != nil {
		return fmt.Errorf("a good message: %w", err)
	}
	for _, v := range all {
		if err := p.handle(ctx, v.message); err != nil {
			return fmt.Errorf("%s: %w", v.what, err)
		}
		after, err := p.Handle(ctx, nil, good)
		if err != nil {
			return fmt.Errorf("a good message after %s: %w", v.what, err)
		}
		if after.Status != first.Status || len(after.Emits) != len(first.Emits) {
			return fmt.Errorf("a good message after %s: %v with %d emits, and before it was %v with %d", v.what, after.Status, len(after.Emits), first.Status, len(first.Emits))
		}
	}
	return nil
}

func messageFields(ctx context.Context, k *kit) (string, error) {
	change := func(what string, f func(m *abi.Message)) variant {
		m := message(encode(map[string]any{"content": "hello", "text": "hello"}))
		f(m)
		return variant{what, m}
	}
	long := strings.Repeat("x", 4096)
	all := []variant{
		change("every text empty", func(m *abi.Message) { *m = abi.Message{Attempt: 1, Payload: m.Payload} }),
		change("long texts", func(m *abi.Message) {
			m.Stream, m.ID, m.TraceID, m.Platform, m.ChannelKey = long, long, long, long, long
		}),
		change("texts of other scripts", func(m *abi.Message) {
			m.Stream, m.TraceID, m.Platform, m.ChannelKey = "поток", "\x00", "平台", "\U0001f642"
		}),
		change("a large attempt", func(m *abi.Message) { m.Attempt = math.MaxInt64 }),
		change("the time 0", func(m *abi.Message) { m.TS = 0 }),
		change("a negative time", func(m *abi.Message) { m.TS = -1e300 }),
		change("a large time", func(m *abi.Message) { m.TS = math.MaxFloat64 }),
		change("a delivery in doubt", func(m *abi.Message) { m.MaybeDelivered = true }),
	}
	return "", k.with(ctx, &world{}, func(p *plugin) error { return p.try(ctx, all) })
}

// odd are values of every type.
func odd() map[string]any {
	return map[string]any{
		"nil": nil, "an empty text": "", "a text": "x", "true": true, "0": 0, "a negative number": -1, "a fraction": 1.5,
		"a large number": uint64(math.MaxUint64), "binary": []byte{0, 255}, "an empty list": []any{}, "a list": []any{1, "x", nil},
		"an empty map": map[string]any{}, "a map": map[string]any{"a": []any{map[string]any{"b": 1}}},
	}
}

func payloads(ctx context.Context, k *kit) (string, error) {
	return "", k.with(ctx, &world{}, func(p *plugin) error {
		all := []variant{{"an empty payload", message([]byte{0x80})}}
		add := func(what string, payload map[string]any) { all = append(all, variant{what, message(encode(payload))}) }
		good, values := p.payload(), odd()
		for _, name := range slices.Sorted(maps.Keys(values)) {
			every := map[string]any{}
			for key := range good {
				every[key] = values[name]
			}
			add("every key "+name, every)
		}
		for _, key := range slices.Sorted(maps.Keys(good)) {
			without := maps.Clone(good)
			delete(without, key)
			add("no "+key, without)
			for _, name := range slices.Sorted(maps.Keys(values)) {
				other := maps.Clone(good)
				other[key] = values[name]
				add(key+" being "+name, other)
			}
		}
		unknown := maps.Clone(good)
		for i := range 1000 {
			unknown[fmt.Sprintf("unknown-%d", i)] = i
		}
		add("a thousand unknown keys", unknown)
		return p.try(ctx, all)
	})
}

func texts(ctx context.Context, k *kit) (string, error) {
	return "", k.with(ctx, &world{}, func(p *plugin) error {
		var all []variant
		for what, text := range map[string]string{
			"NUL": "a\x00b", "controls": "\x01\x07\x1b[31m\x7f\r\n", "umlauts": "äöüß", "Hebrew": "שלום", "Chinese": "你好，世界",
			"emoji": "\U0001f468\u200d\U0001f469\u200d\U0001f467", "combining": "e\u0301", "the last character": "\U0010ffff", "a byte order mark": "\ufeffx",
			"not UTF-8": "\xff\xfe", "half a character": "abc\xe4\xbd", "an overlong form": "\xc0\xaf", "a surrogate": "\xed\xa0\x80",
			"markup": `<b>&amp;"'</b> @everyone *_~|` + "`", "JSON": `{"a": "\u0000"}`, "100 KiB of letters": strings.Repeat("x", 100<<10),
			"100 KiB of emoji": strings.Repeat("\U0001f642", 25<<10), "10000 lines": strings.Repeat("x\n", 10_000), "one letter": "x", "blanks": " \t\n ",
		} {
			payload := p.payload()
			for _, key := range []string{"content", "text", "username", "channel_id", "message_id", "message_key", "reply_to"} {
				if _, ok := payload[key]; ok && (len(text) < 1000 || key == "content" || key == "text") {
					payload[key] = text
				}
			}
			all = append(all, variant{"texts with " + what, message(encode(payload))})
		}
		return p.try(ctx, all)
	})
}

func values(ctx context.Context, k *kit) (string, error) {
	return "", k.with(ctx, &world{}, func(p *plugin) error {
		var all []variant
		for what, value := range map[string][]byte{
			"an ext": {0xd4, 5, 1}, "a time": {0xd6, 0xff, 0, 0, 0, 1}, "the least integer": encode(int64(math.MinInt64)),
			"the largest integer": encode(uint64(math.MaxUint64)), "a float of 32 bits": encode(float32(0.1)), "NaN": encode(math.NaN()),
			"infinity": encode(math.Inf(1)), "negative zero": encode(math.Copysign(0, -1)), "a map with other keys": {0x82, 1, 2, 0xc0, 3},
			"a long form of a short text": {0xdb, 0, 0, 0, 1, 'x'}, "64 KiB of bytes": encode(make([]byte, 64<<10)), "a wide list": wide(50_000),
			"a deep list": deep(abi.MaxDepth-2, 0x91, nil), "a deep map": deep(abi.MaxDepth-2, 0x81, []byte{0xa1, 'a'}),
		} {
			for _, key := range []string{"content", "text", "attachments", "buttons", "other"} {
				payload := msgp.AppendMapHeader(nil, 3)
				payload = msgp.AppendString(payload, "platform")
				payload = msgp.AppendString(payload, "irc")
				payload = msgp.AppendString(payload, "channel_id")
				payload = msgp.AppendString(payload, "7")
				payload = msgp.AppendString(payload, key)
				all = append(all, variant{key + " being " + what, message(append(payload, value...))})
			}
		}
		return p.try(ctx, all)
	})
}

func wide(n int) []byte {
	list := msgp.AppendArrayHeader(nil, uint32(n))
	for range n {
		list = msgp.AppendInt(list, 1)
	}
	return list
}

// deep is a value inside of n containers, each of which begins with the head and the key.
func deep(n int, head byte, key []byte) []byte {
	var doc []byte
	for range n {
		doc = append(append(doc, head), key...)
	}
	return append(doc, 0xc0)
}

func large(ctx context.Context, k *kit) (string, error) {
	return "", k.with(ctx, &world{}, func(p *plugin) error {
		text, bytes := p.payload(), p.payload()
		for _, key := range []string{"content", "text"} {
			if _, ok := text[key]; ok {
				text[key] = strings.Repeat("x", 1<<20)
			}
		}
		bytes["blob"] = make([]byte, 1<<20)
		return p.try(ctx, []variant{{"a text of 1 MiB", message(encode(text))}, {"1 MiB of bytes", message(encode(bytes))}})
	})
}
