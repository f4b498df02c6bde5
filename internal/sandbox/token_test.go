package sandbox_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/teamtask/teamtask/internal/sandbox"
)

func TestTTLMovesTheExpiry(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_800_000_000, 0)
	_, base := serve(t, sandbox.Options{Now: func() time.Time { return now }})
	for _, c := range []struct {
		ttl          string
		issued, ends float64 // seconds from now
	}{
		{"1", 0, 1}, {"60", 0, 60}, {"3601", 0, 3601}, {"86400", 0, 86400}, {"0", -60, 0}, {"-1", -61, -1}, {"-86400", -86460, -86400},
	} {
		a := send(t, http.MethodGet, base+"/sandbox/token?user=alice&ttl="+c.ttl, "")
		_, claims := parts(t, a.body)
		at := float64(now.Unix())
		if claims["iat"] != at+c.issued || claims["exp"] != at+c.ends || claims["nbf"] != at+c.issued-10 {
			t.Errorf("ttl %s: claims = %v", c.ttl, claims)
		}
	}
}

func TestNegativeTTLIsExpired(t *testing.T) {
	t.Parallel()
	s, _ := serve(t, sandbox.Options{})
	_, err := verify(t, s, token(t, s, sandbox.TokenRequest{User: "alice", TTL: -time.Second}), publishedKeys(t.Context(), t, s)[0])
	if err == nil || !strings.Contains(err.Error(), "expired") {
		t.Errorf("error = %v, want expired", err)
	}
}

func TestTheCategoryIsTheOneAskedFor(t *testing.T) {
	t.Parallel()
	_, base := serve(t, sandbox.Options{})
	for query, want := range map[string]any{
		"":                     "cl_B7d4PD111AAA",
		"&cat=":                "cl_B7d4PD111AAA",
		"&cat=cl_I7d4PD111III": "cl_I7d4PD111III",
		"&cat=cl_B7d4PD222AAA": "cl_B7d4PD222AAA",
		"&cat=none":            nil,
	} {
		a := send(t, http.MethodGet, base+"/sandbox/token?user=alice"+query, "")
		header, _ := parts(t, a.body)
		if header["cat"] != want {
			t.Errorf("%q: cat = %v, want %v", query, header["cat"], want)
		}
	}
}

func TestTokenRefusals(t *testing.T) {
	t.Parallel()
	_, base := serve(t, sandbox.Options{})
	for _, c := range []struct {
		query string
		want  int
	}{
		{"user=zoe", 404},
		{"user=Alice", 404},
		{"user=user_user_alice", 404},
		{"user=alice&org=nowhere", 404},
		{"user=alice&org=D2-Gamers", 404},
		{"user=zoe&org=nowhere", 404},
		{"user=alice&org=acme", 403},
		{"user=erin&org=org_d2gamers", 403},
		{"", 400},
		{"user=", 400},
		{"org=d2-gamers", 400},
		{"user=alice&v=0", 400},
		{"user=alice&v=3", 400},
		{"user=alice&v=", 400},
		{"user=alice&v=02", 400},
		{"user=alice&v=two", 400},
		{"user=alice&ttl=", 400},
		{"user=alice&ttl=1.5", 400},
		{"user=alice&ttl=60s", 400},
		{"user=alice&ttl=86401", 400},
		{"user=alice&ttl=-86401", 400},
		{"user=alice&ttl=36028797018964028", 400}, // 60 s when counted in 64-bit nanoseconds
		{"user=alice&ttl=99999999999999999999", 400},
		{"user=alice&user=alice", 400},
		{"user=alice&org=&org=acme", 400},
		{"user=alice&v=2&v=2", 400},
		{"user=alice&ttl=60&ttl=60", 400},
		{"user=alice&organization=d2-gamers", 400},
		{"user=alice&org=%zz", 400},
		{"user=alice;org=acme", 400},
	} {
		a := send(t, http.MethodGet, base+"/sandbox/token?"+c.query, "")
		if a.status != c.want || !strings.HasPrefix(a.header.Get("Content-Type"), "text/plain") {
			t.Errorf("%q: answer = %d %s %q, want %d", c.query, a.status, a.header.Get("Content-Type"), a.body, c.want)
		}
		if !regexp.MustCompile(`^[^.\n]+\.\n$`).MatchString(a.body) {
			t.Errorf("%q: body = %q, want one sentence", c.query, a.body)
		}
	}
}

func TestTokenRequestRefusals(t *testing.T) {
	t.Parallel()
	s, _ := serve(t, sandbox.Options{})
	for _, r := range []sandbox.TokenRequest{
		{},
		{User: "zoe"},
		{User: "alice", Org: "nowhere"},
		{User: "alice", Org: "acme"},
		{User: "alice", Version: 3},
		{User: "alice", Version: -1},
		{User: "alice", TTL: 1500 * time.Millisecond},
		{User: "alice", TTL: 24*time.Hour + time.Second},
		{User: "alice", TTL: -24*time.Hour - time.Second},
	} {
		if _, err := s.Token(r); err == nil {
			t.Errorf("Token(%+v): signed", r)
		}
		if _, err := s.Claims(r); err == nil {
			t.Errorf("Claims(%+v): answered", r)
		}
	}
}

// A frontend in development signs in from its own origin, and many add headers of tracing.
func TestPagesOfAnyOriginMayAskForATokenAndForNothingElse(t *testing.T) {
	t.Parallel()
	_, base := serve(t, sandbox.Options{})
	for path, want := range map[string]string{
		"/sandbox/token?user=alice&org=d2-gamers": "*",
		"/sandbox/token?user=nobody":              "*", // the refusal can be read too
		"/sandbox/webhooks":                       "",
		"/clerk/v1/users":                         "",
	} {
		if got := send(t, http.MethodGet, base+path, "").header.Get("Access-Control-Allow-Origin"); got != want {
			t.Errorf("%s: Access-Control-Allow-Origin = %q, want %q", path, got, want)
		}
	}
	preflight := send(t, http.MethodOptions, base+"/sandbox/token?user=alice", "")
	if preflight.status != http.StatusNoContent || preflight.header.Get("Access-Control-Allow-Headers") != "*" || preflight.header.Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("preflight: %d %v", preflight.status, preflight.header)
	}
}
