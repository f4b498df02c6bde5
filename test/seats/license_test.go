package seats

import (
	"strings"
	"testing"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	teamtaskv1 "github.com/teamtask/teamtask/gen/teamtask/v1"
	"github.com/teamtask/teamtask/internal/stacktest"
)

// A member of another organization, somebody who was removed and nobody at all are the
// same, in every protocol and for whoever may give seats.
func TestForeignMembersLookLikeNoneInEveryProtocol(t *testing.T) {
	t.Parallel()
	s := stacktest.NewPaying(t, nil)
	s.Stock("org_acme")
	s.Exec(`INSERT INTO members (tenant_id, user_id, membership_id, role, name, name_key, email, email_key, remove_time, ticket)
		VALUES ('org_acme', 'user_theirs', 'orgmem_1', 'org:member', $1, $1, $1, $1, NULL, 1),
		       ($2, 'user_gone', 'orgmem_2', 'org:member', '', '', '', '', now(), 1)`, stacktest.Canary, gamersID)
	s.Exec(`INSERT INTO seats (tenant_id, user_id, assigned_by) VALUES ('org_acme', 'user_theirs', 'user_erin')`)
	theirs := s.Snapshot("org_acme")
	token := s.Token("dana", "d2-gamers", 2)
	for _, procedure := range []string{stacktest.AssignSeat, stacktest.RevokeSeat} {
		m := stacktest.MethodOf(t, procedure)
		for _, p := range stacktest.Protocols {
			if !p.Carries(m) {
				continue
			}
			ask := func(user string) stacktest.Reply {
				request := stacktest.CaseOf(t, m).Request("").ProtoReflect()
				stacktest.TextFields(m.Input(), nil)[0].Set(request, user)
				return p.Put(s, procedure, token, p.Written(t, request.Interface()), "")
			}
			never := ask("user_never")
			for _, user := range []string{"user_theirs", "user_gone", "user_frank", "user_SPARE", "user_spare ", "spare", "org_d2gamers", "%", "\u200b"} {
				if diff := cmp.Diff(never.Comparable(), ask(user).Comparable()); diff != "" {
					t.Errorf("%s of %q over %s: told apart (-never +got):\n%s", m.Name(), user, p.Name, diff)
				}
			}
			s.Expect(t, string(m.Name())+" over "+p.Name, never, stacktest.Refused(connect.CodeNotFound, "MEMBER_NOT_FOUND"))
		}
	}
	if diff := cmp.Diff(theirs, s.Snapshot("org_acme")); diff != "" {
		t.Errorf("another organization's rows changed (-before +after):\n%s", diff)
	}
}

// Everybody is listed, with a seat or without one, to those alone who may see licenses.
func TestSeatsAreListedToThoseWhoMaySeeThem(t *testing.T) {
	t.Parallel()
	s := stacktest.NewPaying(t, nil)
	token := s.Token("dana", "d2-gamers", 2)
	yes, no := true, false
	m := stacktest.MethodOf(t, stacktest.ListSeats)
	for title, c := range map[string]struct {
		filter *teamtaskv1.ListSeatsRequest_Filter
		want   string
	}{
		"all":             {nil, "alice+ ben- bob+ charlie+ dana+ seated+ spare-"},
		"with a seat":     {&teamtaskv1.ListSeatsRequest_Filter{Licensed: &yes}, "alice+ bob+ charlie+ dana+ seated+"},
		"without one":     {&teamtaskv1.ListSeatsRequest_Filter{Licensed: &no}, "ben- spare-"},
		"by their name":   {&teamtaskv1.ListSeatsRequest_Filter{Query: "B"}, "ben- bob+"},
		"by both":         {&teamtaskv1.ListSeatsRequest_Filter{Query: "b", Licensed: &no}, "ben-"},
		"by what is none": {&teamtaskv1.ListSeatsRequest_Filter{Query: "%"}, ""},
	} {
		for _, p := range stacktest.Protocols {
			for _, size := range []int32{0, 2} {
				var got []string
				request := &teamtaskv1.ListSeatsRequest{Filter: c.filter, PageSize: size}
				for {
					dynamic, err := s.Call(t.Context(), p, token, m, request)
					if err != nil {
						t.Fatalf("%s over %s: %v", title, p.Name, err)
					}
					var page teamtaskv1.ListSeatsResponse
					into(t, dynamic.Msg, &page)
					for _, seat := range page.GetSeats() {
						mark := "-"
						if seat.GetLicensed() {
							mark = "+"
						}
						got = append(got, strings.TrimPrefix(seat.GetUserId(), "user_")+mark)
					}
					if request.PageToken = page.GetNextPageToken(); request.GetPageToken() == "" {
						break
					}
				}
				if diff := cmp.Diff(c.want, strings.Join(got, " ")); diff != "" {
					t.Errorf("%s over %s, pages of %d (-want +got):\n%s", title, p.Name, size, diff)
				}
			}
		}
	}
	first, err := licensing(s, token).ListSeats(t.Context(), &teamtaskv1.ListSeatsRequest{PageSize: 1})
	if err != nil {
		t.Fatal(err)
	}
	for title, request := range map[string]*teamtaskv1.ListSeatsRequest{
		"with another filter": {PageToken: first.GetNextPageToken(), Filter: &teamtaskv1.ListSeatsRequest_Filter{Licensed: &yes}},
		"with another query":  {PageToken: first.GetNextPageToken(), Filter: &teamtaskv1.ListSeatsRequest_Filter{Query: "x"}},
		"cut short":           {PageToken: first.GetNextPageToken()[1:]},
	} {
		_, err := licensing(s, token).ListSeats(t.Context(), request)
		if diff := cmp.Diff(stacktest.Refused(connect.CodeInvalidArgument, "PAGE_TOKEN_INVALID"), stacktest.RefusalOf(t, err)); diff != "" {
			t.Errorf("a page token %s (-want +got):\n%s", title, diff)
		}
	}
	for _, user := range []string{"alice", "bob", "charlie"} {
		for _, procedure := range []string{stacktest.GetLicense, stacktest.ListSeats} {
			answer := s.Post(procedure, s.Token(user, "d2-gamers", 2), []byte("{}"))
			if got := answer.Told(t); got.Reason != "PERMISSION_MISSING" || strings.Contains(string(answer.Body), "spare") {
				t.Errorf("%s asks %s: %d %s", user, procedure, answer.Status, answer.Body)
			}
		}
	}
}

