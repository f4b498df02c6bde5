package tenancy

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
)

// remembering is a verifier of a sandbox's tokens, and as many tokens as asked for.
func remembering(t *testing.T, tokens int) (*Verifier, []http.Header, *atomic.Int64) {
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
func TestRememberedTokenCostsNoSignatureCheck(t *testing.T) {
	t.Parallel()
	v, headers, ahead := remembering(t, 2)
	if _, err := v.Verify(t.Context(), headers[0]); err != nil {
		t.Fatal(err)
	}
	right := v.keys.fixed.Key
	v.keys.fixed.Key = published(t, 1, "").Key
	if actor, err := v.Verify(t.Context(), headers[0]); err != nil || actor.User != "user_alice" {
		t.Errorf("remembered: got %v, %v; want alice", actor, err)
	}
	ahead.Store(int64(time.Minute + skew))
	if actor, err := v.Verify(t.Context(), headers[0]); err != nil || actor.User != "user_alice" {
		t.Errorf("remembered, in the last moment: got %v, %v; want alice", actor, err)
	}
	if actor, err := v.Verify(t.Context(), headers[1]); err == nil {
		t.Errorf("not remembered: got %v, want a refusal", actor)
	}
	v.keys.fixed.Key = right
	if _, err := v.Verify(t.Context(), headers[1]); err != nil {
		t.Errorf("not remembered, with the right key: %v", err)
	}
}

func TestTokenIsForgottenWithItsKey(t *testing.T) {
	t.Parallel()
	v, headers, _ := remembering(t, 1)
	if _, err := v.Verify(t.Context(), headers[0]); err != nil {
		t.Fatal(err)
	}
	v.keys.fixed = published(t, 1, "")
	if actor, err := v.Verify(t.Context(), headers[0]); err == nil {
		t.Errorf("got %v, want a refusal", actor)
	}
	if tokens, bytes := v.Remembered(); tokens != 0 || bytes != 0 {
		t.Errorf("%d tokens in %d bytes are remembered, want none", tokens, bytes)
	}
}

// audit wants the account of the memory to be right and under its bound.
func (m *memory) audit(t *testing.T) {
	t.Helper()
	m.mu.RLock()
	defer m.mu.RUnlock()
	sum := 0
	for token := range m.entries {
		sum += len(token) + memoryEntryCost
	}
	if sum != m.bytes || m.bytes > memoryBytesMax {
		t.Errorf("%d bytes are accounted for, %d are there, %d are allowed", m.bytes, sum, memoryBytesMax)
	}
}

func TestMemoryStaysUnderItsBound(t *testing.T) {
	t.Parallel()
	for size, tokens := range map[int]int{20: 100_000, 1000: 100_000, tokenMax: 10_000} {
		var m memory
		now := time.Unix(0, 0)
		e := remembered{expires: now.Add(time.Hour)}
		most := 0
		for i := range tokens {
			m.keep(fmt.Sprintf("%-*d", size, i), e, now)
			if m.bytes > memoryBytesMax {
				t.Fatalf("%d tokens of %d bytes: %d bytes, want at most %d", i, size, m.bytes, memoryBytesMax)
			}
			most = max(most, m.bytes)
		}
		if most < memoryBytesMax/4*3 {
			t.Errorf("tokens of %d bytes filled %d bytes of %d", size, most, memoryBytesMax)
		}
		m.audit(t)
		if _, ok := m.recall(fmt.Sprintf("%-*d", size, tokens-1)); !ok {
			t.Errorf("the last token of %d bytes is not remembered", size)
		}
	}
}

func TestExpiredTokensMakeRoomFirst(t *testing.T) {
	t.Parallel()
	var m memory
	now := time.Unix(0, 0)
	const cost = 1000 + memoryEntryCost
	room := memoryBytesMax / cost
	young := room / 2
	name := func(kind string, i int) string { return fmt.Sprintf("%-10s%990d", kind, i) }
	for i := range room {
		if i < young {
			m.keep(name("young", i), remembered{expires: now.Add(time.Hour)}, now)
		} else {
			m.keep(name("old", i), remembered{expires: now}, now)
		}
	}
	m.keep(name("young", room), remembered{expires: now.Add(time.Hour)}, now.Add(time.Second))
	if got, want := len(m.entries), young+1; got != want {
		t.Errorf("%d tokens are left, want the %d that are not expired", got, want)
	}
	for i := range young {
		if _, ok := m.recall(name("young", i)); !ok {
			t.Fatalf("the unexpired token %d is gone", i)
		}
	}
	m.audit(t)
}

func TestTokenAtItsExpiryIsNotExpiredYet(t *testing.T) {
	t.Parallel()
	var m memory
	now := time.Unix(0, 0)
	m.keep("at its expiry", remembered{expires: now}, now)
	m.makeRoom(now)
	if _, ok := m.recall("at its expiry"); !ok {
		t.Error("it is gone")
	}
	m.makeRoom(now.Add(1))
	if _, ok := m.recall("at its expiry"); ok {
		t.Error("past its expiry it is there")
	}
	m.audit(t)
}

func TestKeepingAndForgettingTwiceCountsOnce(t *testing.T) {
	t.Parallel()
	var m memory
	now := time.Unix(0, 0)
	first, second := &Actor{User: "first"}, &Actor{User: "second"}
	m.keep("token", remembered{actor: first}, now)
	m.keep("token", remembered{actor: second}, now)
	if got, _ := m.recall("token"); got.actor != second {
		t.Errorf("recalled %v, want the second", got.actor)
	}
	if tokens, bytes := m.size(); tokens != 1 || bytes != len("token")+memoryEntryCost {
		t.Errorf("%d tokens in %d bytes, want 1 in %d", tokens, bytes, len("token")+memoryEntryCost)
	}
	m.forget("token")
	m.forget("token")
	m.forget("never there")
	if tokens, bytes := m.size(); tokens != 0 || bytes != 0 {
		t.Errorf("%d tokens in %d bytes, want none", tokens, bytes)
	}
}

// A token is a part of the header's bytes, which may be a part of a larger buffer.
func TestMemoryHoldsNoRequestBuffer(t *testing.T) {
	t.Parallel()
	var m memory
	token := strings.Repeat("x", 4096)[:10]
	m.keep(token, remembered{}, time.Unix(0, 0))
	for held := range m.entries {
		if unsafe.StringData(held) == unsafe.StringData(token) {
			t.Error("the buffer that the token came in is held")
		}
	}
}

// Requests of many at once, in and past the life of the tokens: every answer is the right one.
func TestManyVerifyAtOnce(t *testing.T) {
	t.Parallel()
	v, headers, ahead := remembering(t, 8)
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
					v.Remembered()
				}
			})
		}
		group.Wait()
		v.memory.audit(t)
	}
	if tokens, _ := v.Remembered(); tokens != 0 {
		t.Errorf("%d expired tokens are remembered after use, want none", tokens)
	}
}

func TestMemoryIsSafeToShare(t *testing.T) {
	t.Parallel()
	var m memory
	now := time.Unix(0, 0)
	var group sync.WaitGroup
	for worker := range 4 {
		group.Go(func() {
			for i := range 2000 {
				token := fmt.Sprintf("%-*d", tokenMax, i*(worker+1))
				m.keep(token, remembered{expires: now.Add(time.Duration(i%2) * time.Hour)}, now.Add(time.Minute))
				m.recall(token)
				m.size()
				if i%7 == 0 {
					m.forget(token)
				}
			}
		})
	}
	group.Wait()
	m.audit(t)
}
