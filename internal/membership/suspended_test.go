package membership

import (
	"testing"

	teamtaskv1 "github.com/teamtask/teamtask/gen/teamtask/v1"
	"github.com/teamtask/teamtask/internal/tenancy"
)

// licensed is a seat that works, suspended one on record that does not.
func TestAMembersSeatWorksOrIsSuspended(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.ledger = true
	f.put(ours, named(1, "With", "Without")...)
	f.exec(`INSERT INTO licenses (tenant_id, status, working, purchased) VALUES ($1, 'active', true, 5)`, ours)
	f.exec(`INSERT INTO seats (tenant_id, user_id, assigned_by) VALUES ($1, 'user_001', 'user_boss')`, ours)
	want := func(when, user string, licensed, suspended bool) {
		t.Helper()
		actor := person(ours, user, "org:member")
		current, err := f.Current(t.Context(), actor)
		if err != nil {
			t.Fatal(err)
		}
		all := []*teamtaskv1.Member{current.proto(actor)}
		for _, by := range []filter{{}, {query: "wi"}} {
			found, _, err := f.List(t.Context(), someone, by, tenancy.Page{Size: 200})
			if err != nil {
				t.Fatal(err)
			}
			for i := range found {
				if found[i].UserID == user {
					all = append(all, found[i].proto())
				}
			}
		}
		if len(all) != 3 {
			t.Fatalf("%s: %s is there %d times, want as themselves and in two lists", when, user, len(all))
		}
		for i, m := range all {
			if m.GetLicensed() != licensed || m.GetSuspended() != suspended {
				t.Errorf("%s, %d: %s is licensed %t, suspended %t; want %t, %t", when, i, user, m.GetLicensed(), m.GetSuspended(), licensed, suspended)
			}
		}
	}
	want("active", "user_001", true, false)
	want("active", "user_002", false, false)
	f.exec(`UPDATE licenses SET working = false, purchased = 0`)
	want("unpaid", "user_001", false, true)
	want("unpaid", "user_002", false, false)
	f.ledger = false
	want("without a ledger", "user_001", false, false)
}