// An organization that never bought anything, or of which we have not heard, has a license
// all the same: an empty one.
func TestAnOrganizationThatNeverBoughtHasAnEmptyLicense(t *testing.T) {
	t.Parallel()
	s := stacktest.NewPaying(t, nil)
	erin := licensing(s, s.Token("erin", "acme", 2))
	answer, err := erin.GetLicense(t.Context(), &teamtaskv1.GetLicenseRequest{})
	want := &teamtaskv1.License{
		Status: teamtaskv1.LicenseStatus_LICENSE_STATUS_NONE, Price: &teamtaskv1.Price{UnitAmount: 1000, Currency: "eur", Interval: "month", IntervalCount: 1},
	}
	stacktest.Until(t, "it is known what a seat costs", func() bool {
		answer, err = erin.GetLicense(t.Context(), &teamtaskv1.GetLicenseRequest{})
		return err != nil || answer.GetLicense().GetPrice() != nil
	})
	if diff := cmp.Diff(want, answer.GetLicense(), protocmp.Transform()); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if list, err := erin.ListSeats(t.Context(), &teamtaskv1.ListSeatsRequest{}); err != nil || len(list.GetSeats()) != 0 {
		t.Errorf("seats: %v, %v", list, err)
	}
	_, err = erin.CreatePortalSession(t.Context(), &teamtaskv1.CreatePortalSessionRequest{ReturnPath: "/"})
	if diff := cmp.Diff(stacktest.Refused(connect.CodeFailedPrecondition, "NO_SUBSCRIPTION"), stacktest.RefusalOf(t, err)); diff != "" {
		t.Errorf("the portal (-want +got):\n%s", diff)
	}
	if n := s.Count(`SELECT count(*) FROM licenses WHERE tenant_id = 'org_acme'`); n != 0 {
		t.Errorf("reading has made %d licenses", n)
	}
}

// Without Stripe or without the directory there are no seats to sell, and no call fails
// otherwise than by saying so.
func TestWithoutStripeOrTheDirectorySeatsAreNotSold(t *testing.T) {
	t.Parallel()
	for reason, s := range map[string]*stacktest.Stack{
		"BILLING_NOT_CONFIGURED":   stacktest.New(t, nil),
		"DIRECTORY_NOT_CONFIGURED": stacktest.NewPaying(t, map[string]string{"CLERK_WEBHOOK_SECRET": ""}),
	} {
		for _, procedure := range []string{stacktest.GetLicense, stacktest.ListSeats, stacktest.AssignSeat, stacktest.RevokeSeat} {
			s.Expect(t, procedure, s.PostMessage(procedure, s.Token("dana", "d2-gamers", 2), stacktest.Cases[procedure].Request("")), stacktest.Refused(connect.CodeUnavailable, reason))
		}
		if got := writes(s, s.Token("alice", "d2-gamers", 2)); got != "" {
			t.Errorf("%s: a task: got %q", reason, got)
		}
	}
}

// A caller who impersonates a member may see and assign seats, both ids audited, and not buy.
func TestWhoActsAsSomebodyElseBuysNothing(t *testing.T) {
	t.Parallel()
	s := stacktest.NewPaying(t, map[string]string{"ALLOW_IMPERSONATION": "on"})
	token := s.Bent("dana", 2, func(c map[string]any) { c["act"] = map[string]any{"iss": "x", "sid": "y", "sub": "user_support"} })
	for procedure, want := range map[string]stacktest.Refusal{
		stacktest.GetLicense: {}, stacktest.ListSeats: {}, stacktest.AssignSeat: {}, stacktest.RevokeSeat: {},
		stacktest.CreateCheckout: stacktest.Refused(connect.CodeFailedPrecondition, "IMPERSONATION_NOT_ALLOWED"),
		stacktest.CreatePortal:   stacktest.Refused(connect.CodeFailedPrecondition, "IMPERSONATION_NOT_ALLOWED"),
	} {
		s.Expect(t, procedure, s.PostMessage(procedure, token, stacktest.Cases[procedure].Request("")), want)
	}
	if n := s.Count(`SELECT count(*) FROM audit_events WHERE actor = 'user_dana' AND impersonator = 'user_support'`); n != 4 {
		t.Errorf("%d lines with both ids, want 4", n)
	}
}
