package clerk

import (
	"math"
	"net/http"
	"strings"
	"testing"
)

func TestNoHostileIDIsSent(t *testing.T) {
	t.Parallel()
	run(t, func(s *stand) {
		t := s.t
		s.answer = sends(http.StatusOK, aliceJSON)
		ctx := t.Context()
		for _, tail := range []string{
			"", "../organizations/org_1", "1?x=1", "1#x", "1/../2", "1\n", "1\r\nX: y", "1%2f", "1 ", " 1", "é", "1\x00", "1;", "1-2", "1.", "1?", "1/", "1#", "1=", "1&", "1%", "1:", "1@", strings.Repeat("a", 10<<10), strings.Repeat("a", idMax),
		} {
			user, org, invitation := userPrefix+tail, organizationPrefix+tail, invitationPrefix+tail
			_, err := s.client.User(ctx, user)
			want(t, err, InvalidID)
			_, err = s.client.Organization(ctx, org)
			want(t, err, InvalidID)
			_, err = s.client.Membership(ctx, org, "user_1")
			want(t, err, InvalidID)
			_, err = s.client.Membership(ctx, "org_1", user)
			want(t, err, InvalidID)
			_, err = s.client.Invitation(ctx, org, "orginv_1")
			want(t, err, InvalidID)
			_, err = s.client.Invitation(ctx, "org_1", invitation)
			want(t, err, InvalidID)
			_, err = s.client.SetMembershipMetadata(ctx, org, "user_1", nil)
			want(t, err, InvalidID)
			_, err = s.client.SetMembershipMetadata(ctx, "org_1", user, nil)
			want(t, err, InvalidID)
			for _, err := range s.client.Memberships(ctx, org) {
				want(t, err, InvalidID)
			}
			for _, err := range s.client.MembershipsOf(ctx, user) {
				want(t, err, InvalidID)
			}
			for _, err := range s.client.Invitations(ctx, org) {
				want(t, err, InvalidID)
			}
		}
		for _, id := range []string{"", "../x", "alice", "org_alice", "USER_alice", "user", "xuser_alice", "\nuser_alice"} {
			_, err := s.client.User(ctx, id)
			want(t, err, InvalidID)
		}
		for _, status := range []string{"", "Pending", "pending&limit=1", "revoked "} {
			for _, err := range s.client.Invitations(ctx, "org_1", status) {
				want(t, err, InvalidID)
			}
		}
		if got := s.got(); len(got) != 0 {
			t.Errorf("%d requests were sent, the first to %s", len(got), got[0].path)
		}
	})
}

func TestAnIDIsEscapedEvenSo(t *testing.T) {
	t.Parallel()
	if got, want := path("users", "../a?b#c\n%2f", "x"), "/users/..%2Fa%3Fb%23c%0A%252f/x"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestOptionsThatCannotWorkAreRefusedWithoutTheirValue(t *testing.T) {
	t.Parallel()
	for _, o := range []Options{
		{URL: "", SecretKey: testKey}, {URL: "api.clerk.com/v1", SecretKey: testKey}, {URL: "ftp://" + testKey, SecretKey: testKey}, {URL: "https://u:" + testKey + "@h/v1", SecretKey: testKey},
		{URL: "https://h/v1?x=" + testKey, SecretKey: testKey}, {URL: "https://h/v1#" + testKey, SecretKey: testKey}, {URL: "https://h:x" + testKey, SecretKey: testKey},
		{URL: "https://h/v1"}, {URL: "https://h/v1", SecretKey: testKey + "\n"}, {URL: "https://h/v1", SecretKey: testKey + " "}, {URL: "https://h/v1", SecretKey: testKey + "é"},
		{URL: "https://h/v1", SecretKey: strings.Repeat(testKey, 100)}, {URL: "https://h/v1", SecretKey: testKey, Rate: -1},
		{URL: "https://h/v1", SecretKey: testKey, Rate: math.NaN()}, {URL: "https://h/v1", SecretKey: testKey, Rate: math.Inf(1)},
	} {
		c, err := New(o)
		if err == nil || c != nil {
			t.Errorf("%q is taken", o.URL)
		} else if strings.Contains(err.Error(), testKey) {
			t.Errorf("the error holds the value: %v", err)
		}
	}
}
