package directory

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/teamtask/teamtask/internal/audit"
	"github.com/teamtask/teamtask/internal/clerk"
	"github.com/teamtask/teamtask/internal/pgtest"
	"github.com/teamtask/teamtask/internal/tenancy"
	"github.com/teamtask/teamtask/migrations"
)

// model is a Clerk that can be looked at, and held where it answers.
type model struct {
	mu            sync.Mutex
	organizations map[string]clerk.Organization
	users         map[string]clerk.User
	members       map[spot]clerk.Membership
	invited       map[spot]clerk.Invitation

	unlisted map[spot]bool   // members that lists leave out
	broken   map[string]bool // organizations that cannot be asked for
	fetches  int
	hold     func() // called before and after an answer is made; may be nil
}

// spot is an id within an organization.
type spot struct{ organization, id string }

var _ Source = (*model)(nil)

func newModel() *model {
	return &model{
		organizations: map[string]clerk.Organization{}, users: map[string]clerk.User{},
		members: map[spot]clerk.Membership{}, invited: map[spot]clerk.Invitation{}, unlisted: map[spot]bool{}, broken: map[string]bool{},
	}
}

// ask makes an answer as Clerk does: of one moment, which is past when it arrives.
func ask[T any](m *model, answer func() T) T {
	if m.hold != nil {
		m.hold()
		defer m.hold()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fetches++
	return answer()
}

type answer[T any] struct {
	found T
	err   error
}

func one[K comparable, T any](m *model, from map[K]T, key K) (T, error) {
	a := ask(m, func() answer[T] {
		found, ok := from[key]
		if !ok {
			return answer[T]{err: clerk.NotFound}
		}
		return answer[T]{found: found}
	})
	return a.found, a.err
}

func all[K comparable, T any](m *model, from map[K]T, in func(K) bool) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		found := ask(m, func() []T {
			var found []T
			for key, t := range from {
				if in(key) {
					found = append(found, t)
				}
			}
			return found
		})
		for _, t := range found {
			if !yield(t, nil) {
				return
			}
		}
	}
}

func (m *model) Organization(_ context.Context, id string) (clerk.Organization, error) {
	if m.broken[id] {
		return clerk.Organization{}, clerk.Unavailable
	}
	return one(m, m.organizations, id)
}

func (m *model) Membership(_ context.Context, org, user string) (clerk.Membership, error) {
	return one(m, m.members, spot{org, user})
}

func (m *model) Invitation(_ context.Context, org, id string) (clerk.Invitation, error) {
	return one(m, m.invited, spot{org, id})
}

func (m *model) User(_ context.Context, id string) (clerk.User, error) { return one(m, m.users, id) }

func (m *model) UserAt(_ context.Context, address string) (clerk.User, error) {
	type answer struct {
		clerk.User
		err error
	}
	a := ask(m, func() answer {
		for _, u := range m.users {
			if slices.ContainsFunc(u.Verified, func(a string) bool { return strings.EqualFold(a, address) }) {
				return answer{u, nil}
			}
		}
		return answer{err: clerk.NotFound}
	})
	return a.User, a.err
}

func (m *model) MembershipsOf(_ context.Context, user string) iter.Seq2[clerk.Membership, error] {
	return all(m, m.members, func(p spot) bool { return p.id == user && !m.unlisted[p] })
}

func (m *model) Organizations(context.Context) iter.Seq2[clerk.Organization, error] {
	return all(m, m.organizations, func(string) bool { return true })
}

func (m *model) Users(context.Context) iter.Seq2[clerk.User, error] {
	return all(m, m.users, func(string) bool { return true })
}

func (m *model) Memberships(_ context.Context, org string) iter.Seq2[clerk.Membership, error] {
	return all(m, m.members, func(p spot) bool { return p.organization == org && !m.unlisted[p] })
}

func (m *model) Invitations(_ context.Context, org string, _ ...string) iter.Seq2[clerk.Invitation, error] {
	return all(m, m.invited, func(p spot) bool { return p.organization == org })
}

// did changes the model and answers what Clerk would tell of it.
func (m *model) did(change func(), h ...hint) []hint {
	m.mu.Lock()
	defer m.mu.Unlock()
	change()
	return h
}

