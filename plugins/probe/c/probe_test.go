package probe

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/sgstreamd/sgstreamd/abi"
	"github.com/sgstreamd/sgstreamd/host"
	"github.com/sgstreamd/sgstreamd/internal/guesttest"
	"github.com/sgstreamd/sgstreamd/internal/toolchain"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type step = map[string]any

// reports is what the probe reports of the steps.
func reports(t testing.TB, g *guesttest.Guest, steps ...any) string {
	t.Helper()
	v, err := g.Handle(t, abi.Message{Stream: "s", ID: "1-0", Attempt: 1, Platform: "p"}, map[string]any{"steps": steps})
	require.NoError(t, err)
	require.Equal(t, abi.StatusDone, v.Status, v.Reason)
	require.NotEmpty(t, v.Emits)
	text, _ := guesttest.Payload(t, v.Emits[len(v.Emits)-1])["text"].(string)
	return text
}

// serve starts the probe beside a server that it may ask.
func serve(t *testing.T, answer http.HandlerFunc) (*guesttest.Guest, string) {
	t.Helper()
	server := httptest.NewServer(answer)
	t.Cleanup(server.Close)
	return guesttest.Start(t, guesttest.Build(t, "."), nil, func(c *host.PluginConfig) {
		c.HTTP.Origins = []string{server.URL}
		c.HTTP.Addresses = []string{strings.TrimPrefix(server.URL, "http://")}
	}), server.URL
}

func TestReadsEventsAsTheyArrive(t *testing.T) {
	t.Parallel()
	pieces := map[string][]string{
		"/plain":    {"data: a\n\ndata: b\n\n"},
		"/torn":     {"da", "ta: o", "ne\n", "\nda", "ta:two\r", "\n\r", "\n", "data:  three\r", "\rdata: four\n\n"},
		"/crlf":     {"data: a\r\n", "data: b\r\n\r\n"},
		"/lines":    {"data: a\ndata\ndata: b\n\n"},
		"/others":   {"\xef\xbb\xbfdata: a\n: comment\nevent: x\nid: 7\nretry: 5\nunknown\n\nevent: no data\n\n:\n\ndata: b\n\n"},
		"/cut":      {"data: whole\n\ndata: cut\n"},
		"/long":     {"data: " + strings.Repeat("x", 70_000), strings.Repeat("y", 70_000) + "\n\n"},
		"/none":     {},
		"/too-long": {"data: " + strings.Repeat("x", 2<<20) + "\n\n"},
	}
	g, url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		for _, p := range pieces[r.URL.Path] {
			_, _ = io.WriteString(w, p)
			_ = http.NewResponseController(w).Flush()
		}
	})
	for path, want := range map[string]string{
		"/plain": "a,b", "/torn": "one,two, three,four", "/crlf": "a\nb", "/lines": "a\n\nb", "/others": "a,b", "/cut": "whole", "/none": "",
		"/long": strings.Repeat("x", 70_000) + strings.Repeat("y", 70_000), "/too-long": "ELIMIT",
	} {
		require.Equal(t, want, reports(t, g, step{"op": "events", "url": url + path}), path)
	}
}

func TestRequests(t *testing.T) {
	t.Parallel()
	g, url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Add("X-Probe", "first")
		w.Header().Add("X-Probe", "second")
		w.Header().Set("X-Large", strings.Repeat("h", 8000)) // more than the head is given room for at first
		w.WriteHeader(http.StatusTeapot)
		_, _ = io.WriteString(w, r.Method+" "+r.Header.Get("X-A")+" "+strings.Join(r.Header.Values("X-B"), ",")+" "+string(body))
	})
	got := reports(t, g,
		step{"op": "http", "method": "PUT", "url": url + "/", "body": strings.Repeat("b", 100), "headers": step{"x-a": "1", "x-b": []any{"2", "3"}}},
		step{"op": "http", "url": url + "/"},
		step{"op": "http", "url": "http://example.org/"},
		step{"op": "http", "url": "nonsense"},
	)
	require.Equal(t, "418|first|PUT 1 2,3 "+strings.Repeat("b", 100)+"\n418|first|GET   \nEDENIED\nEINVALID", got)
}

func TestReadsAValueThatIsLargerThanItsFirstRoom(t *testing.T) {
	t.Parallel()
	large := strings.Repeat("v", 300_000)
	g := guesttest.Start(t, guesttest.Build(t, "."), map[string]string{"large": large, "empty": ""}, nil)
	got := reports(t, g, step{"op": "get", "key": "large"}, step{"op": "get", "key": "empty"}, step{"op": "get", "key": "none"})
	require.Equal(t, large+"\n\n-", got)
}

