package migrations_test

import (
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/teamtask/teamtask/internal/pgtest"
)

// TestAuditLinesAreNeitherChangedNorRemoved is H19: by privilege, and by trying.
func TestAuditLinesAreNeitherChangedNorRemoved(t *testing.T) {
	t.Parallel()
	base, _ := occupied(t)
	conn := connect(t, base.AppURL)
	for privilege, want := range map[string]bool{
		"SELECT": true, "INSERT": true, "UPDATE": false, "DELETE": false, "TRUNCATE": false, "REFERENCES": false, "TRIGGER": false,
	} {
		if got := may(t, conn, "audit_events", privilege); got != want {
			t.Errorf("%s: got %v, want %v", privilege, got, want)
		}
	}
	run(t, conn, `SELECT set_config('app.tenant_id', 'A', false)`)
	for _, statement := range []string{
		`UPDATE audit_events SET outcome = 'ok'`, `DELETE FROM audit_events`, `TRUNCATE audit_events`,
		`INSERT INTO audit_events SELECT * FROM audit_events ON CONFLICT (tenant_id, id) DO UPDATE SET outcome = 'ok'`,
		`SELECT FROM audit_events FOR UPDATE`, `SET ROLE teamtask_expiry`, `DROP FUNCTION expire_audit`,
		`CREATE OR REPLACE FUNCTION expire_audit(at_most integer) RETURNS bigint LANGUAGE sql AS 'SELECT 1::bigint'`,
	} {
		denied(t, conn, statement)
	}
}

// The runtime role decides when lines expire, never which.
func TestOnlyOldAuditLinesExpire(t *testing.T) {
	t.Parallel()
	base := pgtest.New(t)
	admin := connect(t, base.AdminURL)
	left := func(tenant string) int {
		return one[int](t, admin, `SELECT count(*) FROM audit_events WHERE tenant_id = $1`, tenant)
	}
	for _, tenant := range []string{"A", "B"} {
		for i, age := range []string{"0 days", "399 days 23 hours", "400 days 1 hour", "500 days"} {
			run(t, admin, `INSERT INTO audit_events (tenant_id, id, time, actor, impersonator, method, target, outcome, reason, request_id, details)
				VALUES ($1, $2, now() - $3::interval, 'u', '', 'm', '', 'ok', '', '', '{}')`,
				tenant, fmt.Sprintf("00000000-0000-7000-8000-%012d", i), age)
		}
	}
	// The role itself can do no more than the function does, in whatever scope.
	within(t, admin, func(tx pgx.Tx) {
		run(t, tx, `SET LOCAL ROLE teamtask_expiry`)
		scopeToA(t, tx)
		if n := run(t, tx, `DELETE FROM audit_events`); n != 4 {
			t.Errorf("got %d lines removed, want the 4 old ones", n)
		}
	})
	conn := connect(t, base.AppURL)
	for i, want := range []int64{3, 1, 0} {
		if n := one[int64](t, conn, `SELECT expire_audit(3)`); n != want {
			t.Errorf("time %d: got %d lines removed, want %d", i+1, n, want)
		}
	}
	for _, tenant := range []string{"A", "B"} {
		if n := left(tenant); n != 2 {
			t.Errorf("%s: got %d lines left, want the 2 young ones", tenant, n)
		}
	}
	run(t, admin, `SET ROLE teamtask_expiry`)
	denied(t, admin, `SELECT FROM tasks`)
	denied(t, admin, `UPDATE audit_events SET outcome = 'ok'`)
}
