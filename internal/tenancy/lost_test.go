package tenancy_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/teamtask/teamtask/internal/fault"
	"github.com/teamtask/teamtask/internal/pgtest"
	"github.com/teamtask/teamtask/internal/tenancy"
	"github.com/teamtask/teamtask/migrations"
)

// doors are both ways in, by name.
func doors(db *tenancy.DB) map[string]func(context.Context, tenancy.Actor, func(*tenancy.Tx) error) error {
	return map[string]func(context.Context, tenancy.Actor, func(*tenancy.Tx) error) error{"Once": db.Once, "In": db.In}
}

// What a connection has become useless for is done over another one, and nobody notices.
func TestUselessConnectionIsReplaced(t *testing.T) {
	t.Parallel()
	base := pgtest.New(t)
	admin := connectAt(t, base.AdminURL)
	db := openAt(t, withParameters(t, base.AppURL, "pool_max_conns", "2"))
	raw := func(statement string) func() {
		return func() {
			lend(t, db, 1, func() { // so that both connections get it
				if err := db.Raw(t.Context(), func(conn *pgx.Conn) error { _, err := conn.Exec(t.Context(), statement); return err }); err != nil {
					t.Fatal(err)
				}
			})
			if err := db.Raw(t.Context(), func(conn *pgx.Conn) error { _, err := conn.Exec(t.Context(), statement); return err }); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, spoil := range map[string]func(){
		"it can only read":               raw(`SET default_transaction_read_only = on`),
		"its statements are gone":        raw(`DEALLOCATE ALL`),
		"its statements are out of date": func() { runSQL(t, admin, `ALTER TABLE tasks ALTER COLUMN name TYPE character varying`) },
		"it was closed": func() {
			runSQL(t, admin, `
				SELECT count(pg_terminate_backend(pid, 10000))
				  FROM pg_stat_activity
				 WHERE datname = current_database() AND pid <> pg_backend_pid()`)
		},
	} {
		for door, open := range doors(db) {
			useAtOnce(t, db, 2)
			spoil()
			for i := range 4 {
				tenant := fmt.Sprintf("org_%d", i)
				err := open(t.Context(), person(tenant), func(tx *tenancy.Tx) error {
					if i%2 == 0 {
						_, err := tenancy.Rows[taskRow](t.Context(), tx, readTasks)
						return err
					}
					return add(t.Context(), tx, tenant, "x")
				})
				if err != nil {
					t.Errorf("%s, %s: %v", name, door, err)
				}
			}
			runSQL(t, admin, `ALTER TABLE tasks ALTER COLUMN name TYPE text`)
		}
	}
}

// Writing comes back as soon as the database can be written to, over every connection.
func TestWritingHealsAfterTheDatabaseWasReadOnly(t *testing.T) {
	t.Parallel()
	base := pgtest.New(t)
	name, address := loginOf(t, base, "failover", `GRANT teamtask_runtime TO {role}`)
	db := openAt(t, withParameters(t, address, "pool_max_conns", "4"))
	fillPool(t, db, 4)
	admin := connectAt(t, base.AdminURL)
	role := pgx.Identifier{name}.Sanitize()
	end := func() {
		runSQL(t, admin, `SELECT count(pg_terminate_backend(pid, 10000)) FROM pg_stat_activity WHERE usename = $1`, name)
	}
	runSQL(t, admin, `ALTER ROLE `+role+` SET default_transaction_read_only = on`)
	end()
	for range 8 {
		err := db.Once(t.Context(), person("org_a"), func(tx *tenancy.Tx) error { return add(t.Context(), tx, "org_a", "lost") })
		if !errors.Is(err, fault.DatabaseUnavailable) {
			t.Errorf("while it is read-only: got %v, want fault.DatabaseUnavailable", err)
		}
	}
	if err := db.Ready(t.Context()); !errors.Is(err, fault.DatabaseUnavailable) {
		t.Errorf("ready while it is read-only: got %v", err)
	}
	runSQL(t, admin, `ALTER ROLE `+role+` RESET default_transaction_read_only`)
	if err := db.Ready(t.Context()); err != nil {
		t.Errorf("ready: %v", err)
	}
	fillPool(t, db, 4)
	for i := range 8 {
		tenant := fmt.Sprintf("org_%d", i)
		mustAdd(t, db, tenant, "after")
	}
}

// A statement whose connection ended is sent again where it certainly had no effect, and
// never where it may have had one.
func TestStatementIsRepeatedOnlyWhereItHadNoEffect(t *testing.T) {
	t.Parallel()
	for title, c := range map[string]struct {
		door string
		cut  int32
		late bool // it is the commit that is cut
		ok   bool
		rows int // afterwards
	}{
		"Once, before":               {door: "Once", cut: cutBefore, ok: false, rows: 0}, // it cannot be told from the next
		"Once, after":                {door: "Once", cut: cutAfter, ok: false, rows: 1},
		"Once, after, says a pooler": {door: "Once", cut: cutByPooler, ok: false, rows: 1},
		"In, after, says a pooler":   {door: "In", cut: cutByPooler, ok: true, rows: 1},
		"In, before":                 {door: "In", cut: cutBefore, ok: true, rows: 1},
		"In, after":                  {door: "In", cut: cutAfter, ok: true, rows: 1},
		"In, before it is all":       {door: "In", cut: cutBefore, late: true, ok: false, rows: 0},
		"In, after it is all":        {door: "In", cut: cutAfter, late: true, ok: false, rows: 1},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			base := pgtest.New(t)
			p := throughProxy(t, base.AppURL)
			db := openOne(t, p.url)
			if !c.late {
				p.cut.Store(c.cut)
			}
			err := doors(db)[c.door](t.Context(), person("org_a"), func(tx *tenancy.Tx) error {
				err := add(t.Context(), tx, "org_a", "x")
				if c.late {
					p.cut.Store(c.cut)
				}
				return err
			})
			if c.ok && err != nil || !c.ok && !errors.Is(err, fault.DatabaseUnavailable) {
				t.Errorf("got %v", err)
			}
			if n := countTasks(t, base); n != c.rows {
				t.Errorf("got %d rows, want %d", n, c.rows)
			}
		})
	}
}

