package host

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

// A guest that runs too long has to be stopped from outside. The engine can do that, but leaves the guest for Go at each
// turn of each loop, which costs more than most turns do, and does not look in a recursion, which can take as long. So each
// module is given two globals of its own before it is compiled. At the beginning of each function and of each turn of each
// loop it counts the first one down. When that is through, the guest leaves for Go once, by asking for no memory, and then
// looks at the second one, which the host sets: there it traps. The way through Go is for Go's sake: machine code that stays away lets
// neither the garbage collector nor a timer run. The guest can't name the globals: what it names lies below.
//
// For the same reason the module's start function is not left to the engine, which runs it before the globals can be
// reached; it is exported, and run as the first call.

// turns is how many functions and turns of loops the guest goes without a look: some ten microseconds.
const turns = 1000

const (
	// interruptGlobal is the name under which the host finds the global: 0 until the guest is to stop.
	interruptGlobal = "sgs interrupt"
	// startFunction is the name under which the host finds the module's start function.
	startFunction = "sgs start"
)

// section is one of a module's.
type section struct {
	id   byte
	body []byte
}

// interruptible returns the module with the checks in its code. Its sections have passed boundSections.
func interruptible(module []byte) ([]byte, error) {
	sections, err := sectionsOf(module)
	if err != nil {
		return nil, err
	}
	global, err := countGlobals(sections)
	if err != nil {
		return nil, err
	}
	exports := appendName(nil, interruptGlobal)
	exports = binary.AppendUvarint(append(exports, 3), uint64(global))
	exported := 1
	if at := slices.IndexFunc(sections, func(s section) bool { return s.id == sectionStart }); at >= 0 {
		exports = append(append(appendName(exports, startFunction), 0), sections[at].body...)
		exported++
		sections = slices.Delete(sections, at, at+1)
	}
	mutable := []byte{0x7f, 1, 0x41, 0, 0x0b} // an i32 that begins as 0
	if sections, err = appendItems(sections, sectionGlobal, 2, slices.Concat(mutable, mutable)); err != nil {
		return nil, err
	}
	if sections, err = appendItems(sections, sectionExport, exported, exports); err != nil {
		return nil, err
	}
	out := append(make([]byte, 0, len(module)+len(module)/8), module[:8]...)
	for _, s := range sections {
		// A module without a memory is refused later.
		if s.id == sectionCode && slices.ContainsFunc(sections, section.hasMemory) {
			if s.body, err = checkedCode(s.body, global); err != nil {
				return nil, err
			}
		}
		out = binary.AppendUvarint(append(out, s.id), uint64(len(s.body)))
		out = append(out, s.body...)
	}
	return out, nil
}

func sectionsOf(module []byte) (sections []section, err error) {
	for rest := module[8:]; len(rest) > 0; {
		r := reader{rest: rest[1:]}
		body := r.bytes(r.u32())
		if r.err != nil {
			return nil, r.err
		}
		sections = append(sections, section{rest[0], body})
		rest = r.rest
	}
	return sections, nil
}

// hasMemory tells whether it is a section of memories that has one.
func (s section) hasMemory() bool {
	r := reader{rest: s.body}
	return s.id == sectionMemory && r.u32() > 0
}

// countGlobals is the number of the module's globals, imported ones first, and so the index of the next one.
func countGlobals(sections []section) (uint32, error) {
	var n uint32
	for _, s := range sections {
		r := &reader{rest: s.body}
		switch s.id {
		case sectionImport:
			r.vector(func() {
				if r.imported() == 3 {
					n++
				}
			})
		case sectionGlobal:
			n += r.u32()
		}
		if r.err != nil {
			return 0, r.err
		}
	}
	return n, nil
}

// appendItems adds items to the vector that a section is, or makes the section in its place.
func appendItems(sections []section, id byte, n int, items []byte) ([]section, error) {
	at := slices.IndexFunc(sections, func(s section) bool { return s.id == id })
	if at < 0 {
		at = slices.IndexFunc(sections, func(s section) bool { return s.id != sectionCustom && rank(s.id) > rank(id) })
		if at < 0 {
			at = len(sections)
		}
		sections = slices.Insert(sections, at, section{id, []byte{0}})
	}
	r := reader{rest: sections[at].body}
	count := r.u32()
	if r.err != nil {
		return nil, r.err
	}
	body := binary.AppendUvarint(nil, uint64(count)+uint64(n))
	sections[at].body = append(append(body, r.rest...), items...)
	return sections, nil
}

// rank is a section's place in a module. That of the number of data segments comes before the code, though its id is greater.
func rank(id byte) int {
	if id == sectionDataCount {
		return 2*sectionCode - 1
	}
	return 2 * int(id)
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

func appendName(b []byte, name string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(name))), name...)
}

