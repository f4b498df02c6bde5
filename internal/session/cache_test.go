package session

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"github.com/teamtask/teamtask/internal/sandbox"
	"github.com/teamtask/teamtask/internal/tenancy"
)

// verifierOf returns a verifier of a sandbox's tokens, and as many tokens as asked for.
func verifierOf(t *testing.T, tokens int) (*Verifier, []http.Header, *atomic.Int64) {
	t.Helper()
	begin := time.Now().Truncate(time.Second)
	ahead := &atomic.Int64{}
	now := func() time.Time { return begin.Add(time.Duration(ahead.Load())) }
	s, err := sandbox.New(sandbox.Options{BaseURL: "http://clerk.test", Now: now})
	if err != nil {
		t.Fatal(err)
	}
	keys, err := KeysFromPEM(s.PublicKeyPEM())
	if err != nil {
		t.Fatal(err)
	}
	headers := make([]http.Header, tokens)
	for i := range headers {
		token, err := s.Token(sandbox.TokenRequest{User: "alice", Org: "d2-gamers"})
		if err != nil {
			t.Fatal(err)
		}
		headers[i] = http.Header{"Authorization": {"Bearer " + token}}
	}
	return NewVerifier(keys, Verification{Issuer: s.Issuer(), Now: now}), headers, ahead
}

// The key is swapped for another under the same pointer: what would be checked now would be refused.
func TestCachedTokenCostsNoSignatureCheck(t *testing.T) {
	t.Parallel()
	v, headers, ahead := verifierOf(t, 2)
	if _, err := v.Verify(t.Context(), headers[0]); err != nil {
		t.Fatal(err)
	}
	right := v.keys.fixed.Key
	v.keys.fixed.Key = published(t, 1, "").Key
	if actor, err := v.Verify(t.Context(), headers[0]); err != nil || actor.User != "user_alice" {
		t.Errorf("cached: got %v, %v; want alice", actor, err)
	}
	ahead.Store(int64(time.Minute + skew))
	if actor, err := v.Verify(t.Context(), headers[0]); err != nil || actor.User != "user_alice" {
		t.Errorf("cached, in the last moment: got %v, %v; want alice", actor, err)
	}
	if actor, err := v.Verify(t.Context(), headers[1]); err == nil {
		t.Errorf("not cached: got %v, want a refusal", actor)
	}
	v.keys.fixed.Key = right
	if _, err := v.Verify(t.Context(), headers[1]); err != nil {
		t.Errorf("not cached, with the right key: %v", err)
	}
}

func TestTokenLeavesTheCacheWithItsKey(t *testing.T) {
	t.Parallel()
	v, headers, _ := verifierOf(t, 1)
	if _, err := v.Verify(t.Context(), headers[0]); err != nil {
		t.Fatal(err)
	}
	v.keys.fixed = published(t, 1, "")
	if actor, err := v.Verify(t.Context(), headers[0]); err == nil {
		t.Errorf("got %v, want a refusal", actor)
	}
	if tokens, bytes := v.CacheSize(); tokens != 0 || bytes != 0 {
		t.Errorf("%d tokens in %d bytes are cached, want none", tokens, bytes)
	}
}

// audit wants the count of bytes to be right and under its bound.
func (c *cache) audit(t *testing.T) {
	t.Helper()
	c.mu.RLock()
	defer c.mu.RUnlock()
	sum := 0
	for token := range c.entries {
		sum += len(token) + cacheEntryCost
	}
	if sum != c.bytes || c.bytes > cacheBytesMax {
		t.Errorf("%d bytes are accounted for, %d are there, %d are allowed", c.bytes, sum, cacheBytesMax)
	}
}

func TestCacheStaysUnderItsBound(t *testing.T) {
	t.Parallel()
	for size, tokens := range map[int]int{20: 100_000, 1000: 100_000, tokenMax: 10_000} {
		var c cache
		now := time.Unix(0, 0)
		e := entry{expires: now.Add(time.Hour)}
		most := 0
		for i := range tokens {
			c.put(fmt.Sprintf("%-*d", size, i), e, now)
			if c.bytes > cacheBytesMax {
				t.Fatalf("%d tokens of %d bytes: %d bytes, want at most %d", i, size, c.bytes, cacheBytesMax)
			}
			most = max(most, c.bytes)
		}
		if most < cacheBytesMax/4*3 {
			t.Errorf("tokens of %d bytes filled %d bytes of %d", size, most, cacheBytesMax)
		}
		c.audit(t)
		if _, ok := c.get(fmt.Sprintf("%-*d", size, tokens-1)); !ok {
			t.Errorf("the last token of %d bytes is not cached", size)
		}
	}
}

