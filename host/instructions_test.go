package host

import (
	"bytes"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// bytesOf is a module with a memory, an exported global, and a function of the given instructions.
func bytesOf(instructions ...byte) []byte {
	body := slices.Concat([]byte{0}, instructions)
	return slices.Concat(
		[]byte("\x00asm\x01\x00\x00\x00"),
		[]byte{1, 4, 1, 0x60, 0, 0},             // a function type
		[]byte{3, 2, 1, 0},                      // a function
		[]byte{5, 3, 1, 0, 1},                   // a memory
		[]byte{6, 6, 1, 0x7f, 1, 0x41, 0, 0x0b}, // a global
		[]byte{7, 5, 1, 1, 'g', 3, 0},           // its export
		[]byte{10, byte(len(body) + 2), 1, byte(len(body))}, body,
	)
}

// Where the engine reads an instruction's bytes in another way than the specification, a loop can stand in what looks like a
// number. Each of these modules has one that the engine would run without a check.
func TestNoLoopIsHiddenFromTheChecks(t *testing.T) {
	t.Parallel()
	loop := []byte{0x03, 0x40, 0x0c, 0, 0x0b} // loop, br 0, end
	nothing := slices.Repeat([]byte{1}, 10)
	for name, instructions := range map[string][]byte{
		// block, br 0, then v128.const with a number of two bytes; to the engine that is i16x8.shr_s, unreachable, end and a loop.
		"in a vector": slices.Concat([]byte{0x02, 0x40, 0x0c, 0, 0xfd, 0x8c, 0, 0x0b}, loop, nothing, []byte{0x0b}),
		// A block whose result is a reference to the function type 0, which reads as an instruction: unreachable.
		"in a typed reference":      {0x02, 0x63, 0, 0, 0x0b, 0x1a, 0x0b},
		"in a long typed reference": {0x02, 0xe3, 0x7f, 0, 0, 0x0b, 0x1a, 0x0b},
		// block with the type 0 in five bytes, of which the last one says that there are more; the engine stops there.
		"in a block's type": slices.Concat([]byte{0x02, 0x80, 0x80, 0x80, 0x80, 0x80}, loop, []byte{0x0b, 0x0b}),
	} {
		module := bytesOf(instructions...)
		require.NoError(t, compiles(module), "%s: the engine takes it", name)
		_, err := interruptible(module)
		require.Error(t, err, name)
	}
}

// The numbers that the specification allows pass, as long as they may be.
func TestInstructionsPass(t *testing.T) {
	t.Parallel()
	for name, instructions := range map[string][]byte{
		"a vector of a long number": {0x41, 0, 0xfd, 0x11, 0xfd, 0xa0, 1, 0x1a, 0x0b}, // i32.const, i32x4.splat, i32x4.abs, drop
		"a block's padded type":     {0x02, 0x80, 0x80, 0x80, 0x80, 0, 0x0b, 0x0b},
		"a block with a result":     {0x02, 0x7f, 0x41, 0, 0x0b, 0x1a, 0x0b},
		"a long i32":                {0x41, 0xff, 0xff, 0xff, 0xff, 0x7f, 0x1a, 0x0b},
		"a long i64":                {0x42, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 0x1a, 0x0b},
	} {
		module := bytesOf(instructions...)
		require.NoError(t, compiles(module), name)
		requireCompiles(t, module)
	}
}

func TestNumbersHaveTheirSign(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		bytes []byte
		bits  int
		n     int64
	}{
		{[]byte{0x40}, 33, -64}, {[]byte{0x3f}, 33, 63}, {[]byte{0xe3, 0x7f}, 33, -29},
		{[]byte{0x80, 0x80, 0x80, 0x80, 0x0f}, 33, 0xf0000000}, {[]byte{0x80, 0x80, 0x80, 0x80, 0x70}, 33, -1 << 32},
		{[]byte{0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x7f}, 64, -1 << 63},
	} {
		r := reader{rest: tt.bytes}
		require.Equal(t, tt.n, r.number(tt.bits))
		require.NoError(t, r.err)
		require.Empty(t, r.rest)
	}
	r := reader{rest: slices.Repeat([]byte{0x80}, 20)}
	r.number(33)
	require.ErrorIs(t, r.err, errEnds)
}

// What lies behind a section's items would be read as one of them when the host adds its own, and so stand in for them.
func TestNothingLiesBehindASectionsItems(t *testing.T) {
	t.Parallel()
	p := &Plugin{name: "p", cfg: DefaultPlugin()}
	module := withStart(bytesOf(0x0b), 0)
	_, err := p.boundSections(module)
	require.NoError(t, err)
	// Behind the one item: the module's own global under the name that the host looks for, and the beginning of an item
	// whose name the host's two items are then, but for the last two bytes.
	name := byte(1 + len(interruptGlobal) + 2 + 1 + len(startFunction))
	export := slices.Concat([]byte{1, 1, 'g', 3, 0}, appendName(nil, interruptGlobal), []byte{3, 0, name})
	at := slices.Index(module, sectionExport)
	module = slices.Concat(module[:at], []byte{sectionExport, byte(len(export))}, export, module[at+7:])
	checked, err := interruptible(module)
	require.NoError(t, err)
	require.NoError(t, compiles(checked), "the engine takes it")
	_, err = p.boundSections(module)
	require.ErrorIs(t, err, errLonger)
}

// withStart is a module of bytesOf with a start section.
func withStart(module []byte, start ...byte) []byte {
	at := bytes.LastIndexByte(module, 7) + 7 // behind the exports
	return slices.Concat(module[:at], []byte{sectionStart, byte(len(start))}, start, module[at:])
}

// A start section is one number; more would be read as exports.
func TestAStartSectionIsOneNumber(t *testing.T) {
	t.Parallel()
	for start, refused := range map[string]bool{"\x00": false, "\x80\x00": false, "\x00\x00": true, "": true} {
		checked, err := interruptible(withStart(bytesOf(0x0b), []byte(start)...))
		if refused {
			require.Error(t, err)
			continue
		}
		require.NoError(t, err)
		require.NoError(t, compiles(checked))
	}
}
