// Package assemblyscript tests the SDK for AssemblyScript in a real host.
package assemblyscript

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tinylib/msgp/msgp"
	"go.uber.org/goleak"

	"github.com/sgstreamd/sgstreamd/abi"
	"github.com/sgstreamd/sgstreamd/host"
	"github.com/sgstreamd/sgstreamd/internal/guesttest"
	"github.com/sgstreamd/sgstreamd/internal/toolchain"
)

// guest is the module of testdata/guest, built once for all tests.
var guest string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "assemblyscript-test-")
	if err == nil {
		guest = filepath.Join(dir, "guest.wasm")
		err = toolchain.Build(context.Background(), "testdata/guest", guest, io.Discard)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		os.RemoveAll(dir)
		os.Exit(code)
	}))
}

const content = "Could you sum up what we decided yesterday evening, please? And who is to write the minutes?"

// inbound is a message of about 600 bytes, as a gateway writes it.
func inbound(t testing.TB) *abi.Message {
	doc, err := msgp.AppendIntf(nil, map[string]any{
		"channel_key": "discord:1234567890123456789", "platform": "discord", "channel_id": "1234567890123456789",
		"user_id": "9876543210987654321", "username": "ada.lovelace", "display_name": "Ada", "content": content,
		"message_id": "1122334455667788990", "timestamp": 1700000000.25, "attachments": []any{}, "reply_to": nil, "embeds": nil,
		"room_name": "general", "is_dm": false, "guild_id": "55555555555", "member_roles": []any{"admin", "member"},
		"trace_id": "4bf92f3577b34da6a3ce929d0e0e4736", "enqueued_at": 1700000000.5, "is_addressed": true,
		"strangler_route": "new", "user_aliases": []any{"ada"}, "unified_user_id": "u-123", "reactions": "",
	})
	require.NoError(t, err)
	return &abi.Message{Stream: "sg:stream:inbound", ID: "1700000000000-0", Attempt: 1, TS: 1700000000.25, Platform: "discord",
		TraceID: "4bf92f3577b34da6a3ce929d0e0e4736", ChannelKey: "discord:1234567890123456789", Payload: doc}
}

func TestManyCallsDoNotGrowTheMemory(t *testing.T) {
	t.Parallel()
	g := guesttest.Start(t, guest, map[string]string{"k": "kept"}, nil)
	const calls = 20_000
	first := any(nil)
	for i := range calls {
		v, err := g.Handle(t, abi.Message{ID: "1-0", Attempt: 1}, map[string]any{"do": "work", "content": content})
		require.NoError(t, err)
		require.Len(t, v.Emits, 1, v.Reason)
		if pages := guesttest.Payload(t, v.Emits[0])["pages"]; i == calls/100 {
			first = pages
		} else if i == calls-1 {
			require.Equal(t, first, pages)
		}
	}
}

func TestWhatIsThrownIsSaid(t *testing.T) {
	t.Parallel()
	g := guesttest.Start(t, guest, nil, nil)
	for what, said := range map[string]string{
		"throw": "thrown: why (assembly/index.ts:", "index": "Index out of range (~lib/array.ts:",
	} {
		_, err := g.Handle(t, abi.Message{ID: "1-0", Attempt: 1}, map[string]any{"do": what, "content": "why"})
		require.ErrorContains(t, err, said)
		require.Contains(t, g.Log.String(), `"level":"ERROR","msg":"`+said)
		require.Contains(t, g.Log.String(), "sgstreamd/guest/sgs_handle", "the trace has the functions' names")
	}
}

// However a server cuts its events up, reading them takes time by their size alone, and memory within a bound.
func TestEventsOfManyLinesAndOfTooMany(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		part := strings.Repeat("data:\n", 1000)
		switch r.URL.Path {
		case "/line":
			part = strings.Repeat("x", 6000)
		case "/many":
			_, _ = io.WriteString(w, strings.Repeat(part, 500)+"\n")
			return
		case "/event":
			part = "data:" + strings.Repeat("x", 6000) + "\n"
		}
		for range 2000 {
			if _, err := io.WriteString(w, part); err != nil {
				return
			}
		}
	}))
	t.Cleanup(server.Close)
	g := guesttest.Start(t, guest, nil, func(c *host.PluginConfig) {
		c.HTTP.Origins, c.HTTP.Addresses = []string{server.URL}, []string{strings.TrimPrefix(server.URL, "http://")}
		c.HTTP.MaxResponse = 64 << 20
		c.MemoryLimit = 256 << 20
	})
	for path, want := range map[string]string{
		"/many":  "1 of 499999 ",
		"/line":  "0 of 0 http: ELIMIT: a line or event has more than 8388608 bytes",
		"/event": "0 of 0 http: ELIMIT: a line or event has more than 8388608 bytes",
	} {
		v, err := g.Handle(t, abi.Message{ID: "1-0", Attempt: 1}, map[string]any{"do": "events", "url": server.URL + path})
		require.NoError(t, err, path)
		got := guesttest.Payload(t, v.Emits[0])
		require.Equal(t, want, fmt.Sprintf("%d of %d %s", got["count"], got["size"], got["error"]), path)
	}
}

