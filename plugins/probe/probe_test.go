package probe

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tinylib/msgp/msgp"

	"github.com/sgstreamd/sgstreamd/abi"
	"github.com/sgstreamd/sgstreamd/host"
	"github.com/sgstreamd/sgstreamd/internal/toolchain"
)

// each runs a test for the probe of every language.
func each(t *testing.T, config map[string]any, test func(t *testing.T, p *probe)) {
	t.Parallel()
	for _, lang := range languages() {
		t.Run(lang, func(t *testing.T) {
			t.Parallel()
			p, err := start(t, lang, config)
			require.NoError(t, err)
			test(t, p)
		})
	}
}

// Steps whose reports are the same in every language.
func TestReports(t *testing.T) {
	long := strings.Repeat("x", abi.MaxStateKeyBytes+1)
	nested := map[string]any{"tree": map[string]any{"list": []any{1, map[string]any{"leaf": "déjà \x00 vu"}}, "number": 5}}
	each(t, map[string]any{"greeting": "hello", "number": int64(5)}, func(t *testing.T, p *probe) {
		for name, test := range map[string]struct {
			step step
			want string
		}{
			"the message's fields":        {step{"op": "message"}, "sg:stream:inbound|1700000000000-0|3|1700000000500|T|irc|irc:7|false"},
			"a nested text":               {step{"op": "text", "path": []any{"tree", "list", 1, "leaf"}}, "déjà \x00 vu"},
			"a path that ends in nothing": {step{"op": "text", "path": []any{"tree", "list", 7, "leaf"}}, "-"},
			"a path through a number":     {step{"op": "text", "path": []any{"tree", "number", "x"}}, "-"},
			"a path to no text":           {step{"op": "text", "path": []any{"tree", "number"}}, "-"},
			"an emit":                     {step{"op": "emit", "platform": "other", "text": "x"}, "OK"},
			"an emit to a stream":         {step{"op": "emit", "stream": "s", "text": "x"}, "EDENIED"},
			"an emit to nobody":           {step{"op": "emit", "text": "x"}, "EINVALID"},
			"an emit to both":             {step{"op": "emit", "platform": "p", "stream": "s", "text": "x"}, "EINVALID"},
			"a value":                     {step{"op": "get", "key": "k"}, "kept"},
			"no value":                    {step{"op": "get", "key": "none"}, "-"},
			"a key that is empty":         {step{"op": "get", "key": ""}, "EINVALID"},
			"a key that is long":          {step{"op": "get", "key": long}, "ELIMIT"},
			"set":                         {step{"op": "set", "key": "a", "value": "b", "ttl_ms": 0}, "OK"},
			"set a key that is long":      {step{"op": "set", "key": long, "value": "b", "ttl_ms": 0}, "ELIMIT"},
			"delete":                      {step{"op": "delete", "key": "k"}, "OK"},
			"count":                       {step{"op": "count", "name": "tests", "n": 2}, "OK"},
			"count under a bad name":      {step{"op": "count", "name": "Tests", "n": 2}, "EINVALID"},
			"the configuration":           {step{"op": "config", "key": "greeting"}, "hello"},
			"no such configuration":       {step{"op": "config", "key": "none"}, "-"},
			"configured and no text":      {step{"op": "config", "key": "number"}, "-"},
			"the deadline":                {step{"op": "deadline"}, "true"},
			"a request":                   {step{"op": "http", "url": p.server + "/x"}, "200|GET|a body of more than sixteen bytes, ä"},
			"a request with all": {step{
				"op": "http", "method": "POST", "url": p.server + "/x", "body": "the body", "headers": map[string]any{"X-Test": "yes"}, "secrets": []any{"token"},
			}, "200|POST yes the body authorized|a body of more than sixteen bytes, ä"},
			"a status that is no success": {step{"op": "http", "url": p.server + "/busy"}, "429|-|"},
			"a host that is not granted":  {step{"op": "http", "url": "http://127.0.0.1:1/"}, "EDENIED"},
			"a URL that is none":          {step{"op": "http", "url": "x"}, "EINVALID"},
			"a server that is gone":       {step{"op": "http", "url": p.gone + "/"}, "EUNAVAILABLE"},
			"a secret that is not there":  {step{"op": "http", "url": p.server + "/", "secrets": []any{"other"}}, "EDENIED"},
			"events":                      {step{"op": "events", "url": p.server + "/events"}, "a,b\nc,ü"},
			"events of nobody":            {step{"op": "events", "url": p.gone + "/events"}, "EUNAVAILABLE"},
			"JSON":                        {step{"op": "json", "text": ` {"a" : [1, -2, true, null, {}, "x"], "b": "é\n\"\\" } `}, `{"a":[1,-2,true,null,{},"x"],"b":"é\n\"\\"}`},
			"escaped JSON":                {step{"op": "json", "text": `["\u00e9\ud83d\ude00\/\b"]`}, `["é😀/\b"]`},
			"a fraction":                  {step{"op": "json", "text": `1.5`}, `1.5`},
			"an integer of 64 bits":       {step{"op": "json", "text": `[9223372036854775807,-9223372036854775808]`}, `[9223372036854775807,-9223372036854775808]`},
			"JSON that is cut":            {step{"op": "json", "text": `{"a":`}, "invalid"},
			"JSON with a comma":           {step{"op": "json", "text": `[1,]`}, "invalid"},
			"JSON with a leading zero":    {step{"op": "json", "text": `01`}, "invalid"},
			"JSON that is too deep":       {step{"op": "json", "text": strings.Repeat("[", 300) + strings.Repeat("]", 300)}, "invalid"},
			"JSON with more behind":       {step{"op": "json", "text": `1 2`}, "invalid"},
			"JSON with a raw control":     {step{"op": "json", "text": "\"\n\""}, "invalid"},
			"JSON that is empty":          {step{"op": "json", "text": ""}, "invalid"},
		} {
			got, _ := p.do(t, nested, test.step)
			if test.step["op"] == "json" && test.want != "invalid" { // how a text is escaped is the writer's affair
				require.Equal(t, parse(t, test.want), parse(t, got[0]), name)
				continue
			}
			require.Equal(t, test.want, strings.Join(got, "\n"), name)
		}
	})
}

