package host

import (
	"syscall"

	"github.com/tetratelabs/wazero/experimental"
)

// reserved is a memory at a place where it has room to grow to its limit. What was not touched of it takes no memory.
type reserved []byte

// newMemory reserves the room for a memory. Where there is none it makes one that has to be copied to grow.
func newMemory(_, limit uint64) experimental.LinearMemory {
	room, err := syscall.Mmap(-1, 0, int(limit), syscall.PROT_READ|syscall.PROT_WRITE,
		syscall.MAP_PRIVATE|syscall.MAP_ANON|syscall.MAP_NORESERVE)
	if err != nil {
		return &plainMemory{}
	}
	_ = syscall.Madvise(room, syscall.MADV_NOHUGEPAGE) // or a byte may take 2 MiB; a kernel without large pages has no such advice
	m := reserved(room)
	return &m
}

// Reallocate implements experimental.LinearMemory. The memory stays where it is; the guest's code keeps to its size.
func (m *reserved) Reallocate(size uint64) []byte { return (*m)[:size:size] }

// Free implements experimental.LinearMemory. Nobody may have a view of the memory any more.
func (m *reserved) Free() {
	_ = syscall.Munmap(*m) // it was mapped as it is
	*m = nil
}
