package main

import (
	"strings"
	"sync"
)

// maxMoves is the number of chats that moves keeps.
const maxMoves = 1024

// moves remembers the new ids of groups that have become supergroups. It is memory of one instance: Telegram says it
// again to one that does not know. The zero value is ready, and safe for concurrent use.
type moves struct {
	mu sync.Mutex
	to map[string]string
}

// where returns the chat's id as far as it is known.
func (m *moves) where(chat string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	if to, ok := m.to[chat]; ok {
		return to
	}
	return chat
}

func (m *moves) note(from, to string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.to == nil || len(m.to) == maxMoves {
		m.to = map[string]string{}
	}
	m.to[strings.Clone(from)] = to // of a message, which should not be kept with it
}