// parse reads JSON with its numbers as they are written.
func parse(t *testing.T, doc string) (v any) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(doc))
	d.UseNumber()
	require.NoError(t, d.Decode(&v), doc)
	return v
}

// What a call has set it sees itself; and what it leaves to be written is in the verdict.
func TestStateIsOneView(t *testing.T) {
	each(t, nil, func(t *testing.T, p *probe) {
		got, v := p.do(t, nil,
			step{"op": "get", "key": "k"}, step{"op": "set", "key": "k", "value": "new", "ttl_ms": 1500}, step{"op": "get", "key": "k"},
			step{"op": "delete", "key": "gone"}, step{"op": "get", "key": "gone"}, step{"op": "set", "key": "empty", "value": "", "ttl_ms": 0},
			step{"op": "get", "key": "empty"})
		require.Equal(t, []string{"kept", "OK", "new", "OK", "-", "OK", ""}, got)
		require.Len(t, v.Writes, 3)
		require.Equal(t, abi.StateWrite{Key: "k", Value: []byte("new"), TTL: 1500 * time.Millisecond}, v.Writes[0])
		require.True(t, v.Writes[1].Key == "gone" && v.Writes[1].Delete)
		require.True(t, v.Writes[2].Key == "empty" && !v.Writes[2].Delete && len(v.Writes[2].Value) == 0)
	})
}

// A value goes into an emit byte for byte, whatever it is.
func TestValuesAreCopiedByteForByte(t *testing.T) {
	big := msgp.AppendBytes(nil, make([]byte, 70_000))
	each(t, nil, func(t *testing.T, p *probe) {
		for name, value := range map[string][]byte{
			"nil": {0xc0}, "false": {0xc2}, "a small integer": {5}, "a long form of it": {0xd3, 0, 0, 0, 0, 0, 0, 0, 5}, "the largest": msgp.AppendUint64(nil, math.MaxUint64),
			"the least": msgp.AppendInt64(nil, math.MinInt64), "a float of 32 bits": msgp.AppendFloat32(nil, 0.1), "NaN": msgp.AppendFloat64(nil, math.NaN()),
			"text": {0xa1, 'x'}, "text that is not UTF-8": {0xa2, 0xff, 0xfe}, "a long form of a text": {0xdb, 0, 0, 0, 1, 'x'}, "bytes": {0xc4, 2, 0, 0xff},
			"many bytes": big, "an ext": {0xd4, 5, 1}, "a time": {0xd6, 0xff, 0, 0, 0, 1}, "an empty list": {0x90}, "a map with other keys": {0x82, 1, 2, 0xc0, 0x91, 3},
		} {
			payload := msgp.AppendMapHeader(nil, 3)
			payload = msgp.AppendString(payload, "value")
			payload = append(payload, value...)
			payload = msgp.AppendString(payload, "steps")
			payload, err := msgp.AppendIntf(payload, []any{step{"op": "copy", "key": "value"}, step{"op": "deadline"}})
			require.NoError(t, err)
			payload = msgp.AppendString(payload, "last")
			payload = msgp.AppendInt(payload, 1)
			m := message(t, nil)
			m.Payload = payload
			v, err := p.Handle(t.Context(), nil, m)
			require.NoError(t, err, name)
			require.Len(t, v.Emits, 2, "%s: %v %s", name, v.Status, v.Reason)
			got := msgp.Locate("value", v.Emits[0].Payload)
			require.Equal(t, value, got, name)
		}
	})
}

