package clerk

import (
	"iter"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func collect[T any](t *testing.T, rows iter.Seq2[T, error]) []T {
	t.Helper()
	var all []T
	for row, err := range rows {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, row)
	}
	return all
}

func same(t *testing.T, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestEachObjectIsReadAsClerkSendsIt(t *testing.T) {
	t.Parallel()
	run(t, func(s *stand) {
		t := s.t
		ctx, at := t.Context(), time.UnixMilli(1700000000000).UTC()
		asked := func(verb, path, query string) {
			t.Helper()
			all := s.got()
			r := all[len(all)-1]
			if got := r.method + " " + r.path + " " + r.query.Encode(); got != verb+" "+path+" "+query {
				t.Errorf("asked %s", got)
			}
			if r.header.Get("Authorization") != "Bearer "+testKey || r.header.Get("Clerk-Api-Version") != "2025-04-10" {
				t.Errorf("headers %v", r.header)
			}
		}

		s.answer = sends(http.StatusOK, aliceJSON)
		user, err := s.client.User(ctx, "user_alice")
		if err != nil {
			t.Fatal(err)
		}
		same(t, user, User{ID: "user_alice", Name: "Alice Ng", Email: "alice@x.test", CreateTime: time.UnixMilli(1700000000123).UTC(), UpdateTime: time.UnixMilli(1700000001456).UTC()})
		asked("GET", "/v1/users/user_alice", "")

		s.answer = sends(http.StatusOK, `{"id":"user_alice","username":"al","first_name":null,"last_name":null,"primary_email_address_id":null,"email_addresses":[{"id":"","email_address":"x"}]}`)
		if user, err = s.client.User(ctx, "user_alice"); err != nil {
			t.Fatal(err)
		}
		same(t, user, User{ID: "user_alice", Name: "al"})

		s.answer = sends(http.StatusOK, `[{"id":"user_alice","username":"al"}]`)
		same(t, collect(t, s.client.Users(ctx)), []User{{ID: "user_alice", Name: "al"}})
		asked("GET", "/v1/users", "limit=500&offset=0&order_by=%2Bcreated_at")

		acme := Organization{ID: "org_acme", Slug: "acme", Name: "Acme", CreateTime: at, UpdateTime: at}
		s.answer = sends(http.StatusOK, acmeJSON)
		org, err := s.client.Organization(ctx, "org_acme")
		if err != nil {
			t.Fatal(err)
		}
		same(t, org, acme)
		asked("GET", "/v1/organizations/org_acme", "")

		s.answer = sends(http.StatusOK, listJSON(1, acmeJSON))
		same(t, collect(t, s.client.Organizations(ctx)), []Organization{acme})
		asked("GET", "/v1/organizations", "limit=500&offset=0&order_by=%2Bcreated_at")

		bob := Membership{
			ID: "orgmem_user_bob", Organization: "org_acme", User: "user_bob", Role: "org:member", Permissions: []string{"org:sys_profile:manage", "org:tasks:view"},
			Licensed: true, Name: "Bob", Identifier: "bob@x.test", CreateTime: at, UpdateTime: at.Add(time.Millisecond),
		}
		s.answer = sends(http.StatusOK, listJSON(1, memberJSON("org_acme", "user_bob", `{"isLicensed":true,"other":[1]}`)))
		member, err := s.client.Membership(ctx, "org_acme", "user_bob")
		if err != nil {
			t.Fatal(err)
		}
		same(t, member, bob)
		asked("GET", "/v1/organizations/org_acme/memberships", "limit=16&offset=0&user_id=user_bob")
		same(t, collect(t, s.client.Memberships(ctx, "org_acme")), []Membership{bob})
		asked("GET", "/v1/organizations/org_acme/memberships", "limit=500&offset=0&order_by=%2Bcreated_at")
		same(t, collect(t, s.client.MembershipsOf(ctx, "user_bob")), []Membership{bob})
		asked("GET", "/v1/users/user_bob/organization_memberships", "limit=500&offset=0")

		s.answer = sends(http.StatusOK, memberJSON("org_acme", "user_bob", `{"isLicensed":true}`))
		if member, err = s.client.SetMembershipMetadata(ctx, "org_acme", "user_bob", map[string]any{MetadataLicensed: true, "gone": nil}); err != nil {
			t.Fatal(err)
		}
		same(t, member, bob)
		asked("PATCH", "/v1/organizations/org_acme/memberships/user_bob/metadata", "")
		same(t, s.got()[len(s.got())-1].body, `{"public_metadata":{"gone":null,"isLicensed":true}}`)
		if _, err = s.client.SetMembershipMetadata(ctx, "org_acme", "user_bob", nil); err != nil {
			t.Fatal(err)
		}
		same(t, s.got()[len(s.got())-1].body, `{"public_metadata":{}}`)

		invitation := Invitation{
			ID: "orginv_1", Organization: "org_acme", Email: "new@x.test", Role: "org:member", Status: InvitationPending, HoldSeat: true,
			Inviter: "user_erin", CreateTime: at, UpdateTime: at.Add(time.Millisecond), ExpireTime: time.UnixMilli(1702592000000).UTC(),
		}
		s.answer = sends(http.StatusOK, inviteJSON)
		invited, err := s.client.Invitation(ctx, "org_acme", "orginv_1")
		if err != nil {
			t.Fatal(err)
		}
		same(t, invited, invitation)
		asked("GET", "/v1/organizations/org_acme/invitations/orginv_1", "")

		s.answer = sends(http.StatusOK, listJSON(1, inviteJSON))
		same(t, collect(t, s.client.Invitations(ctx, "org_acme", InvitationPending, InvitationExpired)), []Invitation{invitation})
		asked("GET", "/v1/organizations/org_acme/invitations", "limit=500&offset=0&order_by=%2Bcreated_at&status=pending&status=expired")

		s.answer = sends(http.StatusOK, listJSON(1, `{"object":"role","id":"role_1","key":"org:manager","name":"Manager","description":"","permissions":[{"object":"permission","id":"perm_1","key":"org:tasks:view"}]}`))
		roles, err := s.client.Roles(ctx)
		if err != nil {
			t.Fatal(err)
		}
		same(t, roles, []Role{{Key: "org:manager", Name: "Manager", Permissions: []string{"org:tasks:view"}}})
		asked("GET", "/v1/organization_roles", "limit=500&offset=0")
	})
}

func TestOnlyExactlyTrueIsASeat(t *testing.T) {
	t.Parallel()
	for metadata, want := range map[string]bool{
		`{"isLicensed":true}`: true, ` { "a":1, "isLicensed" : true } `: true, `{"isLicensed":false}`: false, `{"isLicensed":"true"}`: false, `{"isLicensed":1}`: false,
		`{"IsLicensed":true}`: false, `{"islicensed":true}`: false, `{"isLicensed":[true]}`: false, `{"a":{"isLicensed":true}}`: false,
		`null`: false, `""`: false, `[]`: false, `{}`: false, ``: false,
	} {
		if got := isSet([]byte(metadata), MetadataLicensed); got != want {
			t.Errorf("%s: got %t, want %t", metadata, got, want)
		}
	}
}

func TestAMemberWhoIsNotThereIsNotFound(t *testing.T) {
	t.Parallel()
	run(t, func(s *stand) {
		t := s.t
		s.answer = sends(http.StatusOK, listJSON(0))
		_, err := s.client.Membership(t.Context(), "org_acme", "user_bob")
		want(t, err, NotFound)
	})
}

// An empty list makes the directory forget people, so it has to be said to be empty.
func TestAnAnswerToAnotherQuestionIsNoAnswer(t *testing.T) {
	t.Parallel()
	for _, body := range []string{
		`{}`, `null`, `[]`, `true`, `{"data":null,"total_count":0}`, `{"data":[]}`, `{"total_count":0}`, `{"data":[],"total_count":-1}`,
		listJSON(1, `{}`), listJSON(1, `null`), listJSON(1, memberJSON("org_other", "user_bob", "{}")), listJSON(1, memberJSON("org_acme", "", "{}")),
		listJSON(1, memberJSON("org_acme", "user_carol", "{}")),
		`{"data":[{"id":7}],"total_count":1}`,
	} {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			run(t, func(s *stand) {
				t := s.t
				s.answer = sends(http.StatusOK, body)
				_, err := s.client.Membership(t.Context(), "org_acme", "user_bob")
				want(t, err, Unavailable)
				for row, err := range s.client.Memberships(t.Context(), "org_acme") {
					if err == nil && row.User == "user_carol" {
						continue // she may be a member, only not the one asked for above
					}
					want(t, err, Unavailable)
					same(t, row, Membership{})
				}
				_, err = s.client.User(t.Context(), "user_alice")
				want(t, err, Unavailable)
				_, err = s.client.Organization(t.Context(), "org_acme")
				want(t, err, Unavailable)
				_, err = s.client.Invitation(t.Context(), "org_acme", "orginv_1")
				want(t, err, Unavailable)
				_, err = s.client.SetMembershipMetadata(t.Context(), "org_acme", "user_bob", nil)
				want(t, err, Unavailable)
			})
		})
	}
}

