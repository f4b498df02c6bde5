package migrations_test

import (
	"context"
	"encoding/hex"
	"errors"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/teamtask/teamtask/internal/pgtest"
	"github.com/teamtask/teamtask/migrations"
)

func sqlState(err error) string {
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return pg.Code
	}
	return ""
}

// changed returns address after the change.
func changed(t *testing.T, address string, change func(*url.URL)) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	change(u)
	return u.String()
}

func applied(t *testing.T, address string) (done, open []string) {
	t.Helper()
	states, err := migrations.Status(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range states {
		if s.Applied {
			done = append(done, s.Name)
		} else {
			open = append(open, s.Name)
		}
	}
	return done, open
}

func sealingKey(t *testing.T, base pgtest.Database) string {
	t.Helper()
	return hex.EncodeToString(one[[]byte](t, connect(t, base.OwnerURL), `SELECT key FROM sealing_keys WHERE purpose = 'page'`))
}

func TestUpAppliesWhatIsMissingOnce(t *testing.T) {
	t.Parallel()
	base := pgtest.Empty(t)
	if one[bool](t, connect(t, base.OwnerURL), `SELECT rolsuper FROM pg_roles WHERE rolname = current_user`) {
		t.Fatal("the owner is a superuser: this test tests less than it says")
	}
	done, open := applied(t, base.OwnerURL)
	if len(done) != 0 || int64(len(open)) != migrations.Latest() {
		t.Errorf("before: got %q applied, %q open", done, open)
	}

	first, err := migrations.Up(t.Context(), base.OwnerURL, pgtest.AppUser())
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(first, open) {
		t.Errorf("got %q applied, want %q", first, open)
	}
	key := sealingKey(t, base)
	if len(key) != 64 || key == strings.Repeat("0", 64) {
		t.Errorf("got a sealing key of %d bytes, want 32 that are not zero", len(key)/2)
	}

	second, err := migrations.Up(t.Context(), base.OwnerURL, pgtest.AppUser())
	if err != nil {
		t.Fatal(err)
	}
	if len(second) != 0 {
		t.Errorf("a second time: got %q applied, want nothing", second)
	}
	if sealingKey(t, base) != key {
		t.Error("the sealing key changed")
	}
	if done, open = applied(t, base.OwnerURL); len(open) != 0 || !slices.Equal(done, first) {
		t.Errorf("after: got %q applied, %q open", done, open)
	}
}

func TestLatestIsTheLastMigration(t *testing.T) {
	t.Parallel()
	conn := connect(t, pgtest.New(t).AppURL) // the runtime role reads it
	if got, want := one[int64](t, conn, `SELECT max(version_id) FROM goose_db_version WHERE is_applied`), migrations.Latest(); got != want {
		t.Errorf("got %d, want %d", got, want)
	}
}

// TestSeveralUpAtOnceApplyEachMigrationOnce is G15.
func TestSeveralUpAtOnceApplyEachMigrationOnce(t *testing.T) {
	t.Parallel()
	const several = 4
	base := pgtest.Empty(t)
	for _, want := range []int64{migrations.Latest(), 0} { // from nothing, then with nothing to do
		var all sync.WaitGroup
		var lock sync.Mutex
		var names []string
		for range several {
			all.Go(func() {
				got, err := migrations.Up(t.Context(), base.OwnerURL, pgtest.AppUser())
				if err != nil {
					t.Error(err)
				}
				lock.Lock()
				defer lock.Unlock()
				names = append(names, got...)
			})
		}
		all.Wait()
		if slices.Sort(names); int64(len(names)) != want || int64(len(slices.Compact(names))) != want {
			t.Errorf("got %q applied, want each of %d once", names, want)
		}
	}
	conn := connect(t, base.OwnerURL)
	if n := one[int64](t, conn, `SELECT count(*) FROM goose_db_version WHERE version_id > 0`); n != migrations.Latest() {
		t.Errorf("got %d entries, want %d", n, migrations.Latest())
	}
	if n := one[int](t, conn, `SELECT count(*) FROM sealing_keys`); n != 1 {
		t.Errorf("got %d sealing keys, want 1", n)
	}
}

func TestUpMakesTheRuntimeUserAMember(t *testing.T) {
	t.Parallel()
	base := pgtest.New(t)
	name, address := base.Login(t, "newcomer")
	admin := connect(t, base.AdminURL)
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		if _, err := admin.Exec(ctx, `DROP ROLE `+pgx.Identifier{name}.Sanitize()); err != nil {
			t.Error(err)
		}
	})
	const member = `SELECT pg_has_role($1, 'teamtask_runtime', 'MEMBER')`
	if one[bool](t, admin, member, name) {
		t.Fatal("a member already")
	}
	for range 2 {
		if _, err := migrations.Up(t.Context(), base.OwnerURL, name); err != nil {
			t.Fatal(err)
		}
		if !one[bool](t, admin, member, name) {
			t.Error("not a member")
		}
	}
	if n := one[int](t, connect(t, address), `SELECT count(*) FROM tasks`); n != 0 {
		t.Errorf("got %d rows, want 0", n)
	}
}

