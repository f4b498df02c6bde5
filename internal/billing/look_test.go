package billing

import (
	"errors"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	teamtaskv1 "github.com/teamtask/teamtask/gen/teamtask/v1"
	"github.com/teamtask/teamtask/internal/fault"
	"github.com/teamtask/teamtask/internal/licensing"
)

func (f *fixture) texts(sql string, args ...any) []string {
	f.t.Helper()
	rows, err := f.admin.Query(f.t.Context(), sql, args...)
	if err != nil {
		f.t.Fatalf("%s: %v", sql, err)
	}
	all, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		f.t.Fatalf("%s: %v", sql, err)
	}
	return all
}

func (f *fixture) count(sql string, args ...any) int {
	f.t.Helper()
	var n int
	if err := f.admin.QueryRow(f.t.Context(), sql, args...).Scan(&n); err != nil {
		f.t.Fatalf("%s: %v", sql, err)
	}
	return n
}

// summary is the license as callers see it.
func (f *fixture) summary(org string) licensing.Summary {
	f.t.Helper()
	s, err := f.License(f.t.Context(), system(org)) // whom nothing is refused, also of an organization that is gone
	if err != nil {
		f.t.Fatalf("license: %v", err)
	}
	return s
}

// ended is whether the caller was told so.
func ended(err error, reason teamtaskv1.Reason) bool {
	told, ok := errors.AsType[*fault.Fault](err)
	return ok && told.Reason() == reason
}

const (
	seatsExhausted = teamtaskv1.Reason_REASON_SEATS_EXHAUSTED
	memberNotFound = teamtaskv1.Reason_REASON_MEMBER_NOT_FOUND
)

func (f *fixture) wantRefused(org, user string, reason teamtaskv1.Reason) {
	f.t.Helper()
	if _, _, err := f.Assign(f.t.Context(), boss(org), user); !ended(err, reason) {
		f.t.Errorf("assign to %s: got %v, want %s", user, err, reason)
	}
}

// holders are those who hold a seat.
func (f *fixture) holders(org string) []string {
	f.t.Helper()
	return f.texts(`SELECT user_id FROM seats WHERE tenant_id = $1 ORDER BY user_id`, org)
}

// workers are those whose seat works, as every call asks.
func (f *fixture) workers(org string) []string {
	f.t.Helper()
	return f.texts(`SELECT user_id FROM standings WHERE tenant_id = $1 AND seated ORDER BY user_id`, org)
}

// lines is what the audit log has of the organization from the licensing, in order.
func (f *fixture) lines(org string) []string {
	f.t.Helper()
	all := f.texts(`
		SELECT method || ' ' || target || ' ' || actor || ' ' || details::text
		  FROM audit_events
		 WHERE tenant_id = $1 AND method LIKE 'licensing.%'
		 ORDER BY id`, org)
	for i := range all {
		all[i] = strings.TrimPrefix(all[i], "licensing.")
	}
	return all
}

// linesOf are the targets of the audit lines of that method.
func (f *fixture) linesOf(org, method string) []string {
	f.t.Helper()
	return f.texts(`SELECT target FROM audit_events WHERE tenant_id = $1 AND method = $2 ORDER BY id`, org, "licensing."+method)
}

// asked are the jobs that are asked for in the organization and not done, by name,
// subject and, for later ones, when they are due.
func (f *fixture) asked(org string) []string {
	f.t.Helper()
	return f.texts(`
		SELECT concat_ws(' ', args->>'name', NULLIF(args->>'subject', ''), CASE WHEN state = 'scheduled' THEN 'later' END)
		  FROM river_job
		 WHERE kind = 'inbox_job' AND args->>'tenant' = $1
		 GROUP BY 1
		 ORDER BY 1`, org)
}

// forgetJobs takes away what is asked for.
func (f *fixture) forgetJobs() {
	f.t.Helper()
	f.exec(`DELETE FROM river_job`)
}

// later lets the clocks of the organization's license go on, and settles it.
func (f *fixture) later(org string, by time.Duration) {
	f.t.Helper()
	f.exec(`
		UPDATE licenses
		   SET grace_end_time = grace_end_time - $2::interval, suspend_time = suspend_time - $2::interval,
		       grace_last_time = grace_last_time - $2::interval, grace_next_time = grace_next_time - $2::interval
		 WHERE tenant_id = $1`, org, by)
	if err := f.Settle(f.t.Context(), org); err != nil {
		f.t.Fatalf("settle: %v", err)
	}
}

// sound demands what must be true of a license at any moment.
func (f *fixture) sound(org string) {
	f.t.Helper()
	for what, sql := range map[string]string{
		"the number of seats is not the number of rows": `
			SELECT format('%s: %s, %s rows', tenant_id, assigned, (SELECT count(*) FROM seats s WHERE s.tenant_id = l.tenant_id))
			  FROM licenses l
			 WHERE tenant_id = $1 AND assigned <> (SELECT count(*) FROM seats s WHERE s.tenant_id = l.tenant_id)`,
		"the number of holds is not the number of rows": `
			SELECT format('%s: %s', tenant_id, held)
			  FROM licenses l
			 WHERE tenant_id = $1 AND held <> (SELECT count(*) FROM seat_holds s WHERE s.tenant_id = l.tenant_id)`,
		"standings say something else than the ledger": `
			SELECT t.user_id
			  FROM standings t
			  LEFT JOIN licenses l ON l.tenant_id = t.tenant_id
			  LEFT JOIN seats s ON s.tenant_id = t.tenant_id AND s.user_id = t.user_id
			 WHERE t.tenant_id = $1 AND t.seated <> (coalesce(l.working, false) AND s.user_id IS NOT NULL)`,
		"somebody who is not a member holds a seat": `
			SELECT s.user_id
			  FROM seats s
			  JOIN members m ON m.tenant_id = s.tenant_id AND m.user_id = s.user_id
			 WHERE s.tenant_id = $1 AND m.remove_time IS NOT NULL`,
	} {
		if wrong := f.texts(sql, org); len(wrong) > 0 {
			f.t.Errorf("%s: %v", what, wrong)
		}
	}
}
