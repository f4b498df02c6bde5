package sandbox_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/clerk/clerk-sdk-go/v2"
	"github.com/clerk/clerk-sdk-go/v2/jwks"
	"github.com/clerk/clerk-sdk-go/v2/jwt"

	"github.com/teamtask/teamtask/internal/sandbox"
)

// serve starts a sandbox on a port of its own; o.BaseURL is overwritten.
func serve(t *testing.T, o sandbox.Options) (*sandbox.Sandbox, string) {
	t.Helper()
	server := httptest.NewUnstartedServer(nil)
	o.BaseURL = "http://" + server.Listener.Addr().String()
	s, err := sandbox.New(o)
	if err != nil {
		server.Listener.Close()
		t.Fatal(err)
	}
	server.Config.Handler = s.Handler()
	server.Start()
	t.Cleanup(server.Close)
	return s, o.BaseURL
}

type answer struct {
	status int
	header http.Header
	body   string
}

// send makes one request. It may be called from any goroutine of the test.
func send(t *testing.T, method, url, authorization string) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Error(err)
		return answer{}
	}
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	return do(t, r)
}

func do(t *testing.T, r *http.Request) answer {
	t.Helper()
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Error(err)
		return answer{}
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Error(err)
	}
	return answer{response.StatusCode, response.Header, string(body)}
}

// order makes a control request with a JSON body and checks the status of the answer.
func order(t *testing.T, method, url, body string, status int) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Error(err)
		return answer{}
	}
	a := do(t, r)
	if a.status != status {
		t.Errorf("%s %s %s: %d %s, want %d", method, url, body, a.status, a.body, status)
	}
	return a
}

// handClock is a clock that is moved by hand.
type handClock struct {
	mu  sync.Mutex
	now time.Time
}

func newHandClock() *handClock { return &handClock{now: time.Unix(1_800_000_000, 0)} }

func (c *handClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *handClock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// publishedKeys reads the key set as the SDK does, through the Backend API.
func publishedKeys(ctx context.Context, t *testing.T, s *sandbox.Sandbox) []*clerk.JSONWebKey {
	t.Helper()
	url, key := s.Issuer()+"/v1", s.SecretKey()
	set, err := jwks.NewClient(&clerk.ClientConfig{BackendConfig: clerk.BackendConfig{URL: &url, Key: &key}}).Get(ctx, &jwks.GetParams{})
	if err != nil {
		t.Fatal(err)
	}
	return set.Keys
}

func sameSet(got, want []string) bool {
	got, want = slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(want))
	return strings.Join(got, " ") == strings.Join(want, " ")
}

// verify checks a token as the server's SDK does.
func verify(t *testing.T, s *sandbox.Sandbox, token string, key *clerk.JSONWebKey) (*clerk.SessionClaims, error) {
	t.Helper()
	issuer := s.Issuer()
	return jwt.Verify(t.Context(), &jwt.VerifyParams{Token: token, JWK: key, ProxyURL: &issuer})
}

func token(t *testing.T, s *sandbox.Sandbox, r sandbox.TokenRequest) string {
	t.Helper()
	signed, err := s.Token(r)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

// parts reads header and claims of a token without looking at the signature.
func parts(t *testing.T, token string) (header, claims map[string]any) {
	t.Helper()
	pieces := strings.Split(token, ".")
	if len(pieces) != 3 {
		t.Fatalf("token %q has %d parts, want 3", token, len(pieces))
	}
	for i, into := range []*map[string]any{&header, &claims} {
		raw, err := base64.RawURLEncoding.DecodeString(pieces[i])
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(raw, into); err != nil {
			t.Fatal(err)
		}
	}
	return header, claims
}