// checkedCode puts the checks into the functions of a code section. The host's global has the given number, and the count
// the next one.
func checkedCode(body []byte, global uint32) ([]byte, error) {
	count := binary.AppendUvarint(nil, uint64(global)+1)
	check := slices.Concat(
		[]byte{0x23}, count, []byte{0x45, 0x04, 0x40}, // global.get, i32.eqz, if
		[]byte{0x41}, leb(turns), []byte{0x24}, count, // i32.const, global.set
		[]byte{0x41, 0, 0x40, 0, 0x1a},                            // i32.const 0, memory.grow, drop
		[]byte{0x23}, leb(global), []byte{0x04, 0x40, 0x00, 0x0b}, // global.get, if, unreachable, end
		[]byte{0x0b},                                            // end
		[]byte{0x23}, count, []byte{0x41, 1, 0x6b, 0x24}, count, // global.get, i32.const 1, i32.sub, global.set
	)
	r := &reader{rest: body}
	out := binary.AppendUvarint(make([]byte, 0, len(body)+len(body)/8), uint64(r.u32()))
	for len(r.rest) > 0 && r.err == nil {
		function, err := checkedFunction(r.name(), global, check)
		if err != nil {
			return nil, err
		}
		out = append(binary.AppendUvarint(out, uint64(len(function))), function...)
	}
	return out, r.err
}

func checkedFunction(body []byte, global uint32, check []byte) ([]byte, error) {
	r := &reader{rest: body}
	r.vector(func() { r.u32(); r.byte() }) // the locals
	out := make([]byte, 0, len(body)+len(body)/8+len(check))
	done := 0 // what of the body is in out
	add := func() {
		at := len(body) - len(r.rest)
		out, done = append(append(out, body[done:at]...), check...), at
	}
	if r.err == nil {
		add()
	}
	for len(r.rest) > 0 && r.err == nil {
		if r.instruction(global) == opLoop && r.err == nil {
			add()
		}
	}
	return append(out, body[done:]...), r.err
}

const opLoop = 0x03

// errGlobal is about a module whose code names a global that it does not have, which is the check's.
var errGlobal = errors.New("is truncated or corrupt: its code names a global that it does not have")

// instruction reads one instruction with what belongs to it, as the binary format has them
// (https://www.w3.org/TR/wasm-core-2/#binary-instructions), and returns its first byte. The module has globals below
// the given number.
func (r *reader) instruction(globals uint32) byte {
	op := r.byte()
	switch {
	case op == 0x02 || op == opLoop || op == 0x04: // a block, whose type is a number of up to 33 bits
		r.number()
	case op == 0x0c || op == 0x0d || op == 0x10 || op == 0x12 || op == 0xd2: // br, br_if, call, return_call, ref.func
		r.u32()
	case op == 0x0e: // br_table
		r.vector(func() { r.u32() })
		r.u32()
	case op == 0x11 || op == 0x13: // call_indirect, return_call_indirect
		r.u32()
		r.u32()
	case op == 0x1c: // select, typed
		r.vector(r.valueType)
	case op == 0x23 || op == 0x24: // global.get, global.set
		if r.u32() >= globals {
			r.fail(errGlobal)
		}
	case op >= 0x20 && op <= 0x26: // locals and tables
		r.u32()
	case op >= 0x28 && op <= 0x3e: // loads and stores: alignment and offset
		r.u32()
		r.u32()
	case op == 0x3f || op == 0x40 || op == 0x41 || op == 0x42: // memory.size, memory.grow, i32.const, i64.const
		r.number()
	case op == 0x43: // f32.const
		r.bytes(4)
	case op == 0x44: // f64.const
		r.bytes(8)
	case op == 0xd0: // ref.null
		r.valueType()
	case op == 0xfc:
		r.bulk()
	case op == 0xfd:
		r.vectorInstruction()
	case op <= 0x01 || op == 0x05 || op == 0x0b || op == 0x0f || op == 0x1a || op == 0x1b || op >= 0x45 && op <= 0xc4 || op == 0xd1:
		// nothing belongs to it
	default:
		r.fail(fmt.Errorf("uses a WebAssembly feature that the host does not have: the instruction %#x", op))
	}
	return op
}

// number passes over a number of up to 64 bits.
func (r *reader) number() {
	for range binary.MaxVarintLen64 {
		if r.byte()&0x80 == 0 {
			return
		}
	}
	r.fail(errEnds)
}

// bulk passes over what belongs to an instruction of the prefix 0xfc.
func (r *reader) bulk() {
	switch op := r.u32(); op {
	case 0, 1, 2, 3, 4, 5, 6, 7: // conversions that saturate
	case 8, 10, 12, 14: // memory.init, memory.copy, table.init, table.copy
		r.u32()
		r.u32()
	case 9, 11, 13, 15, 16, 17: // data.drop, memory.fill, elem.drop, table.grow, table.size, table.fill
		r.u32()
	default:
		r.fail(fmt.Errorf("uses a WebAssembly feature that the host does not have: the instruction 0xfc %d", op))
	}
}

// vectorInstruction passes over what belongs to an instruction of the prefix 0xfd.
func (r *reader) vectorInstruction() {
	switch op := r.u32(); {
	case op <= 11 || op == 92 || op == 93: // loads and stores
		r.u32()
		r.u32()
	case op == 12 || op == 13: // v128.const, i8x16.shuffle
		r.bytes(16)
	case op >= 21 && op <= 34: // lanes
		r.byte()
	case op >= 84 && op <= 91: // loads and stores of lanes
		r.u32()
		r.u32()
		r.byte()
	case op > 255:
		r.fail(fmt.Errorf("uses a WebAssembly feature that the host does not have: the instruction 0xfd %d", op))
	}
}

// arm lets the guest trap at its next check when ctx is done, until the result is called. An instance that was interrupted
// in vain, at its call's very end, is of no more use.
func (in *instance) arm(ctx context.Context) func() {
	disarm := context.AfterFunc(ctx, func() { in.interrupted.Set(1) })
	return func() { in.stopped = !disarm() }
}
