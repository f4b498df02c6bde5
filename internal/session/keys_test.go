package session_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"

	"github.com/teamtask/teamtask/internal/fault"
	"github.com/teamtask/teamtask/internal/sandbox"
	"github.com/teamtask/teamtask/internal/session"
)

// fetchingStage is a stage whose verifier fetches the key set over HTTP from a sandbox of its own, through a door that can
// answer something else.
type fetchingStage struct {
	*stage
	rules session.Verification
	url   string

	mu   sync.Mutex
	door http.HandlerFunc // nil: the sandbox answers
	asks []string         // method and address of each request
}

func newFetchingStage(tb testing.TB) *fetchingStage {
	tb.Helper()
	f := &fetchingStage{}
	server := httptest.NewUnstartedServer(f)
	f.url = "http://" + server.Listener.Addr().String()
	clock := newHandClock()
	s, err := sandbox.New(sandbox.Options{BaseURL: f.url, Now: clock.Now, AuthorizedParty: stageParty})
	if err != nil {
		tb.Fatal(err)
	}
	f.stage = &stage{TB: tb, Sandbox: s, clock: clock}
	f.rules = session.Verification{Issuer: s.Issuer(), Now: clock.Now}
	f.restart()
	server.Start()
	tb.Cleanup(server.Close)
	return f
}

// restart replaces the verifier by one that has fetched nothing yet.
func (f *fetchingStage) restart() {
	f.Verifier = session.NewVerifier(session.KeysFromAPI(f.url+"/clerk/v1", f.SecretKey(), f.clock.Now), f.rules)
}

func (f *fetchingStage) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	f.asks = append(f.asks, r.Method+" "+r.URL.String())
	door := f.door
	f.mu.Unlock()
	if door == nil {
		door = f.Handler().ServeHTTP
	}
	door(w, r)
}

// answer makes the door answer, or the sandbox again where it is nil.
func (f *fetchingStage) answer(door http.HandlerFunc) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.door = door
}

func (f *fetchingStage) fetches() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.asks)
}

// unavailable wants the token neither accepted nor called bad.
func (f *fetchingStage) unavailable(name, token string) {
	f.Helper()
	actor, err := f.verify(token)
	if actor != nil || !errors.Is(err, fault.ProviderUnavailable) {
		f.Errorf("%s: got %v, %v; want ProviderUnavailable", name, actor, err)
	}
}

func (f *fetchingStage) rotate() {
	f.Helper()
	if err := f.RotateKey(); err != nil {
		f.Fatal(err)
	}
}

func TestRotatedKeyIsAcceptedAfterOneFetch(t *testing.T) {
	t.Parallel()
	f := newFetchingStage(t)
	old := f.token(nil)
	f.accept("before", old)
	f.rotate()
	f.accept("after", f.token(nil))
	f.accept("after, another", f.with("sid", "sess_other"))
	if got, want := f.JWKSFetches(), 2; got != want {
		t.Errorf("%d fetches, want %d", got, want)
	}
	// The old key is gone with the fetch, for the cached token as well.
	f.refuse("the old token", old)
	if got, want := f.JWKSFetches(), 2; got != want {
		t.Errorf("%d fetches after the old token, want %d", got, want)
	}
}

func TestUnknownKeysCauseOneFetchAMinute(t *testing.T) {
	t.Parallel()
	f := newFetchingStage(t)
	f.accept("good", f.token(nil))
	claims := payloadOf(f.token(nil))
	unknown := func(name string) {
		header := map[string]any{"alg": "RS256", "kid": name, "typ": "JWT"}
		f.refuse(name, compact(header, claims, func(string) []byte { return make([]byte, 256) }))
	}
	for i := range 1000 {
		unknown(fmt.Sprintf("ins_%d", i))
	}
	if got, want := f.fetches(), 2; got != want {
		t.Errorf("1,000 unknown kids after the first fetch: %d fetches, want %d", got, want)
	}
	f.clock.at(59 * time.Second)
	unknown("ins_59s")
	if got, want := f.fetches(), 2; got != want {
		t.Errorf("within the minute: %d fetches, want %d", got, want)
	}
	f.clock.at(61 * time.Second)
	unknown("ins_61s")
	unknown("ins_61s again")
	if got, want := f.fetches(), 3; got != want {
		t.Errorf("after the minute: %d fetches, want %d", got, want)
	}
	f.accept("good", f.token(nil))
}

