package migrations_test

import (
	"os"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"

	"github.com/teamtask/teamtask/internal/pgtest"
	"github.com/teamtask/teamtask/migrations"
)

// at is a database that is migrated up to that number.
func at(t *testing.T, version int64) pgtest.Database {
	t.Helper()
	base := pgtest.Empty(t)
	upTo(t, base, version)
	return base
}

// upTo brings the database up to that number.
func upTo(t *testing.T, base pgtest.Database, version int64) {
	t.Helper()
	config, err := pgx.ParseConfig(base.OwnerURL)
	if err != nil {
		t.Fatal(err)
	}
	db := stdlib.OpenDB(*config)
	defer func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}()
	provider, err := goose.NewProvider(goose.DialectPostgres, db, os.DirFS("."), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := provider.UpTo(t.Context(), version); err != nil {
		t.Fatal(err)
	}
}

// Servers go on while the ledger's tables are made: each of their transactions reads
// standings first, and may write what the new tables refer to. The migration waits for it.
func TestTheLedgersTablesAreMadeWhileTheDirectoryIsWritten(t *testing.T) {
	t.Parallel()
	const (
		before  = 6
		read    = `SELECT count(*) FROM standings`
		waiting = `SELECT count(*) FROM pg_locks WHERE NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`
	)
	for name, write := range map[string]string{
		"a member": `INSERT INTO members (tenant_id, user_id, membership_id, role, name, name_key, email, email_key, ticket)
			VALUES ('A', 'u1', 'm', 'org:member', '', '', '', '', 1)`,
		"an invitation": `INSERT INTO invitations (tenant_id, id, email, role, hold_seat, status, create_time, ticket)
			VALUES ('A', 'i1', '', 'org:member', true, 'pending', now(), 1)`,
		"an organization": `INSERT INTO organizations (tenant_id, slug, name, ticket) VALUES ('A', '', '', 1)`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			base := at(t, before)
			conn, admin := connect(t, base.AppURL), connect(t, base.AdminURL)
			run(t, conn, `SELECT set_config('app.tenant_id', 'A', false)`)
			run(t, conn, `BEGIN`)
			one[int](t, conn, read)
			migrated := make(chan error, 1)
			go func() {
				_, err := migrations.Up(t.Context(), base.OwnerURL, pgtest.AppUser())
				migrated <- err
			}()
			for one[int](t, admin, waiting) == 0 {
				select {
				case err := <-migrated:
					t.Fatalf("the migration did not wait: %v", err)
				default:
				}
			}
			run(t, conn, write)
			run(t, conn, `COMMIT`)
			if err := <-migrated; err != nil {
				t.Errorf("got %v, want the migration done", err)
			}
			if got := one[int](t, conn, `SELECT count(*) FROM standings WHERE seated`); got != 0 {
				t.Errorf("got %d seated, want 0", got)
			}
		})
	}
}

// A server that has locked a license writes its subscriptions while both tables are
// changed. The migration waits for it, and it not for the migration.
func TestSubscriptionsAreWrittenWhileTheirTableIsChanged(t *testing.T) {
	t.Parallel()
	const (
		before  = 8
		waiting = `SELECT count(*) FROM pg_locks WHERE NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`
	)
	base := at(t, before)
	conn, admin := connect(t, base.AppURL), connect(t, base.AdminURL)
	run(t, conn, `SELECT set_config('app.tenant_id', 'A', false)`)
	run(t, conn, `INSERT INTO licenses (tenant_id) VALUES ('A')`)
	run(t, conn, `BEGIN`)
	one[string](t, conn, `SELECT tenant_id FROM licenses FOR UPDATE`)
	migrated := make(chan error, 1)
	go func() {
		_, err := migrations.Up(t.Context(), base.OwnerURL, pgtest.AppUser())
		migrated <- err
	}()
	for one[int](t, admin, waiting) == 0 {
		select {
		case err := <-migrated:
			t.Fatalf("the migration did not wait: %v", err)
		default:
		}
	}
	run(t, conn, `UPDATE subscriptions SET quantity = 1`)
	run(t, conn, `COMMIT`)
	if err := <-migrated; err != nil {
		t.Errorf("got %v, want the migration done", err)
	}
}

// An index that is built beside writers waits for transactions that are under way, also for
// longer than a lock is waited for otherwise.
func TestIndexesOfEventsWaitForTransactions(t *testing.T) {
	t.Parallel()
	base := at(t, 7)
	conn, admin := connect(t, base.AppURL), connect(t, base.AdminURL)
	run(t, conn, `BEGIN ISOLATION LEVEL REPEATABLE READ`)
	one[int](t, conn, `SELECT 1`)
	owner := withLockTimeout(t, base.OwnerURL, "1s")
	migrated := make(chan error, 1)
	go func() {
		_, err := migrations.Up(t.Context(), owner, pgtest.AppUser())
		migrated <- err
	}()
	const waiting = `SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid)
		WHERE NOT l.granted AND l.waitstart < clock_timestamp() - interval '1.5 s' AND a.datname = current_database() AND a.query LIKE '%CONCURRENTLY inbox_%'`
	for one[int](t, admin, waiting) == 0 {
		select {
		case err := <-migrated:
			t.Fatalf("the migration did not wait: %v", err)
		default:
		}
	}
	run(t, conn, `COMMIT`)
	if err := <-migrated; err != nil {
		t.Error(err)
	}
}
