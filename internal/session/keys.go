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
	"time"

	"github.com/clerk/clerk-sdk-go/v2"
	"github.com/clerk/clerk-sdk-go/v2/jwks"

	"github.com/teamtask/teamtask/internal/cached"
	"github.com/teamtask/teamtask/internal/fault"
)

const (
	keysRefreshAfter  = 5 * time.Minute // a key set older than this is fetched again in the background
	keysAgeMax        = time.Hour       // a key set older than this is not used; one of this age still is
	keysUnknownPause  = time.Minute     // between fetches because of unknown key ids
	keysRetryPause    = 5 * time.Second // between fetches that fail
	keysFetchDeadline = 5 * time.Second // of one fetch
	keyIDMax          = 128             // bytes
	rsaBitsMin        = 2048            // of a signing key
)

var (
	errKeyUnknown = errors.New("no such signing key")
)

// Keys are the public keys that session tokens are signed with: one given at start, or the key
// set of Clerk's Backend API, fetched when needed. Keys are safe to share.
type Keys struct {
	fixed *clerk.JSONWebKey // nil: fetched

	now func() time.Time
	set *cached.Value[*keySet]

	mu          sync.Mutex
	lastUnknown time.Time // when a fetch because of an unknown key id began last
}

// keySet is a key set as it was fetched. It does not change.
type keySet struct{ byID map[string]*clerk.JSONWebKey }

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
	return fetchedKeys(now, func(ctx context.Context) (*clerk.JSONWebKeySet, error) {
		return client.Get(ctx, &jwks.GetParams{})
	})
}

func fetchedKeys(now func() time.Time, fetch func(context.Context) (*clerk.JSONWebKeySet, error)) *Keys {
	return &Keys{now: now, set: cached.New(cached.Options[*keySet]{
		Fetch: func(ctx context.Context, before *keySet) (*keySet, error) {
			fetched, err := fetch(ctx)
			if err != nil {
				return nil, err
			}
			return adopted(fetched, before)
		},
		Within: keysFetchDeadline, FreshFor: keysRefreshAfter, UsableFor: keysAgeMax + 1, Retry: keysRetryPause, Now: now,
	})}
}

// find returns the key of that id. It fetches the key set if there is none young enough, and
// once more, at most once a minute, for an id that is not in it. Without a usable key set it
// returns fault.ProviderUnavailable, or the context's error if the context ended first.
func (k *Keys) find(ctx context.Context, id string) (*clerk.JSONWebKey, error) {
	if k.fixed != nil {
		return k.fixed, nil
	}
	if id == "" || len(id) > keyIDMax {
		return nil, errKeyUnknown
	}
	set, ok := k.set.Peek()
	if ok {
		if key := set.byID[id]; key != nil {
			return key, nil
		}
		if k.set.Paused() || !k.mayFetchUnknown() {
			return nil, errKeyUnknown
		}
		_ = k.set.Renew(ctx, func(now *keySet) bool { return now != set }) // if it fails, the present set decides
		set, ok = k.set.Peek()
	}
	if !ok {
		var err error
		if set, err = k.set.Get(ctx); err != nil && ctx.Err() != nil {
			return nil, fmt.Errorf("wait for the key set: %w", ctx.Err())
		} else if err != nil {
			return nil, fault.ProviderUnavailable.Because(fmt.Errorf("fetch the key set: %w", err))
		}
	}
	if key := set.byID[id]; key != nil {
		return key, nil
	}
	return nil, errKeyUnknown
}

// holds reports whether key still is the key of that id in a key set young enough to be used.
// It does not wait for the network.
func (k *Keys) holds(id string, key *clerk.JSONWebKey) bool {
	if k.fixed != nil {
		return key == k.fixed
	}
	set, ok := k.set.Peek()
	return ok && set.byID[id] == key
}

// adopted returns the usable keys of a fetched set. A key that was there before stays the same
// pointer, so that what was verified with it stays cached.
func adopted(fetched *clerk.JSONWebKeySet, before *keySet) (*keySet, error) {
	next := &keySet{byID: make(map[string]*clerk.JSONWebKey, len(fetched.Keys))}
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
		return nil, errors.New("the key set holds no RS256 key")
	}
	return next, nil
}

// mayFetchUnknown reports whether the pause since the last fetch because of an unknown key id
// is over, and if so begins it again.
func (k *Keys) mayFetchUnknown() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if now := k.now(); now.Sub(k.lastUnknown) >= keysUnknownPause {
		k.lastUnknown = now
		return true
	}
	return false
}