// Only a verified address finds somebody, in any case; what bars people is read.
func TestAPersonIsFoundByAVerifiedAddress(t *testing.T) {
	t.Parallel()
	run(t, func(s *stand) {
		t := s.t
		json := `{"id":"user_a","email_addresses":[{"id":"idn_1","email_address":"A@x.test","verification":{"status":"verified"}},
			{"id":"idn_2","email_address":"b@x.test","verification":{"status":"unverified"}},{"id":"idn_3","email_address":"c@x.test","verification":null}],
			"banned":true,"deprovisioned":true}`
		s.answer = sends(http.StatusOK, "["+json+"]")
		found, err := s.client.UserAt(t.Context(), "a@X.test")
		if err != nil {
			t.Fatal(err)
		}
		same(t, found, User{ID: "user_a", Verified: []string{"A@x.test"}, Banned: true, Deprovisioned: true})
		all := s.got()
		if got := all[len(all)-1]; got.path != "/v1/users" || got.query.Get("email_address") != "a@X.test" {
			t.Errorf("asked %s %v", got.path, got.query)
		}
		for _, address := range []string{"b@x.test", "c@x.test", "d@x.test"} {
			_, err := s.client.UserAt(t.Context(), address)
			want(t, err, NotFound)
		}
		s.answer = sends(http.StatusOK, "[]")
		_, err = s.client.UserAt(t.Context(), "a@x.test")
		want(t, err, NotFound)
		_, err = s.client.UserAt(t.Context(), "")
		want(t, err, InvalidID)
	})
}

