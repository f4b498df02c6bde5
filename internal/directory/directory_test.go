package directory

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/teamtask/teamtask/internal/clerk"
)

const (
	org   = "org_a"
	alice = "user_alice"
	bob   = "user_bob"
)

// small is a Clerk with one organization and one member, alice, and a copy of it.
func small(t *testing.T) (*model, *Directory) {
	t.Helper()
	m := newModel()
	d := openDirectory(t, m)
	apply(t, d, m.addOrganization(org, "A"), m.addUser(alice, "Alice"), m.addMember(org, alice, "org:admin"))
	return m, d
}

func TestOneLineForEachChangeHoweverOftenItIsTold(t *testing.T) {
	t.Parallel()
	m, d := small(t)
	twice := func(h []hint) { apply(t, d, h, h) }
	twice(m.addUser(bob, "Bob"))
	twice(m.addMember(org, bob, "org:member"))
	twice(m.addMember(org, bob, "org:manager"))
	twice(m.invite(org, "orginv_1", "pending"))
	twice(m.invite(org, "orginv_1", "revoked"))
	twice(m.removeMember(org, bob))
	twice(m.deleteOrganization(org))
	want := []string{
		`directory.organization.add org_a system:directory {}`,
		`directory.member.add user_alice system:directory {"role": {"after": "org:admin", "before": null}}`,
		`directory.member.add user_bob system:directory {"role": {"after": "org:member", "before": null}}`,
		`directory.member.role user_bob system:directory {"role": {"after": "org:manager", "before": "org:member"}}`,
		`directory.invitation.pending orginv_1 system:directory {"status": {"after": "pending", "before": ""}}`,
		`directory.invitation.revoked orginv_1 system:directory {"status": {"after": "revoked", "before": "pending"}}`,
		`directory.member.remove user_bob system:directory {"role": {"after": null, "before": "org:manager"}}`,
		`directory.organization.delete org_a system:directory {"members": 1, "invitations": 1}`,
	}
	if diff := cmp.Diff(want, lines(t, d, org)); diff != "" {
		t.Errorf("audit lines (-want +got):\n%s", diff)
	}
	twice(m.deleteUser(bob))
	if diff := cmp.Diff([]string{`directory.user.add user_bob system:directory {}`, `directory.user.delete user_bob system:directory {}`}, lines(t, d, bob)); diff != "" {
		t.Errorf("audit lines of the person (-want +got):\n%s", diff)
	}
}

// What was stored from an instance that names its roles without "org:" is the same role: no
// change of it, and no token from before is refused for one.
func TestAStoredRoleWithoutItsPrefixHasNotChanged(t *testing.T) {
	t.Parallel()
	m, d := small(t)
	if n := exec(t, d, org, bareRole, org); n != 1 {
		t.Fatalf("%d members have a role without its prefix, want 1", n)
	}
	before := len(lines(t, d, org))
	apply(t, d, m.addMember(org, alice, "org:admin"))
	if got := lines(t, d, org)[before:]; len(got) != 0 {
		t.Errorf("got lines %q for a role that is the same, want none", got)
	}
	if n := exec(t, d, org, oldRole, org, "org:admin"); n != 1 {
		t.Error("the role was written as a new one")
	}
	apply(t, d, m.addMember(org, alice, "org:member"))
	if n := exec(t, d, org, oldRole, org, "org:member"); n != 0 || len(lines(t, d, org)) != before+1 {
		t.Error("another role was not written as one")
	}
}

// Writers of one tenant wait for each other, so that what one of them decides by is not
// changed by another.
func TestManyAtOnceAreOneChange(t *testing.T) {
	t.Parallel()
	m, d := small(t)
	for range 10 {
		before := len(lines(t, d, org))
		add := slices.Concat(m.addUser(bob, "Bob"), m.addMember(org, bob, "org:member"))
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				if err := d.refresh(t.Context(), add[1], nil); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if got := len(lines(t, d, org)) - before; got != 1 {
			t.Fatalf("got %d lines for one change told 8 times at once, want 1", got)
		}
		apply(t, d, m.removeMember(org, bob))
	}
}

