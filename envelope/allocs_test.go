package envelope

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sgstreamd/sgstreamd/abi"
)

// What a message may allocate on its way through the package, as far as it does not vary: JSON is read with pooled decoders.
// These tests do not run beside others, which would be counted with them.
func TestDecodeAllocatesNothing(t *testing.T) {
	fields := Fields{"data", string(inboundPayload(t)), "ts", "1700000000.25", "trace_id", "T"}
	requireAllocs(t, 0, func() error {
		_, err := Decode("s", "5-0", 1, fields, limit)
		return err
	})
}

func TestAMessageForAPluginAllocatesLittle(t *testing.T) {
	m := message(t)
	m.Payload = inboundPayload(t)
	codecs := Codecs()
	for name, most := range map[string]float64{abi.CodecMsgpack: 0, abi.CodecJSON: 4} {
		t.Run(name, func(t *testing.T) {
			codec, buf := codecs[name], []byte(nil)
			requireAllocs(t, most, func() (err error) {
				buf, err = codec.AppendMessage(buf[:0], m)
				return err
			})
		})
	}
}

func TestAnEmitAllocatesForItsOwnBytes(t *testing.T) {
	doc := emitDoc(t)
	var e abi.Emit
	requireAllocs(t, 1, func() (err error) { e, err = Msgpack{}.DecodeEmit(doc); return err })
	requireAllocs(t, 1, func() error {
		_, _, err := Normalize(e, "sgs:s:5-0:0", "T")
		return err
	})
}

// requireAllocs asserts how often a call allocates at most. Where it has become less, the number is to be lowered.
func requireAllocs(t *testing.T, most float64, call func() error) {
	t.Helper()
	got := testing.AllocsPerRun(200, func() {
		if err := call(); err != nil {
			t.Fatal(err)
		}
	})
	require.LessOrEqual(t, got, most)
}

// emitDoc is an answer as a plugin writes it, in msgpack.
func emitDoc(t testing.TB) []byte {
	return encode(t, map[string]any{"platform": "discord", "payload": map[string]any{
		"type": "message", "channel_id": "1122334455667788990", "reply_to": "1234567890123456789", "text": "We decided to build it, and to begin with the mill.",
	}})
}
