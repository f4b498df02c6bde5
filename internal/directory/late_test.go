package directory

import (
	"testing"
	"time"

	"github.com/teamtask/teamtask/internal/tenancy"
)

// after lets fn happen when Clerk has made its n-th answer from now, before it arrives.
func after(m *model, n int, fn func()) {
	calls := 0
	m.hold = func() { // called twice for an answer: before it is made, and after
		if calls++; calls == 2*n {
			m.hold = nil
			fn()
		}
	}
}

// What was fetched before an end, and arrives after it, brings nothing back.
func TestALateAnswerBringsNothingBack(t *testing.T) {
	t.Parallel()
	for name, story := range map[string]func(t *testing.T, m *model, d *Directory){
		"a member of a person who was deleted": func(t *testing.T, m *model, d *Directory) {
			t.Helper()
			add := m.addMember(org, bob, "org:member")
			after(m, 1, func() { apply(t, d, m.deleteUser(bob)) })
			apply(t, d, add)
		},
		"a member of a person who was deleted for the second time": func(t *testing.T, m *model, d *Directory) {
			t.Helper()
			apply(t, d, m.deleteUser(bob)) // an answer that was wrong, and is mended
			apply(t, d, m.addUser(bob, "Bob"))
			add := m.addMember(org, bob, "org:member")
			after(m, 1, func() { apply(t, d, m.deleteUser(bob)) })
			apply(t, d, add)
		},
		"a member of an organization that was deleted": func(t *testing.T, m *model, d *Directory) {
			t.Helper()
			add := m.addMember(org, bob, "org:member")
			after(m, 1, func() { apply(t, d, m.deleteOrganization(org)) })
			apply(t, d, add)
		},
		"an invitation of an organization that was deleted": func(t *testing.T, m *model, d *Directory) {
			t.Helper()
			add := m.invite(org, "orginv_1", "pending")
			after(m, 1, func() { apply(t, d, m.deleteOrganization(org)) })
			apply(t, d, add)
		},
		"a member who was removed": func(t *testing.T, m *model, d *Directory) {
			t.Helper()
			add := m.addMember(org, bob, "org:member")
			after(m, 1, func() { apply(t, d, m.removeMember(org, bob)) })
			apply(t, d, add)
		},
		"a person who was deleted": func(t *testing.T, m *model, d *Directory) {
			t.Helper()
			change := m.addUser(bob, "Bobby")
			after(m, 1, func() { apply(t, d, m.deleteUser(bob)) })
			apply(t, d, change)
		},
		"an organization that was deleted": func(t *testing.T, m *model, d *Directory) {
			t.Helper()
			change := m.addOrganization(org, "Renamed")
			after(m, 1, func() { apply(t, d, m.deleteOrganization(org)) })
			apply(t, d, change)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, d := small(t)
			apply(t, d, m.addUser(bob, "Bob"))
			story(t, m, d)
			if m.hold != nil {
				t.Fatal("nothing happened in between")
			}
			agree(t, d, m, []string{org}, []string{alice, bob})
		})
	}
}

// What an event has written while a list was read is newer than the list.
func TestReconcileLeavesWhatIsNewerAlone(t *testing.T) {
	t.Parallel()
	m, d := small(t)
	after(m, 3, func() { // the list of organizations, the organization, and its members
		apply(t, d, m.addMember(org, alice, "org:viewer"))
	})
	sum, err := d.Reconcile(t.Context(), Reconciliation{Apply: true})
	if err != nil || sum.Drifts != 0 {
		t.Errorf("got %+v, %v, want no drift", sum, err)
	}
	if m.hold != nil {
		t.Fatal("nothing happened in between")
	}
	agree(t, d, m, []string{org}, []string{alice})
}

// News of a person's end waits for whoever is just writing a place of theirs, and sees it.
func TestAPlaceThatIsBeingWrittenIsEndedWithThePerson(t *testing.T) {
	t.Parallel()
	m, d := small(t)
	apply(t, d, m.addUser(bob, "Bob"))
	m.addMember(org, bob, "org:member")
	ticket, err := d.ticket(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	found, err := m.Membership(t.Context(), org, bob)
	if err != nil {
		t.Fatal(err)
	}
	written, end, ended := make(chan struct{}), make(chan struct{}), make(chan error, 2)
	go func() {
		ended <- d.in(t.Context(), org, nil, func(tx *tenancy.Tx) error {
			defer func() { <-end }()
			defer close(written)
			return d.keepMember(t.Context(), tx, ticket, org, bob, &found, nil)
		})
	}()
	<-written
	go func() { ended <- d.refresh(t.Context(), m.deleteUser(bob)[0], nil) }()
	select {
	case err := <-ended:
		t.Errorf("the news did not wait: %v", err)
		ended <- err
	case <-time.After(500 * time.Millisecond):
	}
	close(end)
	for range 2 {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	agree(t, d, m, []string{org}, []string{alice, bob})
}
