package main

import (
	"maps"
	"net/http"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	teamtaskv1 "github.com/teamtask/teamtask/gen/teamtask/v1"
)

// status is what the server says of its readiness.
func (f *follower) status() int {
	answer, err := http.Get(f.url + "/readyz")
	if err != nil {
		return 0
	}
	_ = answer.Body.Close()
	return answer.StatusCode
}

// writes is why a task cannot be created, or "".
func (f *follower) writes(c signedIn) string {
	f.t.Helper()
	if _, err := c.tasks.CreateTask(f.t.Context(), &teamtaskv1.CreateTaskRequest{Name: "x"}); err != nil {
		return refusalOf(f.t, err).Reason
	}
	return ""
}

// While the database becomes one that can only be read, and back, two servers say so and
// then write again, and so do their jobs.
func TestServersWriteAgainAfterAFailover(t *testing.T) {
	t.Parallel()
	first := prepareFollower(t)
	admin, err := pgx.Connect(t.Context(), first.database.AdminURL)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close(t.Context())
	name, address := first.database.Login(t, "failover")
	role := pgx.Identifier{name}.Sanitize()
	do := func(statement string, args ...any) {
		t.Helper()
		if _, err := admin.Exec(t.Context(), statement, args...); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	do(`GRANT teamtask_runtime TO ` + role)
	first.env["DATABASE_URL"] = address
	first.start()
	second := *first
	second.env = maps.Clone(first.env)
	second.env["LISTEN_ADDR"] = freeAddress(t)
	second.url = "http://" + second.env["LISTEN_ADDR"]
	second.start()
	servers := []*follower{first, &second}
	first.control(http.MethodPost, "/sandbox/organizations", `{"name": "New Co", "slug": "new-co", "admin": "nora"}`)
	first.control(http.MethodPost, "/sandbox/organizations/new-co/members", `{"user": "olaf", "role": "org:member"}`)
	nora := first.caller("nora", "new-co")
	first.until("the organization is known", func() bool { return len(first.listed(nora)) == 2 })

	do(`ALTER ROLE ` + role + ` SET default_transaction_read_only = on`)
	do(`SELECT count(pg_terminate_backend(pid, 10000)) FROM pg_stat_activity WHERE usename = $1`, name)
	for _, f := range servers {
		alice := f.caller("alice", "d2-gamers")
		f.until("the server is not ready", func() bool { return f.status() == http.StatusServiceUnavailable })
		if got := f.writes(alice); got != "DATABASE_UNAVAILABLE" {
			t.Errorf("while nothing can be written: got %q", got)
		}
	}
	do(`ALTER ROLE ` + role + ` RESET default_transaction_read_only`)
	back := time.Now()
	for _, f := range servers {
		alice := f.caller("alice", "d2-gamers")
		f.until("the server writes", func() bool { return f.writes(alice) == "" })
		f.until("the server is ready", func() bool { return f.status() == http.StatusOK })
	}
	t.Logf("both servers write %v after the database can be written to", time.Since(back))
	first.control(http.MethodPost, "/sandbox/organizations/new-co/members", `{"user": "otto", "role": "org:member"}`)
	second.until("a job has written what has changed", func() bool { return len(second.listed(second.caller("nora", "new-co"))) == 3 })
	t.Logf("jobs write %v after it", time.Since(back))
}