// A key id is compared and nothing else.
func TestKeyIDIsNoPathOrQuery(t *testing.T) {
	t.Parallel()
	f := newFetchingStage(t)
	for i, id := range []any{
		"", nil, "ins_unknown", "../../dev/null", "/etc/passwd", "..", "?x=y", "#", "%2e%2e", f.url, "' OR 1=1 --", "'; DROP TABLE tasks; --",
		"\x00", "\r\nHost: evil.test", "${jndi:ldap://evil.test}", f.KeyID() + " ", strings.ToLower(f.KeyID()), strings.Repeat("k", 128),
		strings.Repeat("k", 129), strings.Repeat("k", 5000), strings.Repeat("k", 10<<10), 7, true, []string{f.KeyID()}, map[string]any{"kid": f.KeyID()},
		number("null"),
	} {
		f.clock.forward(2 * time.Minute) // each may cause a fetch
		f.refuse(fmt.Sprintf("kid %d", i), f.signed(map[string]any{"kid": id}, nil))
	}
	f.accept("its own", f.token(nil))
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, ask := range f.asks {
		if ask != "GET /clerk/v1/jwks" {
			t.Errorf("asked for %q", ask)
		}
	}
}

func TestKeyIDThatCannotBeIsNotAskedFor(t *testing.T) {
	t.Parallel()
	f := newFetchingStage(t)
	for _, id := range []any{"", nil, strings.Repeat("k", 129)} {
		f.refuse("kid", f.signed(map[string]any{"kid": id}, nil))
	}
	if got := f.fetches(); got != 0 {
		t.Errorf("%d fetches, want none", got)
	}
	f.refuse("unknown", f.signed(map[string]any{"kid": strings.Repeat("k", 128)}, nil))
	if got := f.fetches(); got == 0 {
		t.Error("no fetch for a key id that can be")
	}
}

func TestFirstRequestsShareOneFetch(t *testing.T) {
	t.Parallel()
	f := newFetchingStage(t)
	token := f.token(nil)
	begin := make(chan struct{})
	var group sync.WaitGroup
	for range 50 {
		group.Go(func() {
			<-begin
			if actor, err := f.verify(token); err != nil || actor.User != "user_alice" {
				t.Errorf("got %v, %v; want alice", actor, err)
			}
		})
	}
	close(begin)
	group.Wait()
	if got := f.fetches(); got != 1 {
		t.Errorf("%d fetches, want 1", got)
	}
}

func says(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}
}

// breaks ends the connection without an answer.
func breaks(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

// What is no key set changes nothing until the age limit, and then nobody is let in.
func TestBrokenKeySetServesTheOldOneToItsAgeLimit(t *testing.T) {
	t.Parallel()
	small, err := json.Marshal(map[string]any{"keys": []any{map[string]any{
		"kty": "RSA", "alg": "RS256", "use": "sig", "kid": "ins_small", "e": "AQAB",
		"n": base64.RawURLEncoding.EncodeToString(new(big.Int).SetBit(big.NewInt(1), 1023, 1).Bytes()),
	}}})
	if err != nil {
		t.Fatal(err)
	}
	for name, door := range map[string]http.HandlerFunc{
		"500":               says(500, `{"errors":[]}`),
		"401":               says(401, `{"errors":[{"code":"clerk_key_invalid","message":"no"}]}`),
		"429":               says(429, ``),
		"empty":             says(200, ``),
		"HTML":              says(200, `<html><body>Bad gateway</body></html>`),
		"half of it":        says(200, `{"keys":[{"kty":"RSA"`),
		"an empty object":   says(200, `{}`),
		"null":              says(200, `null`),
		"no keys":           says(200, `{"keys":[]}`),
		"a null key":        says(200, `{"keys":[null]}`),
		"a shared secret":   says(200, `{"keys":[{"kty":"oct","alg":"HS256","kid":"x","k":"c2VjcmV0"}]}`),
		"a small key":       says(200, string(small)),
		"no answer":         breaks,
		"a redirect":        func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/clerk/v1/jwks", http.StatusFound) },
		"another media":     says(200, `<?xml version="1.0"?><keys/>`),
		"a list, no object": says(200, `[]`),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFetchingStage(t)
			f.answer(door)
			f.unavailable("nothing fetched yet", f.token(nil))
			f.answer(nil)
			f.clock.forward(6 * time.Second)
			early := f.clock.Now()
			f.accept("fetched", f.token(nil))

			f.answer(door)
			for _, age := range []time.Duration{time.Minute, 6 * time.Minute, 30 * time.Minute, time.Hour} {
				f.clock.at(early.Add(age).Sub(stageStart))
				f.accept(age.String(), f.token(nil))
				f.refuse(age.String()+", unknown kid", f.signed(map[string]any{"kid": "ins_unknown"}, nil))
			}
			cached := f.token(nil)
			f.accept("at the limit", cached)
			f.clock.forward(time.Second)
			f.unavailable("over the limit", f.token(nil))
			f.unavailable("over the limit, cached", cached)

			// Two tries: the first may meet a fetch that began before the door opened.
			f.answer(nil)
			for range 2 {
				f.clock.forward(6 * time.Second)
				if actor, err := f.verify(f.token(nil)); err == nil && actor != nil {
					return
				}
			}
			t.Error("the key set is back and tokens are still refused")
		})
	}
}