func TestVerdicts(t *testing.T) {
	each(t, nil, func(t *testing.T, p *probe) {
		for name, test := range map[string]struct {
			step   step
			status abi.Status
			after  time.Duration
			reason string
		}{
			"retry":  {step{"op": "retry", "after_ms": 1500, "reason": "why not"}, abi.StatusRetry, 1500 * time.Millisecond, "why not"},
			"reject": {step{"op": "reject", "reason": "not like this"}, abi.StatusReject, 0, "not like this"},
			"drop":   {step{"op": "drop"}, abi.StatusDrop, 0, ""},
			"fail":   {step{"op": "fail", "reason": "it broke"}, abi.StatusRetry, 0, "it broke"},
		} {
			v, err := p.Handle(t.Context(), nil, message(t, nil, test.step))
			require.NoError(t, err, name)
			require.Equal(t, test.status, v.Status, name)
			require.Equal(t, test.after, v.RetryAfter, name)
			require.Contains(t, v.Reason, test.reason, name)
		}
	})
}

// A bug of the plugin's is a failed try, and the next message is handled.
func TestTrapCostsTheCallOnly(t *testing.T) {
	each(t, nil, func(t *testing.T, p *probe) {
		v, err := p.Handle(t.Context(), nil, message(t, nil, step{"op": "trap"}))
		require.Equal(t, abi.StatusRetry, v.Status)
		if err != nil {
			require.ErrorIs(t, err, host.ErrTrap)
		}
		got, _ := p.do(t, nil, step{"op": "deadline"})
		require.Equal(t, []string{"true"}, got)
	})
}

func TestDoubtReachesThePlugin(t *testing.T) {
	each(t, nil, func(t *testing.T, p *probe) {
		m := message(t, nil, step{"op": "message"})
		m.MaybeDelivered = true
		v, err := p.Handle(t.Context(), nil, m)
		require.NoError(t, err)
		require.Contains(t, decode(t, v.Emits[0].Payload)["text"], "|irc:7|true")
	})
}

func TestLogsAndStops(t *testing.T) {
	each(t, nil, func(t *testing.T, p *probe) {
		for level, text := range []string{"to debug", "to inform", "to warn", "of an error"} {
			p.do(t, nil, step{"op": "log", "level": level, "text": text}, step{"op": "deadline"})
		}
		require.NoError(t, p.Close(t.Context()))
		for _, line := range []string{`DEBUG msg="to debug"`, `INFO msg="to inform"`, `WARN msg="to warn"`, `ERROR msg="of an error"`, "INFO msg=stopped"} {
			require.Contains(t, p.log.String(), "level="+line)
		}
	})
}

func TestConfigurationIsRefusedWithItsReason(t *testing.T) {
	t.Parallel()
	for _, lang := range languages() {
		_, err := start(t, lang, map[string]any{"refuse": "not in this house"})
		require.ErrorIs(t, err, host.ErrRefused, lang)
		require.ErrorContains(t, err, "not in this house", lang)
	}
}

// A module that was built without its manifest would be spoken to in JSON. Go's SDK knows it; the others say what is wrong.
func TestWithoutItsManifest(t *testing.T) {
	t.Parallel()
	for _, lang := range languages() {
		if lang == "go" {
			continue
		}
		binary, err := os.ReadFile(module(lang))
		require.NoError(t, err)
		bare, err := toolchain.WithManifest(binary, nil)
		require.NoError(t, err)
		file := filepath.Join(t.TempDir(), "probe.wasm")
		require.NoError(t, os.WriteFile(file, bare, 0o600))
		p, err := load(t, file, nil)
		said := ""
		if err != nil {
			said = err.Error()
		} else {
			v, err := p.Handle(t.Context(), nil, message(t, nil))
			require.NoError(t, err)
			require.Equal(t, abi.StatusRetry, v.Status, lang)
			said = v.Reason
		}
		require.Contains(t, said, "the module has no manifest that says codec msgpack; build it with sgstreamd plugin build", lang)
	}
}

// The same conformance kit that authors have.
func TestPluginCheckPasses(t *testing.T) {
	t.Parallel()
	for _, lang := range languages() {
		t.Run(lang, func(t *testing.T) {
			t.Parallel()
			out, err := daemon(t.Context(), "plugin", "check", module(lang))
			require.NoError(t, err, out)
			require.NotContains(t, out, "FAIL")
		})
	}
}
