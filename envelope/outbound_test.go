package envelope

import (
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tinylib/msgp/msgp"

	"github.com/sgstreamd/sgstreamd/abi"
)

// pack concatenates already encoded parts behind a map's head.
func pack(n int, parts ...string) []byte {
	b := msgp.AppendMapHeader(nil, uint32(n))
	for _, p := range parts {
		b = append(b, p...)
	}
	return b
}

func text(s string) string { return string(msgp.AppendString(nil, s)) }

func TestNormalize(t *testing.T) {
	t.Parallel()
	// 5 in nine bytes, to see that nothing is encoded anew.
	five := "\xcf\x00\x00\x00\x00\x00\x00\x00\x05"
	for name, c := range map[string]struct {
		emit  abi.Emit
		want  []byte
		trace string
	}{
		"adds what is absent": {
			abi.Emit{Platform: "discord", Payload: pack(1, text("text"), five)},
			pack(4, text("text"), five, text("message_key"), text("K"), text("trace_id"), text("T"), text("platform"), text("discord")), "T",
		},
		"adds no platform to a stream": {
			abi.Emit{Stream: "s", Payload: pack(0)},
			pack(2, text("message_key"), text("K"), text("trace_id"), text("T")), "T",
		},
		"fills in what is nil or empty, in its place": {
			abi.Emit{Platform: "discord", Payload: pack(4, text("platform"), "\xc0", text("n"), five, text("trace_id"), text(""), text("message_key"), "\xc0")},
			pack(4, text("platform"), text("discord"), text("n"), five, text("trace_id"), text("T"), text("message_key"), text("K")), "T",
		},
		"keeps what is there": {
			abi.Emit{Platform: "discord", Payload: pack(3, text("platform"), text("irc"), text("trace_id"), text("own"), text("message_key"), text("mine"))},
			pack(3, text("platform"), text("irc"), text("trace_id"), text("own"), text("message_key"), text("mine")), "own",
		},
		"keeps what has another type": {
			abi.Emit{Platform: "discord", Payload: pack(3, text("platform"), five, text("trace_id"), five, text("message_key"), "\x90")},
			pack(3, text("platform"), five, text("trace_id"), five, text("message_key"), "\x90"), "T",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, trace, err := Normalize(c.emit, "K", "T")
			require.NoError(t, err)
			require.Equal(t, c.want, got)
			require.Equal(t, c.trace, trace)
		})
	}
}

func TestNormalizeGrowsTheHeadOfTheMap(t *testing.T) {
	t.Parallel()
	for _, n := range []int{13, 14, 65534} {
		payload := msgp.AppendMapHeader(nil, uint32(n))
		for i := range n {
			payload = msgp.AppendInt(msgp.AppendString(payload, MessageKey("k", "", i)), i)
		}
		got, _, err := Normalize(abi.Emit{Stream: "s", Payload: payload}, "K", "T")
		require.NoError(t, err)
		count, _, err := msgp.ReadMapHeaderBytes(got)
		require.NoError(t, err)
		require.EqualValues(t, n+2, count)
		fields, rest, err := msgp.ReadMapStrIntfBytes(got, nil)
		require.NoError(t, err)
		require.Empty(t, rest)
		require.Len(t, fields, n+2)
	}
}

func TestNormalizeRefusesWhatIsNoMap(t *testing.T) {
	t.Parallel()
	_, _, err := Normalize(abi.Emit{Stream: "s", Payload: []byte{0x90}}, "K", "T")
	require.EqualError(t, err, "payload is not a map but an array")
}

func TestMessageKeyIsTheSameEveryTime(t *testing.T) {
	t.Parallel()
	require.Equal(t, "sgs:sg:stream:inbound:5-0:2", MessageKey("sg:stream:inbound", "5-0", 2))
}
