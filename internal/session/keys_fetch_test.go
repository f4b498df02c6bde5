package session

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clerk/clerk-sdk-go/v2"

	"github.com/teamtask/teamtask/internal/fault"
)

var publicKeys = sync.OnceValues(func() (two [2]*rsa.PublicKey, err error) {
	for i := range two {
		key, err := rsa.GenerateKey(rand.Reader, rsaBitsMin)
		if err != nil {
			return two, err
		}
		two[i] = &key.PublicKey
	}
	return two, nil
})

// upstream is where keys are fetched from: a function value that tests change.
type upstream struct {
	mu        sync.Mutex
	published []*clerk.JSONWebKey
	err       error
	hangs     bool
	fetches   atomic.Int32
}

func (u *upstream) fetch(ctx context.Context) (*clerk.JSONWebKeySet, error) {
	u.fetches.Add(1)
	u.mu.Lock()
	keys, err, hangs := u.published, u.err, u.hangs
	u.mu.Unlock()
	if hangs {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return &clerk.JSONWebKeySet{Keys: keys}, err
}

func (u *upstream) publish(keys ...*clerk.JSONWebKey) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.published = keys
}

func (u *upstream) fail(err error, hangs bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.err, u.hangs = err, hangs
}

// published is a fresh value of key i, as every fetch makes one.
func published(tb testing.TB, i int, id string) *clerk.JSONWebKey {
	tb.Helper()
	two, err := publicKeys()
	if err != nil {
		tb.Fatal(err)
	}
	n := *two[i]
	return &clerk.JSONWebKey{KeyID: id, Algorithm: "RS256", Use: "sig", Key: &n}
}

// bubble is a key set on a clock that moves only when everybody waits.
type bubble struct {
	testing.TB
	upstream
	keys *Keys
}

// inBubble runs a story in a bubble whose upstream has key 0 as "a".
func inBubble(t *testing.T, story func(b *bubble)) {
	t.Helper()
	published(t, 0, "") // makes the keys outside
	synctest.Test(t, func(t *testing.T) {
		b := &bubble{TB: t}
		b.publish(published(t, 0, "a"))
		b.keys = fetchedKeys(time.Now, b.fetch)
		story(b)
	})
}

func (b *bubble) mustFind(id string) *clerk.JSONWebKey {
	b.Helper()
	key, err := b.keys.find(b.Context(), id)
	if err != nil || key == nil || key.KeyID != id {
		b.Fatalf("find %s: got %v, %v", id, key, err)
	}
	return key
}

func (b *bubble) pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait() // for what this set off
}

func TestWaitersShareOneFetch(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *bubble) {
		gate := make(chan struct{})
		b.keys = fetchedKeys(time.Now, func(ctx context.Context) (*clerk.JSONWebKeySet, error) {
			<-gate
			return b.fetch(ctx)
		})
		var group sync.WaitGroup
		for range 50 {
			group.Go(func() {
				if _, err := b.keys.find(b.Context(), "a"); err != nil {
					b.Error(err)
				}
			})
		}
		synctest.Wait()
		close(gate)
		group.Wait()
		if got := b.fetches.Load(); got != 1 {
			b.Errorf("%d fetches, want 1", got)
		}
	})
}

// Steady use does not keep a removed key alive.
func TestRemovedKeyIsForgottenUnderSteadyUse(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *bubble) {
		key := b.mustFind("a")
		b.publish(published(b, 1, "b"))
		begin := time.Now()
		for b.keys.holds("a", key) {
			b.pass(time.Second)
		}
		if got, want := time.Since(begin), keysRefreshAfter+2*time.Second; got > want {
			b.Errorf("a removed key was held for %s, want at most %s", got, want)
		}
		if _, err := b.keys.find(b.Context(), "a"); !errors.Is(err, errKeyUnknown) {
			b.Errorf("find the removed key: %v, want %v", err, errKeyUnknown)
		}
		b.mustFind("b")
	})
}

