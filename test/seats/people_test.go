package seats

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"connectrpc.com/connect"

	teamtaskv1 "github.com/teamtask/teamtask/gen/teamtask/v1"
	"github.com/teamtask/teamtask/internal/stacktest"
)

// invites has the person of the sandbox's Clerk invite an address with a seat held for it, and
// returns the invitation's id.
func (b *buyer) invites(address string) string {
	b.T.Helper()
	body := `{"email_address": "` + address + `", "inviter_user_id": "user_` + b.user + `", "role": "org:member", "public_metadata": {"holdSeat": true}}`
	request, err := http.NewRequestWithContext(b.T.Context(), http.MethodPost, b.Box+"/clerk/v1/organizations/"+b.idOf(b.org)+"/invitations", strings.NewReader(body))
	if err != nil {
		b.T.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+b.Sandbox.SecretKey())
	request.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		b.T.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	var made struct{ ID string }
	if err != nil || answer.StatusCode != http.StatusOK || json.Unmarshal(text, &made) != nil {
		b.T.Fatalf("invite: %d %s %v", answer.StatusCode, text, err)
	}
	return made.ID
}

// lines are the organization's audit lines of the method about the target.
func (s *shop) lines(method, target string) int {
	s.T.Helper()
	return s.count(`SELECT count(*) FROM audit_events WHERE method = $1 AND target = $2`, method, target)
}

// People who are banned or deprovisioned lose their seats in every organization, whichever way
// the news comes; people who are locked keep them. What is held for an invitation goes to the
// person who accepted it, by whichever of their addresses they were invited.
func TestSeatsFollowWhatBecomesOfPeople(t *testing.T) {
	t.Parallel()
	t.Run("with events as they are sent", func(t *testing.T) {
		t.Parallel()
		fates(t, newShop(t, nil))
	})
	t.Run("with events shuffled and doubled", func(t *testing.T) {
		t.Parallel()
		s := newShop(t, nil)
		s.Control(http.MethodPost, "/sandbox/webhooks", `{"shuffle": true, "duplicate": 2, "retry_ms": [50, 100, 200, 400, 800]}`)
		fates(t, s)
	})
	t.Run("with no event at all, by reconciliation", func(t *testing.T) {
		t.Parallel()
		s := newShop(t, nil)
		s.Control(http.MethodPost, "/sandbox/webhooks", `{"drop": true, "retry_ms": []}`)
		reconcile := s.reconciler()
		s.arrive = func() { reconcile("--apply") }
		fates(t, s)
	})
}

func fates(t *testing.T, s *shop) {
	t.Helper()
	nora := s.found("new-co", "nora", "p1", "p2", "p3")
	olga := s.found("old-co", "olga", "p1")
	nora.buys(5)
	olga.buys(2)
	s.arrive()
	nora.has("ACTIVE", 5, 0, 0)
	olga.has("ACTIVE", 2, 0, 0)
	nora.assigns("p1", "p2", "p3")
	olga.assigns("p1")
	all := s.team("new-co", "p1", "p2", "p3")

	for user, body := range map[string]string{"p1": `{"banned": true}`, "p2": `{"deprovisioned": true}`, "p3": `{"locked": true}`} {
		s.Control(http.MethodPatch, "/sandbox/users/"+user, body)
	}
	s.arrive()
	nora.has("ACTIVE", 5, 1, 0)
	olga.has("ACTIVE", 2, 0, 0)
	all.works("banned, deprovisioned and locked", "p3")
	s.shown("new-co", "p3")
	for user, want := range map[string]int{"user_p1": 2, "user_p2": 1, "user_p3": 0} {
		if got := s.lines("licensing.seat.release", user); got != want {
			t.Errorf("%d lines say that %s lost a seat, want %d", got, user, want)
		}
	}
	if answer, err := nora.members.ListMembers(t.Context(), &teamtaskv1.ListMembersRequest{}); err != nil || len(answer.GetMembers()) != 4 {
		t.Errorf("members: %v, %v; want all four still", answer, err)
	}
	for user, why := range map[string]string{"p1": "banned", "p2": "deprovisioned"} {
		nora.refuses(user, stacktest.Refusal{Code: connect.CodeNotFound, Reason: "MEMBER_NOT_FOUND", Metadata: map[string]string{"why": why}})
	}
	s.Control(http.MethodPatch, "/sandbox/users/p1", `{"banned": false}`)
	s.arrive()
	s.Until("p1 may have a seat again", func() bool {
		_, err := nora.licensing.AssignSeat(t.Context(), &teamtaskv1.AssignSeatRequest{UserId: "user_p1"})
		return err == nil
	})
	all.works("p1 again", "p1", "p3")

	// Two seats of five are given. An old member of another organization, invited by an address
	// that is not their primary one, accepts.
	id := nora.invites("olgas.private@mail.test")
	s.arrive()
	s.Until("a seat is held", func() bool { return nora.license().GetHeld() == 1 })
	s.Control(http.MethodPost, "/sandbox/invitations/"+id+"/accept", `{"user": "olga"}`)
	s.arrive()
	s.Until("the held seat is olga's", func() bool {
		l := nora.license()
		return l.GetHeld() == 0 && l.GetAssigned() == 3
	})
	s.team("new-co", "olga").works("accepted by another address", "olga")
	s.shown("new-co", "olga", "p1", "p3")
}

// flaggedIs reports whether Clerk calls the person licensed anywhere, read where the failures of
// a test are not.
func (s *shop) flaggedIs(user string) bool {
	s.T.Helper()
	var list struct {
		Data []struct {
			PublicMetadata map[string]any `json:"public_metadata"`
		}
	}
	s.ask("/clerk/v1/users/user_"+user+"/organization_memberships", s.Sandbox.SecretKey(), &list)
	for _, m := range list.Data {
		if licensed, _ := m.PublicMetadata["isLicensed"].(bool); licensed {
			return true
		}
	}
	return false
}

// While nobody can read what became of a write, its seat is not synced.
func TestASeatIsNotSyncedWhileClerkCannotBeRead(t *testing.T) {
	t.Parallel()
	s := newShop(t, nil)
	nora := s.found("new-co", "nora", "p1")
	nora.buys(2)
	nora.has("ACTIVE", 2, 0, 0)
	s.rests()
	s.Control(http.MethodPost, "/sandbox/faults", `{"service": "clerk", "method": "GET", "path": "/organizations/`+s.idOf("new-co")+`/memberships", "status": 500, "times": -1}`)
	nora.assigns("p1")
	s.Until("Clerk was written to", func() bool { return s.flaggedIs("p1") })
	answer, err := nora.licensing.RevokeSeat(t.Context(), &teamtaskv1.RevokeSeatRequest{UserId: "user_p1"})
	if err != nil || answer.GetSeat().GetSynced() {
		t.Errorf("revoked while Clerk says licensed and cannot be read: %v, %v; want it not synced", answer.GetSeat(), err)
	}
	seats, err := nora.licensing.ListSeats(t.Context(), &teamtaskv1.ListSeatsRequest{})
	if err != nil {
		t.Fatal(err)
	}
	for _, seat := range seats.GetSeats() {
		if seat.GetUserId() == "user_p1" && seat.GetSynced() {
			t.Errorf("listed as %v while Clerk says licensed: %t", seat, s.flaggedIs("p1"))
		}
	}
}
