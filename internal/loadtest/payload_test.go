package loadtest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tinylib/msgp/msgp"

	"github.com/sgstreamd/sgstreamd/envelope"
)

func TestAPayloadHasTheSizeThatWasAskedFor(t *testing.T) {
	t.Parallel()
	n := newNames().next()
	for _, size := range []int{MinSize, 551, 600, 776, 777, 778, 1000, 66_000, MaxSize} {
		for _, number := range []int{0, 127, 128, MaxMessages} {
			b := payload(n, number, MaxChannels, size, time.Now())
			require.InDelta(t, size, len(b), 2, "the head of a text of its length may leave no exact size; message %d", number)
			e, err := envelope.Decode("s", "1-0", 1, envelope.Fields{"data", string(b)}, len(b))
			require.NoError(t, err)
			require.True(t, e.Addressed)
			require.Equal(t, platform, e.Message.Platform)
			require.NotEmpty(t, e.Message.ChannelKey)
		}
	}
}

func TestAReplyNamesItsMessage(t *testing.T) {
	t.Parallel()
	n := newNames()
	for _, number := range []int{0, 7, 199_999} {
		got, err := numberOf(n, string(payload(n, number, 1000, 600, time.Now())))
		require.NoError(t, err)
		require.Equal(t, number, got)
		// As a daemon writes it to an answer, behind a key that names the stream.
		reply := msgp.AppendMapStrStr(nil, map[string]string{"message_key": "sgs:" + n.stream() + ":1-0:0", "trace_id": n.traceID(number)})
		got, err = numberOf(n, string(reply))
		require.NoError(t, err)
		require.Equal(t, number, got)
	}
	_, err := numberOf(n, string(payload(newNames(), 1, 1, 600, time.Now())))
	require.EqualError(t, err, "a reply has no trace id of this run")
}
