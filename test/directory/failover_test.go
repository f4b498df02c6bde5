package directory

import (
	"maps"
	"net/http"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	teamtaskv1 "github.com/teamtask/teamtask/gen/teamtask/v1"
	"github.com/teamtask/teamtask/internal/stacktest"
)

// status is what the server says of its readiness.
func status(f *stacktest.Follower) int {
	answer, err := http.Get(f.URL + "/readyz")
	if err != nil {
		return 0
	}
	_ = answer.Body.Close()
	return answer.StatusCode
}

// writes is why a task cannot be created, or "".
func writes(f *stacktest.Follower, c signedIn) string {
	f.T.Helper()
	if _, err := c.tasks.CreateTask(f.T.Context(), &teamtaskv1.CreateTaskRequest{Name: "x"}); err != nil {
		return stacktest.RefusalOf(f.T, err).Reason
	}
	return ""
}

// While the database becomes one that can only be read, and back, two servers say so and
// then write again, and so do their jobs.
func TestServersWriteAgainAfterAFailover(t *testing.T) {
	t.Parallel()
	first := stacktest.PrepareFollower(t)
	admin, err := pgx.Connect(t.Context(), first.Database.AdminURL)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close(t.Context())
	name, address := first.Database.Login(t, "failover")
	role := pgx.Identifier{name}.Sanitize()
	do := func(statement string, args ...any) {
		t.Helper()
		if _, err := admin.Exec(t.Context(), statement, args...); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	do(`GRANT teamtask_runtime TO ` + role)
	first.Env["DATABASE_URL"] = address
	first.Start()
	second := *first
	second.Env = maps.Clone(first.Env)
	second.Env["LISTEN_ADDR"] = stacktest.FreeAddress(t)
	second.URL = "http://" + second.Env["LISTEN_ADDR"]
	second.Start()
	servers := []*stacktest.Follower{first, &second}
	first.Control(http.MethodPost, "/sandbox/organizations", `{"name": "New Co", "slug": "new-co", "admin": "nora"}`)
	first.Control(http.MethodPost, "/sandbox/organizations/new-co/members", `{"user": "olaf", "role": "org:member"}`)
	nora := signIn(first, "nora", "new-co")
	first.Until("the organization is known", func() bool { return len(listMembers(first, nora)) == 2 })

	do(`ALTER ROLE ` + role + ` SET default_transaction_read_only = on`)
	do(`SELECT count(pg_terminate_backend(pid, 10000)) FROM pg_stat_activity WHERE usename = $1`, name)
	for _, f := range servers {
		alice := signIn(f, "alice", "d2-gamers")
		f.Until("the server is not ready", func() bool { return status(f) == http.StatusServiceUnavailable })
		if got := writes(f, alice); got != "DATABASE_UNAVAILABLE" {
			t.Errorf("while nothing can be written: got %q", got)
		}
	}
	do(`ALTER ROLE ` + role + ` RESET default_transaction_read_only`)
	back := time.Now()
	for _, f := range servers {
		alice := signIn(f, "alice", "d2-gamers")
		f.Until("the server writes", func() bool { return writes(f, alice) == "" })
		f.Until("the server is ready", func() bool { return status(f) == http.StatusOK })
	}
	t.Logf("both servers write %v after the database can be written to", time.Since(back))
	first.Control(http.MethodPost, "/sandbox/organizations/new-co/members", `{"user": "otto", "role": "org:member"}`)
	second.Until("a job has written what has changed", func() bool { return len(listMembers(&second, signIn(&second, "nora", "new-co"))) == 3 })
	t.Logf("jobs write %v after it", time.Since(back))
}
