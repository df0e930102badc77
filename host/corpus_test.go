package host

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/units"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/sgstreamd/sgstreamd/abi"
)

// Every module of testdata, and every message that one of them does something with, under one host: each answer is a
// verdict or one line, another plugin answers its next message, and so does the same one if it did before. Nothing is
// left behind.
func TestTheHostSurvivesTheCorpus(t *testing.T) {
	running := goleak.IgnoreCurrent()
	modules, err := filepath.Glob("testdata/*.wasm")
	require.NoError(t, err)
	require.Greater(t, len(modules), 60)
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "body") })
	b := newBench(t, "")
	other, err := b.Load(t.Context(), "other", "testdata/count.wasm", testConfig(), 1)
	require.NoError(t, err)
	cfg := testConfig()
	withServer(s)(&cfg)
	cfg.Timeout, cfg.MemoryLimit, cfg.HTTP.MaxConcurrent = soon/2, 8*units.MiB, 8
	long := strings.Repeat("x", 101)
	for i, module := range modules {
		p, err := b.Load(t.Context(), "p", module, cfg, 1)
		if err == nil {
			if err = p.Start(t.Context()); err == nil {
				before, goodErr := handle(p, "good")
				for _, payload := range []string{"!", "+", long, "", "0", "c", "d", "o", "t", "w", "r", "\xff\x00\n"} {
					_, err := handle(p, payload)
					requireOneLine(t, module, err)
				}
				after, err := handle(p, "good")
				// boundary keeps a pointer of the messages'; one that calls a lot may take too long on a slow machine.
				if goodErr == nil && !strings.HasSuffix(module, "/boundary.wasm") && !errors.Is(err, ErrDeadline) {
					require.NoError(t, err, "%s, once more", module)
					require.Equal(t, before.Status, after.Status, module)
				}
			}
			require.True(t, p.egress.places.TryAcquire(int64(cfg.HTTP.MaxConcurrent)), "%s holds a request open", module)
			_ = p.Close(t.Context()) // one whose sgs_stop hangs is closed all the same
		}
		requireOneLine(t, module, err)
		require.Zero(t, b.value(t, "sgstreamd_plugin_instances", ""), "%s left an instance", module)
		require.Zero(t, b.value(t, "sgstreamd_plugin_instances_busy", ""), module)
		requireCount(t, other, "good", i+1)
	}
	require.NoError(t, b.Close(t.Context()))
	s.Close()
	goleak.VerifyNone(t, running)
}

func requireOneLine(t *testing.T, module string, err error) {
	t.Helper()
	if err != nil {
		require.False(t, strings.ContainsAny(err.Error(), "\n\r\x1b"), "%s: %q", module, err)
		require.True(t, strings.HasPrefix(err.Error(), `plugin "p": `), "%s: %q", module, err)
	}
}

// What a call does that breaks a rule of the engine's is one line, which says what.
func TestWhatTheCorpusIsTold(t *testing.T) {
	t.Parallel()
	const trapped = `plugin "p": sgs_handle trapped: `
	for _, tt := range []struct{ module, payload, line string }{
		{"exit_codes", "0", trapped + "the guest called proc_exit with the code 0"},
		{"exit_codes", "c", trapped + "the guest called proc_exit with the code 4294967295"},
		{"exit_codes", "d", trapped + "the guest called proc_exit with the code 4026531839"},
		{"tables", "0", trapped + "wasm error: invalid table access"},
		{"tables", "o", trapped + "wasm error: invalid table access"},
		{"tables", "t", trapped + "wasm error: indirect call type mismatch"},
		{"tables", "w", trapped + "wasm error: invalid table access"},
		{"tables", "c", trapped + "wasm error: invalid table access"},
		{"tables", "r", trapped + "stack overflow"},
		{"alloc_overflow", strings.Repeat("x", 101), `plugin "p": sgs_alloc trapped: stack overflow`},
		{"memory_none", "x", `plugin "p": sgs_alloc returned a pointer outside its memory (0x1, for 1 bytes)`},
		{"reexport_alloc", strings.Repeat("x", 101), ""},
		{"elements_outside", "x", ""},
	} {
		p := newBench(t, "").start(t, tt.module)
		v, err := handle(p, tt.payload)
		if tt.line == "" {
			require.NoError(t, err)
			require.Equal(t, abi.StatusDone, v.Status)
			continue
		}
		require.Error(t, err, "%s %s", tt.module, tt.payload)
		requireLine(t, err, tt.line)
		require.NotErrorIs(t, err, context.Canceled)
		require.NotErrorIs(t, err, context.DeadlineExceeded)
		if tt.module != "memory_none" {
			requireCount(t, p, "good", 1)
		}
	}
	for module, line := range map[string]string{
		"start_exit":         `plugin "p": start function trapped: the guest called proc_exit with the code 0`,
		"data_outside":       `plugin "p": instantiation trapped: data[0]: out of bounds memory access`,
		"reexport_configure": `plugin "p": sgs_configure refused plugins.p.config: no reason given (code -2)`,
	} {
		b := newBench(t, "")
		p, err := b.load(module)
		require.NoError(t, err)
		err = p.Start(t.Context())
		require.Error(t, err, module)
		requireLine(t, err, line)
		require.Zero(t, b.value(t, "sgstreamd_plugin_instances", ""))
	}
}

