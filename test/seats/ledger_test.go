package seats

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	teamtaskv1 "github.com/teamtask/teamtask/gen/teamtask/v1"
	"github.com/teamtask/teamtask/internal/stacktest"
)

const gamersID = "org_d2gamers"

// writes tells why the token may not write a task, or "".
func writes(s *stacktest.Stack, token string) string {
	s.T.Helper()
	answer := s.Post(stacktest.CreateTask, token, []byte(`{"name":"x"}`))
	if answer.Status == http.StatusOK {
		return ""
	}
	return answer.Told(s.T).Reason
}

// A seat works, and stops working, with the next call, whatever the token was issued for.
func TestASeatThatIsTakenStopsWorkingWithTheNextCall(t *testing.T) {
	t.Parallel()
	s := stacktest.NewPaying(t, nil)
	dana := licensing(s, s.Token("dana", "d2-gamers", 2))
	for _, version := range []int{1, 2} {
		bob := s.Token("bob", "d2-gamers", version)
		var made [1]string
		step := func(title, want string) {
			t.Helper()
			if got := writes(s, bob); got != want {
				t.Errorf("token version %d, %s: got %q, want %q", version, title, got, want)
			}
			for what, request := range map[string]string{stacktest.UpdateTask: `{"id":%q,"done":true,"updateMask":"done"}`, stacktest.GetTask: `{"id":%q}`} {
				answer, refusal := s.Post(what, bob, fmt.Appendf(nil, request, made[0])), ""
				if answer.Status != http.StatusOK {
					refusal = answer.Told(t).Reason
				}
				if what == stacktest.GetTask && refusal != "" || what == stacktest.UpdateTask && refusal != want {
					t.Errorf("token version %d, %s: %s: got %q", version, title, what, refusal)
				}
			}
		}
		made[0] = s.Put(stacktest.Row{Tenant: gamersID, Owner: "user_bob"})[0]
		step("with a seat", "")
		if _, err := dana.RevokeSeat(t.Context(), &teamtaskv1.RevokeSeatRequest{UserId: "user_bob"}); err != nil {
			t.Fatal(err)
		}
		step("when it was taken", "SEAT_REQUIRED")
		if _, err := dana.AssignSeat(t.Context(), &teamtaskv1.AssignSeatRequest{UserId: "user_bob"}); err != nil {
			t.Fatal(err)
		}
		step("when it was given back", "")
		s.Exec(`UPDATE licenses SET status = 'unpaid', working = false, purchased = 0 WHERE tenant_id = $1`, gamersID)
		step("while seats are suspended", "SEAT_REQUIRED")
		s.Exec(`UPDATE licenses SET status = 'active', working = true, purchased = 20 WHERE tenant_id = $1`, gamersID)
		step("when they work again", "")
		s.Exec(`UPDATE members SET role = role WHERE tenant_id = $1`, gamersID) // the directory writes what it knows already
		step("when the directory has written the member", "")
	}
}

// What the token says of a license is not asked, in either direction.
func TestTheLedgerDecidesAndNotTheToken(t *testing.T) {
	t.Parallel()
	s := stacktest.NewPaying(t, nil)
	for _, version := range []int{1, 2} {
		for user, seated := range map[string]bool{"alice": true, "bob": true, "ben": false} {
			want := "SEAT_REQUIRED"
			if seated {
				want = ""
			}
			for _, claim := range []any{true, false, nil, "true", 1, map[string]any{"isLicensed": true}} {
				token := s.Bent(user, version, func(c map[string]any) {
					c["org_metadata"] = map[string]any{"isLicensed": claim}
				})
				if got := writes(s, token); got != want {
					t.Errorf("%s, token version %d claims %v: got %q, want %q", user, version, claim, got, want)
				}
			}
			if got := writes(s, s.Bent(user, version, func(c map[string]any) { delete(c, "org_metadata") })); got != want {
				t.Errorf("%s, token version %d claims nothing: got %q, want %q", user, version, got, want)
			}
			answer, err := s.Members(user, "d2-gamers", version).GetCurrentMember(t.Context(), &teamtaskv1.GetCurrentMemberRequest{})
			if err != nil || answer.GetMember().GetLicensed() != seated {
				t.Errorf("%s is shown %v, %v", user, answer.GetMember(), err)
			}
			if got := writes(s, s.Token(user, "", version)); got != "" {
				t.Errorf("%s in their own workspace: got %q", user, got)
			}
		}
		// Somebody of whom the ledger has never heard, in an organization of which it has not either.
		for _, user := range []string{"erin", "frank"} {
			if got := writes(s, s.Token(user, "acme", version)); got != "SEAT_REQUIRED" {
				t.Errorf("%s of acme: got %q, want SEAT_REQUIRED", user, got)
			}
		}
	}
}

