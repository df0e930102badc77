package host

import (
	"context"
	"encoding/binary"
	"slices"
)

// A guest that runs too long has to be stopped from outside. The engine can do that, but leaves the guest for Go at each
// turn of each loop, which costs more than most turns do, and does not look in a recursion, which can take as long. So each
// module is given globals of its own before it is compiled. At the beginning of each function and of each turn of each
// loop it counts the first one down. When that is through, the guest leaves for Go once, by asking for no memory, and then
// looks at the second one, which the host sets: there it traps. The way through Go is for Go's sake: machine code that stays away lets
// neither the garbage collector nor a timer run. The guest can't name the globals: what it names lies below.
//
// An instruction that moves memory counts for as many turns as it takes, and so does a long way without a turn. After a call
// of the host, which may take long, the guest looks at once.
//
// For the same reason the module's start function is not left to the engine, which runs it before the globals can be
// reached; it is exported, and run as the first call.

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
	functions, global, err := countIndices(sections)
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
	if sections, err = appendItems(sections, sectionGlobal, 3, slices.Repeat(mutable, 3)); err != nil {
		return nil, err
	}
	if sections, err = appendItems(sections, sectionExport, exported, exports); err != nil {
		return nil, err
	}
	c := newChecks(functions, global)
	out := append(make([]byte, 0, len(module)+len(module)/8), module[:8]...)
	for _, s := range sections {
		// A module without a memory is refused later.
		if s.id == sectionCode && slices.ContainsFunc(sections, section.hasMemory) {
			if s.body, err = c.code(s.body); err != nil {
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

// countIndices is the number of the functions that the module imports, and of its globals, imported ones first: the index of
// the next one.
func countIndices(sections []section) (functions, globals uint32, err error) {
	for _, s := range sections {
		r := &reader{rest: s.body}
		switch s.id {
		case sectionImport:
			r.vector(func() {
				switch r.imported() {
				case 0:
					functions++
				case 3:
					globals++
				}
			})
		case sectionGlobal:
			globals += r.u32()
		}
		if r.err != nil {
			return 0, 0, r.err
		}
	}
	return functions, globals, nil
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

func appendName(b []byte, name string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(name))), name...)
}

// arm lets the guest trap at its next check when ctx is done, until the result is called, which tells whether it came in
// time.
func (in *instance) arm(ctx context.Context) (disarm func() bool) {
	return context.AfterFunc(ctx, func() { in.interrupted.Set(1) })
}
