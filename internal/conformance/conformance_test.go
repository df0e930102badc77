package conformance

import (
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/sgstreamd/sgstreamd/internal/toolchain"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// check runs all checks on the module, and returns what failed.
func failures(t *testing.T, module string, config map[string]any) map[string]string {
	t.Helper()
	failed := map[string]string{}
	o := Options{Module: module, Scratch: t.TempDir(), CacheDir: filepath.Join(t.TempDir(), "cache"), Config: config, Timeout: time.Second}
	require.NoError(t, Run(t.Context(), o, func(r Result) {
		require.NotContains(t, r.Problem, "\n")
		if r.Problem != "" {
			failed[r.Name] = r.Problem
		}
	}))
	return failed
}

// build builds the plugin that misbehaves, beside a link to the SDK.
func build(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "bad")
	require.NoError(t, os.CopyFS(dir, os.DirFS(filepath.Join("testdata", "bad"))))
	sdk, err := filepath.Abs("../../plugins/sdk/c")
	require.NoError(t, err)
	require.NoError(t, os.Symlink(sdk, filepath.Join(dir, "sdk")))
	module := filepath.Join(dir, "bad.wasm")
	require.NoError(t, toolchain.Build(t.Context(), dir, module, io.Discard))
	return module
}

// Each misbehaviour is found by the check that is for it, and by no other.
func TestEachCheckFindsItsMisbehaviour(t *testing.T) {
	t.Parallel()
	module := build(t)
	for how, want := range map[string][2]string{
		"nul":       {"texts: empty, long, of every script, with NUL, not UTF-8", "texts with NUL: "},
		"leaks":     {"5000 messages do not grow the memory", "its memory still grows after"},
		"hangs":     {"a payload of 1 MiB", "a text of 1 MiB: plugin \"bad\": sgs_handle: no result within 1s"},
		"remembers": {"the message's own fields: empty, long, large", "a good message after a large attempt: drop with 0 emits, and before it was done with 1"},
		"status":    {"the message's own fields: empty, long, large", "a delivery in doubt: plugin \"bad\": sgs_handle returned the unknown status 9"},
		"emits":     {"emits refused", "ELIMIT: plugin \"bad\": sgs_handle trapped"},
		"state":     {"state refused or unavailable", "EUNAVAILABLE: plugin \"bad\": sgs_handle trapped"},
		"stops":     {"stop, and start again", "sgs_stop: "},
	} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			// The schema does not know the way of misbehaving, and is not what is tried out here.
			k := &kit{o: Options{Module: module, Scratch: t.TempDir()}}
			require.NoError(t, k.inspect(t.Context()))
			bare, err := k.withoutSchema()
			require.NoError(t, err)
			failed := failures(t, bare, map[string]any{"how": how})
			require.Contains(t, failed[want[0]], want[1])
			delete(failed, want[0])
			delete(failed, "configurations: missing, of other types, unknown keys") // it traps on a map
			require.Empty(t, failed)
		})
	}
	t.Run("configuration", func(t *testing.T) {
		t.Parallel()
		failed := failures(t, module, nil)
		require.Len(t, failed, 1, "the example that was made from the schema is taken: %v", failed)
		require.Contains(t, failed["configurations: missing, of other types, unknown keys"], "how being a map: plugin \"bad\": sgs_configure trapped")
	})
	t.Run("start", func(t *testing.T) {
		t.Parallel()
		failed := failures(t, module, map[string]any{"how": "asked"})
		require.Contains(t, failed["load and start"], "value must be 'well'")
		require.Len(t, failed, 1)
	})
}

func TestWhatIsRefusedIsNotTriedFurther(t *testing.T) {
	t.Parallel()
	failed := failures(t, "../../host/testdata/import_unknown.wasm", nil)
	require.Equal(t, map[string]string{"the contract: imports, exports, manifest": "imports sgs_v1.emitt, which the host does not have; did you mean emit?"}, failed)
}

func TestExampleOfSchema(t *testing.T) {
	t.Parallel()
	for schema, want := range map[string]map[string]any{
		``:     {},
		`true`: {},
		`{"required":["url","n","list","kind","of","deep"],"properties":{
			"url":{"type":"string"},"n":{"type":"integer","minimum":5},"list":{"type":"array","minItems":2,"items":{"type":"boolean"}},
			"kind":{"enum":["a","b"]},"of":{"default":"d"},"deep":{"type":"object","required":["x"],"properties":{"x":{"type":"string","minLength":3}}},
			"other":{"type":"string"}}}`: {
			"url": "https://example.org/v1", "n": int64(5), "list": []any{false, false}, "kind": "a", "of": "d", "deep": map[string]any{"x": "xxx"},
		},
		`{"required":["a"],"properties":{"a":{}},"examples":[{"a":7}]}`: {"a": 7.0},
	} {
		require.Equal(t, want, exampleOf([]byte(schema)), schema)
	}
}
