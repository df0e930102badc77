package host

import (
	"encoding/binary"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sgstreamd/sgstreamd/abi"
)

// program is what testdata/state.wasm runs: steps, and behind them the data that they point to.
type program struct {
	steps [][]byte
	data  []byte
}

const (
	stateMemory  = 64 * pageSize // of testdata/state.wasm
	stateMessage = 0x100000      // where it puts its messages
	stateBuffer  = 0x380000      // free for what kv_get writes
)

// stateSteps is how many steps a program has, empty ones included.
const stateSteps = 100

func newProgram() *program { return &program{} }

// put adds data and returns where it is going to be.
func (p *program) put(s string) (ptr, size uint32) {
	at := stateMessage + 4 + 32*stateSteps + len(p.data)
	p.data = append(p.data, s...)
	return uint32(at), uint32(len(s))
}

func (p *program) step(op, a, b, c, d uint32, n int64) *program {
	s := make([]byte, 0, 32)
	for _, v := range []uint32{op, a, b, c, d, 0} {
		s = binary.LittleEndian.AppendUint32(s, v)
	}
	p.steps = append(p.steps, binary.LittleEndian.AppendUint64(s, uint64(n)))
	return p
}

// get asks for the key with so much room, and shows the buffer's first bytes afterwards.
func (p *program) get(key string, room uint32) *program {
	ptr, size := p.put(key)
	return p.step(0, ptr, size, stateBuffer, room, 0)
}

func (p *program) set(key, value string, ttlMS int64) *program {
	ptr, size := p.put(key)
	valuePtr, valueSize := p.put(value)
	return p.step(1, ptr, size, valuePtr, valueSize, ttlMS)
}

func (p *program) add(name string, n int64) *program {
	ptr, size := p.put(name)
	return p.step(2, ptr, size, 0, 0, n)
}

// show adds what stands in the buffer to the output.
func (p *program) show(n uint32) *program { return p.step(3, stateBuffer, n, 0, 0, 0) }

func (p *program) document() string {
	doc := binary.LittleEndian.AppendUint32(nil, uint32(len(p.steps)))
	for len(p.steps) < stateSteps {
		p.step(99, 0, 0, 0, 0, 0)
	}
	for _, s := range p.steps {
		doc = append(doc, s...)
	}
	return string(append(doc, p.data...))
}

// number is a result as it stands in the output.
func number[N int | abi.Errno](n N) string {
	return string(binary.LittleEndian.AppendUint32(nil, uint32(n)))
}

// run runs a program and asserts what its steps answered. It returns the verdict without the output.
func (p *program) run(t *testing.T, plugin *Plugin, answers ...string) abi.Verdict {
	t.Helper()
	v, err := handle(plugin, p.document())
	require.NoError(t, err)
	require.Len(t, v.Emits, 1)
	require.Equal(t, strings.Join(answers, ""), string(v.Emits[0].Payload))
	v.Emits = nil
	return v
}