// A fetch may take as long as Clerk likes: no connection is held meanwhile.
func TestNothingIsHeldWhileClerkIsAsked(t *testing.T) {
	t.Parallel()
	m, d := small(t)
	m.hold = func() {
		if _, used := d.db.Connections(); used != 0 {
			t.Errorf("got %d connections in use while Clerk is asked, want 0", used)
		}
	}
	apply(t, d, m.addMember(org, alice, "org:member"), m.addUser(alice, "A."), m.addOrganization(org, "B"), m.invite(org, "orginv_1", "pending"))
	if _, err := d.Reconcile(t.Context(), Reconciliation{Apply: true}); err != nil {
		t.Fatal(err)
	}
}

func TestADryRunReportsAndChangesNothing(t *testing.T) {
	t.Parallel()
	m, d := small(t)
	people, organizations := []string{alice, bob}, []string{org, "org_b"}
	before := kept(t, d, organizations, people)
	m.addUser(bob, "Bob")
	m.addMember(org, bob, "org:member")
	m.addMember(org, alice, "org:viewer")
	m.addOrganization("org_b", "B")
	m.invite(org, "orginv_1", "pending")
	var found []Drift
	look := Reconciliation{Drift: func(d Drift) { found = append(found, d) }}
	sum, err := d.Reconcile(t.Context(), look)
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(found, func(a, b Drift) int { return strings.Compare(a.About+a.ID, b.About+b.ID) })
	want := []Drift{
		{org, aboutInvitation, "orginv_1", "missing here"},
		{org, aboutMembership, alice, "role: org:admin here, org:viewer at Clerk"},
		{org, aboutMembership, bob, "missing here"},
		{"org_b", aboutOrganization, "org_b", "missing here"},
		{bob, aboutUser, bob, "missing here"},
	}
	if diff := cmp.Diff(want, found); diff != "" {
		t.Errorf("drift (-want +got):\n%s", diff)
	}
	if want := (Summary{Organizations: 2, People: 2, Drifts: 5}); sum != want {
		t.Errorf("got %+v, want %+v", sum, want)
	}
	if diff := cmp.Diff(before, kept(t, d, organizations, people)); diff != "" {
		t.Errorf("a dry run has changed the copy:\n%s", diff)
	}
	if sum, err = d.Reconcile(t.Context(), Reconciliation{Apply: true}); err != nil || sum.Applied != 5 {
		t.Errorf("got %+v, %v, want 5 applied", sum, err)
	}
	agree(t, d, m, organizations, people)
	if sum, err = d.Reconcile(t.Context(), look); err != nil || sum.Drifts != 0 {
		t.Errorf("got %+v, %v, want no drift any more", sum, err)
	}
}

func TestReconcileEndsWhatIsGone(t *testing.T) {
	t.Parallel()
	m, d := small(t)
	apply(t, d, m.addUser(bob, "Bob"), m.addMember(org, bob, "org:member"), m.addOrganization("org_b", "B"), m.addMember("org_b", bob, "org:admin"),
		m.invite(org, "orginv_1", "pending"))
	m.deleteUser(bob)
	m.deleteOrganization("org_b")
	m.did(func() { clear(m.invited) })
	if _, err := d.Reconcile(t.Context(), Reconciliation{Apply: true}); err != nil {
		t.Fatal(err)
	}
	agree(t, d, m, []string{org, "org_b"}, []string{alice, bob})
	if found := kept(t, d, nil, []string{bob}); len(found) != 0 {
		t.Errorf("got %v, want nothing of somebody who is gone", found)
	}
}

