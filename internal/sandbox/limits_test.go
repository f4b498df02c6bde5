package sandbox_test

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/clerk/clerk-sdk-go/v2"
	"github.com/clerk/clerk-sdk-go/v2/organizationinvitation"
	"github.com/clerk/clerk-sdk-go/v2/user"

	"github.com/teamtask/teamtask/internal/sandbox"
)

func TestRequestsAreLimitedInAll(t *testing.T) {
	t.Parallel()
	clock := newHandClock()
	b := newBackend(t, sandbox.Options{Now: clock.Now})
	get := func(path string) answer {
		return send(t, http.MethodGet, b.url+"/clerk/v1"+path, "Bearer "+b.SecretKey())
	}
	for i := range 1000 {
		if i == 500 {
			clock.add(3 * time.Second)
		}
		if a := get("/users/user_bob"); a.status != http.StatusOK {
			t.Fatalf("request %d: %d", i+1, a.status)
		}
	}
	if a := get("/organizations"); a.status != 429 || a.header.Get("Retry-After") != "7" || !strings.Contains(a.body, `"too_many_requests"`) {
		t.Errorf("request 1001: %d %v %s", a.status, a.header, a.body)
	}
	if a := get("/jwks"); a.status != http.StatusOK {
		t.Errorf("the key set is limited: %d", a.status)
	}
	if a := send(t, http.MethodGet, b.url+"/clerk/v1/users", ""); a.status != 401 {
		t.Errorf("without a key: %d", a.status)
	}
	clock.add(7*time.Second - time.Millisecond)
	if a := get("/users"); a.status != 429 || a.header.Get("Retry-After") != "1" {
		t.Errorf("a millisecond too early: %d %v", a.status, a.header)
	}
	clock.add(time.Millisecond)
	if a := get("/users"); a.status != http.StatusOK {
		t.Errorf("after the wait: %d", a.status)
	}
}

func TestMetadataIsLimitedByTarget(t *testing.T) {
	t.Parallel()
	clock := newHandClock()
	b := newBackend(t, sandbox.Options{Now: clock.Now})
	for range 10 {
		must[*clerk.OrganizationMembership](t)(b.setMetadata(t, "org_d2gamers", "user_bob", `{}`))
	}
	_, err := b.setMetadata(t, "org_d2gamers", "user_bob", `{}`)
	e := refused(t, "the 11th", err, 429, "too_many_requests")
	if got := e.Response.Header.Get("Retry-After"); got != "10" {
		t.Errorf("Retry-After = %q, want 10", got)
	}
	must[*clerk.OrganizationMembership](t)(b.setMetadata(t, "org_d2gamers", "user_ben", `{}`))
	if _, err := b.users.UpdateMetadata(t.Context(), "user_bob", &user.UpdateMetadataParams{}); err != nil {
		t.Errorf("another target: %v", err)
	}
	clock.add(10 * time.Second)
	must[*clerk.OrganizationMembership](t)(b.setMetadata(t, "org_d2gamers", "user_bob", `{}`))
}

func TestLimitsCanBeLoweredAndSwitchedOff(t *testing.T) {
	t.Parallel()
	clock := newHandClock()
	low := newBackend(t, sandbox.Options{Now: clock.Now, RequestLimit: 2, MetadataLimit: 1})
	must[*clerk.OrganizationMembership](t)(low.setMetadata(t, "org_acme", "user_erin", `{}`))
	_, err := low.setMetadata(t, "org_acme", "user_erin", `{}`)
	refused(t, "the second", err, 429, "too_many_requests")
	_, err = low.users.Get(t.Context(), "user_bob")
	refused(t, "the third", err, 429, "too_many_requests")

	off := newBackend(t, sandbox.Options{Now: clock.Now, RequestLimit: -1, MetadataLimit: -1})
	for range 1100 {
		must[*clerk.OrganizationMembership](t)(off.setMetadata(t, "org_acme", "user_erin", `{}`))
	}
}

func TestInvitationsAreLimitedByTheHour(t *testing.T) {
	t.Parallel()
	clock := newHandClock()
	b := newBackend(t, sandbox.Options{Now: clock.Now})
	invite := func(org string, n int) error {
		_, err := b.invitations.Create(t.Context(), &organizationinvitation.CreateParams{
			OrganizationID: org, EmailAddress: clerk.String("guest" + strconv.Itoa(n) + "@zoo.test"), Role: clerk.String("org:member"),
		})
		return err
	}
	for n := range 250 {
		if n == 1 {
			clock.add(59 * time.Minute)
		}
		if err := invite([]string{"org_acme", "org_d2gamers"}[n%2], n); err != nil {
			t.Fatal(err)
		}
	}
	e := refused(t, "the 251st", invite("org_acme", 250), 429, "too_many_requests")
	if got := e.Response.Header.Get("Retry-After"); got != "60" {
		t.Errorf("Retry-After = %q, want 60", got)
	}
	if _, err := b.invitations.List(t.Context(), &organizationinvitation.ListParams{OrganizationID: "org_acme"}); err != nil {
		t.Errorf("a list is limited: %v", err)
	}
	clock.add(time.Minute)
	if err := invite("org_acme", 250); err != nil {
		t.Errorf("after the wait: %v", err)
	}
	refused(t, "the one after it", invite("org_acme", 251), 429, "too_many_requests")
}
