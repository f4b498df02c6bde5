package migrations_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/teamtask/teamtask/internal/pgtest"
)

// ledger is a database in whose tenant A three seats are bought, with members u1 to u6 and
// invitations i1 to i6. The connection is the runtime role's, in the scope of A.
func ledger(t *testing.T) (conn, admin *pgx.Conn) {
	t.Helper()
	base := pgtest.New(t)
	admin = connect(t, base.AdminURL)
	run(t, admin, `INSERT INTO members (tenant_id, user_id, membership_id, role, name, name_key, email, email_key, ticket)
		SELECT 'A', 'u' || i, 'm', 'org:member', '', '', '', '', 1 FROM generate_series(1, 6) AS i`)
	run(t, admin, `INSERT INTO invitations (tenant_id, id, email, role, hold_seat, status, create_time, ticket)
		SELECT 'A', 'i' || i, '', 'org:member', true, 'pending', now(), 1 FROM generate_series(1, 6) AS i`)
	run(t, admin, `INSERT INTO licenses (tenant_id, status, working, purchased) VALUES ('A', 'active', true, 3)`)
	conn = connect(t, base.AppURL)
	run(t, conn, `SELECT set_config('app.tenant_id', 'A', false)`)
	return conn, admin
}

const (
	seatOf = `INSERT INTO seats (tenant_id, user_id, assigned_by, carried) VALUES ('A', $1, 'u0', $2)`
	holdOf = `INSERT INTO seat_holds (tenant_id, invitation_id) VALUES ('A', $1)`
)

// ledgerSays is what is counted, and who is seated.
const ledgerSays = `SELECT concat_ws(' ', assigned, held, (SELECT string_agg(user_id, ',' ORDER BY user_id) FROM standings WHERE seated)) FROM licenses`

// refusedAs wants the statement refused with that SQLSTATE, by the constraint of that name
// where there is one.
func refusedAs(t *testing.T, conn *pgx.Conn, state, constraint, statement string, args ...any) {
	t.Helper()
	within(t, conn, func(tx pgx.Tx) {
		_, err := tx.Exec(t.Context(), statement, args...)
		if got := sqlState(err); got != state || err != nil && !strings.Contains(err.Error(), constraint) {
			t.Errorf("%s %v: got %v, want SQLSTATE %s %s", statement, args, err, state, constraint)
		}
	})
}

// Every role that assigns a seat, whatever it has or has not locked or counted.
func TestTheDatabaseItselfGivesNoSeatThatIsNotPaidFor(t *testing.T) {
	t.Parallel()
	conn, admin := ledger(t)
	const notPaid = "TT030"
	run(t, conn, seatOf, "u1", false)
	run(t, conn, holdOf, "i1")
	run(t, conn, seatOf, "u2", false)
	refusedAs(t, conn, notPaid, "", seatOf, "u3", false)
	refusedAs(t, conn, notPaid, "", holdOf, "i2")
	refusedAs(t, conn, notPaid, "", `INSERT INTO seats (tenant_id, user_id, assigned_by) SELECT 'A', 'u' || i, 'u0' FROM generate_series(3, 4) AS i`)
	run(t, conn, `DELETE FROM seat_holds`)
	run(t, admin, `UPDATE licenses SET frozen = true`)
	refusedAs(t, conn, notPaid, "", seatOf, "u3", false)
	refusedAs(t, conn, notPaid, "", holdOf, "i2")
	run(t, conn, seatOf, "u4", true) // it was counted before it came
	run(t, admin, `UPDATE licenses SET frozen = false`)
	refusedAs(t, conn, notPaid, "", seatOf, "u3", false)
	run(t, conn, seatOf, "u5", true)
	if got := one[int](t, admin, `SELECT assigned FROM licenses`); got != 4 {
		t.Errorf("got %d assigned, want 4", got)
	}
}

