package host

import (
	"errors"
	"fmt"
)

// The instructions are read as the engine reads them, byte for byte: where the two differed, a module could hide a loop in
// what looks like a number here.

const (
	opLoop         = 0x03
	opCall         = 0x10
	opCallIndirect = 0x11
)

// errGlobal is about a module whose code names a global that it does not have, which is the check's.
var errGlobal = errors.New("is truncated or corrupt: its code names a global that it does not have")

// instruction reads one instruction with what belongs to it, as the binary format has them
// (https://www.w3.org/TR/wasm-core-2/#binary-instructions), and returns its first byte, whether it takes a number of bytes
// or elements from the stack and works on them all, and the function that a call names. The module has globals below the
// given number.
func (r *reader) instruction(globals uint32) (op byte, bulk bool, called uint32) {
	op = r.byte()
	switch {
	case op == 0x02 || op == opLoop || op == 0x04: // block, loop, if
		r.blockType()
	case op == opCall:
		called = r.u32()
	case op == 0x0c || op == 0x0d || op == 0xd2: // br, br_if, ref.func
		r.u32()
	case op == 0x0e: // br_table
		r.vector(func() { r.u32() })
		r.u32()
	case op == opCallIndirect:
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
	case op == 0x3f || op == 0x40: // memory.size, memory.grow
		r.u32()
	case op == 0x41: // i32.const
		r.number(32)
	case op == 0x42: // i64.const
		r.number(64)
	case op == 0x43: // f32.const
		r.bytes(4)
	case op == 0x44: // f64.const
		r.bytes(8)
	case op == 0xd0: // ref.null
		r.valueType()
	case op == 0xfc:
		bulk = r.bulk()
	case op == 0xfd:
		r.vectorInstruction()
	case op <= 0x01 || op == 0x05 || op == 0x0b || op == 0x0f || op == 0x1a || op == 0x1b || op >= 0x45 && op <= 0xc4 || op == 0xd1:
		// nothing belongs to it
	default:
		r.fail(fmt.Errorf("uses a WebAssembly feature that the host does not have: the instruction %#x", op))
	}
	return op, bulk, called
}

// number reads a signed number of so many bits.
func (r *reader) number(bits int) int64 {
	var n int64
	for shift := 0; shift < bits; shift += 7 {
		b := r.byte()
		n |= int64(b&0x7f) << shift
		if b&0x80 == 0 {
			unused := 64 - min(shift+7, bits)
			return n << unused >> unused
		}
	}
	r.fail(errEnds)
	return 0
}

// blockType passes over the type of a block: none, a value type, or the number of a function type. To the engine a typed
// reference is more than a number, even where it has none.
func (r *reader) blockType() {
	switch t := r.number(33); t {
	case -64, -1, -2, -3, -4, -5, -16, -17: // none, i32, i64, f32, f64, v128, funcref, externref
	default:
		if t < 0 {
			r.fail(errTyped)
		}
	}
}

// bulk passes over what belongs to an instruction of the prefix 0xfc, and tells whether it works on many bytes or elements.
func (r *reader) bulk() bool {
	op := r.u32()
	switch op {
	case 0, 1, 2, 3, 4, 5, 6, 7: // conversions that saturate
	case 8, 10, 12, 14: // memory.init, memory.copy, table.init, table.copy
		r.u32()
		r.u32()
	case 9, 11, 13, 15, 16, 17: // data.drop, memory.fill, elem.drop, table.grow, table.size, table.fill
		r.u32()
	default:
		r.fail(fmt.Errorf("uses a WebAssembly feature that the host does not have: the instruction 0xfc %d", op))
	}
	return op == 8 || op == 10 || op == 11 || op == 12 || op == 14 || op == 17 // init, copy and fill, of memory and tables
}

// vectorInstruction passes over what belongs to an instruction of the prefix 0xfd. The engine takes the first byte of the
// instruction's number for all of it, and the second one of a number from 128 on, which is 1, for an instruction that does
// nothing. So no number may be longer than it has to be.
func (r *reader) vectorInstruction() {
	op := r.byte()
	if op >= 0x80 && r.byte() != 1 {
		r.fail(fmt.Errorf("uses a WebAssembly feature that the host does not have: the instruction 0xfd %#x with more behind it", op))
	}
	switch {
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
	}
}
