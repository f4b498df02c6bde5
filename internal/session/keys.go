package session

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/clerk/clerk-sdk-go/v2"
	"github.com/clerk/clerk-sdk-go/v2/jwks"
	"golang.org/x/sync/singleflight"

	"github.com/teamtask/teamtask/internal/fault"
)

const (
	keysRefreshAfter  = 5 * time.Minute // a key set older than this is fetched again in the background
	keysAgeMax        = time.Hour       // a key set older than this is not used
	keysUnknownPause  = time.Minute     // between fetches because of unknown key ids
	keysRetryPause    = 5 * time.Second // between fetches that fail
	keysFetchDeadline = 5 * time.Second // of one fetch
	keyIDMax          = 128             // bytes
	rsaBitsMin        = 2048            // of a signing key
)

var (
	errKeyUnknown = errors.New("no such signing key")
	errKeysPaused = errors.New("the key set could not be fetched a moment ago")
)

// Keys are the public keys that session tokens are signed with: one given at start, or the key
// set of Clerk's Backend API, fetched when needed. Keys are safe to share.
type Keys struct {
	fixed *clerk.JSONWebKey // nil: fetched

	fetch   func(context.Context) (*clerk.JSONWebKeySet, error)
	now     func() time.Time
	current atomic.Pointer[keySet]
	flights singleflight.Group

	mu          sync.Mutex
	lastFailed  time.Time
	lastUnknown time.Time
	lastRefresh time.Time
}

// keySet is a key set as it was fetched; it does not change.
type keySet struct {
	byID    map[string]*clerk.JSONWebKey
	fetched time.Time
}

// KeysFromPEM returns the one RSA public key in the text: PEM, PKIX form, as Clerk's dashboard
// shows it. Line breaks may be written as \n. Tokens are then verified without the network,
// whatever key id they name.
func KeysFromPEM(text string) (*Keys, error) {
	text = strings.ReplaceAll(text, `\n`, "\n")
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil, errors.New("is not PEM")
	}
	parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, errors.New("is not a public key in PKIX form")
	}
	public, ok := parsed.(*rsa.PublicKey)
	if !ok || public.N.BitLen() < rsaBitsMin {
		return nil, fmt.Errorf("is not an RSA key of at least %d bits", rsaBitsMin)
	}
	key, err := clerk.JSONWebKeyFromPEM(text)
	if err != nil {
		return nil, errors.New("cannot be used as a signing key")
	}
	return &Keys{fixed: key}, nil
}

// KeysFromAPI returns the key set of Clerk's Backend API at url (with /v1), fetched with the
// secret key.
func KeysFromAPI(url, secret string, now func() time.Time) *Keys {
	client := jwks.NewClient(&clerk.ClientConfig{BackendConfig: clerk.BackendConfig{
		URL:        new(url),
		Key:        new(secret),
		HTTPClient: &http.Client{Timeout: keysFetchDeadline},
	}})
	return &Keys{now: now, fetch: func(ctx context.Context) (*clerk.JSONWebKeySet, error) {
		return client.Get(ctx, &jwks.GetParams{})
	}}
}

// find answers the key of that id. It fetches the key set where there is none
// young enough, and once more, at most once a minute, for an id that is not in
// it. Without a usable key set it returns fault.ProviderUnavailable, or the context's
// error where the context ended first.
func (k *Keys) find(ctx context.Context, id string) (*clerk.JSONWebKey, error) {
	if k.fixed != nil {
		return k.fixed, nil
	}
	if id == "" || len(id) > keyIDMax {
		return nil, errKeyUnknown
	}
	seen := k.current.Load()
	if set := k.usable(); set != nil {
		if key := set.byID[id]; key != nil {
			return key, nil
		}
		if k.failedLately() || !k.mayAsk(&k.lastUnknown, keysUnknownPause) {
			return nil, errKeyUnknown
		}
		seen = set
	}
	if err := k.refresh(ctx, seen); err != nil && k.usable() == nil {
		if ctx.Err() != nil {
			return nil, fmt.Errorf("wait for the key set: %w", ctx.Err())
		}
		return nil, fault.ProviderUnavailable.Because(fmt.Errorf("fetch the key set: %w", err))
	}
	if set := k.usable(); set != nil {
		if key := set.byID[id]; key != nil {
			return key, nil
		}
	}
	return nil, errKeyUnknown
}

// holds tells whether key still is the key of that id in a key set young enough to
// be used. It never waits for the network.
func (k *Keys) holds(id string, key *clerk.JSONWebKey) bool {
	if k.fixed != nil {
		return key == k.fixed
	}
	set := k.usable()
	return set != nil && set.byID[id] == key
}

// usable is the key set, or nil where there is none within the age limit. One
// that is getting old is fetched anew in the background.
func (k *Keys) usable() *keySet {
	set := k.current.Load()
	if set == nil {
		return nil
	}
	age := k.now().Sub(set.fetched)
	if age > keysAgeMax {
		return nil
	}
	if age > keysRefreshAfter && k.mayAsk(&k.lastRefresh, keysRetryPause) {
		k.replace(set)
	}
	return set
}

// refresh waits for a fetch that replaces seen, its own or one that is under way.
func (k *Keys) refresh(ctx context.Context, seen *keySet) error {
	select {
	case result := <-k.replace(seen):
		return result.Err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// replace starts a fetch that replaces seen, or joins the one under way.
func (k *Keys) replace(seen *keySet) <-chan singleflight.Result {
	return k.flights.DoChan(fmt.Sprintf("%p", seen), flight{k, seen}.run)
}

// flight is a fetch that replaces seen. It runs once for all who wait, so it does not
// belong to any of their contexts.
type flight struct {
	*Keys
	seen *keySet
}

// run fetches nothing for those who saw a set that has been replaced since, or who
// come right after a fetch that failed.
func (f flight) run() (any, error) {
	if f.current.Load() != f.seen {
		return nil, nil
	}
	if f.failedLately() {
		return nil, errKeysPaused
	}
	ctx, cancel := context.WithTimeout(context.Background(), keysFetchDeadline)
	defer cancel()
	fetched, err := f.fetch(ctx)
	if err == nil {
		err = f.adopt(fetched)
	}
	if err != nil {
		f.mu.Lock()
		f.lastFailed = f.now()
		f.mu.Unlock()
	}
	return nil, err
}

// adopt makes the fetched keys the current ones. A key that was there before stays
// the same pointer, so that what was verified with it stays cached.
func (k *Keys) adopt(fetched *clerk.JSONWebKeySet) error {
	before := k.current.Load()
	next := &keySet{byID: make(map[string]*clerk.JSONWebKey), fetched: k.now()}
	for _, key := range fetched.Keys {
		if key == nil || key.KeyID == "" || key.Algorithm != "RS256" {
			continue
		}
		public, ok := key.Key.(*rsa.PublicKey)
		if !ok || public.N.BitLen() < rsaBitsMin {
			continue
		}
		if before != nil {
			if old := before.byID[key.KeyID]; old != nil && public.Equal(old.Key) {
				key = old
			}
		}
		next.byID[key.KeyID] = key
	}
	if len(next.byID) == 0 {
		return errors.New("the key set holds no RS256 key")
	}
	k.current.Store(next)
	return nil
}

func (k *Keys) failedLately() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.now().Sub(k.lastFailed) < keysRetryPause
}

// mayAsk tells whether the pause since *last is over, and if so starts it anew.
func (k *Keys) mayAsk(last *time.Time, pause time.Duration) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if now := k.now(); now.Sub(*last) >= pause {
		*last = now
		return true
	}
	return false
}