// Whatever numbers a guest hands to a function, it is an errno or a trap; no number reaches further than its own memory.
func TestEveryFunctionWithEveryNumber(t *testing.T) {
	t.Parallel()
	h := quietHost(t)
	h.state = &testState{values: map[string]string{}}
	cfg := testConfig()
	cfg.Timeout = 5 * time.Minute
	p, err := h.Load(t.Context(), "p", "testdata/sgs_numbers.wasm", cfg, 1)
	require.NoError(t, err)
	v, err := handle(p, "x")
	require.NoError(t, err, "none of sgs_v1 traps")
	require.Equal(t, abi.StatusDone, v.Status)
	require.Empty(t, v.Emits)
	p, err = h.Load(t.Context(), "p", "testdata/wasi_numbers.wasm", cfg, 1)
	require.NoError(t, err)
	for which := range 45 {
		if _, err := handle(p, string(rune('A'+which))); err != nil {
			require.ErrorIs(t, err, ErrTrap)
			require.NotContains(t, err.Error(), "\n")
		}
	}
	v, err = handle(p, "~")
	require.NoError(t, err)
	require.Equal(t, abi.StatusDone, v.Status)
}

// The host is called while it calls: sgs_alloc is a guest's function like every other.
func TestTheHostIsCalledFromAlloc(t *testing.T) {
	t.Parallel()
	b := newBench(t, "")
	p := b.start(t, "reenter")
	for range 2 {
		v, err := handle(p, "a message")
		require.NoError(t, err)
		require.Equal(t, abi.Verdict{RetryAfter: time.Millisecond, Reason: "p\nin alloc", Emits: []abi.Emit{{Platform: "p", Payload: []byte("in alloc")}},
			Reads:  []abi.StateRead{{Key: "p", Value: []byte{}}},
			Writes: []abi.StateWrite{{Key: "p", Value: []byte("p\nin alloc")}}}, v)
	}
	require.NotNil(t, b.logs.find("an emit was refused: no message is being handled"), "not before there is one")
}

// Nobody finds the request of another call by trying numbers.
func TestHandlesThatAreGuessed(t *testing.T) {
	t.Parallel()
	asked, release := make(chan struct{}), make(chan struct{})
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		close(asked)
		<-release
		fmt.Fprint(w, "body")
	})
	b := newBench(t, "")
	holder := b.start(t, "http", withServer(s), withTimeout(5*time.Minute), withHTTP(func(c *HTTPConfig) { c.Timeout = 5 * time.Minute }))
	guesser := b.start(t, "guess_handles", withServer(s), withTimeout(5*time.Minute))
	guesser.egress = holder.egress // as if both were one plugin, with an instance each
	done := make(chan abi.Verdict, 1)
	go func() {
		v, _ := handle(holder, newProgram().open(object{"url": s.URL}).drain(nth(0)).document())
		done <- v
	}()
	<-asked
	v, err := handle(guesser, "")
	require.NoError(t, err)
	require.Zero(t, v.RetryAfter, "a handle of another call was taken")
	close(release)
	held := <-done
	require.Len(t, held.Emits, 1)
	require.Contains(t, string(held.Emits[0].Payload), "body")
}

