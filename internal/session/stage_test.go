package session_test

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/teamtask/teamtask/internal/fault"
	"github.com/teamtask/teamtask/internal/sandbox"
	"github.com/teamtask/teamtask/internal/session"
	"github.com/teamtask/teamtask/internal/tenancy"
)

const stageParty = "https://app.teamtask.test"

// stageStart is when the clock of a stage stands still at first.
var stageStart = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// stageSandbox is shared by all stages that do not rotate its key: making one takes a while.
var stageSandbox = sync.OnceValues(func() (*sandbox.Sandbox, error) {
	return sandbox.New(sandbox.Options{
		BaseURL:         "http://clerk.test",
		AuthorizedParty: stageParty,
		Now:             func() time.Time { return stageStart },
	})
})

// strangerKey is an RSA key that nobody publishes.
var strangerKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

// stage is a sandbox and a verifier of its tokens, on a clock moved by hand.
type stage struct {
	testing.TB
	*sandbox.Sandbox
	*session.Verifier
	clock *handClock
}

// newStage makes a verifier that has the sandbox's key as PEM, with changed rules where change is not nil.
func newStage(tb testing.TB, change func(*session.Verification)) *stage {
	tb.Helper()
	s, err := stageSandbox()
	if err != nil {
		tb.Fatal(err)
	}
	keys, err := session.KeysFromPEM(s.PublicKeyPEM())
	if err != nil {
		tb.Fatal(err)
	}
	st := &stage{TB: tb, Sandbox: s, clock: newHandClock()}
	v := session.Verification{Issuer: s.Issuer(), Now: st.clock.Now}
	if change != nil {
		change(&v)
	}
	st.Verifier = session.NewVerifier(keys, v)
	return st
}

// token is alice's in her organization, version 2, with changed claims where change is not nil.
func (s *stage) token(change func(claims map[string]any)) string {
	s.Helper()
	return s.signed(nil, change)
}

// with is token with one claim set, or left out where the value is nil.
func (s *stage) with(name string, value any) string {
	s.Helper()
	return s.token(func(claims map[string]any) {
		claims[name] = value
		if value == nil {
			delete(claims, name)
		}
	})
}

func (s *stage) signed(header map[string]any, change func(claims map[string]any)) string {
	s.Helper()
	claims, err := s.Claims(sandbox.TokenRequest{User: "alice", Org: "d2-gamers"})
	if err != nil {
		s.Fatal(err)
	}
	if change != nil {
		change(claims)
	}
	return s.sign(header, claims)
}

func (s *stage) sign(header, claims map[string]any) string {
	s.Helper()
	token, err := s.Sign(header, claims)
	if err != nil {
		s.Fatal(err)
	}
	return token
}

func (s *stage) verify(token string) (*tenancy.Actor, error) {
	return s.Verify(s.Context(), bearerHeader(token))
}

// accept wants the token accepted.
func (s *stage) accept(name, token string) *tenancy.Actor {
	s.Helper()
	actor, err := s.verify(token)
	if err != nil || actor == nil {
		s.Fatalf("%s: refused: %v", name, err)
	}
	return actor
}

// refuse wants the token refused.
func (s *stage) refuse(name, token string) {
	s.Helper()
	actor, err := s.verify(token)
	s.wantUnauthenticated(name, actor, err)
}

// wantUnauthenticated wants no actor, and whatever the cause the one fault with the one text for the caller.
func (s *stage) wantUnauthenticated(name string, actor *tenancy.Actor, err error) {
	s.Helper()
	if actor != nil || !errors.Is(err, session.Unauthenticated) {
		s.Errorf("%s: got %v, %v; want no actor and Unauthenticated", name, actor, err)
		return
	}
	if got, want := publicWords(err), session.Unauthenticated.Error(); got != want {
		s.Errorf("%s: the caller reads %q, want %q", name, got, want)
	}
}

// publicWords is what the caller reads of err: its fault without the cause.
func publicWords(err error) string {
	f := fault.Of(err)
	if f == nil {
		return "internal error"
	}
	return f.Because(nil).Error()
}

func bearerHeader(token string) http.Header {
	return http.Header{"Authorization": {"Bearer " + token}}
}

// handClock is a clock moved by hand, safe to share.
type handClock struct{ ahead atomic.Int64 }

func newHandClock() *handClock { return &handClock{} }

func (c *handClock) Now() time.Time { return stageStart.Add(time.Duration(c.ahead.Load())) }

// at sets the time since stageStart.
func (c *handClock) at(d time.Duration) { c.ahead.Store(int64(d)) }

func (c *handClock) forward(d time.Duration) { c.ahead.Add(int64(d)) }

// compact puts a token together by hand; the signature is made of what is signed.
func compact(header map[string]any, payload string, sign func(input string) []byte) string {
	raw, err := json.Marshal(header)
	if err != nil {
		panic(err) // maps of the tests can be encoded
	}
	input := base64.RawURLEncoding.EncodeToString(raw) + "." + payload
	return input + "." + base64.RawURLEncoding.EncodeToString(sign(input))
}

// payloadOf is the second segment of a token, still encoded.
func payloadOf(token string) string { return strings.Split(token, ".")[1] }
