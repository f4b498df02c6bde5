package tenancy_test

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/teamtask/teamtask/internal/pgtest"
	"github.com/teamtask/teamtask/internal/tenancy"
	"github.com/teamtask/teamtask/migrations"
)

var errOfCaller = errors.New("the caller thinks better of it")

func TestSingleStatementIsOneRoundTrip(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"cache_statement", "cache_describe", "describe_exec", "exec"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			p := throughProxy(t, pgtest.New(t).AppURL)
			db := openOne(t, withParameters(t, p.url, "default_query_exec_mode", mode))
			once := func(s tenancy.Statement, a tenancy.Actor, args ...any) (err error) {
				got := p.during(func() {
					err = db.Once(t.Context(), a, func(tx *tenancy.Tx) error {
						_, err := tenancy.Exec(t.Context(), tx, s, args...)
						return err
					})
				})
				if got != 1 {
					t.Errorf("%s: got %d round trips, want 1", s.Name, got)
				}
				return err
			}
			must := func(err error) {
				t.Helper()
				if err != nil {
					t.Error(err)
				}
			}
			a := person("org_a")
			refused := a
			refused.SeatRequired = true

			must(once(readTasks, a)) // the first use of the connection
			must(once(readTasks, a))
			must(once(divide, a, 1))
			if err := once(readTasks, refused); !errors.Is(err, tenancy.SeatRequired) {
				t.Errorf("got %v, want SeatRequired", err)
			}
			must(once(readTasks, a)) // after a refusal
			must(once(divide, a, 1))
			if err := once(divide, a, 0); sqlState(err) != "22012" {
				t.Errorf("got %v, want a division by zero", err)
			}
			must(once(divide, a, 1)) // after an error in the same statement
			must(once(readTasks, a))
			must(db.Ready(t.Context()))
			must(once(readTasks, a)) // after a look at the connection
			if backends := p.accepts.Load(); backends != 3 {
				t.Errorf("got %d connections, want the inspection's, the pool's and that of Ready", backends)
			}
		})
	}
}

func TestIdleConnectionCostsNoRoundTrip(t *testing.T) {
	t.Parallel()
	p := throughProxy(t, pgtest.New(t).AppURL)
	db := openOne(t, p.url)
	tasksOf(t, db, person("org_a"))
	// The library looks after a connection that was idle for more than a second.
	<-time.After(1100 * time.Millisecond)
	if got := p.during(func() { tasksOf(t, db, person("org_a")) }); got != 1 {
		t.Errorf("got %d round trips, want 1", got)
	}
}