func TestAFloodOfEverything(t *testing.T) {
	t.Parallel()
	s := serve(t, func(http.ResponseWriter, *http.Request) {})
	h := quietHost(t)
	h.state = &testState{values: map[string]string{}}
	cfg := testConfig()
	withServer(s)(&cfg)
	cfg.Timeout = 5 * time.Minute // it is about what it gets, and a race detector takes its time
	p, err := h.Load(t.Context(), "p", "testdata/flood_all.wasm", cfg, 1)
	require.NoError(t, err)
	v, err := handle(p, "")
	require.NoError(t, err)
	require.Len(t, v.Emits, abi.MaxEmits)
	require.Len(t, v.Reads, abi.MaxStateReads)
	require.Len(t, v.Writes, abi.MaxStateWrites)
}

func TestNamesThatAreNone(t *testing.T) {
	t.Parallel()
	b := newBench(t, "")
	v, err := handle(b.start(t, "names"), "")
	require.NoError(t, err)
	require.Equal(t, time.Millisecond, v.RetryAfter, "the key of the state, which may be any bytes, and nothing else")
	require.Equal(t, "a\xff\r\x1b[2Jb\nx", v.Writes[0].Key)
	require.Equal(t, "a\ufffd\r\x1b[2Jb\nx", v.Reason, "UTF-8, and as the guest said it")
	require.Empty(t, b.own(t))
	for _, e := range b.logs.all() {
		if strings.Contains(e.text, "refused") {
			require.False(t, strings.ContainsAny(e.text, "\n\r\x1b"), "%q", e.text)
		}
	}
}

// A module that lies about itself is refused, or it runs; what it calls itself and its functions does no harm.
func TestSectionsThatLie(t *testing.T) {
	t.Parallel()
	good, err := os.ReadFile("testdata/trap.wasm")
	require.NoError(t, err)
	section := func(name string, body ...byte) []byte {
		content := append(append(binary.AppendUvarint(nil, uint64(len(name))), name...), body...)
		return append(binary.AppendUvarint([]byte{0}, uint64(len(content))), content...)
	}
	with := func(sections ...[]byte) []byte { return slices.Concat(append([][]byte{good}, sections...)...) }
	const functions = 1 // of the section "name": a subsection, its size, how many, then index and name each
	deep := strings.Repeat(`{"name":`, 100_000)
	for _, tt := range []struct {
		name, line string // empty if it runs
		module     []byte
	}{
		{"a size beyond the file", "it ends within a section", with([]byte{0, 0xff, 0xff, 0xff, 0x7f})},
		{"a size of more than 32 bits", "it ends within a section", with([]byte{0, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01})},
		{"a name beyond its section", "it ends within a section", with([]byte{0, 2, 0x7f, 'x'})},
		{"a name that is not UTF-8", "is truncated or corrupt", with(section("\xff\xfe", 1))},
		{"names without end", "", with(section("name", functions, 5, 0xff, 0xff, 0xff, 0xff, 0x0f))},
		{"names of locals without end", "", with(section("name", 2, 7, 1, 0, 0xff, 0xff, 0xff, 0xff, 0x0f))},
		{"a function's name without end", "", with(section("name", functions, 7, 1, 0, 0xff, 0xff, 0xff, 0xff, 0x0f))},
		{"names beyond their part", "", with(section("name", functions, 1, 0x7f, 0, 1, 'a'))},
		{"a function's odd name", "", with(section("name", functions, 10, 1, 4, 7, 'a', '\n', '\x1b', '[', '2', 'J', '\r'))},
		{"a name of a function that is not there", "", with(section("name", functions, 8, 1, 0xff, 0xff, 0xff, 0xff, 0x0f, 1, 'x'))},
		{"two sections of names", "is truncated or corrupt", with(section("name", functions, 4, 1, 0, 1, 'a'), section("name", functions, 4, 1, 0, 1, 'b'))},
		{"two manifests that differ", "has more than one custom section", with(section("sgs_manifest", []byte(`{"codec":"json"}`)...), section("sgs_manifest", []byte(`{"codec":"msgpack"}`)...))},
		{"a manifest that is not UTF-8", "custom section sgs_manifest", with(section("sgs_manifest", []byte("{\"name\":\"\xff\n\"}")...))},
		{"a manifest without end", "custom section sgs_manifest", with(section("sgs_manifest", []byte(deep)...))},
		{"a manifest's unknown key with a line break", "custom section sgs_manifest", with(section("sgs_manifest", []byte(`{"a\nb\u001b":1}`)...))},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, "")
			path := filepath.Join(t.TempDir(), "p.wasm")
			require.NoError(t, os.WriteFile(path, tt.module, 0o600))
			p, err := b.Load(context.Background(), "p", path, testConfig(), 1)
			if tt.line == "" {
				require.NoError(t, err)
				_, err = handle(p, "!")
				require.ErrorIs(t, err, ErrTrap)
			} else {
				require.ErrorContains(t, err, tt.line)
			}
			requireOneLine(t, tt.name, err)
			requireCount(t, b.start(t, "count"), "good", 1)
		})
	}
}