// H18: of somebody who was deleted only ids are left, by the news of it and by a
// reconciliation, and nothing brings their address back.
func TestNothingIsLeftOfSomebodyWhoWasDeletedButIDs(t *testing.T) {
	t.Parallel()
	for name, forget := range map[string]func(t *testing.T, d *Directory, news []hint){
		"by the news": func(t *testing.T, d *Directory, news []hint) { t.Helper(); apply(t, d, news) },
		"by a reconciliation": func(t *testing.T, d *Directory, _ []hint) {
			t.Helper()
			if _, err := d.Reconcile(t.Context(), Reconciliation{Apply: true}); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, d := small(t)
			var forgotten []string
			d.OnEnd(func(_ context.Context, person string) error { forgotten = append(forgotten, person); return nil })
			apply(t, d, m.addUser(bob, "Bob"), m.addMember(org, bob, "org:member"), m.invite(org, "orginv_other", "pending"))
			invited := m.invite(org, "orginv_bob", "accepted")
			m.did(func() {
				i := m.invited[spot{org, "orginv_bob"}]
				i.Email = "bob@A.test"
				m.invited[spot{org, "orginv_bob"}] = i
			})
			private := m.invite(org, "orginv_private", "accepted") // to an address that we know of by this alone
			m.did(func() {
				i := m.invited[spot{org, "orginv_private"}]
				i.Email = "bobs@mail.test"
				m.invited[spot{org, "orginv_private"}] = i
			})
			private[0].user = bob // as the event of the acceptance says
			apply(t, d, invited, private)
			forget(t, d, m.deleteUser(bob))
			slices.Sort(forgotten)
			if diff := cmp.Diff([]string{"user_bob"}, slices.Compact(forgotten)); diff != "" {
				t.Errorf("people of events that are to be forgotten (-want +got):\n%s", diff)
			}
			apply(t, d, invited) // Clerk still has the invitation
			if sum, err := d.Reconcile(t.Context(), Reconciliation{Apply: true}); err != nil || sum.Drifts != 0 {
				t.Errorf("got %+v, %v, want no drift", sum, err)
			}
			for _, line := range kept(t, d, []string{org}, []string{alice, bob}) {
				if strings.Contains(strings.ToLower(line), "bob@") || strings.Contains(line, "bobs@") || strings.Contains(line, "Bob") {
					t.Errorf("is left: %s", line)
				}
			}
			if found := strings.Join(kept(t, d, []string{org}, nil), "\n"); !strings.Contains(found, "orginv_bob") || !strings.Contains(found, "orginv_other@a.test") {
				t.Errorf("got %s, want the invitations, and the address of the other one", found)
			}
		})
	}
}

// What a list lacks is asked for: a list read page by page may miss one.
func TestNothingIsRemovedForAListThatLacksIt(t *testing.T) {
	t.Parallel()
	m, d := small(t)
	m.unlisted[spot{org, alice}] = true
	sum, err := d.Reconcile(t.Context(), Reconciliation{Apply: true})
	if err != nil || sum.Drifts != 0 {
		t.Errorf("got %+v, %v, want no drift", sum, err)
	}
	apply(t, d, m.addUser(alice, "Alice B."))
	agree(t, d, m, []string{org}, []string{alice})
}

// Reconcile of one organization leaves the others alone.
func TestReconcileOfOneOrganization(t *testing.T) {
	t.Parallel()
	m, d := small(t)
	m.addOrganization("org_b", "B")
	m.addOrganization(org, "Renamed")
	sum, err := d.Reconcile(t.Context(), Reconciliation{Organization: org, Apply: true})
	if want := (Summary{Organizations: 1, Drifts: 1, Applied: 1}); err != nil || sum != want {
		t.Errorf("got %+v, %v, want %+v", sum, err, want)
	}
	if found := kept(t, d, []string{"org_b"}, nil); len(found) != 0 {
		t.Errorf("got %v, want nothing of the other one", found)
	}
}