func TestUpRefusesWhatCannotWork(t *testing.T) {
	t.Parallel()
	base := pgtest.Empty(t)
	owner, err := url.Parse(base.OwnerURL)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ url, user, want string }{
		"no runtime user": {base.OwnerURL, "nobody_of_that_name", "create it first"},
		"empty user":      {base.OwnerURL, "", "create it first"},
		"quoted user":     {base.OwnerURL, `x"; DROP SCHEMA public; --`, "create it first"},
		"owner as user":   {base.OwnerURL, owner.User.Username(), "the same user"},
		"wrong password": {changed(t, base.OwnerURL, func(u *url.URL) { u.User = url.UserPassword(u.User.Username(), "not-the-password") }),
			pgtest.AppUser(), "refuses the connection (SQLSTATE 28P01)"},
		"wrong database": {changed(t, base.OwnerURL, func(u *url.URL) { u.Path = "/no_database_of_that_name" }),
			pgtest.AppUser(), "refuses the connection (SQLSTATE 3D000)"},
		"nobody listens": {changed(t, base.OwnerURL, func(u *url.URL) { u.Host = "127.0.0.1:1" }), pgtest.AppUser(), "cannot be reached"},
		"not a URL":      {"postgres://u:not-the-password@%zz/x", pgtest.AppUser(), "not a PostgreSQL URL"},
	} {
		got, err := migrations.Up(t.Context(), c.url, c.user)
		if err == nil || len(got) != 0 {
			t.Errorf("%s: got %q applied, %v, want a refusal", name, got, err)
			continue
		}
		if !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %q, want %q", name, err, c.want)
		}
		quotesNothing(t, name, c.url, err)
		if strings.Contains(c.want, "refuses") || strings.Contains(c.want, "PostgreSQL") || strings.Contains(c.want, "reached") {
			_, err := migrations.Status(t.Context(), c.url)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: Status: got %v, want %q", name, err, c.want)
				continue
			}
			quotesNothing(t, "Status, "+name, c.url, err)
		}
	}
	if n := one[int](t, connect(t, base.OwnerURL), `SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace`); n != 0 {
		t.Errorf("got %d tables and indexes after refusals, want 0", n)
	}
}

// quotesNothing wants an error without what the URL says.
func quotesNothing(t *testing.T, name, address string, err error) {
	t.Helper()
	parts := []string{address, "not-the-password", "for-tests-only"}
	if u, bad := url.Parse(address); bad == nil {
		parts = append(parts, u.Host, strings.TrimPrefix(u.Path, "/"))
	}
	for _, part := range parts {
		if strings.Contains(err.Error(), part) {
			t.Errorf("%s: the error quotes the URL: %v", name, err)
		}
	}
}

func TestOwnerWithoutTheRightsIsTold(t *testing.T) {
	t.Parallel()
	base := pgtest.Empty(t)
	_, address := base.Login(t, "stranger")
	applied, err := migrations.Up(t.Context(), address, pgtest.AppUser())
	if len(applied) != 0 || sqlState(err) != "42501" {
		t.Errorf("got %q applied, %v, want 42501", applied, err)
	}
}

func withLockTimeout(t *testing.T, address, value string) string {
	t.Helper()
	return changed(t, address, func(u *url.URL) {
		query := u.Query()
		query.Set("lock_timeout", value)
		u.RawQuery = query.Encode()
	})
}

// TestMigrationsWaitTenSecondsForALock looks from within: a trigger writes down the
// settings that it runs under.
func TestMigrationsWaitTenSecondsForALock(t *testing.T) {
	t.Parallel()
	base := pgtest.New(t)
	admin := connect(t, base.AdminURL)
	run(t, admin, `
		CREATE SCHEMA test AUTHORIZATION CURRENT_USER;
		GRANT USAGE ON SCHEMA test TO PUBLIC;
		CREATE TABLE test.seen (settings text);
		GRANT INSERT ON test.seen TO PUBLIC;
		CREATE FUNCTION test.look() RETURNS trigger LANGUAGE plpgsql AS $$
		BEGIN
			INSERT INTO test.seen VALUES (current_setting('lock_timeout') || ' ' || current_setting('search_path'));
			RETURN NULL;
		END $$;
		CREATE TRIGGER look BEFORE INSERT ON sealing_keys EXECUTE FUNCTION test.look()`)
	for _, address := range []string{base.OwnerURL, withLockTimeout(t, base.OwnerURL, "3s")} {
		if _, err := migrations.Up(t.Context(), address, pgtest.AppUser()); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := list[string](t, admin, `SELECT settings FROM test.seen`), []string{"10s public", "3s public"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestMigrationGivesUpWaitingForALock is G14.
func TestMigrationGivesUpWaitingForALock(t *testing.T) {
	t.Parallel()
	base := pgtest.Empty(t)
	impatient := withLockTimeout(t, base.OwnerURL, "100ms")
	// Another session is about to make a table of the name that the last migration makes.
	conn := connect(t, base.OwnerURL)
	run(t, conn, `BEGIN`)
	run(t, conn, `CREATE TABLE tasks (tenant_id text PRIMARY KEY)`)
	done, err := migrations.Up(t.Context(), impatient, pgtest.AppUser())
	if sqlState(err) != "55P03" {
		t.Errorf("got %v, want a lock timeout", err)
	}
	if want, _ := applied(t, base.OwnerURL); len(want) == 0 || !slices.Equal(done, want) {
		t.Errorf("got %q applied, want those before: %q", done, want)
	}
	run(t, conn, `ROLLBACK`)
	if _, err := migrations.Up(t.Context(), impatient, pgtest.AppUser()); err != nil {
		t.Errorf("after the lock is gone: %v", err)
	}

	// So does what comes behind the migrations.
	run(t, conn, `BEGIN`)
	run(t, conn, `LOCK TABLE sealing_keys`)
	if _, err := migrations.Up(t.Context(), impatient, pgtest.AppUser()); sqlState(err) != "55P03" {
		t.Errorf("got %v, want a lock timeout", err)
	}
	run(t, conn, `ROLLBACK`)
}
