package sgs_test

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/alecthomas/units"
	"github.com/stretchr/testify/require"

	"github.com/sgstreamd/sgstreamd/abi"
	"github.com/sgstreamd/sgstreamd/host"
	"github.com/sgstreamd/sgstreamd/internal/guesttest"
	"github.com/sgstreamd/sgstreamd/internal/toolchain"
)

// What the SDK imports is in every module, and what those packages prepare at their start is run by every instance.
func TestAModuleHoldsNoMoreThanItNeeds(t *testing.T) {
	t.Parallel()
	module, err := os.ReadFile(guesttest.Build(t, "../../examples/echo"))
	require.NoError(t, err)
	require.Contains(t, string(module), "main.echo", "the functions' names are there, for the traces of traps")
	for _, name := range []string{".fmt.Fprintf", ".regexp.compile", ".encoding_json.Unmarshal", ".net_http.Get"} {
		require.NotContains(t, string(module), name)
	}
	require.Less(t, len(module), 3<<20)
	folder, err := os.Getwd()
	require.NoError(t, err)
	require.False(t, bytes.Contains(module, []byte(folder)), "the builder's folders are his own")
}

// A plugin whose manifest says nothing of the codec gets JSON, and behaves alike.
func TestAModuleSpeaksEitherCodec(t *testing.T) {
	t.Parallel()
	for _, codec := range []string{abi.CodecJSON, abi.CodecMsgpack} {
		module := guesttest.Build(t, "../../examples/echo")
		binary, err := os.ReadFile(module)
		require.NoError(t, err)
		binary, err = toolchain.WithManifest(binary, []byte(`{"codec":"`+codec+`"}`))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(module, binary, 0o600))
		guest := guesttest.Start(t, module, nil, nil)
		for _, text := range []string{"first", "", "a \"longer\" ä one, of more than 31 bytes"} {
			v, err := guest.Handle(t, abi.Message{ID: "1-0", TraceID: "T", Platform: "irc"}, map[string]any{"content": text, "channel_id": "#go", "message_id": "7"})
			require.NoError(t, err)
			require.Equal(t, abi.StatusDone, v.Status, v.Reason)
			require.Equal(t, map[string]any{
				"platform": "irc", "channel_id": "#go", "type": "message", "text": text, "trace_id": "T", "reply_to": "7",
			}, guesttest.Payload(t, v.Emits[0]))
		}
	}
}

func TestCallsDoNotGrowTheMemory(t *testing.T) {
	t.Parallel()
	guest := guesttest.Start(t, guesttest.Build(t, "../../examples/echo"), nil, func(c *host.PluginConfig) {
		c.MemoryLimit, c.RecycleMemory, c.RecycleCalls = 16*units.MiB, 16*units.MiB, 0 // the one instance, or none
	})
	for range 20_000 {
		v, err := guest.Handle(t, abi.Message{Platform: "irc"}, map[string]any{"content": strings.Repeat("x", 2000), "channel_id": "#go"})
		require.NoError(t, err)
		require.Equal(t, abi.StatusDone, v.Status, v.Reason)
	}
}
