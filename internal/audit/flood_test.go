package audit

import (
	"strconv"
	"sync"
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

// However many there are, of each kind there is a line, and the rest is counted.
func TestTheFirstCallOfAKindHasALine(t *testing.T) {
	t.Parallel()
	counted := 0
	var written []line
	f := newFlood(2, time.Hour, func(e line) { written = append(written, e) })
	f.counted = func() { counted++ }
	e := line{tenant: "org_a", actor: "user_a", method: "assign", outcome: succeeded}
	for i := range 10 {
		if got, want := f.admit(e), i < 2; got != want {
			t.Errorf("call %d that changed nothing: %v, want %v", i, got, want)
		}
	}
	refused := line{tenant: "org_a", actor: "user_a", method: "assign", outcome: "permission_denied", reason: "R"}
	other := line{tenant: "org_a", actor: "user_a", method: "revoke", outcome: succeeded}
	for _, first := range []line{refused, other} {
		if !f.admit(first) {
			t.Errorf("the first %s %s has no line", first.method, first.outcome)
		}
		if f.admit(first) {
			t.Errorf("the second %s %s has a line", first.method, first.outcome)
		}
	}
	another := e
	another.actor = "user_b"
	if !f.admit(another) || counted != 10 {
		t.Errorf("%d are counted, want 10; or another actor is counted with the first", counted)
	}
	f.close()
	got := map[string]any{}
	for _, w := range written {
		got[w.actor+" "+w.method+" "+w.outcome] = w.details[repeated]
	}
	if len(written) != 3 || got["user_a assign ok"] != 8 || got["user_a assign permission_denied"] != 1 || got["user_a revoke ok"] != 1 {
		t.Errorf("counted lines: %v", got)
	}
}

// Actors without end are no reason for memory without end, and no count is lost by it.
func TestNoMoreActorsAreRememberedThanMayBe(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	counts := 0
	f := newFlood(1, time.Hour, func(e line) {
		mu.Lock()
		defer mu.Unlock()
		n, _ := e.details[repeated].(int)
		counts += n
	})
	const more = 500
	for i := range windowsMax + more {
		e := line{tenant: "org_a", actor: strconv.Itoa(i), method: "m", outcome: "permission_denied"}
		if !f.admit(e) || f.admit(e) {
			t.Fatalf("actor %d: not the first alone has a line", i)
		}
	}
	if n := len(f.windows); n != windowsMax {
		t.Errorf("%d actors are remembered, want %d", n, windowsMax)
	}
	f.close()
	if counts != windowsMax+more {
		t.Errorf("%d calls were counted, want %d", counts, windowsMax+more)
	}
}
