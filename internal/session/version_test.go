package session_test

import (
	"fmt"
	"maps"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/teamtask/teamtask/internal/sandbox"
	"github.com/teamtask/teamtask/internal/tenancy"
)

// versioned is a person's token in one version, with changed claims where change is not nil.
func (s *stage) versioned(version int, user, org string, change func(claims map[string]any)) string {
	s.Helper()
	claims, err := s.Claims(sandbox.TokenRequest{User: user, Org: org, Version: version})
	if err != nil {
		s.Fatal(err)
	}
	if change != nil {
		change(claims)
	}
	return s.sign(nil, claims)
}

func TestBothVersionsAreTheSameActor(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	gamers := tenancy.Organization{ID: "org_d2gamers", Slug: "d2-gamers"}
	acme := tenancy.Organization{ID: "org_acme", Slug: "acme"}
	newco := tenancy.Organization{ID: "org_newco", Slug: "newco"}
	viewer := tenancy.MembersView | tenancy.TasksView
	member := viewer | tenancy.TasksEdit
	manager := member | tenancy.TasksManage
	for _, c := range []struct {
		name         string
		organization tenancy.Organization
		role         string
		permissions  tenancy.Permissions
		licensed     bool
	}{
		{"dana", gamers, "org:admin", 0, true},
		{"alice", gamers, "org:manager", manager, true},
		{"bob", gamers, "org:member", member, true},
		{"ben", gamers, "org:member", member, false},
		{"charlie", gamers, "org:viewer", viewer, true},
		{"erin", acme, "org:admin", 0, false},
		{"frank", acme, "org:member", member, false},
		{"nina", newco, "org:admin", 0, false},
		{"nils", newco, "org:member", 0, false},
	} {
		in := tenancy.Actor{
			User: "user_" + c.name, Session: "sess_" + c.name, Tenant: c.organization.ID, Organization: c.organization,
			Role: c.role, Permissions: c.permissions, Licensed: c.licensed, IssuedAt: stageStart,
		}
		alone := tenancy.Actor{User: in.User, Session: in.Session, Tenant: in.User, IssuedAt: stageStart}
		for version := 1; version <= 2; version++ {
			name := fmt.Sprintf("%s, version %d", c.name, version)
			if diff := cmp.Diff(in, *s.accept(name, s.versioned(version, c.name, c.organization.Slug, nil))); diff != "" {
				t.Errorf("%s (-want +got):\n%s", name, diff)
			}
			if diff := cmp.Diff(alone, *s.accept(name, s.versioned(version, c.name, "", nil))); diff != "" {
				t.Errorf("%s, personal (-want +got):\n%s", name, diff)
			}
		}
	}
}

// Instances from before 2023 name their roles without "org:", in tokens of both versions.
func TestARoleIsTheSameWithAndWithoutItsPrefix(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	for claim, want := range map[string]string{
		"admin": "org:admin", "org:admin": "org:admin", "basic_member": "org:basic_member", "org:basic_member": "org:basic_member",
		"Admin": "org:Admin", "ORG:admin": "org:ORG:admin", "org": "org:org",
	} {
		first := s.versioned(1, "alice", "d2-gamers", func(c map[string]any) { c["org_role"] = claim })
		second := s.versioned(2, "alice", "d2-gamers", func(c map[string]any) {
			o := maps.Clone(c["o"].(map[string]any))
			o["rol"] = claim
			c["o"] = o
		})
		for version, token := range map[int]string{1: first, 2: second} {
			if got := s.accept(claim, token).Role; got != want {
				t.Errorf("%s in version %d: the role is %q, want %q", claim, version, got, want)
			}
		}
	}
	for _, claim := range []string{"", "org:"} {
		s.refuse("role "+claim, s.versioned(1, "alice", "d2-gamers", func(c map[string]any) { c["org_role"] = claim }))
		s.refuse("role "+claim, s.with("o", map[string]any{"id": "org_d2gamers", "rol": claim}))
	}
}

func TestOnlyVersionsOneAndTwoAreKnown(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	s.checkClaim("v", []claimCase{
		{2, true},
		{0, false}, {3, false}, {-1, false}, {"2", false}, {"", false}, {number("2.5"), false}, {number("2.0"), false}, {number("null"), false},
		{number("1e0"), false}, {number("2e0"), false}, {number("99999999999999999999"), false}, {true, false}, {[]int{2}, false},
		{map[string]any{}, false},
	})
	for _, version := range []any{1, nil} {
		got := s.accept("version 1", s.versioned(1, "alice", "d2-gamers", func(claims map[string]any) {
			if version != nil {
				claims["v"] = version
			}
		}))
		if got.Organization.ID != "org_d2gamers" {
			t.Errorf("v %v: the organization is %q", version, got.Organization.ID)
		}
	}
}

