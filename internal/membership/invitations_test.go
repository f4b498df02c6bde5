package membership

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/teamtask/teamtask/internal/fault"
	"github.com/teamtask/teamtask/internal/tenancy"

	teamtaskv1 "github.com/teamtask/teamtask/gen/teamtask/v1"
)

// sent is the nth invitation of a test, of an older one for each greater n.
func sent(n int, status string) invitation {
	at := time.Date(2026, time.January, 10, 12, 0, 0, 0, time.UTC).AddDate(0, 0, -n)
	return invitation{ID: fmt.Sprintf("orginv_%03d", n), Email: "a@x.test", Role: "org:member", Status: status, CreateTime: at}
}

// collected reads all invitations in pages.
func (f *fixture) collected(size int, between func()) (all []string) {
	f.t.Helper()
	for token := ""; ; {
		found, next, err := f.Invitations(f.t.Context(), someone, tenancy.Page{Size: size, Token: token})
		if err != nil {
			f.t.Fatal(err)
		}
		for _, i := range found {
			all = append(all, i.ID)
		}
		if token = next; token == "" {
			return all
		}
		if between != nil {
			between()
		}
	}
}

func TestInvitationsAreListedNewestFirstWithoutThoseThatAreGone(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.invite(ours, sent(3, "accepted"), sent(1, "pending"), sent(2, "gone"), sent(5, "revoked"), sent(4, "expired"))
	twin := sent(1, "pending")
	twin.ID = "orginv_zzz"
	f.invite(ours, twin)
	f.invite(theirs, sent(6, "pending"))
	want := []string{"orginv_zzz", "orginv_001", "orginv_003", "orginv_004", "orginv_005"}
	for size := 1; size <= len(want)+1; size++ {
		same(t, fmt.Sprintf("in pages of %d", size), want, f.collected(size, nil))
	}
	later := 0
	same(t, "while new ones come", want, f.collected(1, func() {
		later++
		f.invite(ours, invitation{ID: fmt.Sprint("orginv_new", later), Status: "pending", CreateTime: time.Now()})
	}))
	f.exec(`DELETE FROM invitations WHERE tenant_id = $1 AND id LIKE 'orginv_new%'`, ours)
	first := true
	same(t, "while the last of a page goes", []string{"orginv_zzz", "orginv_001", "orginv_003", "orginv_004", "orginv_005"}, f.collected(2, func() {
		if first {
			f.exec(`UPDATE invitations SET status = 'gone', email = '' WHERE tenant_id = $1 AND id = 'orginv_001'`, ours)
		}
		first = false
	}))
}

func TestAnInvitationThatWasNotAcceptedInTimeReadsAsExpired(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	past, future := time.Now().Add(-time.Minute), time.Now().Add(time.Hour)
	want := map[string]teamtaskv1.InvitationStatus{}
	n := 0
	for status, of := range map[string][3]teamtaskv1.InvitationStatus{ // no end, past, future
		"pending":  {1, 4, 1},
		"accepted": {2, 2, 2},
		"revoked":  {3, 3, 3},
		"expired":  {4, 4, 4},
		"novel":    {0, 0, 0},
	} {
		for i, end := range []*time.Time{nil, &past, &future} {
			n++
			one := sent(n, status)
			one.ExpireTime = end
			f.invite(ours, one)
			want[one.ID] = of[i]
		}
	}
	found, _, err := f.Invitations(t.Context(), someone, tenancy.Page{})
	if err != nil || len(found) != n {
		t.Fatalf("%d invitations, %v; want %d", len(found), err, n)
	}
	for i := range found {
		wire := found[i].proto()
		if wire.GetStatus() != want[wire.GetId()] || (wire.ExpireTime == nil) != (found[i].ExpireTime == nil) {
			t.Errorf("%s %s: %v, want %v", wire.GetId(), found[i].Status, wire.GetStatus(), want[wire.GetId()])
		}
	}
}

func TestWithoutADirectoryOnlyTheCallerIsKnown(t *testing.T) {
	t.Parallel()
	f := newFixtureWith(t, nil)
	f.put(ours, named(1, "Ann")...)
	_, _, members := f.List(t.Context(), someone, filter{}, tenancy.Page{})
	_, _, invitations := f.Invitations(t.Context(), someone, tenancy.Page{})
	_, roles := f.Roles(t.Context(), someone)
	for what, err := range map[string]error{"members": members, "invitations": invitations, "roles": roles} {
		if !errors.Is(err, fault.DirectoryNotConfigured) {
			t.Errorf("%s: %v, want DirectoryNotConfigured", what, err)
		}
	}
	if _, err := f.Current(t.Context(), someone); err != nil {
		t.Errorf("the caller: %v", err)
	}
}
