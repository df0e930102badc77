package host

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/sgstreamd/sgstreamd/abi"
)

// The engine bounds memories but not tables, and a table of four thousand million references would cost
// the process. So a table that declares no maximum, or a greater one, is given this one before the module
// is compiled: growing beyond it then fails inside the guest, as the WebAssembly specification foresees.
const (
	// maxTables is the number of tables of a module.
	maxTables = 16
	// maxTableElements is the size of one table, in references of 8 bytes.
	maxTableElements = 1 << 20
)

// Section ids of the binary format (https://www.w3.org/TR/wasm-core-2/#sections).
const (
	sectionCustom   = 0
	sectionType     = 1
	sectionImport   = 2
	sectionFunction = 3
	sectionTable    = 4
	sectionMemory   = 5
	sectionGlobal   = 6
	sectionExport   = 7
	sectionStart    = 8
	sectionElement  = 9
	sectionCode     = 10
	sectionData     = 11

	sectionDataCount = 12
)

var errEnds = errors.New("is truncated or corrupt: it ends within a section")

// boundSections returns the module with its tables bounded, and without names that are unsound. It refuses one whose
// memory or tables begin above their limits, or whose vectors lie. The header has been checked.
func (p *Plugin) boundSections(module []byte) ([]byte, error) {
	out := append(make([]byte, 0, len(module)+32), module[:8]...)
	for rest := module[8:]; len(rest) > 0; {
		id := rest[0]
		r := reader{rest: rest[1:]}
		body := r.bytes(r.u32())
		if r.err != nil {
			return nil, r.err
		}
		if err := checkVectors(id, body); err != nil {
			return nil, err
		}
		switch id {
		case sectionImport:
			if err := checkImportKinds(body); err != nil {
				return nil, err
			}
		case sectionCustom:
			name := reader{rest: body}
			if string(name.name()) == "name" && !areNamesSound(body) {
				rest = r.rest
				continue
			}
			if name.err != nil {
				return nil, name.err
			}
		case sectionTable:
			var err error
			if body, err = boundTables(body); err != nil {
				return nil, err
			}
		case sectionMemory:
			if err := p.checkMemory(body); err != nil {
				return nil, err
			}
		}
		out = append(out, id)
		out = binary.AppendUvarint(out, uint64(len(body)))
		out = append(out, body...)
		rest = r.rest
	}
	return out, nil
}

func boundTables(body []byte) ([]byte, error) {
	r := reader{rest: body}
	n := r.u32()
	if n > maxTables {
		return nil, fmt.Errorf("has %d tables; the host allows %d", n, maxTables)
	}
	out := binary.AppendUvarint(nil, uint64(n))
	for i := range n {
		kind, low, high := r.byte(), uint32(0), uint32(0)
		if kind != 0x70 && kind != 0x6f && r.err == nil { // funcref, externref
			return nil, fmt.Errorf("its table %d is neither of funcref nor of externref, and others the host does not have", i)
		}
		low, high = r.limits()
		if r.err != nil {
			return nil, r.err
		}
		if low > maxTableElements {
			return nil, fmt.Errorf("its table %d begins with %d elements; the host allows %d", i, low, maxTableElements)
		}
		out = append(out, kind, 1) // 1: a maximum follows
		out = binary.AppendUvarint(out, uint64(low))
		// A maximum below the minimum is a mistake, which is the engine's to find.
		out = binary.AppendUvarint(out, uint64(min(high, maxTableElements)))
	}
	return append(out, r.rest...), nil
}

func (p *Plugin) checkMemory(body []byte) error {
	r := reader{rest: body}
	for range r.u32() {
		low, _ := r.limits()
		if r.err != nil {
			return r.err
		}
		if low > p.memoryLimit() {
			return fmt.Errorf("its memory begins with %d KiB, more than the limit of %v; raise plugins.%s.memory_limit",
				uint64(low)*pageSize>>10, p.cfg.MemoryLimit, p.name)
		}
	}
	return r.err
}

// reader reads the binary format. After an error it returns zeros; the first error stays.
type reader struct {
	rest []byte
	err  error
}

func (r *reader) fail(err error) {
	if r.err == nil {
		r.err, r.rest = err, nil
	}
}

func (r *reader) byte() byte {
	if b := r.bytes(1); r.err == nil {
		return b[0]
	}
	return 0
}

func (r *reader) bytes(n uint32) []byte {
	if uint64(n) > uint64(len(r.rest)) {
		r.fail(errEnds)
		return nil
	}
	b := r.rest[:n]
	r.rest = r.rest[n:]
	return b
}

func (r *reader) u32() uint32 {
	v, n := binary.Uvarint(r.rest)
	if n <= 0 || n > 5 || v > math.MaxUint32 {
		r.fail(errEnds)
		return 0
	}
	r.rest = r.rest[n:]
	return uint32(v)
}

// limits reads a minimum and a maximum, which is the greatest number where there is none.
func (r *reader) limits() (low, high uint32) {
	flag := r.byte()
	if flag > 1 && r.err == nil {
		r.fail(errors.New("declares a shared or 64-bit memory or table, which the host does not have"))
	}
	low, high = r.u32(), math.MaxUint32
	if flag == 1 {
		high = r.u32()
	}
	return low, high
}

// ManifestOf reads the manifest of the module in a file, and checks nothing else of it.
func ManifestOf(path string) (abi.Manifest, error) {
	module, err := readModule(path)
	if err != nil {
		return abi.Manifest{}, err
	}
	m, err := manifestOf(module)
	if err != nil {
		return abi.Manifest{}, fmt.Errorf("%s: %w", path, err)
	}
	return m, nil
}

func manifestOf(module []byte) (abi.Manifest, error) {
	if err := checkHeader(module); err != nil {
		return abi.Manifest{}, err
	}
	for rest := module[8:]; len(rest) > 0; {
		id, r := rest[0], reader{rest: rest[1:]}
		body := reader{rest: r.bytes(r.u32())}
		if r.err != nil {
			return abi.Manifest{}, r.err
		}
		if id == sectionCustom && string(body.bytes(body.u32())) == abi.ManifestSection && body.err == nil {
			return abi.ParseManifest(body.rest)
		}
		rest = r.rest
	}
	return abi.ParseManifest(nil)
}
