package token_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/teamtask/teamtask/internal/sandbox"
	"github.com/teamtask/teamtask/internal/sandbox/sandboxtest"
)

func TestTTLMovesTheExpiry(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_800_000_000, 0)
	_, base := sandboxtest.Serve(t, sandbox.Options{Now: func() time.Time { return now }})
	for _, c := range []struct {
		ttl          string
		issued, ends float64 // seconds from now
	}{
		{"1", 0, 1}, {"60", 0, 60}, {"3601", 0, 3601}, {"86400", 0, 86400}, {"0", -60, 0}, {"-1", -61, -1}, {"-86400", -86460, -86400},
	} {
		a := sandboxtest.Send(t, http.MethodGet, base+"/sandbox/token?user=alice&ttl="+c.ttl, "")
		_, claims := sandboxtest.TokenParts(t, a.Body)
		at := float64(now.Unix())
		if claims["iat"] != at+c.issued || claims["exp"] != at+c.ends || claims["nbf"] != at+c.issued-10 {
			t.Errorf("ttl %s: claims = %v", c.ttl, claims)
		}
	}
}

func TestNegativeTTLIsExpired(t *testing.T) {
	t.Parallel()
	s, _ := sandboxtest.Serve(t, sandbox.Options{})
	_, err := sandboxtest.VerifyToken(t, s, sandboxtest.Token(t, s, sandbox.TokenRequest{User: "alice", TTL: -time.Second}), sandboxtest.PublishedKeys(t.Context(), t, s)[0])
	if err == nil || !strings.Contains(err.Error(), "expired") {
		t.Errorf("error = %v, want expired", err)
	}
}

func TestTheCategoryIsTheOneAskedFor(t *testing.T) {
	t.Parallel()
	_, base := sandboxtest.Serve(t, sandbox.Options{})
	for query, want := range map[string]any{
		"":                     "cl_B7d4PD111AAA",
		"&cat=":                "cl_B7d4PD111AAA",
		"&cat=cl_I7d4PD111III": "cl_I7d4PD111III",
		"&cat=cl_B7d4PD222AAA": "cl_B7d4PD222AAA",
		"&cat=none":            nil,
	} {
		a := sandboxtest.Send(t, http.MethodGet, base+"/sandbox/token?user=alice"+query, "")
		header, _ := sandboxtest.TokenParts(t, a.Body)
		if header["cat"] != want {
			t.Errorf("%q: cat = %v, want %v", query, header["cat"], want)
		}
	}
}

func TestTokenRefusals(t *testing.T) {
	t.Parallel()
	_, base := sandboxtest.Serve(t, sandbox.Options{})
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
		a := sandboxtest.Send(t, http.MethodGet, base+"/sandbox/token?"+c.query, "")
		if a.Status != c.want || !strings.HasPrefix(a.Header.Get("Content-Type"), "text/plain") {
			t.Errorf("%q: answer = %d %s %q, want %d", c.query, a.Status, a.Header.Get("Content-Type"), a.Body, c.want)
		}
		if !regexp.MustCompile(`^[^.\n]+\.\n$`).MatchString(a.Body) {
			t.Errorf("%q: body = %q, want one sentence", c.query, a.Body)
		}
	}
}

func TestTokenRequestRefusals(t *testing.T) {
	t.Parallel()
	s, _ := sandboxtest.Serve(t, sandbox.Options{})
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
