package directory

import (
	"strings"
	"testing"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	teamtaskv1 "github.com/teamtask/teamtask/gen/teamtask/v1"
	"github.com/teamtask/teamtask/internal/stacktest"
)

// What callers are shown of themselves is what the gate lets them do.
func TestEverybodyIsShownThePermissionsThatTheyHold(t *testing.T) {
	t.Parallel()
	s := stacktest.New(t, nil)
	s.People("org_d2gamers", "d2-gamers-by-now", "D2 Gamers")
	for _, who := range stacktest.AllCallers[1:] {
		for _, version := range []int{1, 2} {
			answer, err := s.Members(who.User, who.Org, version).GetCurrentMember(t.Context(), &teamtaskv1.GetCurrentMemberRequest{})
			if err != nil {
				t.Errorf("%v, token version %d: %v", who, version, err)
				continue
			}
			want := &teamtaskv1.Member{UserId: "user_" + who.User, Permissions: who.Holds, Licensed: who.Seat}
			switch who.Org {
			case "d2-gamers":
				want.Organization = &teamtaskv1.Organization{Id: "org_d2gamers", Slug: "d2-gamers-by-now", Name: "D2 Gamers"}
			case "acme":
				want.Organization = &teamtaskv1.Organization{Id: "org_acme", Slug: "acme"}
			case "newco":
				want.Organization = &teamtaskv1.Organization{Id: "org_newco", Slug: "newco"}
			}
			got := answer.GetMember()
			if (got.GetRole() == "") != (who.Org == "") || (got.GetName() == "D2 Gamers") != (who.Org == "d2-gamers" && strings.Contains("alice bob dana", who.User)) {
				t.Errorf("%v: role %q, name %q", who, got.GetRole(), got.GetName())
			}
			got.Role, got.Name, got.Email = "", "", ""
			if diff := cmp.Diff(want, got, protocmp.Transform(), protocmp.SortRepeatedFields(want, "permissions")); diff != "" {
				t.Errorf("%v, token version %d (-want +got):\n%s", who, version, diff)
			}
		}
	}
}

func TestRolesAreListedWithWhatTheyHoldAndWhoMayGiveThem(t *testing.T) {
	t.Parallel()
	s := stacktest.New(t, nil)
	for user, grantable := range map[string]string{"dana": "++++", "alice": "----", "charlie": "----"} {
		answer, err := s.Members(user, "d2-gamers", 2).ListRoles(t.Context(), &teamtaskv1.ListRolesRequest{})
		if err != nil {
			t.Fatal(err)
		}
		var keys []string
		marks := ""
		for i, role := range answer.GetRoles() {
			keys = append(keys, role.GetKey())
			if role.GetGrantable() {
				marks += "+"
			} else {
				marks += "-"
			}
			if diff := cmp.Diff([][]string{stacktest.OfViewer, stacktest.OfMember, stacktest.OfManager, stacktest.Everything}[i], role.GetPermissions()); diff != "" {
				t.Errorf("%s (-want +got):\n%s", role.GetKey(), diff)
			}
		}
		if diff := cmp.Diff([]string{"org:viewer org:member org:manager org:admin", grantable}, []string{strings.Join(keys, " "), marks}); diff != "" {
			t.Errorf("%s (-want +got):\n%s", user, diff)
		}
	}
}