func (m *model) addOrganization(id, name string) []hint {
	return m.did(func() {
		m.organizations[id] = clerk.Organization{ID: id, Name: name, Slug: name, CreateTime: epoch}
	}, hint{about: aboutOrganization, organization: id})
}

// deleteOrganization tells of nothing that ends with it.
func (m *model) deleteOrganization(id string) []hint {
	return m.did(func() {
		delete(m.organizations, id)
		maps.DeleteFunc(m.members, func(p spot, _ clerk.Membership) bool { return p.organization == id })
		maps.DeleteFunc(m.invited, func(p spot, _ clerk.Invitation) bool { return p.organization == id })
	}, hint{about: aboutOrganization, organization: id})
}

func (m *model) addUser(id, name string) []hint {
	return m.did(func() {
		m.users[id] = clerk.User{ID: id, Name: name, Email: name + "@a.test", Verified: []string{name + "@a.test"}, CreateTime: epoch}
		for p, place := range m.members {
			if p.id == id {
				place.Name = name
				m.members[p] = place
			}
		}
	}, hint{about: aboutUser, user: id})
}

// deleteUser tells of nothing that ends with it.
func (m *model) deleteUser(id string) []hint {
	return m.did(func() {
		delete(m.users, id)
		maps.DeleteFunc(m.members, func(p spot, _ clerk.Membership) bool { return p.id == id })
	}, hint{about: aboutUser, user: id})
}

func (m *model) addMember(org, user, role string) []hint {
	return m.did(func() {
		_, there := m.organizations[org]
		person, known := m.users[user]
		if !there || !known {
			return
		}
		m.members[spot{org, user}] = clerk.Membership{
			ID: "orgmem_" + user, Organization: org, User: user, Role: role, Name: person.Name, Identifier: person.Email, CreateTime: epoch,
		}
	}, hint{about: aboutMembership, organization: org, user: user})
}

func (m *model) removeMember(org, user string) []hint {
	return m.did(func() { delete(m.members, spot{org, user}) }, hint{about: aboutMembership, organization: org, user: user})
}

func (m *model) invite(org, id, status string) []hint {
	return m.did(func() {
		if _, there := m.organizations[org]; there {
			m.invited[spot{org, id}] = clerk.Invitation{
				ID: id, Organization: org, Email: id + "@a.test", Role: "org:member", Status: status, HoldSeat: true,
				CreateTime: epoch, ExpireTime: epoch.AddDate(0, 1, 0),
			}
		}
	}, hint{about: aboutInvitation, organization: org, invitation: id})
}

var epoch = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// world is what there is of some organizations and people, one line each.
type world []string

func (m *model) world() world {
	m.mu.Lock()
	defer m.mu.Unlock()
	w := world{}
	for _, o := range m.organizations {
		w = append(w, fmt.Sprintf("%s %s %s", o.ID, o.Name, o.Slug))
	}
	for id, u := range m.users {
		w = append(w, fmt.Sprintf("%s %s %s", id, u.Name, u.Email))
	}
	for p, place := range m.members {
		w = append(w, fmt.Sprintf("%s %s %s %s %s", p.organization, p.id, place.Role, place.Name, place.Identifier))
	}
	for p, i := range m.invited {
		w = append(w, fmt.Sprintf("%s %s %s %s %v", p.organization, p.id, i.Email, i.Status, i.HoldSeat))
	}
	slices.Sort(w)
	return w
}