// Two that give the last seat at once, without any lock of their own: one of them waits,
// and is refused.
func TestTheLastSeatIsNotGivenTwiceByTheDatabase(t *testing.T) {
	t.Parallel()
	conn, admin := ledger(t)
	run(t, conn, seatOf, "u1", false)
	run(t, conn, seatOf, "u2", false)
	first, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	run(t, first, seatOf, "u3", false)
	refused := make(chan error, 1)
	go func() {
		_, err := admin.Exec(t.Context(), seatOf, "u4", false)
		refused <- err
	}()
	if err := first.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-refused; sqlState(err) != "TT030" {
		t.Errorf("got %v, want SQLSTATE TT030", err)
	}
}

func TestTheLedgerCountsItselfAndTellsStandings(t *testing.T) {
	t.Parallel()
	conn, admin := ledger(t)
	is := func(when, want string) {
		t.Helper()
		if got := one[string](t, admin, ledgerSays); got != want {
			t.Errorf("%s: got %q, want %q", when, got, want)
		}
	}
	is("nothing given", "0 0")
	run(t, conn, seatOf, "u1", false)
	run(t, conn, seatOf, "u2", false)
	run(t, conn, holdOf, "i1")
	is("given", "2 1 u1,u2")
	run(t, conn, `UPDATE licenses SET working = false, purchased = 0`)
	is("suspended", "2 1")
	run(t, conn, seatOf, "u3", true)
	is("carried while suspended", "3 1")
	run(t, conn, `UPDATE members SET role = 'org:admin', ticket = 2`)
	is("another role", "3 1")
	run(t, conn, `UPDATE licenses SET working = true`)
	is("works again", "3 1 u1,u2,u3")
	run(t, conn, `UPDATE members SET role = 'org:member', ticket = 3`)
	is("another role", "3 1 u1,u2,u3")
	run(t, conn, `DELETE FROM seats WHERE user_id <> 'u2'`)
	is("taken", "1 1 u2")
	run(t, conn, `DELETE FROM seat_holds`)
	is("no longer held", "1 0 u2")
	within(t, conn, func(tx pgx.Tx) { run(t, tx, `DELETE FROM seats`) })
	is("rolled back", "1 0 u2")
}

