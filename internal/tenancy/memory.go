package tenancy

import (
	"strings"
	"sync"
	"time"

	"github.com/clerk/clerk-sdk-go/v2"
)

const (
	memoryBytesMax  = 16 << 20
	memoryEntryCost = 600 // bytes of an entry beside its token, roughly
)

// memory remembers verified tokens until they expire, within bounded memory. Only
// a token whose signature was checked gets in, so strangers cannot fill it. It is
// safe to share.
type memory struct {
	mu      sync.RWMutex
	entries map[string]remembered
	bytes   int
}

type remembered struct {
	actor   *Actor
	expires time.Time // skew included
	keyID   string
	key     *clerk.JSONWebKey
}

func (m *memory) recall(token string) (remembered, bool) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	e, ok := m.entries[token]
	return e, ok
}

// keep remembers e for the token. Where there is no room the expired go first, then
// whichever come: a forgotten token costs one more verification, no more.
func (m *memory) keep(token string, e remembered, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.entries == nil {
		m.entries = make(map[string]remembered)
	}
	if _, ok := m.entries[token]; !ok {
		cost := len(token) + memoryEntryCost
		if m.bytes+cost > memoryBytesMax {
			m.makeRoom(now)
		}
		m.bytes += cost
		token = strings.Clone(token) // not the buffer that the headers came in
	}
	m.entries[token] = e
}

// makeRoom drops what has expired, and where that is little, entries at random, until
// a quarter of the room is free: so that it runs once in many verifications.
func (m *memory) makeRoom(now time.Time) {
	for token, e := range m.entries {
		if now.After(e.expires) {
			m.drop(token)
		}
	}
	for token := range m.entries {
		if m.bytes <= memoryBytesMax/4*3 {
			return
		}
		m.drop(token)
	}
}

func (m *memory) forget(token string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.drop(token)
}

func (m *memory) drop(token string) {
	if _, ok := m.entries[token]; ok {
		delete(m.entries, token)
		m.bytes -= len(token) + memoryEntryCost
	}
}

func (m *memory) size() (entries, bytes int) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return len(m.entries), m.bytes
}
