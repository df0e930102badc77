package host

import (
	"encoding/binary"
	"slices"
)

const (
	// turns is how many functions and turns of loops the guest goes without a look: some ten microseconds.
	turns = 1000
	// stretch is how many instructions count for a turn where there is none.
	stretch = 1000
	// turnShift says how much memory that is moved counts for a turn: 1 KiB, or as many elements of a table.
	turnShift = 10
)

// checks are the instructions that go into a module's functions, in the binary format. They leave the stack as it is.
type checks struct {
	imported uint32 // functions, whose indices come before those of the module's own
	global   uint32 // the host's first global: not 0 when the guest is to stop
	turn     []byte // counts a turn down, and looks when they are through
	look     []byte // traps if the guest is to stop
	bulk     []byte // counts down what the number on the stack says, and looks when that is through
}

func newChecks(imported, global uint32) *checks {
	const (
		getGlobal, setGlobal, i32Const = 0x23, 0x24, 0x41
		i32Sub, i32ShrU, i32LtS        = 0x6b, 0x76, 0x48
		unreachable, ifBlock, end      = 0x00, 0x04, 0x0b
		memoryGrow, drop, noType       = 0x40, 0x1a, 0x40
	)
	stop, count, size := leb(global), leb(global+1), leb(global+2)
	look := slices.Concat([]byte{getGlobal}, stop, []byte{ifBlock, noType, unreachable, end})
	lookIfThrough := slices.Concat(
		[]byte{getGlobal}, count, []byte{i32Const, 1, i32LtS, ifBlock, noType},
		[]byte{i32Const}, leb(turns), []byte{setGlobal}, count,
		[]byte{i32Const, 0, memoryGrow, 0, drop}, look,
		[]byte{end},
	)
	return &checks{
		imported: imported, global: global, look: look,
		turn: slices.Concat(lookIfThrough, []byte{getGlobal}, count, []byte{i32Const, 1, i32Sub, setGlobal}, count),
		bulk: slices.Concat(
			[]byte{setGlobal}, size, []byte{getGlobal}, size,
			[]byte{getGlobal}, count, []byte{getGlobal}, size, []byte{i32Const, turnShift, i32ShrU, i32Sub, setGlobal}, count,
			lookIfThrough,
		),
	}
}

// leb is a number in the encoding of the binary format, unsigned as well as signed: a bit beyond its own is 0.
func leb(n uint32) []byte {
	b := binary.AppendUvarint(nil, uint64(n))
	if last := len(b) - 1; b[last]&0x40 != 0 {
		b[last] |= 0x80
		b = append(b, 0)
	}
	return b
}

// code puts the checks into the functions of a code section.
func (c *checks) code(body []byte) ([]byte, error) {
	r := &reader{rest: body}
	out := binary.AppendUvarint(make([]byte, 0, len(body)+len(body)/8), uint64(r.u32()))
	for len(r.rest) > 0 && r.err == nil {
		function, err := c.function(r.name())
		if err != nil {
			return nil, err
		}
		out = append(binary.AppendUvarint(out, uint64(len(function))), function...)
	}
	return out, r.err
}

func (c *checks) function(body []byte) ([]byte, error) {
	r := &reader{rest: body}
	r.vector(func() { r.u32(); r.byte() }) // the locals
	out := make([]byte, 0, len(body)+len(body)/8+len(c.turn))
	done := 0 // what of the body is in out
	add := func(at int, check []byte) { out, done = append(append(out, body[done:at]...), check...), at }
	straight := stretch // a function begins with a check
	for len(r.rest) > 0 && r.err == nil {
		at := len(body) - len(r.rest)
		if straight++; straight > stretch {
			add(at, c.turn)
			straight = 0
		}
		op, bulk, called := r.instruction(c.global)
		switch after := len(body) - len(r.rest); {
		case r.err != nil:
		case op == opLoop:
			add(after, c.turn)
			straight = 0
		case bulk:
			add(at, c.bulk)
		case op == opCall && called < c.imported || op == opCallIndirect:
			add(after, c.look)
		}
	}
	return append(out, body[done:]...), r.err
}
