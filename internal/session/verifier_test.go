package session_test

import (
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/teamtask/teamtask/internal/sandbox"
	"github.com/teamtask/teamtask/internal/session"
	"github.com/teamtask/teamtask/internal/tenancy"
)

// One header with one token; the scheme without case, as RFC 9110 section 11.1 has it.
func TestOnlyOneHeaderFormIsRead(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	token := s.token(nil)
	for _, c := range []struct {
		name   string
		header http.Header
		ok     bool
	}{
		{"Bearer and the token", http.Header{"Authorization": {"Bearer " + token}}, true},
		{"with other headers", http.Header{"Authorization": {"Bearer " + token}, "Cookie": {"__session=x"}}, true},
		{"no header", http.Header{}, false},
		{"nil header", nil, false},
		{"no value", http.Header{"Authorization": {}}, false},
		{"empty value", http.Header{"Authorization": {""}}, false},
		{"the token alone", http.Header{"Authorization": {token}}, false},
		{"Bearer alone", http.Header{"Authorization": {"Bearer"}}, false},
		{"Bearer and a space", http.Header{"Authorization": {"Bearer "}}, false},
		{"bearer", http.Header{"Authorization": {"bearer " + token}}, true},
		{"BEARER", http.Header{"Authorization": {"BEARER " + token}}, true},
		{"bEaReR", http.Header{"Authorization": {"bEaReR " + token}}, true},
		{"two spaces", http.Header{"Authorization": {"Bearer  " + token}}, true},
		{"many spaces", http.Header{"Authorization": {"bearer" + strings.Repeat(" ", 40) + token}}, true},
		{"spaces alone", http.Header{"Authorization": {"Bearer    "}}, false},
		{"no space", http.Header{"Authorization": {"Bearer" + token}}, false},
		{"a letter more", http.Header{"Authorization": {"Bearers " + token}}, false},
		{"a letter that folds to r", http.Header{"Authorization": {"Bea\u017fer " + token}}, false},
		{"a space, a tab", http.Header{"Authorization": {"Bearer \t" + token}}, false},
		{"a no-break space", http.Header{"Authorization": {"Bearer\u00a0" + token}}, false},
		{"two tokens", http.Header{"Authorization": {"Bearer " + token + " " + token}}, false},
		{"a tab and a second token", http.Header{"Authorization": {"Bearer " + token + "\t" + token}}, false},
		{"padding in the middle", http.Header{"Authorization": {"Bearer a=" + token}}, false},
		{"a parameter", http.Header{"Authorization": {"Bearer token=" + token}}, false},
		{"a quoted token", http.Header{"Authorization": {`Bearer "` + token + `"`}}, false},
		{"a tab", http.Header{"Authorization": {"Bearer\t" + token}}, false},
		{"a space before", http.Header{"Authorization": {" Bearer " + token}}, false},
		{"a space behind", http.Header{"Authorization": {"Bearer " + token + " "}}, false},
		{"a colon", http.Header{"Authorization": {"Bearer: " + token}}, false},
		{"Basic", http.Header{"Authorization": {"Basic " + base64.StdEncoding.EncodeToString([]byte("user:"+token))}}, false},
		{"Token", http.Header{"Authorization": {"Token " + token}}, false},
		{"Bearer twice", http.Header{"Authorization": {"Bearer " + "Bearer " + token}}, false},
		{"comma list", http.Header{"Authorization": {"Bearer " + token + ",Bearer " + token}}, false},
		{"comma list with a space", http.Header{"Authorization": {"Bearer " + token + ", Bearer " + token}}, false},
		{"comma at the end", http.Header{"Authorization": {"Bearer " + token + ","}}, false},
		{"the same header twice", http.Header{"Authorization": {"Bearer " + token, "Bearer " + token}}, false},
		{"two headers, the first good", http.Header{"Authorization": {"Bearer " + token, "Basic x"}}, false},
		{"two headers, the second good", http.Header{"Authorization": {"", "Bearer " + token}}, false},
		{"the session cookie", http.Header{"Cookie": {"__session=" + token}}, false},
		{"another header", http.Header{"X-Authorization": {"Bearer " + token}}, false},
	} {
		actor, err := s.Verify(t.Context(), c.header)
		if !c.ok {
			s.wantUnauthenticated(c.name, actor, err)
		} else if err != nil || actor.User != "user_alice" {
			t.Errorf("%s: got %v, %v; want alice", c.name, actor, err)
		}
	}
}

func TestActorIsWhatTheTokenSays(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	got := *s.accept("alice", s.token(nil))
	want := tenancy.Actor{
		User:         "user_alice",
		Session:      "sess_alice",
		Tenant:       "org_d2gamers",
		Organization: tenancy.Organization{ID: "org_d2gamers", Slug: "d2-gamers"},
		Role:         "org:manager",
		Permissions:  tenancy.TasksView | tenancy.TasksEdit | tenancy.TasksManage | tenancy.MembersView,
		IssuedAt:     stageStart,
		Licensed:     true,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("actor (-want +got):\n%s", diff)
	}
}