// kept is our copy of them.
func kept(t *testing.T, d *Directory, organizations, users []string) world {
	t.Helper()
	w := world{}
	look := func(tenant string, fn func(ctx context.Context, tx *tenancy.Tx) error) {
		t.Helper()
		if err := d.db.In(t.Context(), system(tenant), func(tx *tenancy.Tx) error { return fn(t.Context(), tx) }); err != nil {
			t.Fatal(err)
		}
	}
	for _, id := range organizations {
		look(id, func(ctx context.Context, tx *tenancy.Tx) error {
			o, err := selectOrganization(ctx, tx, id)
			if err != nil {
				return err
			}
			if o != nil && o.DeleteTime == nil {
				w = append(w, fmt.Sprintf("%s %s %s", id, o.Name, o.Slug))
			}
			members, err := selectMembers(ctx, tx, id, "")
			if err != nil {
				return err
			}
			for _, m := range members {
				if m.RemoveTime == nil {
					w = append(w, fmt.Sprintf("%s %s %s %s %s", id, m.UserID, m.Role, m.Name, m.Email))
				} else if m.Name+m.Email != "" {
					t.Errorf("%s %s: somebody who is gone has a name or an address", id, m.UserID)
				}
			}
			invitations, err := selectInvitations(ctx, tx, id, "")
			if err != nil {
				return err
			}
			for _, i := range invitations {
				if i.Status != statusGone {
					w = append(w, fmt.Sprintf("%s %s %s %s %v", id, i.ID, i.Email, i.Status, i.HoldSeat))
				} else if i.Email != "" {
					t.Errorf("%s %s: an invitation that is gone has an address", id, i.ID)
				}
			}
			return nil
		})
	}
	for _, id := range users {
		look(id, func(ctx context.Context, tx *tenancy.Tx) error {
			u, err := selectUser(ctx, tx, id)
			if err != nil {
				return err
			}
			switch {
			case u != nil && u.DeleteTime == nil:
				w = append(w, fmt.Sprintf("%s %s %s", id, u.Name, u.Email))
			case u != nil && u.Name+u.Email != "":
				t.Errorf("%s: somebody who is gone has a name or an address", id)
			}
			return nil
		})
	}
	slices.Sort(w)
	return w
}

func agree(t *testing.T, d *Directory, m *model, organizations, users []string) bool {
	t.Helper()
	if diff := cmp.Diff(m.world(), kept(t, d, organizations, users)); diff != "" {
		t.Errorf("Clerk and our copy differ (-Clerk +copy):\n%s", diff)
		return false
	}
	return true
}

func openDirectory(t *testing.T, source Source) *Directory {
	t.Helper()
	db, err := tenancy.Open(t.Context(), tenancy.Options{
		URL: pgtest.New(t).AppURL, Schema: migrations.Latest(), Statements: slices.Concat(Statements, audit.Statements, testStatements),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	return New(Options{DB: db, Clerk: source})
}

func apply(t *testing.T, d *Directory, all ...[]hint) {
	t.Helper()
	for _, h := range slices.Concat(all...) {
		if err := d.refresh(t.Context(), h, nil); err != nil {
			t.Fatalf("%v: %v", h, err)
		}
	}
}

var (
	readLines = tenancy.Statement{Name: "test_lines", SQL: `
		SELECT method, target, actor, details::text
		  FROM audit_events
		 WHERE tenant_id = $1
		 ORDER BY id`}
	bareRole = tenancy.Statement{Name: "test_bare_role", SQL: `
		UPDATE members SET role = substr(role, 5), role_time = '2020-01-02' WHERE tenant_id = $1`}
	oldRole = tenancy.Statement{Name: "test_old_role", SQL: `
		UPDATE members SET role = role WHERE tenant_id = $1 AND role = $2 AND role_time = '2020-01-02'`}
	testStatements = []tenancy.Statement{readLines, bareRole, oldRole}
)

// exec runs a statement of a test in the tenant, and returns how many rows it changed.
func exec(t *testing.T, d *Directory, tenant string, s tenancy.Statement, args ...any) (rows int64) {
	t.Helper()
	err := d.db.Once(t.Context(), system(tenant), func(tx *tenancy.Tx) (err error) {
		rows, err = tenancy.Exec(t.Context(), tx, s, args...)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// lines is what the audit log has of a tenant.
func lines(t *testing.T, d *Directory, tenant string) []string {
	t.Helper()
	type row struct{ Method, Target, Actor, Details string }
	var found []row
	err := d.db.Once(t.Context(), system(tenant), func(tx *tenancy.Tx) (err error) {
		found, err = tenancy.Rows[row](t.Context(), tx, readLines, tenant)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	text := []string{}
	for _, r := range found {
		text = append(text, r.Method+" "+r.Target+" "+r.Actor+" "+r.Details)
	}
	return text
}

// SetMembershipMetadata is never called: without a ledger nothing is written to Clerk.
func (m *model) SetMembershipMetadata(_ context.Context, org, user string, _ map[string]any) (clerk.Membership, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return clerk.Membership{}, fmt.Errorf("written to %s in %s", user, org)
}
