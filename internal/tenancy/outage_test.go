package tenancy_test

import (
	"context"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/jackc/pgx/v5"

	"github.com/teamtask/teamtask/internal/fault"
	"github.com/teamtask/teamtask/internal/localpg"
	"github.com/teamtask/teamtask/internal/pgtest"
	"github.com/teamtask/teamtask/internal/tenancy"
	"github.com/teamtask/teamtask/migrations"
)

func TestExhaustedPoolEndsWithTheDeadline(t *testing.T) {
	t.Parallel()
	db := openOne(t, pgtest.New(t).AppURL)
	a := person("org_a")
	err := db.In(t.Context(), a, func(tx *tenancy.Tx) error {
		if _, err := tenancy.Exec(t.Context(), tx, readTasks); err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		for name, door := range map[string]func(context.Context, tenancy.Actor, func(*tenancy.Tx) error) error{"In": db.In, "Once": db.Once} {
			err := door(ctx, a, func(tx *tenancy.Tx) error {
				_, err := tenancy.Exec(ctx, tx, readTasks)
				return err
			})
			if f := fault.Of(err); f == nil || f.Code() != connect.CodeDeadlineExceeded {
				t.Errorf("%s: got %v, want the end of the deadline", name, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	mustAdd(t, db, "org_a", "afterwards")
}

func TestCallerWhoHangsUpCostsNoConnection(t *testing.T) {
	t.Parallel()
	base := pgtest.New(t)
	db := openOne(t, base.AppURL)
	a := person("org_a")
	admin := connectAt(t, base.AdminURL)
	backend := scopeOf(t, db, a).Backend
	for name, door := range map[string]func(context.Context, tenancy.Actor, func(*tenancy.Tx) error) error{"In": db.In, "Once": db.Once} {
		ctx, hangUp := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() {
			ended <- door(ctx, a, func(tx *tenancy.Tx) error {
				_, err := tenancy.Exec(ctx, tx, pause, 4)
				return err
			})
		}()
		until(t, "the statement runs", func() bool {
			return one[bool](t, admin, `
				SELECT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $1 AND state = 'active' AND wait_event = 'PgSleep')`, backend)
		})
		hangUp()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("%s: got %v, want a cancellation", name, err)
		}
		if got := scopeOf(t, db, a).Backend; got != backend {
			t.Errorf("%s: the connection was lost", name)
			backend = got
		}
	}
	// Gone before the statement is sent, and between two statements.
	for _, before := range []int{0, 1} {
		ctx, hangUp := context.WithCancel(t.Context())
		err := db.In(ctx, a, func(tx *tenancy.Tx) error {
			for range before {
				if err := add(ctx, tx, "org_a", "lost"); err != nil {
					return err
				}
			}
			hangUp()
			return add(ctx, tx, "org_a", "lost")
		})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want a cancellation", err)
		}
		if got := scopeOf(t, db, a).Backend; got != backend {
			t.Errorf("gone after %d statements: the connection was lost", before)
			backend = got
		}
	}
	if n := countTasks(t, base); n != 0 {
		t.Errorf("got %d rows of callers who hung up, want 0", n)
	}
}

// The bounds are the server's own: shorter ones would end the statements around it too,
// on a machine that is busy.
func TestStatementIsEndedByItsTimeout(t *testing.T) {
	t.Parallel()
	base := pgtest.New(t)
	db := openOne(t, base.AppURL)
	err := db.Once(t.Context(), person("org_a"), func(tx *tenancy.Tx) error {
		_, err := tenancy.Exec(t.Context(), tx, pause, 600)
		return err
	})
	if !errors.Is(err, fault.DeadlineExceeded) {
		t.Errorf("got %v, want fault.DeadlineExceeded", err)
	}
	admin := connectAt(t, base.AdminURL)
	runSQL(t, admin, `BEGIN`)
	runSQL(t, admin, `LOCK TABLE tasks`)
	err = db.In(t.Context(), person("org_a"), func(tx *tenancy.Tx) error { return add(t.Context(), tx, "org_a", "x") })
	if !errors.Is(err, fault.DeadlineExceeded) || sqlState(err) != "55P03" {
		t.Errorf("got %v, want fault.DeadlineExceeded because of the lock", err)
	}
	runSQL(t, admin, `ROLLBACK`)
	mustAdd(t, db, "org_a", "afterwards")
}

var sessionSettings = tenancy.Statement{Name: "test_settings", SQL: `
	SELECT current_setting('statement_timeout') AS statement, current_setting('lock_timeout') AS lock,
	       current_setting('idle_in_transaction_session_timeout') AS idle, current_setting('search_path') AS path,
	       current_setting('timezone') AS zone, current_setting('transaction_isolation') AS isolation`}

// wantSettings wants every session to be bounded; sessionSettings must be declared.
func wantSettings(t *testing.T, db *tenancy.DB) {
	t.Helper()
	type row struct{ Statement, Lock, Idle, Path, Zone, Isolation string }
	for name, door := range doors(db) {
		err := door(t.Context(), person("org_a"), func(tx *tenancy.Tx) error {
			rows, err := tenancy.Rows[row](t.Context(), tx, sessionSettings)
			if err != nil {
				return err
			}
			if got, want := rows[0], (row{"5s", "2s", "10s", "public, pg_temp", "UTC", "read committed"}); got != want {
				t.Errorf("%s: got %+v, want %+v", name, got, want)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
}

func TestSessionsHaveTheirBounds(t *testing.T) {
	t.Parallel()
	base := pgtest.New(t)
	// What the database would have a session begin with does not count.
	runSQL(t, connectAt(t, base.AdminURL), `ALTER DATABASE `+base.Name+` SET default_transaction_isolation = 'repeatable read'`)
	db, err := tenancy.Open(t.Context(), tenancy.Options{
		URL: base.AppURL, Schema: migrations.Latest(), Statements: []tenancy.Statement{sessionSettings},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	wantSettings(t, db)
}

func TestTextThatCannotBeStoredIsTheCallersFault(t *testing.T) {
	t.Parallel()
	db := openOne(t, pgtest.New(t).AppURL)
	err := db.Once(t.Context(), person("org_a"), func(tx *tenancy.Tx) error { return add(t.Context(), tx, "org_a", "a\x00b") })
	if !errors.Is(err, fault.Invalid) {
		t.Errorf("got %v, want fault.Invalid", err)
	}
	mustAdd(t, db, "org_a", "afterwards")
}

// A restart of PostgreSQL costs nobody a call: what was closed meanwhile is not used.
func TestTerminatedBackendsCostNoCall(t *testing.T) {
	t.Parallel()
	const connections = 4
	base := pgtest.New(t)
	db := openAt(t, withParameters(t, base.AppURL, "pool_max_conns", strconv.Itoa(connections)))
	fillPool(t, db, connections)
	admin := connectAt(t, base.AdminURL)
	const backends = `FROM pg_stat_activity WHERE datname = current_database() AND usename = $1`
	if n := one[int](t, admin, `SELECT count(pg_terminate_backend(pid, 10000)) `+backends, pgtest.AppUser()); n != connections {
		t.Fatalf("got %d backends, want %d", n, connections)
	}
	for i := range 3 * connections {
		tenant := "org_" + strconv.Itoa(i)
		err := db.Once(t.Context(), person(tenant), func(tx *tenancy.Tx) error { return add(t.Context(), tx, tenant, "x") })
		if err != nil {
			t.Errorf("call %d: %v", i, err)
		}
	}
	fillPool(t, db, connections)
}

// fillPool uses n connections at once, each for a tenant, and wants them to stay.
func fillPool(t *testing.T, db *tenancy.DB, n int) {
	t.Helper()
	useAtOnce(t, db, n)
	if open, used := db.Connections(); open != n || used != 0 {
		t.Errorf("got %d connections, %d in use; want %d and 0", open, used, n)
	}
}

// useAtOnce uses n connections at once, each for a tenant.
func useAtOnce(t *testing.T, db *tenancy.DB, n int) {
	t.Helper()
	var lent, done sync.WaitGroup
	lent.Add(n)
	for i := range n {
		done.Go(func() {
			err := db.In(t.Context(), person("org_"+strconv.Itoa(i)), func(tx *tenancy.Tx) error {
				_, err := tenancy.Exec(t.Context(), tx, readTasks)
				lent.Done()
				lent.Wait()
				return err
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	done.Wait()
}

func TestConnectionLostInATransactionIsUnavailable(t *testing.T) {
	t.Parallel()
	base := pgtest.New(t)
	db := openOne(t, base.AppURL)
	admin := connectAt(t, base.AdminURL)
	err := db.In(t.Context(), person("org_a"), func(tx *tenancy.Tx) error {
		rows, err := tenancy.Rows[scopeRow](t.Context(), tx, readScope)
		if err != nil {
			return err
		}
		if err := add(t.Context(), tx, "org_a", "lost"); err != nil {
			return err
		}
		runSQL(t, admin, `SELECT pg_terminate_backend($1)`, rows[0].Backend)
		return nil // the commit finds out
	})
	if !errors.Is(err, fault.DatabaseUnavailable) {
		t.Errorf("got %v, want fault.DatabaseUnavailable", err)
	}
	if n := countTasks(t, base); n != 0 {
		t.Errorf("got %d rows, want 0", n)
	}
	mustAdd(t, db, "org_a", "afterwards")
}

// TestRollbackDoesNotWaitForAServerThatIsSilent is G07.
func TestRollbackDoesNotWaitForAServerThatIsSilent(t *testing.T) {
	t.Parallel()
	base := pgtest.New(t)
	p := throughProxy(t, base.AppURL)
	db := openOne(t, withParameters(t, p.url, "idle_in_transaction_session_timeout", "0")) // the server does not help
	ended := make(chan error, 1)
	go func() {
		ended <- db.In(t.Context(), person("org_a"), func(tx *tenancy.Tx) error {
			if err := add(t.Context(), tx, "org_a", "lost"); err != nil {
				return err
			}
			p.frozen.Store(true)
			return errOfCaller
		})
	}()
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	select {
	case err := <-ended:
		if !errors.Is(err, errOfCaller) {
			t.Errorf("got %v, want the caller's error", err)
		}
	case <-timeout.C:
		t.Fatal("the transaction still waits for the server")
	}
	p.frozen.Store(false)
	if got := tasksOf(t, db, person("org_a")); len(got) != 0 {
		t.Errorf("got %q, want nothing", got)
	}
}

// A caller whose deadline has passed does not wait for the rollback either, which a silent
// server is given 2 seconds for.
func TestLateCallerDoesNotWaitForTheRollback(t *testing.T) {
	t.Parallel()
	p := throughProxy(t, pgtest.New(t).AppURL)
	db := openOne(t, withParameters(t, p.url, "idle_in_transaction_session_timeout", "0"))
	ctx, cancel := context.WithCancel(t.Context())
	var gone time.Time
	err := db.In(ctx, person("org_a"), func(tx *tenancy.Tx) error {
		if err := add(ctx, tx, "org_a", "lost"); err != nil {
			return err
		}
		p.frozen.Store(true)
		cancel()
		gone = time.Now()
		return errOfCaller
	})
	if took := time.Since(gone); !errors.Is(err, errOfCaller) || took >= 2*time.Second {
		t.Errorf("got %v after %v, want the caller's error at once", err, took)
	}
	p.frozen.Store(false)
	mustAdd(t, db, "org_a", "afterwards")
}

func TestChangedPasswordIsUnavailable(t *testing.T) {
	t.Parallel()
	base := pgtest.New(t)
	name, address := loginOf(t, base, "changed", `GRANT teamtask_runtime TO {role}`)
	db := openOne(t, address)
	admin := connectAt(t, base.AdminURL)
	backend := scopeOf(t, db, person("org_a")).Backend
	runSQL(t, admin, `ALTER ROLE `+pgx.Identifier{name}.Sanitize()+` PASSWORD 'another'`)
	runSQL(t, admin, `SELECT pg_terminate_backend($1, 10000)`, backend)
	for range 2 { // the connection that is gone, then the new one that is refused
		if err := db.Ready(t.Context()); !errors.Is(err, fault.DatabaseUnavailable) {
			t.Errorf("got %v, want fault.DatabaseUnavailable", err)
		}
	}
}

func TestReadyWantsTheSchema(t *testing.T) {
	t.Parallel()
	base := pgtest.New(t)
	db := openOne(t, base.AppURL)
	if err := db.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	admin := connectAt(t, base.AdminURL)
	runSQL(t, admin, `DELETE FROM goose_db_version WHERE version_id = $1`, migrations.Latest())
	if err := db.Ready(t.Context()); err == nil {
		t.Error("ready without the last migration")
	}
}

// TestDatabaseThatStopsAndReturns needs a server of its own, and the programs for it
// on this machine even where the tests work on another one.
func TestDatabaseThatStopsAndReturns(t *testing.T) {
	t.Setenv("TEAMTASK_POSTGRES_URL", "")
	parent := t.TempDir()
	for _, dir := range []string{parent, filepath.Dir(parent)} {
		if err := os.Chmod(dir, 0o755); err != nil { // PostgreSQL may run as another user
			t.Fatal(err)
		}
	}
	o := localpg.Options{Dir: filepath.Join(parent, "pg")}
	server := startServer(t, o)
	u, err := url.Parse(server.AdminURL())
	if err != nil {
		t.Fatal(err)
	}
	if o.Port, err = strconv.Atoi(u.Port()); err != nil {
		t.Fatal(err)
	}
	for name, creates := range map[string]bool{"owner": true, "app": false} {
		if err := server.CreateLogin(t.Context(), name, "for-tests-only", creates); err != nil {
			t.Fatal(err)
		}
	}
	if err := server.CreateDatabase(t.Context(), "teamtask", "owner", ""); err != nil {
		t.Fatal(err)
	}
	if _, err := migrations.Up(t.Context(), server.URL("teamtask", "owner", "for-tests-only"), "app"); err != nil {
		t.Fatal(err)
	}
	db := openAt(t, server.URL("teamtask", "app", "for-tests-only"))
	mustAdd(t, db, "org_a", "before")

	if err := server.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		err := db.Once(t.Context(), person("org_a"), func(tx *tenancy.Tx) error { return add(t.Context(), tx, "org_a", "lost") })
		if !errors.Is(err, fault.DatabaseUnavailable) {
			t.Errorf("Once: got %v, want fault.DatabaseUnavailable", err)
		}
		err = db.In(t.Context(), person("org_a"), func(tx *tenancy.Tx) error { return add(t.Context(), tx, "org_a", "lost") })
		if !errors.Is(err, fault.DatabaseUnavailable) {
			t.Errorf("In: got %v, want fault.DatabaseUnavailable", err)
		}
		if err := db.Ready(t.Context()); !errors.Is(err, fault.DatabaseUnavailable) {
			t.Errorf("Ready: got %v, want fault.DatabaseUnavailable", err)
		}
	}

	startServer(t, o)
	if err := db.Ready(t.Context()); err != nil {
		t.Errorf("ready after the restart: %v", err)
	}
	mustAdd(t, db, "org_a", "after")
	if got := tasksOf(t, db, person("org_a")); len(got) != 2 {
		t.Errorf("got %q, want what was written before and after", got)
	}
}

func startServer(t *testing.T, o localpg.Options) *localpg.Server {
	t.Helper()
	server, err := localpg.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	return server
}