// However many seats a statement gives or takes: a row that one transaction writes again
// and again is dearer each time.
func TestAStatementWritesTheLicenseOnce(t *testing.T) {
	t.Parallel()
	conn, admin := ledger(t)
	run(t, admin, `UPDATE licenses SET purchased = 6`)
	written := func(tx pgx.Tx, table string) int64 {
		return one[int64](t, tx, `SELECT pg_stat_get_xact_tuples_updated($1::text::regclass)`, table)
	}
	for _, c := range []struct {
		statement, written, want string // rows of licenses and of standings that are written; assigned, held, who is seated
	}{
		{`INSERT INTO seats (tenant_id, user_id, assigned_by) SELECT 'A', 'u' || i, 'u0' FROM generate_series(1, 4) AS i`, "1 4", "4 0 u1,u2,u3,u4"},
		{`INSERT INTO seats (tenant_id, user_id, assigned_by) SELECT 'A', 'u' || i, 'u0' FROM generate_series(1, 5) AS i ON CONFLICT DO NOTHING`, "1 1", "5 0 u1,u2,u3,u4,u5"},
		{`DELETE FROM seats WHERE user_id > 'u1'`, "1 4", "1 0 u1"},
		{`INSERT INTO seat_holds (tenant_id, invitation_id) SELECT 'A', 'i' || i FROM generate_series(1, 5) AS i`, "1 0", "1 5 u1"},
		{`DELETE FROM seat_holds WHERE invitation_id > 'i1'`, "1 0", "1 1 u1"},
		// Nothing is given or taken, whatever there is room for.
		{`UPDATE licenses SET frozen = true, purchased = 0`, "1 0", "1 1 u1"},
		{`INSERT INTO seats (tenant_id, user_id, assigned_by) VALUES ('A', 'u1', 'u0') ON CONFLICT DO NOTHING`, "0 0", "1 1 u1"},
		{`INSERT INTO seat_holds (tenant_id, invitation_id) VALUES ('A', 'i1') ON CONFLICT DO NOTHING`, "0 0", "1 1 u1"},
		{`DELETE FROM seats WHERE user_id > 'u1'`, "0 0", "1 1 u1"},
		{`DELETE FROM seat_holds WHERE invitation_id > 'i1'`, "0 0", "1 1 u1"},
	} {
		tx, err := conn.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		licenses, standings := written(tx, "licenses"), written(tx, "standings") // of transactions before, it may be
		run(t, tx, c.statement)
		if got := fmt.Sprint(written(tx, "licenses")-licenses, written(tx, "standings")-standings); got != c.written {
			t.Errorf("%s: got %s rows of licenses and standings written, want %s", c.statement, got, c.written)
		}
		if err := tx.Commit(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := one[string](t, admin, ledgerSays); got != c.want {
			t.Errorf("%s: got %q, want %q", c.statement, got, c.want)
		}
	}
}

// One that is not paid for is refused with all that are given with it, also where others
// of them were counted before.
func TestAStatementThatGivesOneSeatTooManyGivesNone(t *testing.T) {
	t.Parallel()
	conn, admin := ledger(t)
	const (
		notPaid = "TT030"
		seats   = `INSERT INTO seats (tenant_id, user_id, assigned_by, carried) SELECT 'A', 'u' || i, 'u0', i > $2 FROM generate_series(1, $1::integer) AS i`
		holds   = `INSERT INTO seat_holds (tenant_id, invitation_id) SELECT 'A', 'i' || i FROM generate_series(1, $1::integer) AS i`
	)
	refusedAs(t, conn, notPaid, "", seats, 4, 4)
	refusedAs(t, conn, notPaid, "", seats, 4, 1)
	refusedAs(t, conn, notPaid, "", holds, 4)
	run(t, admin, `UPDATE licenses SET frozen = true`)
	refusedAs(t, conn, notPaid, "", seats, 2, 1)
	refusedAs(t, conn, notPaid, "", holds, 1)
	within(t, conn, func(tx pgx.Tx) { run(t, tx, seats, 6, 0) }) // all of them were counted
	run(t, admin, `UPDATE licenses SET frozen = false`)
	within(t, conn, func(tx pgx.Tx) { run(t, tx, seats, 3, 3) })
	within(t, conn, func(tx pgx.Tx) { run(t, tx, seats, 3, 1) })
	within(t, conn, func(tx pgx.Tx) { run(t, tx, holds, 3) })
	if got, want := one[string](t, admin, ledgerSays), "0 0"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}

	// Each organization counts for itself, where the assigning role sees several.
	run(t, admin, `INSERT INTO members (tenant_id, user_id, membership_id, role, name, name_key, email, email_key, ticket)
		SELECT 'B', 'u' || i, 'm', 'org:member', '', '', '', '', 1 FROM generate_series(1, 3) AS i`)
	run(t, admin, `INSERT INTO licenses (tenant_id, status, working, purchased) VALUES ('B', 'active', true, 2)`)
	const both = `INSERT INTO seats (tenant_id, user_id, assigned_by) SELECT tenant_id, user_id, 'u0' FROM members WHERE user_id <= $1`
	refusedAs(t, admin, notPaid, "", both, "u3")
	run(t, admin, both, "u2")
	run(t, admin, `DELETE FROM seats WHERE tenant_id = 'A' AND user_id = 'u1'`)
	const all = `SELECT string_agg(tenant_id || ' ' || assigned || ' ' || (SELECT count(*) FROM standings s WHERE s.tenant_id = l.tenant_id AND seated), ', ' ORDER BY tenant_id) FROM licenses l`
	if got, want := one[string](t, admin, all), "A 1 1, B 2 2"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestTheLedgerTakesNothingThatCannotBe(t *testing.T) {
	t.Parallel()
	conn, _ := ledger(t)
	run(t, conn, seatOf, "u1", false)
	const check, foreign, unique = "23514", "23503", "23505"
	for _, c := range []struct{ state, constraint, statement string }{
		{unique, "seats_pkey", `INSERT INTO seats (tenant_id, user_id, assigned_by) VALUES ('A', 'u1', 'u0')`},
		{foreign, "seats_member", `INSERT INTO seats (tenant_id, user_id, assigned_by) VALUES ('A', 'u9', 'u0')`},
		{foreign, "seat_holds_invitation", `INSERT INTO seat_holds (tenant_id, invitation_id) VALUES ('A', 'i9')`},
		{unique, "licenses_pkey", `INSERT INTO licenses (tenant_id) VALUES ('A')`},
		{check, "licenses_purchased", `UPDATE licenses SET purchased = -1`},
		{check, "licenses_assigned", `UPDATE licenses SET assigned = -1`},
		{check, "licenses_held", `UPDATE licenses SET held = -1`},
		{check, "licenses_working", `UPDATE licenses SET working = false`},
		{check, "licenses_suspended", `UPDATE licenses SET suspend_time = now()`},
		{check, "subscriptions_seats", `INSERT INTO subscriptions (tenant_id, id, customer_id, status, known_status, quantity, seats, unit_amount, currency, interval, create_time)
			VALUES ('A', 'sub', 'cus', 'active', 'active', 5, 6, 1, 'eur', 'month', now())`},
		{check, "subscriptions_quantity", `INSERT INTO subscriptions (tenant_id, id, customer_id, status, known_status, quantity, seats, unit_amount, currency, interval, create_time)
			VALUES ('A', 'sub', 'cus', 'active', 'active', -1, -1, 1, 'eur', 'month', now())`},
		{check, "subscriptions_amount", `INSERT INTO subscriptions (tenant_id, id, customer_id, status, known_status, quantity, seats, amount, unit_amount, currency, interval, create_time)
			VALUES ('A', 'sub', 'cus', 'active', 'active', 5, 5, -1, 1, 'eur', 'month', now())`},
		{check, "subscriptions_interval_count", `INSERT INTO subscriptions (tenant_id, id, customer_id, status, known_status, quantity, seats, unit_amount, currency, interval, interval_count, create_time)
			VALUES ('A', 'sub', 'cus', 'active', 'active', 5, 5, 1, 'eur', 'month', 0, now())`},
	} {
		refusedAs(t, conn, c.state, c.constraint, c.statement)
	}
	// A server of the version before knows neither amount nor interval_count.
	run(t, conn, `INSERT INTO subscriptions (tenant_id, id, customer_id, status, known_status, quantity, seats, unit_amount, currency, interval, create_time)
		VALUES ('A', 'sub', 'cus', 'active', 'active', 5, 5, 1000, 'eur', 'month', now())`)
	if got := one[string](t, conn, `SELECT concat_ws(' ', coalesce(amount::text, 'unknown'), interval_count) FROM subscriptions`); got != "unknown 1" {
		t.Errorf("what it writes costs %q, want an amount that is unknown", got)
	}
	run(t, conn, `SELECT set_config('app.tenant_id', 'B', false)`)
	refusedAs(t, conn, foreign, "subscriptions_license", `INSERT INTO subscriptions (tenant_id, id, customer_id, status, known_status, quantity, seats, unit_amount, currency, interval, create_time)
		VALUES ('B', 'sub', 'cus', 'active', 'active', 1, 1, 1, 'eur', 'month', now())`)
	run(t, conn, `INSERT INTO licensing_customers VALUES ('cus_1', 'A')`)
	refusedAs(t, conn, unique, "licensing_customers_pkey", `INSERT INTO licensing_customers VALUES ('cus_1', 'B')`)
	denied(t, conn, `UPDATE licensing_customers SET organization_id = 'B'`) // a customer does not change hands
	denied(t, conn, `UPDATE seats SET user_id = 'u2'`)
	denied(t, conn, `UPDATE seats SET carried = true`)
	denied(t, conn, `DELETE FROM licenses`)
}