func TestHalfOfAPairIsNoJSON(t *testing.T) {
	t.Parallel()
	g := guesttest.Start(t, guest, nil, nil)
	for _, doc := range []string{`"\ud800"`, `"\udc00"`, `"\ud800\u0041"`, `"\ud800\ud800"`, `"\ud800x"`, `"\ud800\n"`, "\"\xed\xa0\x80\""} {
		v, err := g.Handle(t, abi.Message{ID: "1-0", Attempt: 1}, map[string]any{"do": "read", "bytes": []byte(doc)})
		require.NoError(t, err)
		require.NotContains(t, guesttest.Payload(t, v.Emits[0]), "json", doc)
	}
}

func TestAModuleWithoutItsManifestSaysSo(t *testing.T) {
	t.Parallel()
	module, err := os.ReadFile(guest)
	require.NoError(t, err)
	module, err = toolchain.WithManifest(module, nil)
	require.NoError(t, err)
	bare := filepath.Join(t.TempDir(), "bare.wasm")
	require.NoError(t, os.WriteFile(bare, module, 0o600))
	g, err := guesttest.Load(t, bare, nil, nil)
	require.NoError(t, err)
	require.ErrorContains(t, g.Plugin.Start(t.Context()),
		"the module has no manifest that says codec msgpack; build it with sgstreamd plugin build")
}

// What is JSON to Go is JSON to the SDK, and comes back the same; what is msgpack to Go has the same size.
func FuzzReaders(f *testing.F) {
	for _, s := range []string{
		``, `null`, ` [1, -2.5e3, "a\u00e9\ud83d\ude00\n", {"k":[true,false,{}]}] `, `{"a":1,}`, `01`, `"\ud800"`, `1e999`, `18446744073709551616`,
		"\"0123456789abcdef0123456789\\\"abcdefé\"", strings.Repeat("[", 257) + strings.Repeat("]", 257),
		"\x83\xa1a\x01\xa1b\xcb?\xf0\x00\x00\x00\x00\x00\x00\xa1c\x93\xc0\xc3\xc4\x02ab", "\xdf\xff\xff\xff\xff", "\xc9\xff\xff\xff\xff\x01", "\xdb\xff\xff\xff\xff", "\xc1", "\xd9", "\xdd\x00\x00",
	} {
		f.Add([]byte(s))
	}
	g := guesttest.Start(f, guest, nil, nil)
	f.Fuzz(func(t *testing.T, doc []byte) {
		v, err := g.Handle(t, abi.Message{ID: "1-0", Attempt: 1}, map[string]any{"do": "read", "bytes": doc})
		require.NoError(t, err, g.Log.String())
		require.Len(t, v.Emits, 1)
		got := guesttest.Payload(t, v.Emits[0])
		require.EqualValues(t, 2, got["entries"])
		size := -1
		if rest, err := msgp.Skip(doc); err == nil {
			size = len(doc) - len(rest)
		}
		require.EqualValues(t, size, got["size"])
		requireSameJSON(t, doc, got["json"])
	})
}

// requireSameJSON compares with encoding/json, where that is as strict: it takes any bytes for UTF-8, half of a pair for
// U+FFFD, and greater depths.
func requireSameJSON(t *testing.T, doc []byte, got any) {
	t.Helper()
	var want any
	err := json.Unmarshal(doc, &want)
	if got == nil {
		lenient := bytes.ContainsRune(doc, '\\') || bytes.Count(doc, []byte("["))+bytes.Count(doc, []byte("{")) > 256
		require.True(t, err != nil || lenient || !json.Valid(bytes.ToValidUTF8(doc, nil)) || !bytes.Equal(doc, bytes.ToValidUTF8(doc, nil)), "%q", doc)
		return
	}
	require.NoError(t, err, "%q is not JSON", doc)
	var back any
	require.NoError(t, json.Unmarshal([]byte(got.(string)), &back))
	require.True(t, equal(want, back), "%q came back as %q", doc, got)
}

// equal compares what encoding/json has read; -0 is 0.
func equal(a, b any) bool {
	switch a := a.(type) {
	case float64:
		b, ok := b.(float64)
		return ok && (a == b || math.Abs(a-b) <= math.Abs(a)*1e-15)
	case []any:
		b, ok := b.([]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for i := range a {
			if !equal(a[i], b[i]) {
				return false
			}
		}
		return true
	case map[string]any:
		b, ok := b.(map[string]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for k := range a {
			if !equal(a[k], b[k]) {
				return false
			}
		}
		return true
	}
	return a == b
}

// BenchmarkCall is what a call costs: of echo, and of a plugin that looks at one key and drops the message. The
// difference is the time of the guest.
func BenchmarkCall(b *testing.B) {
	echo := inbound(b)
	drop := *echo
	var err error
	drop.Payload, err = msgp.AppendIntf(nil, map[string]any{"do": "drop", "content": strings.Repeat("x", 560)})
	require.NoError(b, err)
	for _, bench := range []struct {
		name, module string
		m            *abi.Message
	}{{"echo", guesttest.Build(b, "../../examples/echo-assemblyscript"), echo}, {"drop", guest, &drop}} {
		b.Run(bench.name, func(b *testing.B) {
			g := guesttest.Start(b, bench.module, nil, nil)
			for b.Loop() {
				if _, err := g.Plugin.Handle(b.Context(), nil, bench.m); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