// Claims of the other version mean nothing.
func TestClaimsOfTheOtherVersionMeanNothing(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	victim := map[string]any{"id": "org_victim", "slg": "victim", "rol": "admin", "per": "view,edit", "fpm": "3,3"}
	old := func(claims map[string]any) {
		claims["org_id"], claims["org_slug"], claims["org_role"] = "org_victim", "victim", "org:admin"
		claims["org_permissions"] = []string{"org:tasks:manage", "org:licensing:manage"}
	}
	for _, c := range []struct {
		name         string
		version      int
		organization string
		change       func(claims map[string]any)
	}{
		{"version 2 without o", 2, "", old},
		{"version 2 with o null", 2, "", func(c map[string]any) { old(c); c["o"] = nil }},
		{"version 2 with o", 2, "d2-gamers", old},
		{"version 1 without org_id", 1, "", func(c map[string]any) { c["o"], c["fea"] = victim, "o:tasks,o:members" }},
		{"version 1 with org_id", 1, "d2-gamers", func(c map[string]any) { c["o"], c["fea"] = victim, "o:tasks,o:members" }},
		{"version 1 with a role and no org_id", 1, "", func(c map[string]any) { old(c); delete(c, "org_id") }},
	} {
		want := s.accept(c.name, s.versioned(c.version, "alice", c.organization, nil))
		got := s.accept(c.name, s.versioned(c.version, "alice", c.organization, c.change))
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}

func TestOrganizationIsWholeOrRefused(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	for name, org := range map[string]any{
		"an empty object": map[string]any{},
		"no id":           map[string]any{"slg": "d2-gamers", "rol": "admin"},
		"an empty id":     map[string]any{"id": "", "rol": "admin"},
		"a user's id":     map[string]any{"id": "user_alice", "rol": "admin"},
		"a strange id":    map[string]any{"id": "org_d2'gamers", "rol": "admin"},
		"a bare prefix":   map[string]any{"id": "org_", "rol": "admin"},
		"an id of a kind": map[string]any{"id": 7, "rol": "admin"},
		"no role":         map[string]any{"id": "org_d2gamers"},
		"an empty role":   map[string]any{"id": "org_d2gamers", "rol": ""},
		"a string":        "org_d2gamers",
		"a list":          []any{map[string]any{"id": "org_d2gamers", "rol": "admin"}},
		"false":           false,
	} {
		s.refuse("o is "+name, s.with("o", org))
	}
	for name, change := range map[string]func(map[string]any){
		"org_id is a user":           func(c map[string]any) { c["org_id"] = "user_alice" },
		"org_id is empty":            func(c map[string]any) { c["org_id"] = "" },
		"org_id is a number":         func(c map[string]any) { c["org_id"] = 7 },
		"org_role is missing":        func(c map[string]any) { delete(c, "org_role") },
		"org_role is empty":          func(c map[string]any) { c["org_role"] = "" },
		"org_role is a list":         func(c map[string]any) { c["org_role"] = []string{"org:admin"} },
		"org_permissions is a text":  func(c map[string]any) { c["org_permissions"] = "org:tasks:view" },
		"org_permissions is a mix":   func(c map[string]any) { c["org_permissions"] = []any{"org:tasks:view", 7} },
		"org_permissions is an enum": func(c map[string]any) { c["org_permissions"] = 255 },
	} {
		s.refuse(name, s.versioned(1, "alice", "d2-gamers", change))
	}
	s.accept("version 1", s.versioned(1, "alice", "d2-gamers", nil))
	s.accept("version 2", s.versioned(2, "alice", "d2-gamers", nil))
}

func TestUnknownPermissionsGrantNothing(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	names := []string{"org:sys_memberships:manage", "org:tasks:view", "org:tasks:delete", "tasks:edit", "ORG:TASKS:EDIT", "org:tasks:edit ", "*", ""}
	for name, token := range map[string]string{
		"version 1": s.versioned(1, "alice", "d2-gamers", func(c map[string]any) { c["org_permissions"] = names }),
		// fea is o:members,o:tasks: delete and * on members, all three on tasks
		"version 2": s.with("o", map[string]any{"id": "org_d2gamers", "rol": "x", "per": "delete,view,*", "fpm": "5,7"}),
	} {
		if got := s.accept(name, token).Permissions; got != tenancy.TasksView {
			t.Errorf("%s: permissions = %b, want tasks:view alone", name, got)
		}
	}
}
