package audit

import (
	"testing"
	"time"
)

func TestWindowOfAFloodEndsByItself(t *testing.T) {
	t.Parallel()
	written := make(chan line, 1)
	f := newFlood(1, 10*time.Millisecond, func(e line) { written <- e })
	e := line{tenant: "org_a", actor: "user_a", method: "m", outcome: "permission_denied", reason: "R"}
	if !f.admit(e) || f.admit(e) || f.admit(e) {
		t.Error("got another than the first let through")
	}
	if got := <-written; got.details[repeated] != 2 || got.tenant != "org_a" || got.reason != "R" {
		t.Errorf("got %v, want a count of 2", got)
	}
	if !f.admit(e) {
		t.Error("the next window does not begin anew")
	}
	f.close()
}
