package verify

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sgstreamd/sgstreamd/envelope"
)

// What was added, but whose reply was lost, must not be added once more: verify itself would have doubled it.
func TestMessagesAreSentOnceThoughTheReplyIsLost(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	require.NoError(t, r.load.send(t.Context(), 10))
	r.server.home.loseReply("multi")
	require.NoError(t, r.load.send(t.Context(), 10))
	r.server.home.mu.Lock()
	waiting := r.server.home.losing
	r.server.home.mu.Unlock()
	require.Nil(t, waiting, "the reply was lost")
	entries, err := r.server.client.XRange(t.Context(), r.names.stream(), "-", "+").Result()
	require.NoError(t, err)
	require.Len(t, entries, 20)
	for n, e := range entries {
		require.Equal(t, r.book.fates[n].id.String(), e.ID)
		read, err := envelope.Decode(r.names.stream(), e.ID, 1, envelope.Fields{
			"data", e.Values["data"].(string), "ts", e.Values["ts"].(string), "trace_id", e.Values["trace_id"].(string),
		}, 8<<20)
		require.NoError(t, err)
		require.Equal(t, "verify", read.Message.Platform)
		require.True(t, strings.HasPrefix(read.Message.ChannelKey, "verify:c"))
		tag, err := readTag(read.Message.Payload)
		require.NoError(t, err)
		require.Equal(t, n, tag.numbers[0])
	}
}

func FuzzReadTag(f *testing.F) {
	f.Add(recipeOf(1, 1, true).payload("T", testTime))
	f.Add([]byte{0x81, 0xa6, 'v', 'e', 'r', 'i', 'f', 'y', 0xdd, 0xff, 0xff, 0xff, 0xff})
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, payload []byte) {
		tag, err := readTag(payload)
		if err == nil && len(tag.numbers) == 0 {
			t.Error("no numbers, and no error")
		}
	})
}