// A token without an organization is for the person's own workspace, and opens nothing of
// an organization.
func TestATokenWithoutAnOrganizationOpensNoneOfIts(t *testing.T) {
	t.Parallel()
	s := stacktest.NewPaying(t, nil)
	s.Put(stacktest.Row{Tenant: gamersID, Name: stacktest.Canary})
	for _, version := range []int{1, 2} {
		for _, claims := range [][]string{{"o"}, {"org_id"}, {"o", "org_id", "org_role", "org_slug", "org_permissions", "fea"}} {
			token := s.Bent("dana", version, func(c map[string]any) {
				for _, claim := range claims {
					delete(c, claim)
				}
			})
			for _, procedure := range []string{stacktest.GetLicense, stacktest.ListSeats, stacktest.AssignSeat, stacktest.RevokeSeat, stacktest.CreateCheckout, stacktest.CreatePortal} {
				answer := s.PostMessage(procedure, token, stacktest.Cases[procedure].Request(""))
				got := answer.Told(t).Reason
				// A token that is half of one with an organization is none at all.
				if hasOrganization := hasClaim(s, token, "o", "org_id"); got != "ORGANIZATION_REQUIRED" && got != "UNAUTHENTICATED" && !hasOrganization {
					t.Errorf("version %d without %v: %s answers %q", version, claims, procedure, got)
				}
			}
			if answer := s.Post(stacktest.ListTasks, token, []byte("{}")); strings.Contains(string(answer.Body), stacktest.Canary) && !hasClaim(s, token, "o", "org_id") {
				t.Errorf("version %d without %v sees tasks of the organization", version, claims)
			}
		}
	}
}

// claims reports whether the token has one of the claims.
func hasClaim(s *stacktest.Stack, token string, names ...string) bool {
	s.T.Helper()
	payload := string(payloadOf(s.T, token))
	return slices.ContainsFunc(names, func(name string) bool { return strings.Contains(payload, `"`+name+`":`) })
}

