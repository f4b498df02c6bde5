package tenancy

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/teamtask/teamtask/internal/stacktest"
)

// A call that succeeds and changes nothing can be made for ever: its lines are bounded
// like those of refusals, and every change has its own all the same.
func TestCallsThatChangeNothingLeaveABoundedNumberOfLines(t *testing.T) {
	t.Parallel()
	s := stacktest.NewPaying(t, nil)
	dana := s.Token("dana", "d2-gamers", 2)
	const many, most = 90, 60
	calls := func(method, user string, n int) {
		t.Helper()
		for range n {
			if answer := s.Post(method, dana, fmt.Appendf(nil, `{"userId":%q}`, user)); answer.Status != http.StatusOK {
				t.Fatalf("%s of %s: %d %s", method, user, answer.Status, answer.Body)
			}
		}
	}
	lines := func(method, target string) int {
		n := 0
		for _, l := range auditLines(s, "org_d2gamers", "user_dana") {
			if strings.Contains(l, method+" ok") && strings.Contains(l, target) {
				n++
			}
		}
		return n
	}
	calls(stacktest.AssignSeat, "user_alice", many) // who has one
	if n := lines(stacktest.AssignSeat, "user_alice"); n != most {
		t.Errorf("%d lines of seats that were there already, want %d", n, most)
	}
	calls(stacktest.RevokeSeat, "user_ben", 10) // who has none
	if n := lines(stacktest.RevokeSeat, "user_ben"); n != 1 {
		t.Errorf("%d lines of seats that were not there, want the first", n)
	}
	const changes = 40
	for range changes {
		calls(stacktest.RevokeSeat, "user_alice", 1)
		calls(stacktest.AssignSeat, "user_alice", 1)
	}
	if n := lines(stacktest.RevokeSeat, "user_alice"); n != changes {
		t.Errorf("%d lines of seats that were revoked, want %d", n, changes)
	}
	if n := lines(stacktest.AssignSeat, "user_alice"); n != most+changes {
		t.Errorf("%d lines of seats that were assigned, want %d", n-most, changes)
	}
	s.Trail.Close()
	got, err := s.Column(`SELECT concat_ws(' ', method, outcome, details) FROM audit_events
		WHERE details ? 'repeated' ORDER BY method`)
	want := []string{stacktest.AssignSeat + ` ok {"repeated": 30}`, stacktest.RevokeSeat + ` ok {"repeated": 9}`}
	if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("counted lines %v, %v, want %v", got, err, want)
	}
}