func TestMembersAndInvitationsAreListedOverTheWire(t *testing.T) {
	t.Parallel()
	s := stacktest.New(t, nil)
	s.People("org_d2gamers", "d2-gamers", "D2 Gamers")
	s.People("org_acme", "acme", stacktest.Canary)
	members := s.Members("charlie", "d2-gamers", 2)
	found, err := members.ListMembers(t.Context(), &teamtaskv1.ListMembersRequest{PageSize: 1, Filter: &teamtaskv1.ListMembersRequest_Filter{Role: "org:manager", Query: "d2 "}})
	if err != nil {
		t.Fatal(err)
	}
	want := &teamtaskv1.ListMembersResponse{Members: []*teamtaskv1.Member{{UserId: "user_alice", Name: "D2 Gamers", Email: "D2 Gamers", Role: "org:manager"}}}
	if diff := cmp.Diff(want, found, protocmp.Transform()); diff != "" {
		t.Errorf("members (-want +got):\n%s", diff)
	}
	invited, err := members.ListInvitations(t.Context(), &teamtaskv1.ListInvitationsRequest{})
	if err != nil || len(invited.GetInvitations()) != 1 {
		t.Fatalf("invitations: %v, %v", invited, err)
	}
	one := invited.GetInvitations()[0]
	if one.GetStatus() != teamtaskv1.InvitationStatus_INVITATION_STATUS_PENDING || one.GetCreateTime() == nil || one.GetExpireTime() != nil || one.GetEmail() != "D2 Gamers" {
		t.Errorf("got %v", one)
	}
	for what, err := range map[string]error{
		"an unknown token":  stacktest.Second(members.ListMembers(t.Context(), &teamtaskv1.ListMembersRequest{PageToken: "AAAA"})),
		"of an invitation":  stacktest.Second(members.ListInvitations(t.Context(), &teamtaskv1.ListInvitationsRequest{PageToken: "AAAA"})),
		"a query with NUL":  stacktest.Second(members.ListMembers(t.Context(), &teamtaskv1.ListMembersRequest{Filter: &teamtaskv1.ListMembersRequest_Filter{Query: "a\x00"}})),
		"a page of minus 1": stacktest.Second(members.ListMembers(t.Context(), &teamtaskv1.ListMembersRequest{PageSize: -1})),
		"too long a query":  stacktest.Second(members.ListMembers(t.Context(), &teamtaskv1.ListMembersRequest{Filter: &teamtaskv1.ListMembersRequest_Filter{Query: strings.Repeat("é", 256)}})),
	} {
		if stacktest.RefusalOf(t, err).Code != connect.CodeInvalidArgument {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// A name as long as there may be one still fits into a page token.
func TestPagesGoOnBehindALongName(t *testing.T) {
	t.Parallel()
	s := stacktest.New(t, nil)
	s.People("org_d2gamers", "d2-gamers", strings.Repeat("名", 512))
	members := s.Members("charlie", "d2-gamers", 2)
	seen := 0
	for token := ""; ; {
		found, err := members.ListMembers(t.Context(), &teamtaskv1.ListMembersRequest{PageSize: 1, PageToken: token})
		if err != nil {
			t.Fatalf("a token of %d bytes: %v", len(token), err)
		}
		seen += len(found.GetMembers())
		if token = found.GetNextPageToken(); token == "" {
			break
		}
	}
	if seen != 4 {
		t.Errorf("%d members, want 4", seen)
	}
}

func TestWithoutADirectoryMembersAreNotListed(t *testing.T) {
	t.Parallel()
	s := stacktest.New(t, map[string]string{"CLERK_WEBHOOK_SECRET": ""})
	members := s.Members("dana", "d2-gamers", 2)
	for what, err := range map[string]error{
		"members":     stacktest.Second(members.ListMembers(t.Context(), &teamtaskv1.ListMembersRequest{})),
		"roles":       stacktest.Second(members.ListRoles(t.Context(), &teamtaskv1.ListRolesRequest{})),
		"invitations": stacktest.Second(members.ListInvitations(t.Context(), &teamtaskv1.ListInvitationsRequest{})),
	} {
		if diff := cmp.Diff(stacktest.Refused(connect.CodeUnavailable, "DIRECTORY_NOT_CONFIGURED"), stacktest.RefusalOf(t, err)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
	if _, err := members.GetCurrentMember(t.Context(), &teamtaskv1.GetCurrentMemberRequest{}); err != nil {
		t.Errorf("the caller: %v", err)
	}
	if _, err := s.Members("dana", "", 2).ListMembers(t.Context(), &teamtaskv1.ListMembersRequest{}); stacktest.RefusalOf(t, err).Reason != "ORGANIZATION_REQUIRED" {
		t.Errorf("without an organization: %v", err)
	}
}