// Giving and taking say what has become of seat and license, and leave one line each that
// says so too. Repeated, they change nothing.
func TestSeatsAreGivenAndTakenOnceAndAudited(t *testing.T) {
	t.Parallel()
	s := stacktest.NewPaying(t, nil)
	dana := licensing(s, s.Token("dana", "d2-gamers", 2))
	for range 2 {
		answer, err := dana.AssignSeat(t.Context(), &teamtaskv1.AssignSeatRequest{UserId: "user_ben"})
		if err != nil {
			t.Fatal(err)
		}
		want := &teamtaskv1.Seat{UserId: "user_ben", Name: "ben", Email: "ben", Role: "org:member", Licensed: true, AssignedBy: "user_dana"}
		if diff := cmp.Diff(want, answer.GetSeat(), protocmp.Transform(), protocmp.IgnoreFields(want, "assign_time")); diff != "" || answer.GetSeat().GetAssignTime() == nil {
			t.Errorf("the seat (-want +got):\n%s", diff)
		}
		if l := answer.GetLicense(); l.GetAssigned() != 6 || l.GetAvailable() != 14 || l.GetPurchased() != 20 || !l.GetWorking() {
			t.Errorf("the license: %v", l)
		}
	}
	for range 2 {
		answer, err := dana.RevokeSeat(t.Context(), &teamtaskv1.RevokeSeatRequest{UserId: "user_ben"})
		if err != nil {
			t.Fatal(err)
		}
		want := &teamtaskv1.Seat{UserId: "user_ben", Name: "ben", Email: "ben", Role: "org:member", Synced: true}
		if diff := cmp.Diff(want, answer.GetSeat(), protocmp.Transform()); diff != "" {
			t.Errorf("without the seat (-want +got):\n%s", diff)
		}
		if l := answer.GetLicense(); l.GetAssigned() != 5 || l.GetAvailable() != 15 {
			t.Errorf("the license: %v", l)
		}
	}
	s.Exec(`UPDATE licenses SET purchased = 5 WHERE tenant_id = $1`, gamersID)
	alice := licensing(s, s.Token("alice", "d2-gamers", 2))
	for title, c := range map[string]struct {
		err  error
		want stacktest.Refusal
	}{
		"no seat is free": {stacktest.Second(dana.AssignSeat(t.Context(), &teamtaskv1.AssignSeatRequest{UserId: "user_ben"})), exhaustedAt(5, 5)},
		"nobody of that id": {
			stacktest.Second(dana.AssignSeat(t.Context(), &teamtaskv1.AssignSeatRequest{UserId: "user_frank"})),
			stacktest.Refused(connect.CodeNotFound, "MEMBER_NOT_FOUND"),
		},
		"nobody of that id has one": {
			stacktest.Second(dana.RevokeSeat(t.Context(), &teamtaskv1.RevokeSeatRequest{UserId: "user_frank"})),
			stacktest.Refused(connect.CodeNotFound, "MEMBER_NOT_FOUND"),
		},
		"a manager": {
			stacktest.Second(alice.AssignSeat(t.Context(), &teamtaskv1.AssignSeatRequest{UserId: "user_alice"})),
			stacktest.Refusal{Code: connect.CodePermissionDenied, Reason: "PERMISSION_MISSING", Metadata: map[string]string{"permission": "org:licensing:manage"}},
		},
	} {
		if diff := cmp.Diff(c.want, stacktest.RefusalOf(t, c.err)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", title, diff)
		}
	}
	got, _ := s.Column(`SELECT concat_ws(' ', actor, method, outcome, reason, target, details) FROM audit_events WHERE tenant_id = $1 AND starts_with(actor, 'user_') ORDER BY time, id`, gamersID)
	given, taken := `{"licensed": {"after": true, "before": false}}`, `{"licensed": {"after": false, "before": true}}`
	want := []string{
		"user_dana " + stacktest.AssignSeat + " ok  user_ben " + given,
		"user_dana " + stacktest.AssignSeat + " ok  user_ben {}",
		"user_dana " + stacktest.RevokeSeat + " ok  user_ben " + taken,
		"user_dana " + stacktest.RevokeSeat + " ok  user_ben {}",
	}
	if diff := cmp.Diff(want, got[:min(len(got), 4)]); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
	for _, want := range []string{
		"user_dana " + stacktest.AssignSeat + " resource_exhausted SEATS_EXHAUSTED user_ben {}",
		"user_dana " + stacktest.AssignSeat + " not_found MEMBER_NOT_FOUND user_frank {}",
		"user_dana " + stacktest.RevokeSeat + " not_found MEMBER_NOT_FOUND user_frank {}",
		"user_alice " + stacktest.AssignSeat + " permission_denied PERMISSION_MISSING  {}",
	} {
		if n := len(slices.DeleteFunc(slices.Clone(got), func(l string) bool { return l != want })); n != 1 {
			t.Errorf("%d lines %q, want one of\n%s", n, want, strings.Join(got, "\n"))
		}
	}
	if len(got) != 8 {
		t.Errorf("%d lines, want 8:\n%s", len(got), strings.Join(got, "\n"))
	}
}