func TestExpiredTokensMakeRoomFirst(t *testing.T) {
	t.Parallel()
	var c cache
	now := time.Unix(0, 0)
	const cost = 1000 + cacheEntryCost
	room := cacheBytesMax / cost
	young := room / 2
	name := func(kind string, i int) string { return fmt.Sprintf("%-10s%990d", kind, i) }
	for i := range room {
		if i < young {
			c.put(name("young", i), entry{expires: now.Add(time.Hour)}, now)
		} else {
			c.put(name("old", i), entry{expires: now}, now)
		}
	}
	c.put(name("young", room), entry{expires: now.Add(time.Hour)}, now.Add(time.Second))
	if got, want := len(c.entries), young+1; got != want {
		t.Errorf("%d tokens are left, want the %d that are not expired", got, want)
	}
	for i := range young {
		if _, ok := c.get(name("young", i)); !ok {
			t.Fatalf("the unexpired token %d is gone", i)
		}
	}
	c.audit(t)
}

func TestTokenAtItsExpiryIsNotExpiredYet(t *testing.T) {
	t.Parallel()
	var c cache
	now := time.Unix(0, 0)
	c.put("at its expiry", entry{expires: now}, now)
	c.evict(now)
	if _, ok := c.get("at its expiry"); !ok {
		t.Error("it is gone")
	}
	c.evict(now.Add(1))
	if _, ok := c.get("at its expiry"); ok {
		t.Error("past its expiry it is there")
	}
	c.audit(t)
}

func TestPuttingAndRemovingTwiceCountsOnce(t *testing.T) {
	t.Parallel()
	var c cache
	now := time.Unix(0, 0)
	first, second := &tenancy.Actor{User: "first"}, &tenancy.Actor{User: "second"}
	c.put("token", entry{actor: first}, now)
	c.put("token", entry{actor: second}, now)
	if got, _ := c.get("token"); got.actor != second {
		t.Errorf("recalled %v, want the second", got.actor)
	}
	if tokens, bytes := c.size(); tokens != 1 || bytes != len("token")+cacheEntryCost {
		t.Errorf("%d tokens in %d bytes, want 1 in %d", tokens, bytes, len("token")+cacheEntryCost)
	}
	c.remove("token")
	c.remove("token")
	c.remove("never there")
	if tokens, bytes := c.size(); tokens != 0 || bytes != 0 {
		t.Errorf("%d tokens in %d bytes, want none", tokens, bytes)
	}
}

// A token is a part of the header's bytes, which may be a part of a larger buffer.
func TestCacheHoldsNoRequestBuffer(t *testing.T) {
	t.Parallel()
	var c cache
	token := strings.Repeat("x", 4096)[:10]
	c.put(token, entry{}, time.Unix(0, 0))
	for held := range c.entries {
		if unsafe.StringData(held) == unsafe.StringData(token) {
			t.Error("the buffer that the token came in is held")
		}
	}
}

// Requests of many at once, in and past the life of the tokens: every answer is the right one.
func TestManyVerifyAtOnce(t *testing.T) {
	t.Parallel()
	v, headers, ahead := verifierOf(t, 8)
	for _, at := range []time.Duration{0, time.Minute, time.Hour} {
		ahead.Store(int64(at))
		var group sync.WaitGroup
		for worker := range 8 {
			group.Go(func() {
				for i := range 50 {
					actor, err := v.Verify(t.Context(), headers[(i+worker)%len(headers)])
					if ok := at <= time.Minute; ok != (err == nil) || ok != (actor != nil) {
						t.Errorf("after %s: got %v, %v", at, actor, err)
					}
					v.CacheSize()
				}
			})
		}
		group.Wait()
		v.cache.audit(t)
	}
	if tokens, _ := v.CacheSize(); tokens != 0 {
		t.Errorf("%d expired tokens are cached after use, want none", tokens)
	}
}

func TestCacheIsSafeToShare(t *testing.T) {
	t.Parallel()
	var c cache
	now := time.Unix(0, 0)
	var group sync.WaitGroup
	for worker := range 4 {
		group.Go(func() {
			for i := range 2000 {
				token := fmt.Sprintf("%-*d", tokenMax, i*(worker+1))
				c.put(token, entry{expires: now.Add(time.Duration(i%2) * time.Hour)}, now.Add(time.Minute))
				c.get(token)
				c.size()
				if i%7 == 0 {
					c.remove(token)
				}
			}
		})
	}
	group.Wait()
	c.audit(t)
}
