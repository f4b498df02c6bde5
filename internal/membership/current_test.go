package membership

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	teamtaskv1 "github.com/teamtask/teamtask/gen/teamtask/v1"
	"github.com/teamtask/teamtask/internal/tenancy"
)

func (f *fixture) current(actor tenancy.Actor) *teamtaskv1.Member {
	f.t.Helper()
	found, err := f.Current(f.t.Context(), actor)
	if err != nil {
		f.t.Fatal(err)
	}
	return found.proto(actor)
}

func TestTheCallerIsShownAsTheirCallsAreJudged(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ann := person(ours, "user_001", "org:manager")
	ann.Permissions, ann.Licensed = tenancy.TasksView|tenancy.MembersView, true
	alone := tenancy.Actor{User: "user_001", Tenant: "user_001", Permissions: tenancy.TasksView, Licensed: true, IssuedAt: time.Now()}
	member := func(m *teamtaskv1.Member) *teamtaskv1.Member {
		m.UserId, m.Role, m.Licensed, m.Permissions = "user_001", "org:manager", true, []string{"org:tasks:view", "org:members:view"}
		m.Organization.Id = ours
		return m
	}
	check := func(what string, actor tenancy.Actor, want *teamtaskv1.Member) {
		t.Helper()
		if diff := cmp.Diff(want, f.current(actor), protocmp.Transform()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
	check("nobody is known", ann, member(&teamtaskv1.Member{Organization: &teamtaskv1.Organization{Slug: "of-the-token"}}))
	check("nobody is known, alone", alone, &teamtaskv1.Member{UserId: "user_001", Permissions: []string{"org:tasks:view"}})

	// The directory's role may be behind the token, which is newer.
	f.put(ours, member1("org:viewer"))
	check("the person is known", ann, member(&teamtaskv1.Member{Name: "Ann", Email: "ann@x.test", Organization: &teamtaskv1.Organization{Slug: "of-the-token"}}))
	f.exec(`INSERT INTO organizations (tenant_id, slug, name, ticket) VALUES ($1, 'ours', 'Ours', 1)`, ours)
	check("all is known", ann, member(&teamtaskv1.Member{Name: "Ann", Email: "ann@x.test", Organization: &teamtaskv1.Organization{Slug: "ours", Name: "Ours"}}))
	f.exec(`UPDATE organizations SET slug = ''`)
	check("without a slug", ann, member(&teamtaskv1.Member{Name: "Ann", Email: "ann@x.test", Organization: &teamtaskv1.Organization{Slug: "of-the-token", Name: "Ours"}}))

	f.exec(`INSERT INTO users (tenant_id, name, email, ticket) VALUES ('user_001', 'Ann Alone', 'alone@x.test', 1)`)
	check("alone", alone, &teamtaskv1.Member{UserId: "user_001", Name: "Ann Alone", Email: "alone@x.test", Permissions: []string{"org:tasks:view"}})
	check("in the organization", ann, member(&teamtaskv1.Member{Name: "Ann", Email: "ann@x.test", Organization: &teamtaskv1.Organization{Slug: "of-the-token", Name: "Ours"}}))

	f.exec(`UPDATE members SET name = '', email = '', remove_time = now() - interval '1 hour'`)
	check("back since, and the directory has not heard", ann, member(&teamtaskv1.Member{Organization: &teamtaskv1.Organization{Slug: "of-the-token", Name: "Ours"}}))
}

func member1(role string) member {
	return member{UserID: "user_001", Name: "Ann", Email: "ann@x.test", Role: role}
}

// A member who was removed gets nothing from any method, not even the roles, which belong to no organization.
func TestWhoeverWasRemovedIsToldNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.put(ours, member1("org:member"))
	f.remove(ours, "user_001")
	gone := person(ours, "user_001", "org:member")
	_, current := f.Current(t.Context(), gone)
	_, _, members := f.List(t.Context(), gone, filter{}, tenancy.Page{})
	_, _, invitations := f.Invitations(t.Context(), gone, tenancy.Page{})
	_, roles := f.Roles(t.Context(), gone)
	for i, err := range []error{current, members, invitations, roles} {
		if !errors.Is(err, tenancy.MembershipEnded) {
			t.Errorf("method %d: %v, want MembershipEnded", i, err)
		}
	}
}