// The age limit is hard.
func TestAgeLimitIsNotExtendedByUse(t *testing.T) {
	t.Parallel()
	for name, hangs := range map[string]bool{"failing": false, "hanging": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(b *bubble) {
				key := b.mustFind("a")
				b.fail(errors.New("down"), hangs)
				begin := time.Now()
				for b.keys.holds("a", key) {
					if _, err := b.keys.find(b.Context(), "a"); err != nil {
						b.Fatal(err)
					}
					b.pass(10 * time.Second)
				}
				if got := time.Since(begin); got <= keysAgeMax-time.Minute || got > keysAgeMax+10*time.Second {
					b.Errorf("held for %s, want %s", got, keysAgeMax)
				}
				if _, err := b.keys.find(b.Context(), "a"); !errors.Is(err, fault.ProviderUnavailable) {
					b.Errorf("over the limit: %v, want ProviderUnavailable", err)
				}
				if got, limit := b.fetches.Load(), int32(keysAgeMax/keysRetryPause); got < 2 || got > limit {
					b.Errorf("%d fetches in an hour, want some and at most %d", got, limit)
				}
				b.fail(nil, false)
				b.pass(keysRetryPause)
				b.mustFind("a")
			})
		})
	}
}

// An unknown key id that comes while fetches are paused does not use up the minute's one ask.
func TestNewKeyIsFoundSoonAfterAFailure(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *bubble) {
		key := b.mustFind("a")
		b.fail(errors.New("down"), false)
		b.pass(keysRefreshAfter + time.Second)
		if !b.keys.holds("a", key) {
			b.Fatal("the key is not held")
		}
		synctest.Wait() // for the refresh that fails
		if _, err := b.keys.find(b.Context(), "b"); !errors.Is(err, errKeyUnknown) || b.fetches.Load() != 2 {
			b.Errorf("in the pause: %v and %d fetches, want %v and 2", err, b.fetches.Load(), errKeyUnknown)
		}
		b.fail(nil, false)
		b.publish(published(b, 0, "a"), published(b, 1, "b"))
		b.pass(keysRetryPause)
		b.mustFind("b")
	})
}

// Nobody waits for the refresh of a set that is still good.
func TestRefreshGoesOnBesideTheTraffic(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *bubble) {
		b.mustFind("a")
		b.fail(nil, true)
		b.pass(keysRefreshAfter + time.Second)
		begin := time.Now()
		for range 100 {
			b.mustFind("a")
		}
		synctest.Wait()
		if got := time.Since(begin); got != 0 || b.fetches.Load() != 2 {
			b.Errorf("100 requests took %s and %d fetches, want none and 1 more than the first", got, b.fetches.Load()-1)
		}
		b.pass(keysFetchDeadline)
	})
}

func TestHangingFetchEndsAtItsDeadline(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *bubble) {
		b.fail(nil, true)
		begin := time.Now()
		if _, err := b.keys.find(b.Context(), "a"); !errors.Is(err, fault.ProviderUnavailable) {
			b.Errorf("got %v, want ProviderUnavailable", err)
		}
		if got := time.Since(begin); got != keysFetchDeadline {
			b.Errorf("it took %s, want %s", got, keysFetchDeadline)
		}
	})
}

// A key that stays is the same pointer, so what was verified with it stays cached; the same id with another key is
// another key.
func TestKeyIsHeldAsLongAsItIsTheSame(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *bubble) {
		key := b.mustFind("a")
		refetch := func(keys ...*clerk.JSONWebKey) {
			b.Helper()
			b.publish(keys...)
			if err := b.keys.set.Renew(b.Context(), func(*keySet) bool { return false }); err != nil {
				b.Fatal(err)
			}
		}
		refetch(published(b, 0, "a"), published(b, 1, "b"))
		if !b.keys.holds("a", key) {
			b.Error("a key that stayed is not held")
		}
		if b.keys.holds("b", key) || b.keys.holds("", key) || b.keys.holds("c", key) {
			b.Error("a key is held under another id")
		}
		refetch(published(b, 1, "a"))
		if b.keys.holds("a", key) {
			b.Error("a key is held though its id has another key now")
		}
	})
}

func TestOnlySigningKeysAreAdopted(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *bubble) {
		change := func(edit func(*clerk.JSONWebKey)) *clerk.JSONWebKey {
			key := published(b, 1, "b")
			edit(key)
			return key
		}
		b.publish(
			nil,
			change(func(key *clerk.JSONWebKey) { key.KeyID = "" }),
			change(func(key *clerk.JSONWebKey) { key.Algorithm = "" }),
			change(func(key *clerk.JSONWebKey) { key.Algorithm = "RS512" }),
			change(func(key *clerk.JSONWebKey) { key.Algorithm = "HS256" }),
			change(func(key *clerk.JSONWebKey) { key.Key = []byte("secret") }),
			change(func(key *clerk.JSONWebKey) { key.Key = nil }),
			published(b, 0, "a"),
		)
		b.mustFind("a")
		if set, ok := b.keys.set.Peek(); !ok || len(set.byID) != 1 {
			b.Errorf("%v was adopted, want 1 key", set)
		}
	})
}