func TestConnectionIsReadyAfterOneRoundTrip(t *testing.T) {
	t.Parallel()
	statements := testStatements
	for i := range 200 {
		statements = append(statements, tenancy.Statement{Name: fmt.Sprintf("test_%d", i), SQL: fmt.Sprintf(`SELECT %d AS n`, i)})
	}
	p := throughProxy(t, pgtest.New(t).AppURL)
	var db *tenancy.DB
	var err error
	opening := p.during(func() {
		db, err = tenancy.Open(t.Context(), tenancy.Options{URL: withParameters(t, p.url, "pool_max_conns", "1"), Schema: migrations.Latest(), Statements: statements})
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	if opening > 20 {
		t.Errorf("got %d round trips to inspect the database and open a connection, want at most 20", opening)
	}
	if got := p.during(func() {
		if err := db.Ready(t.Context()); err != nil { // over a new connection
			t.Error(err)
		}
	}); got > 3 {
		t.Errorf("got %d round trips for a connection, its statements and a look at the schema, want 3", got)
	}
}

// A server that cannot be written to is refused, with that reason.
func TestServerThatCannotWriteIsRefused(t *testing.T) {
	t.Parallel()
	base := pgtest.New(t)
	name, address := loginOf(t, base, "standby", `GRANT teamtask_runtime TO {role}`)
	runSQL(t, connectAt(t, base.AdminURL), `ALTER ROLE `+pgx.Identifier{name}.Sanitize()+` SET default_transaction_read_only = on`)
	if got, want := refusal(t, address, migrations.Latest()), "the database is read-only"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// A member who is removed while their call waits for a lock is refused when it goes on.
func TestStandingIsCheckedAgainBehindALock(t *testing.T) {
	t.Parallel()
	locked := tenancy.Statement{Name: "test_lock", Locks: true, SQL: `
		UPDATE tasks
		   SET name = 'too late'
		 WHERE tenant_id = $1
		RETURNING id`}
	type row struct{ ID tenancy.UUID }
	const (
		alone = "as its only statement"
		first = "with its first statement"
		later = "later"
	)
	for _, title := range []string{alone, first, later} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			base := pgtest.New(t)
			statements := append([]tenancy.Statement{locked}, testStatements...)
			db, err := tenancy.Open(t.Context(), tenancy.Options{URL: base.AppURL, Schema: migrations.Latest(), Statements: statements})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(db.Close)
			mustAdd(t, db, "org_a", "x")
			a := person("org_a")
			a.Role, a.IssuedAt = "org:admin", time.Now()
			admin := connectAt(t, base.AdminURL)
			runSQL(t, admin, `INSERT INTO standings (tenant_id, user_id, role, role_time) VALUES ('org_a', $1, 'org:admin', now() - interval '1 hour')`, a.User)
			runSQL(t, admin, `BEGIN`)
			runSQL(t, admin, `SELECT FROM tasks FOR UPDATE`)
			ended := make(chan error, 1)
			open := db.In
			if title == alone {
				open = db.Once
			}
			go func() {
				ended <- open(t.Context(), a, func(tx *tenancy.Tx) error {
					if title == later {
						if _, err := tenancy.Exec(t.Context(), tx, readTasks); err != nil {
							return err
						}
					}
					if _, err := tenancy.Rows[row](t.Context(), tx, locked, "org_a"); err != nil || title == alone {
						return err
					}
					return add(t.Context(), tx, "org_a", "too late")
				})
			}()
			watcher := connectAt(t, base.AdminURL)
			until(t, "the call waits", func() bool {
				return one[bool](t, watcher, `
					SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock')`)
			})
			runSQL(t, watcher, `UPDATE standings SET remove_time = now() WHERE tenant_id = 'org_a' AND user_id = $1`, a.User)
			runSQL(t, admin, `COMMIT`)
			if err := <-ended; !errors.Is(err, tenancy.MembershipEnded) {
				t.Errorf("got %v, want MembershipEnded", err)
			}
			if n := countTasks(t, base); n != 1 {
				t.Errorf("got %d rows, want 1", n)
			}
			if got := one[string](t, watcher, `SELECT name FROM tasks`); got != "x" {
				t.Errorf("got the name %q, want it unchanged", got)
			}
		})
	}
}