func TestTransactionIsOneRoundTripMoreThanItsStatements(t *testing.T) {
	t.Parallel()
	p := throughProxy(t, pgtest.New(t).AppURL)
	db := openOne(t, p.url)
	a := person("org_a")
	for _, statements := range []int{0, 1, 2, 5} {
		want := statements + 1
		if statements == 0 {
			want = 0
		}
		got := p.during(func() {
			err := db.In(t.Context(), a, func(tx *tenancy.Tx) error {
				for range statements {
					if _, err := tenancy.Rows[taskRow](t.Context(), tx, readTasks); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
		if got != want {
			t.Errorf("%d statements: got %d round trips, want %d", statements, got, want)
		}
	}

	refused := a
	refused.SeatRequired = true
	got := p.during(func() {
		err := db.In(t.Context(), refused, func(tx *tenancy.Tx) error { return add(t.Context(), tx, "org_a", "x") })
		if !errors.Is(err, tenancy.SeatRequired) {
			t.Errorf("got %v, want SeatRequired", err)
		}
	})
	if got != 2 { // the refusal, the end of the transaction
		t.Errorf("a refused transaction: got %d round trips, want 2", got)
	}
	if got := p.during(func() { tasksOf(t, db, a) }); got != 1 {
		t.Errorf("after a refused transaction: got %d round trips, want 1", got)
	}
}

func TestOnceTakesOneStatement(t *testing.T) {
	t.Parallel()
	base := pgtest.New(t)
	db := openOne(t, base.AppURL)
	err := db.Once(t.Context(), person("org_a"), func(tx *tenancy.Tx) error {
		if err := add(t.Context(), tx, "org_a", "first"); err != nil {
			return err
		}
		return add(t.Context(), tx, "org_a", "second")
	})
	if err == nil || !strings.Contains(err.Error(), "use In") {
		t.Errorf("got %v, want a second statement refused", err)
	}
	if got, want := tasksOf(t, db, person("org_a")), []string{"first"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestTransactionLeavesAllOrNothing(t *testing.T) {
	t.Parallel()
	base := pgtest.New(t)
	db := openOne(t, base.AppURL)
	a := person("org_a")
	two := func(tx *tenancy.Tx) error {
		return errors.Join(add(t.Context(), tx, "org_a", "one"), add(t.Context(), tx, "org_a", "two"))
	}
	backend := scopeOf(t, db, a).Backend

	err := db.In(t.Context(), a, func(tx *tenancy.Tx) error { return errors.Join(two(tx), errOfCaller) })
	if !errors.Is(err, errOfCaller) {
		t.Errorf("got %v, want the caller's error", err)
	}
	err = db.In(t.Context(), a, func(tx *tenancy.Tx) error {
		if err := two(tx); err != nil {
			return err
		}
		_, err := tenancy.Exec(t.Context(), tx, divide, 0)
		return err
	})
	if sqlState(err) != "22012" {
		t.Errorf("got %v, want a division by zero", err)
	}
	err = db.In(t.Context(), a, func(tx *tenancy.Tx) error {
		if err := two(tx); err != nil {
			return err
		}
		_, _ = tenancy.Exec(t.Context(), tx, divide, 0) // forgets the error
		return nil
	})
	if !errors.Is(err, pgx.ErrTxCommitRollback) {
		t.Errorf("got %v, want a transaction that cannot be committed", err)
	}
	if n := countTasks(t, base); n != 0 {
		t.Errorf("got %d rows of transactions that failed, want 0", n)
	}
	if got := scopeOf(t, db, a).Backend; got != backend {
		t.Error("the connection was lost with a transaction that failed")
	}

	if err := db.In(t.Context(), a, two); err != nil {
		t.Fatal(err)
	}
	if n := countTasks(t, base); n != 2 {
		t.Errorf("got %d rows of a transaction that succeeded, want 2", n)
	}
}

func TestPanicLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	base := pgtest.New(t)
	db := openOne(t, base.AppURL)
	a := person("org_a")
	backend := scopeOf(t, db, a).Backend
	for name, door := range map[string]func(context.Context, tenancy.Actor, func(*tenancy.Tx) error) error{"In": db.In, "Once": db.Once} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: the panic did not come through", name)
				}
			}()
			_ = door(t.Context(), a, func(tx *tenancy.Tx) error {
				if name == "In" {
					_ = add(t.Context(), tx, "org_a", "lost")
				}
				panic("thrown on purpose")
			})
		}()
		if got := tasksOf(t, db, a); len(got) != 0 {
			t.Errorf("%s: got %q, want nothing", name, got)
		}
	}
	// A connection with an open transaction is closed, not lent again.
	if scopeOf(t, db, a).Backend == backend {
		t.Error("the connection with an open transaction went back to the pool")
	}
	admin := connectAt(t, base.AdminURL)
	until(t, "no transaction is open", func() bool {
		return one[int](t, admin, `
			SELECT count(*)
			  FROM pg_stat_activity
			 WHERE datname = current_database() AND usename = $1 AND state LIKE 'idle in transaction%'`, pgtest.AppUser()) == 0
	})
}

func TestRefusalOfThePreambleWritesNothing(t *testing.T) {
	t.Parallel()
	base := pgtest.New(t)
	db := openOne(t, base.AppURL)
	admin := connectAt(t, base.AdminURL)
	a := person("org_a")
	a.Organization.ID, a.SeatRequired, a.IssuedAt = "org_a", true, time.Now()
	runSQL(t, admin, `
		INSERT INTO members (tenant_id, user_id, membership_id, role, name, name_key, email, email_key, ticket)
		VALUES ('org_a', $1, 'm', $2, '', '', '', '', 1)`, a.User, a.Role)
	runSQL(t, admin, `INSERT INTO licenses (tenant_id, purchased, working) VALUES ('org_a', 1, true)`)
	for name, door := range map[string]func(context.Context, tenancy.Actor, func(*tenancy.Tx) error) error{"In": db.In, "Once": db.Once} {
		write := func(tx *tenancy.Tx) error { return add(t.Context(), tx, "org_a", name) }
		if err := door(t.Context(), a, write); !errors.Is(err, tenancy.SeatRequired) {
			t.Errorf("%s without a seat: got %v, want SeatRequired", name, err)
		}
		if err := door(t.Context(), a, func(tx *tenancy.Tx) error { _ = write(tx); return nil }); name == "In" && err == nil {
			t.Error("In: a refusal that is forgotten was committed")
		}
		runSQL(t, admin, `INSERT INTO seats (tenant_id, user_id, assigned_by) VALUES ('org_a', $1, 'user_b')`, a.User)
		if err := door(t.Context(), a, write); err != nil {
			t.Errorf("%s with a seat: %v", name, err)
		}
		runSQL(t, admin, `DELETE FROM seats`)
	}
	if n := countTasks(t, base); n != 2 {
		t.Errorf("got %d rows, want those 2 that were written with a seat", n)
	}
	a.SeatRequired = false
	if got := tasksOf(t, db, a); len(got) != 2 {
		t.Errorf("where no seat is asked for: got %q, want 2 tasks", got)
	}
}

func TestScopeIsThatOfTheActorAndEndsWithTheDoor(t *testing.T) {
	t.Parallel()
	base := pgtest.New(t)
	db := openOne(t, base.AppURL)
	mustAdd(t, db, "org_a", "of a")
	mustAdd(t, db, "org_b", "of b")
	for _, tenant := range []string{"org_a", "org_b"} {
		a := person(tenant)
		if got, want := tasksOf(t, db, a), []string{"of " + tenant[4:]}; !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", tenant, got, want)
		}
		if got := scopeOf(t, db, a); got.Tenant != tenant || got.Person != a.User {
			t.Errorf("got scope %q, %q, want %q, %q", got.Tenant, got.Person, tenant, a.User)
		}
		err := db.In(t.Context(), a, func(tx *tenancy.Tx) error {
			_, err := tenancy.Exec(t.Context(), tx, renameTasks, "renamed by "+tenant)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		unscoped(t, db)
	}
	refused := person("org_a")
	refused.SeatRequired = true
	for _, door := range []func(context.Context, tenancy.Actor, func(*tenancy.Tx) error) error{db.In, db.Once} {
		for _, a := range []tenancy.Actor{person("org_a"), refused} {
			err := door(t.Context(), a, func(tx *tenancy.Tx) error {
				_, err := tenancy.Exec(t.Context(), tx, divide, 0)
				return err
			})
			if err == nil {
				t.Error("no error")
			}
			unscoped(t, db)
		}
	}
	if got, want := tasksOf(t, db, person("org_a")), []string{"renamed by org_a"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	for _, nobody := range []tenancy.Actor{{}, {Tenant: "org_c"}, {Tenant: "org_A"}, {Tenant: "org_a "}, {Tenant: "%"}} {
		if got := tasksOf(t, db, nobody); len(got) != 0 {
			t.Errorf("tenant %q: got %q, want nothing", nobody.Tenant, got)
		}
		err := db.Once(t.Context(), nobody, func(tx *tenancy.Tx) error { return add(t.Context(), tx, "org_a", "slipped in") })
		if sqlState(err) != "42501" {
			t.Errorf("tenant %q writes into org_a: got %v, want 42501", nobody.Tenant, err)
		}
	}
	err := db.Once(t.Context(), tenancy.Actor{}, func(tx *tenancy.Tx) error { return add(t.Context(), tx, "", "of nobody") })
	if sqlState(err) != "42501" {
		t.Errorf("a row of nobody: got %v, want 42501", err)
	}
}

// unscoped wants the connection of the pool to show nothing once it is back.
func unscoped(t *testing.T, db *tenancy.DB) {
	t.Helper()
	err := db.Raw(t.Context(), func(conn *pgx.Conn) error {
		for _, setting := range []string{"app.tenant_id", "app.user_id"} {
			if got := one[string](t, conn, `SELECT coalesce(current_setting($1, true), '')`, setting); got != "" {
				t.Errorf("got %s = %q left on the connection", setting, got)
			}
		}
		if n := one[int](t, conn, `SELECT count(*) FROM tasks`); n != 0 {
			t.Errorf("got %d rows without a scope, want 0", n)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func TestSystemWorksInOneTenant(t *testing.T) {
	t.Parallel()
	db := openOne(t, pgtest.New(t).AppURL)
	mustAdd(t, db, "org_a", "of a")
	mustAdd(t, db, "org_b", "of b")
	system := tenancy.System("org_a", "purge")
	if got, want := tasksOf(t, db, system), []string{"of a"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := scopeOf(t, db, system); got.Tenant != "org_a" || got.Person != "system:purge" {
		t.Errorf("got scope %q, %q", got.Tenant, got.Person)
	}
	err := db.In(t.Context(), system, func(tx *tenancy.Tx) error { return add(t.Context(), tx, "org_b", "slipped in") })
	if sqlState(err) != "42501" {
		t.Errorf("got %v, want 42501", err)
	}
}

func TestOnlyDeclaredStatementsRun(t *testing.T) {
	t.Parallel()
	base := pgtest.New(t)
	db := openOne(t, base.AppURL)
	for _, s := range []tenancy.Statement{
		{Name: "nobody_declared_this", SQL: `SELECT 1`},
		{Name: `SELECT 1`, SQL: `SELECT 1`},
		{Name: "begin", SQL: `BEGIN`},
		{Name: addTask.Name, SQL: `SELECT 1`},
		{Name: "", SQL: ""},
	} {
		for name, door := range map[string]func(context.Context, tenancy.Actor, func(*tenancy.Tx) error) error{"In": db.In, "Once": db.Once} {
			err := door(t.Context(), person("org_a"), func(tx *tenancy.Tx) error {
				_, err := tenancy.Exec(t.Context(), tx, s)
				return err
			})
			if err == nil || !strings.Contains(err.Error(), "not among those given to Open") {
				t.Errorf("%s %q: got %v, want a refusal", name, s.Name, err)
			}
		}
	}
	for name, statements := range map[string][]tenancy.Statement{
		"two of a name":     {{Name: "twice", SQL: `SELECT 1`}, {Name: "twice", SQL: `SELECT 2`}},
		"one of ours":       {{Name: "preamble", SQL: `SELECT 1`}},
		"one that is wrong": {{Name: "wrong", SQL: `SELECT FROM WHERE`}},
		"one of no table":   {{Name: "lost", SQL: `SELECT 1 FROM no_such_table`}},
	} {
		db, err := tenancy.Open(t.Context(), tenancy.Options{URL: base.AppURL, Schema: migrations.Latest(), Statements: statements})
		if err == nil {
			db.Close()
			t.Errorf("%s: Open did not refuse", name)
		}
	}
}

func TestOneConnectionIsEnough(t *testing.T) {
	t.Parallel()
	db := openOne(t, pgtest.New(t).AppURL)
	a := person("org_a")
	for range 20 {
		mustAdd(t, db, "org_a", "x")
		if err := db.In(t.Context(), a, func(tx *tenancy.Tx) error { return add(t.Context(), tx, "org_a", "y") }); err != nil {
			t.Fatal(err)
		}
		if err := db.Ready(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if open, used := db.Connections(); open != 1 || used != 0 {
		t.Errorf("got %d connections, %d in use; want 1 and 0", open, used)
	}
}

func TestPoolIsAsLargeAsTheURLSays(t *testing.T) {
	t.Parallel()
	base := pgtest.New(t)
	for _, size := range []int{1, 4} { // 4 is the library's own default
		db := openAt(t, withParameters(t, base.AppURL, "pool_max_conns", strconv.Itoa(size)))
		if got := db.Size(); got != size {
			t.Errorf("pool_max_conns=%d: a size of %d", size, got)
		}
		lend(t, db, size, func() {
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			err := db.Once(ctx, person("org_a"), func(tx *tenancy.Tx) error {
				_, err := tenancy.Exec(ctx, tx, readTasks)
				return err
			})
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("pool_max_conns=%d: got %v for one more, want the end of the deadline", size, err)
			}
		})
	}
	lend(t, openAt(t, base.AppURL), 8, func() {}) // what there is at least without a word in the URL
}

// lend runs do while n connections are in use, each by another tenant.
func lend(t *testing.T, db *tenancy.DB, n int, do func()) {
	t.Helper()
	if n == 0 {
		do()
		return
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	err := db.In(ctx, person("org_"+strconv.Itoa(n)), func(tx *tenancy.Tx) error {
		if _, err := tenancy.Exec(ctx, tx, readTasks); err != nil {
			return err
		}
		lend(t, db, n-1, do)
		return nil
	})
	if err != nil {
		t.Errorf("lend a connection: %v", err)
	}
}

func sqlState(err error) string {
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return pg.Code
	}
	return ""
}