// The expiry governs, nothing else does. The clock is moved past the edge to the second.
func TestCachedTokenEndsWithItsExpiry(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	token := s.token(nil) // lives for 60 s
	for _, c := range []struct {
		at time.Duration
		ok bool
	}{
		{0, true},
		{time.Second, true},
		{60 * time.Second, true},
		{65 * time.Second, true}, // the skew included
		{65*time.Second + 1, false},
		{66 * time.Second, false},
		{24 * time.Hour, false},
	} {
		s.clock.at(c.at)
		if c.ok {
			s.accept(c.at.String(), token)
		} else {
			s.refuse(c.at.String(), token)
		}
	}
	if got, bytes := s.CacheSize(); got != 0 || bytes != 0 {
		t.Errorf("after its expiry %d tokens in %d bytes are cached, want none", got, bytes)
	}
}

func TestOneTokenIsCachedOnce(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	one, other := s.token(nil), s.with("sid", "sess_other")
	first := s.accept("first", one)
	if second := s.accept("second", one); second != first {
		t.Error("the same token was decoded twice")
	}
	if got := s.accept("other", other); got == first || got.Session != "sess_other" {
		t.Errorf("another token has the session %s", got.Session)
	}
	s.refuse("garbage", "a.b.c")
	s.refuse("expired", s.with("exp", stageStart.Unix()-60))
	if got, _ := s.CacheSize(); got != 2 {
		t.Errorf("%d tokens are cached, want the 2 that were accepted", got)
	}
}

func TestRefusalsTellTheCallerNoCause(t *testing.T) {
	t.Parallel()
	s := newStage(t, func(v *session.Verification) { v.Parties = []string{stageParty} })
	good := s.token(nil)
	s.accept("good", good)
	causes := map[string]bool{}
	for name, token := range map[string]string{
		"form":      "x",
		"signature": good[:len(good)-2] + "AA",
		"alg":       strings.Replace(good, good[:strings.Index(good, ".")], "eyJhbGciOiJub25lIn0", 1),
		"exp":       s.with("exp", 1),
		"iss":       s.with("iss", "https://clerk.evil.test"),
		"azp":       s.with("azp", "https://evil.test"),
		"sts":       s.with("sts", "pending"),
		"sub":       s.with("sub", nil),
		"v":         s.with("v", 3),
	} {
		s.refuse(name, token)
		_, err := s.verify(token)
		if strings.Contains(err.Error(), token) {
			t.Errorf("%s: the log would show the token: %v", name, err)
		}
		causes[err.Error()] = true
	}
	if len(causes) < 8 {
		t.Errorf("the log tells only %d causes apart", len(causes))
	}
}

func TestImpersonationIsRefusedWhereItIsOff(t *testing.T) {
	t.Parallel()
	off := newStage(t, nil)
	on := newStage(t, func(v *session.Verification) { v.AllowImpersonation = true })
	acting := func(act any) string { return off.with("act", act) }
	token := acting(map[string]any{"iss": "https://dashboard.clerk.com", "sid": "sess_root", "sub": "user_root"})
	if actor, err := off.verify(token); actor != nil || publicWords(err) != session.ImpersonationNotAllowed.Error() {
		t.Errorf("off: got %v, %v; want ImpersonationNotAllowed", actor, err)
	}
	if got := on.accept("on", token); got.Impersonator != "user_root" || got.User != "user_alice" {
		t.Errorf("on: %s acts as %s, want user_root as user_alice", got.Impersonator, got.User)
	}
	for name, act := range map[string]any{
		"empty object": map[string]any{}, "no sub": map[string]any{"sid": "sess_root"}, "empty sub": map[string]any{"sub": ""},
		"sub a number": map[string]any{"sub": 7}, "a string": "user_root", "a list": []string{"user_root"}, "false": false,
		"sub too long": map[string]any{"sub": strings.Repeat("u", 256)},
	} {
		on.refuse(name, acting(act))
		off.refuse(name, acting(act))
	}
	off.accept("nobody acts", off.token(nil))
}

func TestPersonalWorkspaceIsItsOwnTenant(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	for version := 1; version <= 2; version++ {
		claims, err := s.Claims(sandbox.TokenRequest{User: "frank", Version: version})
		if err != nil {
			t.Fatal(err)
		}
		claims["org_metadata"] = map[string]any{"isLicensed": true} // means nothing without an organization
		got := *s.accept("frank", s.sign(nil, claims))
		want := tenancy.Actor{User: "user_frank", Session: "sess_frank", Tenant: "user_frank", IssuedAt: stageStart}
		if diff := cmp.Diff(want, got); diff != "" || !got.Personal() {
			t.Errorf("version %d, personal %v (-want +got):\n%s", version, got.Personal(), diff)
		}
	}
}