// Copies of more than one page are compared whole.
func TestReconcileGoesThroughAllPages(t *testing.T) {
	t.Parallel()
	m := newModel()
	d := openDirectory(t, m)
	m.addOrganization(org, "A")
	n := oursPage + 50
	for i := range n {
		id := fmt.Sprintf("user_%04d", i)
		m.addUser(id, "Somebody")
		m.addMember(org, id, "org:member")
	}
	for _, step := range []struct {
		name   string
		change func()
		want   int
	}{
		{"empty here", func() {}, n + 1},
		{"the same", func() {}, 0},
		{"one renamed on the last page", func() { m.addMember(org, fmt.Sprintf("user_%04d", n-1), "org:admin") }, 1},
		{"all gone", func() { m.did(func() { clear(m.members) }) }, n},
	} {
		step.change()
		sum, err := d.Reconcile(t.Context(), Reconciliation{Organization: org, Apply: true})
		if err != nil || sum.Drifts != step.want || sum.Applied != step.want {
			t.Errorf("%s: got %+v, %v, want %d applied", step.name, sum, err, step.want)
		}
	}
}

func TestOneThatCannotBeComparedDoesNotStopTheOthers(t *testing.T) {
	t.Parallel()
	m, d := small(t)
	for _, id := range []string{"org_b", "org_c"} {
		m.addOrganization(id, id)
	}
	m.addUser(bob, "Bob")
	m.broken["org_b"] = true
	sum, err := d.Reconcile(t.Context(), Reconciliation{Apply: true})
	if !errors.Is(err, clerk.Unavailable) || !strings.Contains(err.Error(), "org_b") {
		t.Errorf("got %v, want what is wrong with org_b", err)
	}
	if want := (Summary{Organizations: 3, People: 2, Drifts: 2, Applied: 2}); sum != want {
		t.Errorf("got %+v, want %+v", sum, want)
	}
	for i := range 2 * inARow {
		id := fmt.Sprintf("org_x%02d", i)
		m.addOrganization(id, id)
		m.broken[id] = true
	}
	for _, id := range []string{org, "org_c"} { // nothing goes well in between
		m.broken[id] = true
	}
	if sum, err = d.Reconcile(t.Context(), Reconciliation{Apply: true}); err == nil || sum.Organizations != inARow || sum.People != 0 {
		t.Errorf("got %+v, %v, want to give up after %d", sum, err, inARow)
	}
}

// A key of another instance must not end everything here.
func TestAnotherInstanceEndsNothing(t *testing.T) {
	t.Parallel()
	m, d := small(t)
	apply(t, d, m.addOrganization("org_b", "B"), m.addOrganization("org_c", "C"), m.addOrganization("org_d", "D"))
	before := kept(t, d, []string{org, "org_b", "org_c"}, []string{alice})
	other := newModel()
	other.addOrganization("org_z", "Z")
	elsewhere := New(Options{DB: d.db, Clerk: other})
	if sum, err := elsewhere.Reconcile(t.Context(), Reconciliation{Apply: true}); !errors.Is(err, ErrOtherInstance) || sum.Applied != 0 {
		t.Errorf("got %+v, %v, want ErrOtherInstance and nothing written", sum, err)
	}
	if diff := cmp.Diff(before, kept(t, d, []string{org, "org_b", "org_c"}, []string{alice})); diff != "" {
		t.Errorf("the copy has changed:\n%s", diff)
	}
	// One that is left is enough to go on, and one organization can always be named.
	if _, err := elsewhere.Reconcile(t.Context(), Reconciliation{Organization: "org_c", Apply: true}); err != nil {
		t.Error(err)
	}
	other.addOrganization(org, "A")
	if _, err := elsewhere.Reconcile(t.Context(), Reconciliation{Apply: true}); err != nil {
		t.Error(err)
	}
	agree(t, elsewhere, other, []string{org, "org_b", "org_c", "org_d", "org_z"}, []string{alice})
}

