package host

import (
	"context"
	"encoding/binary"
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
		start := reader{rest: sections[at].body}
		exports = binary.AppendUvarint(append(appendName(exports, startFunction), 0), uint64(start.u32()))
		if start.end(); start.err != nil {
			return nil, start.err
		}
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

// arm lets the guest trap at its next check when ctx is done, until the result is called. An instance that was interrupted
// in vain, at its call's very end, is of no more use.
func (in *instance) arm(ctx context.Context) func() {
	disarm := context.AfterFunc(ctx, func() { in.interrupted.Set(1) })
	return func() { in.stopped = !disarm() }
}
