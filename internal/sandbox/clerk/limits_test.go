package clerk_test

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
	"github.com/teamtask/teamtask/internal/sandbox/sandboxtest"
)

func TestRequestsAreLimitedInAll(t *testing.T) {
	t.Parallel()
	clock := sandboxtest.NewClock()
	b := sandboxtest.NewClerk(t, sandbox.Options{Now: clock.Now})
	get := func(path string) sandboxtest.Response {
		return sandboxtest.Send(t, http.MethodGet, b.URL+"/clerk/v1"+path, "Bearer "+b.SecretKey())
	}
	for i := range 1000 {
		if i == 500 {
			clock.Advance(3 * time.Second)
		}
		if a := get("/users/user_bob"); a.Status != http.StatusOK {
			t.Fatalf("request %d: %d", i+1, a.Status)
		}
	}
	if a := get("/organizations"); a.Status != 429 || a.Header.Get("Retry-After") != "7" || !strings.Contains(a.Body, `"too_many_requests"`) {
		t.Errorf("request 1001: %d %v %s", a.Status, a.Header, a.Body)
	}
	if a := get("/jwks"); a.Status != http.StatusOK {
		t.Errorf("the key set is limited: %d", a.Status)
	}
	if a := sandboxtest.Send(t, http.MethodGet, b.URL+"/clerk/v1/users", ""); a.Status != 401 {
		t.Errorf("without a key: %d", a.Status)
	}
	clock.Advance(7*time.Second - time.Millisecond)
	if a := get("/users"); a.Status != 429 || a.Header.Get("Retry-After") != "1" {
		t.Errorf("a millisecond too early: %d %v", a.Status, a.Header)
	}
	clock.Advance(time.Millisecond)
	if a := get("/users"); a.Status != http.StatusOK {
		t.Errorf("after the wait: %d", a.Status)
	}
}

func TestMetadataIsLimitedByTarget(t *testing.T) {
	t.Parallel()
	clock := sandboxtest.NewClock()
	b := sandboxtest.NewClerk(t, sandbox.Options{Now: clock.Now})
	for range 10 {
		sandboxtest.Must[*clerk.OrganizationMembership](t)(b.SetMetadata(t, "org_d2gamers", "user_bob", `{}`))
	}
	_, err := b.SetMetadata(t, "org_d2gamers", "user_bob", `{}`)
	e := sandboxtest.WantClerkError(t, "the 11th", err, 429, "too_many_requests")
	if got := e.Response.Header.Get("Retry-After"); got != "10" {
		t.Errorf("Retry-After = %q, want 10", got)
	}
	sandboxtest.Must[*clerk.OrganizationMembership](t)(b.SetMetadata(t, "org_d2gamers", "user_ben", `{}`))
	if _, err := b.Users.UpdateMetadata(t.Context(), "user_bob", &user.UpdateMetadataParams{}); err != nil {
		t.Errorf("another target: %v", err)
	}
	clock.Advance(10 * time.Second)
	sandboxtest.Must[*clerk.OrganizationMembership](t)(b.SetMetadata(t, "org_d2gamers", "user_bob", `{}`))
}

func TestLimitsCanBeLoweredAndSwitchedOff(t *testing.T) {
	t.Parallel()
	clock := sandboxtest.NewClock()
	low := sandboxtest.NewClerk(t, sandbox.Options{Now: clock.Now, RequestLimit: 2, MetadataLimit: 1})
	sandboxtest.Must[*clerk.OrganizationMembership](t)(low.SetMetadata(t, "org_acme", "user_erin", `{}`))
	_, err := low.SetMetadata(t, "org_acme", "user_erin", `{}`)
	sandboxtest.WantClerkError(t, "the second", err, 429, "too_many_requests")
	_, err = low.Users.Get(t.Context(), "user_bob")
	sandboxtest.WantClerkError(t, "the third", err, 429, "too_many_requests")

	off := sandboxtest.NewClerk(t, sandbox.Options{Now: clock.Now, RequestLimit: -1, MetadataLimit: -1})
	for range 1100 {
		sandboxtest.Must[*clerk.OrganizationMembership](t)(off.SetMetadata(t, "org_acme", "user_erin", `{}`))
	}
}

func TestInvitationsAreLimitedByTheHour(t *testing.T) {
	t.Parallel()
	clock := sandboxtest.NewClock()
	b := sandboxtest.NewClerk(t, sandbox.Options{Now: clock.Now})
	invite := func(org string, n int) error {
		_, err := b.Invitations.Create(t.Context(), &organizationinvitation.CreateParams{
			OrganizationID: org, EmailAddress: clerk.String("guest" + strconv.Itoa(n) + "@zoo.test"), Role: clerk.String("org:member"),
		})
		return err
	}
	for n := range 250 {
		if n == 1 {
			clock.Advance(59 * time.Minute)
		}
		if err := invite([]string{"org_acme", "org_d2gamers"}[n%2], n); err != nil {
			t.Fatal(err)
		}
	}
	e := sandboxtest.WantClerkError(t, "the 251st", invite("org_acme", 250), 429, "too_many_requests")
	if got := e.Response.Header.Get("Retry-After"); got != "60" {
		t.Errorf("Retry-After = %q, want 60", got)
	}
	if _, err := b.Invitations.List(t.Context(), &organizationinvitation.ListParams{OrganizationID: "org_acme"}); err != nil {
		t.Errorf("a list is limited: %v", err)
	}
	clock.Advance(time.Minute)
	if err := invite("org_acme", 250); err != nil {
		t.Errorf("after the wait: %v", err)
	}
	sandboxtest.WantClerkError(t, "the one after it", invite("org_acme", 251), 429, "too_many_requests")
}
