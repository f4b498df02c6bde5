package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// A call that succeeds and changes nothing can be made for ever: its lines are bounded
// like those of refusals, and every change has its own all the same.
func TestCallsThatChangeNothingLeaveABoundedNumberOfLines(t *testing.T) {
	t.Parallel()
	s := newPaying(t, nil)
	dana := s.token("dana", "d2-gamers", 2)
	const many, most = 90, 60
	calls := func(method, user string, n int) {
		t.Helper()
		for range n {
			if answer := s.post(method, dana, fmt.Appendf(nil, `{"userId":%q}`, user)); answer.status != http.StatusOK {
				t.Fatalf("%s of %s: %d %s", method, user, answer.status, answer.body)
			}
		}
	}
	lines := func(method, target string) int {
		n := 0
		for _, l := range s.lines("org_d2gamers", "user_dana") {
			if strings.Contains(l, method+" ok") && strings.Contains(l, target) {
				n++
			}
		}
		return n
	}
	calls(assignSeat, "user_alice", many) // who has one
	if n := lines(assignSeat, "user_alice"); n != most {
		t.Errorf("%d lines of seats that were there already, want %d", n, most)
	}
	calls(revokeSeat, "user_ben", 10) // who has none
	if n := lines(revokeSeat, "user_ben"); n != 1 {
		t.Errorf("%d lines of seats that were not there, want the first", n)
	}
	const changes = 40
	for range changes {
		calls(revokeSeat, "user_alice", 1)
		calls(assignSeat, "user_alice", 1)
	}
	if n := lines(revokeSeat, "user_alice"); n != changes {
		t.Errorf("%d lines of seats that were revoked, want %d", n, changes)
	}
	if n := lines(assignSeat, "user_alice"); n != most+changes {
		t.Errorf("%d lines of seats that were assigned, want %d", n-most, changes)
	}
	s.trail.Close()
	got, err := s.column(`SELECT concat_ws(' ', method, outcome, details) FROM audit_events
		WHERE details ? 'repeated' ORDER BY method`)
	want := []string{assignSeat + ` ok {"repeated": 30}`, revokeSeat + ` ok {"repeated": 9}`}
	if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("counted lines %v, %v, want %v", got, err, want)
	}
}
