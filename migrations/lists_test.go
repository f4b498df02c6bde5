package migrations_test

import (
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/teamtask/teamtask/internal/pgtest"
	"github.com/teamtask/teamtask/migrations"
)

const (
	beforeLists = 7

	aMember = `INSERT INTO members (tenant_id, user_id, membership_id, role, name, name_key, email, email_key, ticket)
		VALUES ('A', $1, 'm', 'org:member', '', '', '', $1 || '@x.test', 1)`
	listed = `SELECT string_agg(concat_ws(' ', user_id, email_first, holds_seat), ', ' ORDER BY user_id) FROM members`
)

// seated is a database from before lists were read off indexes, with members a, b and c of
// whom a and b hold a seat, and a connection of a server to it.
func seated(t *testing.T) (pgtest.Database, *pgx.Conn) {
	t.Helper()
	base := at(t, beforeLists)
	conn := connect(t, base.AppURL)
	run(t, conn, `SELECT set_config('app.tenant_id', 'A', false)`)
	for _, user := range []string{"a", "b", "c"} {
		run(t, conn, aMember, user)
	}
	run(t, conn, `INSERT INTO licenses (tenant_id, status, working, purchased) VALUES ('A', 'active', true, 5)`)
	run(t, conn, `INSERT INTO seats (tenant_id, user_id, assigned_by) VALUES ('A', 'a', ''), ('A', 'b', '')`)
	return base, conn
}

func up(t *testing.T, base pgtest.Database) {
	t.Helper()
	if _, err := migrations.Up(t.Context(), base.OwnerURL, pgtest.AppUser()); err != nil {
		t.Fatal(err)
	}
}

// What members are listed by is filled for those that are there, and kept by the database
// from then on: servers of the version before write members and seats too.
func TestMembersAreListedByWhatTheDatabaseKeeps(t *testing.T) {
	t.Parallel()
	base, conn := seated(t)
	up(t, base)
	for _, step := range []struct{ statement, want string }{
		{``, `a a t, b b t, c c f`},
		{`INSERT INTO seats (tenant_id, user_id, assigned_by) VALUES ('A', 'c', '')`, `a a t, b b t, c c t`},
		{`DELETE FROM seats WHERE user_id IN ('a', 'c')`, `a a f, b b t, c c f`},
		{`UPDATE members SET email_key = 'élan@x.test' WHERE user_id = 'a'`, `a é f, b b t, c c f`},
		{`UPDATE members SET email_key = '' WHERE user_id = 'a'`, `a  f, b b t, c c f`},
	} {
		if step.statement != "" {
			run(t, conn, step.statement)
		}
		if got := one[string](t, conn, listed); got != step.want {
			t.Errorf("%s: got %s, want %s", step.statement, got, step.want)
		}
	}
	if n := one[int](t, connect(t, base.AdminURL), `SELECT count(*) FROM pg_policies WHERE policyname = 'backfill'`); n != 0 {
		t.Errorf("%d policies of the migration are left", n)
	}
}

// A row that a server has locked is filled once it is free, with what became of it; the
// server is not made to wait.
func TestMembersThatAreBeingWrittenAreFilledLater(t *testing.T) {
	t.Parallel()
	base, conn := seated(t)
	// The file before the indexes: what it takes is over before the server begins.
	upTo(t, base, 11)
	run(t, conn, `BEGIN`)
	run(t, conn, `UPDATE members SET email_key = 'z@x.test' WHERE user_id = 'a'`)
	done := make(chan error, 1)
	go func() {
		_, err := migrations.Up(t.Context(), base.OwnerURL, pgtest.AppUser())
		done <- err
	}()
	admin := connect(t, base.AdminURL)
	for one[bool](t, admin, `SELECT NOT holds_seat FROM members WHERE user_id = 'b'`) {
		select {
		case err := <-done:
			t.Fatalf("the migration did not wait for the member: %v", err)
		default:
		}
	}
	run(t, conn, `DELETE FROM seats WHERE user_id IN ('a', 'b')`)
	run(t, conn, `COMMIT`)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if got, want := one[string](t, conn, listed), `a z f, b b f, c c f`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// An index whose making was interrupted is there and not valid: it is made again.
func TestIndexesThatAreNotValidAreMadeAgain(t *testing.T) {
	t.Parallel()
	base, conn := seated(t)
	upTo(t, base, 11)
	admin := connect(t, base.AdminURL)
	run(t, admin, `CREATE INDEX tasks_done ON tasks (tenant_id)`)
	run(t, admin, `CREATE INDEX members_by_seat ON members (tenant_id)`)
	run(t, admin, `CREATE INDEX members_by_role_broken ON members (tenant_id)`) // from an attempt before
	run(t, admin, `ALTER TABLE tasks OWNER TO teamtask_test_owner`)
	run(t, admin, `UPDATE pg_index SET indisvalid = false
		WHERE indexrelid IN ('tasks_done'::regclass, 'members_by_seat'::regclass, 'members_by_role_broken'::regclass)`)
	up(t, base)
	const index = `SELECT coalesce(string_agg(pg_get_indexdef(indexrelid), E'\n' ORDER BY indexrelid::regclass::text), '') FROM pg_index i
		JOIN pg_class c ON c.oid = i.indexrelid WHERE relname `
	want := "CREATE INDEX members_by_seat ON public.members USING btree (tenant_id, holds_seat, name_key, user_id) WHERE (remove_time IS NULL)\n" +
		"CREATE INDEX tasks_done ON public.tasks USING btree (tenant_id, done, id)"
	if got := one[string](t, admin, index+`IN ('tasks_done', 'members_by_seat')`); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
	if got := one[string](t, admin, index+`LIKE '%\_broken' OR NOT indisvalid`); got != "" {
		t.Errorf("left: %s", got)
	}
	if got := one[string](t, conn, listed); got != `a a t, b b t, c c f` {
		t.Errorf("got %s", got)
	}
}