func TestSaysThatTheManifestIsMissing(t *testing.T) {
	t.Parallel()
	module, err := os.ReadFile(guesttest.Build(t, "../../examples/echo-c"))
	require.NoError(t, err)
	module, err = toolchain.WithManifest(module, nil)
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "bare.wasm")
	require.NoError(t, os.WriteFile(path, module, 0o600))
	v, err := guesttest.Start(t, path, nil, nil).Handle(t, abi.Message{}, nil)
	require.NoError(t, err)
	require.Equal(t, abi.StatusRetry, v.Status)
	require.Equal(t, "the module has no manifest that says codec msgpack; build it with sgstreamd plugin build", v.Reason)
}

func TestRunningOutOfMemoryIsSaid(t *testing.T) {
	t.Parallel()
	g := guesttest.Start(t, guesttest.Build(t, "."), nil, func(c *host.PluginConfig) { c.MemoryLimit = 512 << 10 })
	_, err := g.Handle(t, abi.Message{Platform: "p"}, map[string]any{"steps": []any{}, "x": strings.Repeat("x", 600_000)})
	require.ErrorContains(t, err, "out of memory: the plugin needs more than plugins.<name>.memory_limit")
}

func TestListsOfAnyLength(t *testing.T) {
	t.Parallel()
	g := guesttest.Start(t, guesttest.Build(t, "."), nil, nil)
	for _, n := range []int{0, 14, 15, 16, 65534, 65535, 65536} {
		text := "[" + strings.Repeat(`"x",`, n) + `{"a":1}]`
		require.Equal(t, text, reports(t, g, step{"op": "json", "text": text}), n)
	}
}

// The probe's JSON is what encoding/json takes for JSON, but for what has no meaning: bytes that are no UTF-8, half of a
// surrogate pair, and a number that no float holds.
func FuzzJSON(f *testing.F) {
	for _, s := range []string{
		` {"a" : [1, 2.50, -3, 1e2, 1E-7, true, false, null, {}, [], [[]], {"":{}}], "a":1} `, `"\u00e9\ud83d\ude00\n\u0001\"\/"`, `"é😀 and eight more"`,
		"18446744073709551615", "18446744073709551616", "-9223372036854775808", "-9223372036854775809", "-0", "-0.0", "0.1", "5e-324", "1e309", "01", "1.", ".5", "+1",
		`[1,]`, `{"a":1,}`, `{"a"}`, `[`, `]`, `"`, `"\`, `"\u12"`, `"\ud800"`, `"\udc00\ud800"`, `"\ud800\u0041"`, "\"\xff\"", "\"\x1f\"", "\"0123456\x1f\"", "nul", "truex", "", " ", "1 2", "\x00", `{"a":1 "b"}`,
		strings.Repeat("[", 256) + strings.Repeat("]", 256), strings.Repeat("[", 257) + strings.Repeat("]", 257), strings.Repeat(`{"":`, 300), strings.Repeat("[{},", 300),
		"[" + strings.Repeat("1,", 20) + "1]",
	} {
		f.Add([]byte(s))
	}
	g := guesttest.Start(f, guesttest.Build(f, "."), nil, nil)
	f.Fuzz(func(t *testing.T, doc []byte) {
		if len(doc) > 1<<20 || !utf8.Valid(doc) {
			return
		}
		got := reports(t, g, step{"op": "json", "text": string(doc)})
		want, ok := normal(doc)
		if !ok {
			require.Equal(t, "invalid", got)
			return
		}
		written, ok := normal([]byte(got))
		require.True(t, ok, "%q became %q", doc, got)
		require.Equal(t, want, written, "%q became %q", doc, got)
	})
}

// normal is a JSON text as encoding/json writes it, its numbers as floats; false where it is none.
func normal(doc []byte) (string, bool) {
	var v any
	if json.Unmarshal(doc, &v) != nil || nesting(doc) > 256 || hasHalfPair(doc) {
		return "", false
	}
	text, err := json.Marshal(v)
	return string(text), err == nil
}

// nesting is how deep maps and lists lie in each other in a JSON text.
func nesting(doc []byte) int {
	d := json.NewDecoder(bytes.NewReader(doc))
	depth, deepest := 0, 0
	for {
		switch t, err := d.Token(); {
		case err != nil:
			return deepest
		case t == json.Delim('{'), t == json.Delim('['):
			depth++
			deepest = max(deepest, depth)
		case t == json.Delim('}'), t == json.Delim(']'):
			depth--
		}
	}
}

// escapes are those of a JSON text that has some: pairs, single units, and others.
var escapes = regexp.MustCompile(`(?i)\\ud[89ab][0-9a-f]{2}\\ud[c-f][0-9a-f]{2}|\\ud[89a-f][0-9a-f]{2}|\\.`)

// hasHalfPair tells whether an escape of a JSON text is half of a surrogate pair. encoding/json makes U+FFFD of it.
func hasHalfPair(doc []byte) bool {
	for _, e := range escapes.FindAll(doc, -1) {
		if len(e) == len(`\ud800`) {
			return true
		}
	}
	return false
}