// Instances from before 2023 name their roles without "org:".
func TestRolesWithoutTheirPrefixAreTheSame(t *testing.T) {
	t.Parallel()
	run(t, func(s *stand) {
		t := s.t
		bare := func(json string) string {
			return strings.Replace(json, `"role":"org:member"`, `"role":"basic_member"`, 1)
		}
		s.answer = sends(http.StatusOK, listJSON(1, bare(memberJSON("org_acme", "user_bob", "{}"))))
		if m, err := s.client.Membership(t.Context(), "org_acme", "user_bob"); err != nil || m.Role != "org:basic_member" {
			t.Errorf("membership: role %q, %v", m.Role, err)
		}
		s.answer = sends(http.StatusOK, bare(inviteJSON))
		if i, err := s.client.Invitation(t.Context(), "org_acme", "orginv_1"); err != nil || i.Role != "org:basic_member" {
			t.Errorf("invitation: role %q, %v", i.Role, err)
		}
		s.answer = sends(http.StatusOK, listJSON(2, `{"key":"admin","name":"Admin","permissions":[]}`, `{"key":"org:basic_member","name":"Member","permissions":[]}`))
		roles, err := s.client.Roles(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		same(t, roles, []Role{{Key: "org:admin", Name: "Admin", Permissions: []string{}}, {Key: "org:basic_member", Name: "Member", Permissions: []string{}}})
	})
}

func TestRolesThatAreNotOfferedAreSaidToBe(t *testing.T) {
	t.Parallel()
	for _, answer := range []http.HandlerFunc{
		sends(http.StatusNotFound, clerkSays("resource_not_found")), sends(http.StatusForbidden, clerkSays("authorization_invalid")),
		sends(http.StatusNotFound, "404 page not found"), sends(http.StatusMethodNotAllowed, ""),
	} {
		run(t, func(s *stand) {
			t := s.t
			s.answer = answer
			for range 2 * 5 { // and nobody else suffers for it
				_, err := s.client.Roles(t.Context())
				want(t, err, NotOffered)
			}
			s.answer = sends(http.StatusOK, aliceJSON)
			if _, err := s.client.User(t.Context(), "user_alice"); err != nil {
				t.Error(err)
			}
		})
	}
	run(t, func(s *stand) {
		t := s.t
		s.answer = sends(http.StatusUnauthorized, clerkSays("clerk_key_invalid"))
		_, err := s.client.Roles(t.Context())
		want(t, err, Refused)
	})
}

func TestAnAnswerAboutSomebodyElseIsNoAnswer(t *testing.T) {
	t.Parallel()
	run(t, func(s *stand) {
		t := s.t
		s.answer = sends(http.StatusOK, memberJSON("org_acme", "user_carol", "{}"))
		_, err := s.client.SetMembershipMetadata(t.Context(), "org_acme", "user_bob", nil)
		want(t, err, Unavailable)
		s.answer = sends(http.StatusOK, strings.ReplaceAll(inviteJSON, "orginv_1", "orginv_2"))
		_, err = s.client.Invitation(t.Context(), "org_acme", "orginv_1")
		want(t, err, Unavailable)
		s.answer = sends(http.StatusOK, listJSON(1, memberJSON("org_acme", "user_carol", "{}")))
		for _, err := range s.client.MembershipsOf(t.Context(), "user_bob") {
			want(t, err, Unavailable)
		}
		s.answer = sends(http.StatusOK, listJSON(1, strings.ReplaceAll(inviteJSON, "org_acme", "org_other")))
		for _, err := range s.client.Invitations(t.Context(), "org_acme") {
			want(t, err, Unavailable)
		}
		s.answer = sends(http.StatusOK, listJSON(1, strings.ReplaceAll(acmeJSON, "org_acme", "")))
		for _, err := range s.client.Organizations(t.Context()) {
			want(t, err, Unavailable)
		}
		s.answer = sends(http.StatusOK, listJSON(1, `{"key":"","permissions":[]}`))
		_, err = s.client.Roles(t.Context())
		want(t, err, Unavailable)
	})
}