func TestFailingFetchesArePaused(t *testing.T) {
	t.Parallel()
	f := newFetchingStage(t)
	f.answer(says(500, ""))
	for range 100 {
		f.unavailable("down", f.token(nil))
	}
	if got := f.fetches(); got != 1 {
		t.Errorf("100 requests: %d fetches, want 1", got)
	}
	f.clock.at(4999 * time.Millisecond)
	f.unavailable("in the pause", f.token(nil))
	if got := f.fetches(); got != 1 {
		t.Errorf("in the pause: %d fetches, want 1", got)
	}
	f.clock.at(5 * time.Second)
	f.unavailable("after the pause", f.token(nil))
	if got := f.fetches(); got != 2 {
		t.Errorf("after the pause: %d fetches, want 2", got)
	}
	f.answer(nil)
	f.clock.at(10 * time.Second)
	f.accept("back", f.token(nil))
}

// Who waits gives up with their own deadline, and the next one finds the fetch still on its way.
func TestHangingKeySetHoldsNobodyLongerThanTheyWait(t *testing.T) {
	t.Parallel()
	f := newFetchingStage(t)
	asked, release := make(chan struct{}), make(chan struct{})
	f.answer(func(w http.ResponseWriter, r *http.Request) {
		close(asked)
		<-release
		f.Handler().ServeHTTP(w, r)
	})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-asked
		cancel()
	}()
	actor, err := f.Verify(ctx, bearerHeader(f.token(nil)))
	if actor != nil || !errors.Is(err, context.Canceled) || errors.Is(err, fault.ProviderUnavailable) {
		t.Errorf("given up: got %v, %v; want context.Canceled", actor, err)
	}
	late, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	if actor, err := f.Verify(late, bearerHeader(f.token(nil))); actor != nil || fault.Of(err).Code() != connect.CodeDeadlineExceeded {
		t.Errorf("past the deadline: got %v, %v; want DeadlineExceeded", actor, err)
	}
	close(release)
	f.accept("the same fetch, answered", f.token(nil))
	if got := f.fetches(); got != 1 {
		t.Errorf("%d fetches, want 1", got)
	}
}

// With a key given at start there is no network and no other key, whatever the kid.
func TestGivenKeyNeedsNoNetwork(t *testing.T) {
	t.Parallel()
	f := newFetchingStage(t)
	for name, text := range map[string]string{
		"as it is":           f.PublicKeyPEM(),
		"line breaks as \\n": strings.ReplaceAll(f.PublicKeyPEM(), "\n", `\n`),
		"CR LF":              strings.ReplaceAll(f.PublicKeyPEM(), "\n", "\r\n"),
		"space around":       "\n  \n" + f.PublicKeyPEM() + "\n\n",
	} {
		keys, err := session.KeysFromPEM(text)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		f.Verifier = session.NewVerifier(keys, f.rules)
		f.accept(name, f.token(nil))
		f.accept(name+", another kid", f.signed(map[string]any{"kid": "ins_other"}, nil))
		f.accept(name+", no kid", f.signed(map[string]any{"kid": nil}, nil))
	}
	good := f.token(nil)
	f.rotate()
	f.accept("signed before", good)
	f.refuse("signed with the next key", f.token(nil))
	if got := f.fetches(); got != 0 {
		t.Errorf("%d fetches, want none", got)
	}
}
