package host

import (
	"errors"
	"fmt"
)

// The engine makes room for as many items as a vector says it has, before it reads the first one: a module of two
// hundred bytes could have it ask for more memory than there is, which ends the process. So the vectors of a module are
// looked at first. None has more items than bytes left, and what the engine reserves stays in proportion to the file.

// maxLocals is the number of a function's locals, which is that of browsers. Two bytes can declare any number of them.
const maxLocals = 50_000

var errLonger = errors.New("is truncated or corrupt: a section is longer than what it says it holds")

var errTyped = errors.New("uses a WebAssembly feature that the host does not have: typed references or garbage collection")

// checkVectors says what is wrong with the vectors of a section. What else is wrong with it is the engine's to find.
func checkVectors(id byte, body []byte) error {
	r := &reader{rest: body}
	switch id {
	case sectionType:
		r.vector(r.functionType)
	case sectionImport:
		r.vector(func() { r.imported() })
	case sectionFunction:
		r.vector(func() { r.u32() })
	case sectionGlobal:
		r.vector(func() { r.valueType(); r.byte(); r.expression() })
	case sectionExport:
		r.vector(func() { r.name(); r.byte(); r.u32() })
	case sectionElement:
		r.vector(r.elements)
	case sectionCode:
		r.vector(r.code)
	case sectionData:
		r.vector(r.data)
	default:
		return nil
	}
	r.end()
	return r.err
}

// end refuses what is left: behind a vector it would be read as an item once the vector is given more of them.
func (r *reader) end() {
	if len(r.rest) > 0 {
		r.fail(errLonger)
	}
}

// areNamesSound tells whether a custom section, which has the name "name", is as the specification says. One that is not is
// no reason to refuse the module, which does without.
func areNamesSound(section []byte) bool {
	outer := reader{rest: section}
	outer.name()
	for outer.err == nil && len(outer.rest) > 0 {
		id := outer.byte()
		r := &reader{rest: outer.name()}
		named := func() { r.u32(); r.name() }
		switch id {
		case 0: // the module
			r.name()
		case 1: // functions
			r.vector(named)
		case 2: // locals, by function
			r.vector(func() { r.u32(); r.vector(named) })
		default:
			continue
		}
		if r.err != nil || len(r.rest) > 0 {
			return false
		}
	}
	return outer.err == nil
}

// vector reads a number and so many items.
func (r *reader) vector(item func()) {
	n := r.u32()
	if uint64(n) > uint64(len(r.rest)) {
		r.fail(errEnds)
	}
	for range n {
		if r.err != nil {
			return
		}
		item()
	}
}

// name reads a number and so many bytes.
func (r *reader) name() []byte { return r.bytes(r.u32()) }

func (r *reader) valueType() {
	if b := r.byte(); b == 0x63 || b == 0x64 {
		r.fail(errTyped)
	}
}

func (r *reader) functionType() {
	if r.byte() != 0x60 {
		r.fail(errTyped)
	}
	r.vector(r.valueType)
	r.vector(r.valueType)
}

// imported reads an import and returns its kind: 3 is a global.
func (r *reader) imported() byte {
	r.name()
	r.name()
	kind := r.byte()
	switch kind {
	case 0: // a function
		r.u32()
	case 1: // a table
		r.valueType()
		r.limits()
	case 2: // a memory
		r.limits()
	case 3: // a global
		r.valueType()
		r.byte()
	default:
		r.fail(fmt.Errorf("imports something of the unknown kind %d", kind))
	}
	return kind
}

// elements reads a segment of a table's elements. The bits of its kind say what is there.
func (r *reader) elements() {
	kind := r.u32()
	if kind > 7 {
		r.fail(errors.New("is truncated or corrupt: a segment of elements is of no known kind"))
		return
	}
	isActive, isTyped, isExpressions := kind&1 == 0, kind&3 != 0, kind&4 != 0
	if isActive && kind&2 != 0 {
		r.u32() // the table
	}
	if isActive {
		r.expression()
	}
	if isTyped {
		r.valueType()
	}
	if isExpressions {
		r.vector(r.expression)
		return
	}
	r.vector(func() { r.u32() })
}

// code reads a function's locals, and passes over its instructions: these hold no vector that is not read one by one.
func (r *reader) code() {
	body := reader{rest: r.name()}
	var locals uint64
	body.vector(func() { locals += uint64(body.u32()); body.valueType() })
	if locals > maxLocals {
		body.fail(fmt.Errorf("has a function of %d locals; the host allows %d", locals, maxLocals))
	}
	if body.err != nil {
		r.fail(body.err)
	}
}

func (r *reader) data() {
	switch kind := r.u32(); kind {
	case 0:
		r.expression()
	case 1: // passive
	case 2:
		r.u32() // the memory
		r.expression()
	default:
		r.fail(errors.New("is truncated or corrupt: a segment of data is of no known kind"))
	}
	r.name()
}

// expression passes over a constant expression.
func (r *reader) expression() {
	for r.err == nil {
		switch op := r.byte(); op {
		case 0x0b: // end
			return
		case 0x41, 0x42: // i32.const, i64.const
			for r.err == nil && r.byte()&0x80 != 0 {
			}
		case 0x43: // f32.const
			r.bytes(4)
		case 0x44: // f64.const
			r.bytes(8)
		case 0x23, 0xd2: // global.get, ref.func
			r.u32()
		case 0xd0: // ref.null
			r.valueType()
		case 0xfd: // v128.const
			r.byte()
			r.bytes(16)
		default:
			r.fail(fmt.Errorf("uses the instruction %#x in a constant expression, where the host does not have it", op))
		}
	}
}