// No number in a module makes the host ask for more memory than the file is worth.
func TestVectorsThatLie(t *testing.T) {
	t.Parallel()
	const most = "\xff\xff\xff\xff\x0f" // 4294967295
	const expression = "\x41\x00\x0b"   // i32.const 0
	ends, header := "is truncated or corrupt: it ends within a section", "\x00asm\x01\x00\x00\x00"
	b := newBench(t, "")
	for name, tt := range map[string]struct {
		id         byte
		body, line string
	}{
		"types":                     {sectionType, most, ends},
		"a type's parameters":       {sectionType, "\x01\x60" + most, ends},
		"a type's results":          {sectionType, "\x01\x60\x00" + most + "\x7f", ends},
		"a group of types":          {sectionType, "\x01\x4e" + most, errTyped.Error()},
		"a typed parameter":         {sectionType, "\x01\x60\x01\x64\x00\x00", errTyped.Error()},
		"imports":                   {sectionImport, most, ends},
		"an import's module":        {sectionImport, "\x01" + most, ends},
		"an import's name":          {sectionImport, "\x01\x00" + most, ends},
		"an import of no kind":      {sectionImport, "\x01\x00\x00\x09", "imports something of the unknown kind 9"},
		"functions":                 {sectionFunction, most, ends},
		"tables":                    {sectionTable, most, "has 4294967295 tables; the host allows 16"},
		"memories":                  {sectionMemory, most, ends},
		"globals":                   {sectionGlobal, most, ends},
		"a global's value":          {sectionGlobal, "\x01\x7f\x00\x10\x00\x0b", "uses the instruction 0x10 in a constant expression, where the host does not have it"},
		"a value without end":       {sectionGlobal, "\x01\x7f\x00\x41\x80\x80\x80", ends},
		"exports":                   {sectionExport, most, ends},
		"an export's name":          {sectionExport, "\x01" + most, ends},
		"elements":                  {sectionElement, most, ends},
		"elements' functions":       {sectionElement, "\x01\x00" + expression + most, ends},
		"elements' expressions":     {sectionElement, "\x01\x04" + expression + most, ends},
		"passive elements":          {sectionElement, "\x01\x05\x70" + most, ends},
		"elements of another table": {sectionElement, "\x01\x02\x00" + expression + "\x00" + most, ends},
		"elements of no kind":       {sectionElement, "\x01\x08", "is truncated or corrupt: a segment of elements is of no known kind"},
		"code":                      {sectionCode, most, ends},
		"a function's code":         {sectionCode, "\x01" + most, ends},
		"a function's locals":       {sectionCode, "\x01\x08\x01" + most + "\x7f\x0b", "has a function of 4294967295 locals; the host allows 50000"},
		"groups of locals":          {sectionCode, "\x01\x05" + most, ends},
		"locals together":           {sectionCode, "\x01\x0e\x02" + most + "\x7f" + most + "\x7f\x0b", "has a function of 8589934590 locals; the host allows 50000"},
		"data":                      {sectionData, most, ends},
		"the bytes of data":         {sectionData, "\x01\x00" + expression + most, ends},
		"passive data":              {sectionData, "\x01\x01" + most, ends},
		"data of no kind":           {sectionData, "\x01\x07", "is truncated or corrupt: a segment of data is of no known kind"},
	} {
		module := append(binary.AppendUvarint([]byte(header+string(rune(tt.id))), uint64(len(tt.body))), tt.body...)
		path := filepath.Join(t.TempDir(), "p.wasm")
		require.NoError(t, os.WriteFile(path, module, 0o600))
		_, err := b.Load(t.Context(), "p", path, testConfig(), 1)
		require.EqualError(t, err, `plugin "p": `+path+": "+tt.line, name)
	}
}