func TestAnOrganizationThatNobodyKnowsIsAnError(t *testing.T) {
	t.Parallel()
	_, d := small(t)
	if sum, err := d.Reconcile(t.Context(), Reconciliation{Organization: "org_none", Apply: true}); !errors.Is(err, ErrNoOrganization) || sum.Drifts != 0 {
		t.Errorf("got %+v, %v, want ErrNoOrganization", sum, err)
	}
	if found := lines(t, d, "org_none"); len(found) != 0 {
		t.Errorf("got %v, want no line", found)
	}
}

func TestChangesOfWordsAreKeptWithoutTheWords(t *testing.T) {
	t.Parallel()
	m, d := small(t)
	apply(t, d, m.addOrganization(org, "Renamed"), m.addUser(alice, "Alice B."))
	licensed := m.did(func() {
		member := m.members[spot{org, alice}]
		member.Licensed = true
		m.members[spot{org, alice}] = member
	}, hint{about: aboutMembership, organization: org, user: alice})
	apply(t, d, licensed)
	want := []string{
		`directory.organization.update org_a system:directory {"name": "changed", "slug": "changed"}`,
		`directory.member.update user_alice system:directory {"name": "changed"}`,
		`directory.member.licensed user_alice system:directory {"licensed": {"after": true, "before": false}}`,
	}
	if diff := cmp.Diff(want, lines(t, d, org)[2:]); diff != "" {
		t.Errorf("audit lines (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{
		`directory.user.add user_alice system:directory {}`,
		`directory.user.update user_alice system:directory {"name": "changed", "email": "changed"}`,
	}, lines(t, d, alice)); diff != "" {
		t.Errorf("audit lines of the person (-want +got):\n%s", diff)
	}
}

func TestEventsSayWhatToFetchAndNothingElse(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		kind, body string
		want       hint
		bad        bool
	}{
		{"user.created", `{"data":{"id":"user_1"}}`, hint{about: aboutUser, user: "user_1"}, false},
		{"user.deleted", `{"data":{"id":"user_1","deleted":true}}`, hint{about: aboutUser, user: "user_1"}, false},
		{"organization.updated", `{"data":{"id":"org_1"}}`, hint{about: aboutOrganization, organization: "org_1"}, false},
		{"organizationMembership.updated", `{"data":{"organization":{"id":"org_1"},"public_user_data":{"user_id":"user_1"},"role":"org:admin"}}`, hint{about: aboutMembership, organization: "org_1", user: "user_1"}, false},
		{"organizationInvitation.accepted", `{"data":{"id":"orginv_1","organization_id":"org_1"}}`, hint{about: aboutInvitation, organization: "org_1", invitation: "orginv_1"}, false},
		{"organizationMembership.updated", `{"data":{"organization":{"id":"org_1"}}}`, hint{}, true},
		{"organizationInvitation.accepted", `{"data":{"id":"orginv_1"}}`, hint{}, true},
		{"user.created", `{"data":{}}`, hint{}, true},
		{"user.created", `{"data":[]}`, hint{}, true},
		{"user.created", `{"data":{"id":7}}`, hint{}, true},
		{"user.created", `not JSON`, hint{}, true},
	} {
		got, err := readHint(c.kind, []byte(c.body))
		if got != c.want || (err != nil) != c.bad {
			t.Errorf("%s %s: got %+v, %v, want %+v", c.kind, c.body, got, err, c.want)
		}
	}
	for kind, want := range map[string]bool{
		"user.created": true, "organization.deleted": true, "organizationMembership.created": true, "organizationInvitation.revoked": true,
		"session.created": false, "email.created": false, "userx.created": false, "": false, "organizationDomain.created": false,
	} {
		if got := New(Options{}).Consumer().Wants(kind); got != want {
			t.Errorf("wants %q: got %v, want %v", kind, got, want)
		}
	}
}
