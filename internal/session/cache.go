package session

import (
	"strings"
	"sync"
	"time"

	"github.com/clerk/clerk-sdk-go/v2"

	"github.com/teamtask/teamtask/internal/tenancy"
)

const (
	cacheBytesMax  = 16 << 20
	cacheEntryCost = 600 // bytes of an entry beside its token, roughly
)

// cache holds verified tokens until they expire, within bounded memory. Only a token whose
// signature was checked gets in, so a caller without one cannot fill it. It is safe to share.
type cache struct {
	mu      sync.RWMutex
	entries map[string]entry
	bytes   int
}

// entry is a verified token.
type entry struct {
	actor   *tenancy.Actor
	expires time.Time // skew included
	keyID   string
	key     *clerk.JSONWebKey
}

func (c *cache) get(token string) (entry, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	e, ok := c.entries[token]
	return e, ok
}

// put stores the entry of the token. When the cache is full, expired entries are removed first,
// then any: a removed token costs one more verification.
func (c *cache) put(token string, e entry, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.entries == nil {
		c.entries = make(map[string]entry)
	}
	if _, ok := c.entries[token]; !ok {
		cost := len(token) + cacheEntryCost
		if c.bytes+cost > cacheBytesMax {
			c.evict(now)
		}
		c.bytes += cost
		token = strings.Clone(token) // not the buffer that the headers came in
	}
	c.entries[token] = e
}

// evict removes what has expired, and if that is little, entries at random, until a quarter of
// the cache is free: so it runs once in many verifications.
func (c *cache) evict(now time.Time) {
	for token, e := range c.entries {
		if now.After(e.expires) {
			c.drop(token)
		}
	}
	for token := range c.entries {
		if c.bytes <= cacheBytesMax/4*3 {
			return
		}
		c.drop(token)
	}
}

func (c *cache) remove(token string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.drop(token)
}

func (c *cache) drop(token string) {
	if _, ok := c.entries[token]; ok {
		delete(c.entries, token)
		c.bytes -= len(token) + cacheEntryCost
	}
}

func (c *cache) size() (entries, bytes int) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return len(c.entries), c.bytes
}
