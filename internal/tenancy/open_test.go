package tenancy_test

import (
	"context"
	"net/url"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/teamtask/teamtask/internal/pgtest"
	"github.com/teamtask/teamtask/internal/tenancy"
	"github.com/teamtask/teamtask/migrations"
)

// loginOf makes a login for base and runs statements as a superuser, in which {role}
// stands for it and {helper} for a second role. Both are gone when t ends.
func loginOf(t *testing.T, base pgtest.Database, prefix string, statements ...string) (name, address string) {
	t.Helper()
	name, address = base.Login(t, prefix)
	helper := name + "_h"
	admin := connectAt(t, base.AdminURL)
	runSQL(t, admin, `CREATE ROLE `+pgx.Identifier{helper}.Sanitize())
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		admin, err := pgx.Connect(ctx, base.AdminURL)
		if err != nil {
			t.Error(err)
			return
		}
		defer admin.Close(ctx)
		for _, role := range []string{name, helper} {
			role = pgx.Identifier{role}.Sanitize()
			for _, statement := range []string{`REASSIGN OWNED BY ` + role + ` TO CURRENT_USER`, `DROP OWNED BY ` + role, `DROP ROLE ` + role} {
				if _, err := admin.Exec(ctx, statement); err != nil {
					t.Errorf("%s: %v", statement, err)
				}
			}
		}
	})
	u, err := url.Parse(base.OwnerURL)
	if err != nil {
		t.Fatal(err)
	}
	names := strings.NewReplacer(
		"{role}", pgx.Identifier{name}.Sanitize(),
		"{helper}", pgx.Identifier{helper}.Sanitize(),
		"{owner}", pgx.Identifier{u.User.Username()}.Sanitize(),
		"{database}", pgx.Identifier{base.Name}.Sanitize())
	for _, statement := range statements {
		runSQL(t, admin, names.Replace(statement))
	}
	return name, address
}

// refusal opens address and answers the error; there must be one, and it must hold
// nothing of the address that is secret.
func refusal(t *testing.T, address string, schema int64) string {
	t.Helper()
	db, err := tenancy.Open(t.Context(), tenancy.Options{URL: address, Schema: schema, Statements: testStatements})
	if err == nil {
		db.Close()
		t.Error("Open did not refuse")
		return ""
	}
	if u, bad := url.Parse(address); bad == nil {
		password, _ := u.User.Password()
		for what, part := range map[string]string{"URL": address, "password": password, "address": u.Host, "database": strings.TrimPrefix(u.Path, "/")} {
			if part != "" && strings.Contains(err.Error(), part) {
				t.Errorf("the error holds the %s: %v", what, err)
			}
		}
	}
	return err.Error()
}

func TestOrdinaryRoleOpens(t *testing.T) {
	t.Parallel()
	base := pgtest.New(t)
	mustAdd(t, openAt(t, base.AppURL), "org_a", "x")
	_, address := loginOf(t, base, "ordinary", `GRANT teamtask_runtime TO {role}`)
	mustAdd(t, openAt(t, address), "org_a", "y")
}

func TestRoleThatCouldGetAroundRowSecurityIsRefused(t *testing.T) {
	t.Parallel()
	const member = `GRANT teamtask_runtime TO {role}`
	const noInherit = `ALTER ROLE {role} NOINHERIT`
	for name, c := range map[string]struct {
		statements []string
		want       string
	}{
		"superuser":             {[]string{member, `ALTER ROLE {role} SUPERUSER`}, "superuser through"},
		"bypass":                {[]string{member, `ALTER ROLE {role} BYPASSRLS`}, "BYPASSRLS through"},
		"createrole":            {[]string{member, `ALTER ROLE {role} CREATEROLE`}, "CREATEROLE through"},
		"replication":           {[]string{member, `ALTER ROLE {role} REPLICATION`}, "REPLICATION through"},
		"superuser_member":      {[]string{member, `ALTER ROLE {helper} SUPERUSER`, `GRANT {helper} TO {role}`}, "superuser through"},
		"bypass_member":         {[]string{member, `ALTER ROLE {helper} BYPASSRLS`, `GRANT {helper} TO {role}`}, "BYPASSRLS through"},
		"createrole_member":     {[]string{member, `ALTER ROLE {helper} CREATEROLE`, `GRANT {helper} TO {role}`}, "CREATEROLE through"},
		"replication_member":    {[]string{member, `ALTER ROLE {helper} REPLICATION`, `GRANT {helper} TO {role}`}, "REPLICATION through"},
		"row_security_off":      {[]string{member, `ALTER TABLE tasks DISABLE ROW LEVEL SECURITY`}, "row security is not forced on tasks"},
		"row_security_unforced": {[]string{member, `ALTER TABLE tasks NO FORCE ROW LEVEL SECURITY`}, "row security is not forced on tasks"},
		"tenant_preset":         {[]string{member, `ALTER ROLE {role} SET app.tenant_id = 'org_a'`}, "app.tenant_id is set"},
		"files_member":          {[]string{member, `GRANT pg_read_server_files TO {role}`}, "member of pg_read_server_files"},
		"files_two_hops":        {[]string{member, `GRANT pg_write_server_files TO {helper}`, `GRANT {helper} TO {role}`}, "member of pg_write_server_files"},
		"program_member":        {[]string{member, `GRANT pg_execute_server_program TO {role}`}, "member of pg_execute_server_program"},
		"table_owner":           {[]string{member, `ALTER TABLE task_requests OWNER TO {role}`}, "owner of tables through"},
		"table_owner_member":    {[]string{member, `ALTER TABLE task_requests OWNER TO {helper}`, `GRANT {helper} TO {role}`}, "owner of tables through"},
		"owner_member":          {[]string{member, `GRANT {owner} TO {role}`}, "owner of tables through"},
		"owner_two_hops":        {[]string{member, `GRANT {owner} TO {helper}`, `GRANT {helper} TO {role}`}, "owner of tables through"},
		"owner_not_inherited":   {[]string{member, `ALTER TABLE task_requests OWNER TO {helper}`, `GRANT {helper} TO {role}`, noInherit}, "owner of tables through"},
		"database_owner":        {[]string{member, `ALTER DATABASE {database} OWNER TO {role}`}, "owner of the database through"},
		"create_on_schema":      {[]string{member, `GRANT CREATE ON SCHEMA public TO {role}`}, "CREATE on schema public"},
		"create_for_everybody":  {[]string{member, `GRANT CREATE ON SCHEMA public TO PUBLIC`}, "CREATE on schema public"},
		"create_through_helper": {[]string{member, `GRANT CREATE ON SCHEMA public TO {helper}`, `GRANT {helper} TO {role}`, noInherit}, "CREATE on schema public"},
		"create_on_database":    {[]string{member, `GRANT CREATE ON DATABASE {database} TO {role}`}, "CREATE on the database"},
		"truncate":              {[]string{member, `GRANT TRUNCATE ON tasks TO {role}`}, "TRUNCATE, REFERENCES or TRIGGER on tasks"},
		"truncate_for_group":    {[]string{member, `GRANT TRUNCATE ON tasks TO teamtask_runtime`}, "TRUNCATE, REFERENCES or TRIGGER on tasks"},
		"truncate_not_inherited": {
			[]string{member, `GRANT TRUNCATE ON tasks TO {helper}`, `GRANT {helper} TO {role}`, noInherit},
			"TRUNCATE, REFERENCES or TRIGGER on tasks",
		},
		"references": {[]string{member, `GRANT REFERENCES ON tasks TO {role}`}, "TRUNCATE, REFERENCES or TRIGGER on tasks"},
		"trigger":    {[]string{member, `GRANT TRIGGER ON tasks TO {role}`}, "TRUNCATE, REFERENCES or TRIGGER on tasks"},
		"stranger":   {nil, "not a member of teamtask_runtime"},
		"no_inherit": {[]string{member, noInherit}, "does not inherit"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, address := loginOf(t, pgtest.New(t), "unfit", c.statements...)
			got := refusal(t, address, migrations.Latest())
			if !strings.Contains(got, "could get around row security") || !strings.Contains(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestDatabaseThatCouldLoseWritesIsRefused(t *testing.T) {
	t.Parallel()
	t.Run("synchronous_commit of the URL", func(t *testing.T) {
		t.Parallel()
		address := withParameters(t, pgtest.New(t).AppURL, "synchronous_commit", "off")
		if got, want := refusal(t, address, migrations.Latest()), "synchronous_commit is off"; !strings.Contains(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	})
	t.Run("synchronous_commit of the role", func(t *testing.T) {
		t.Parallel()
		_, address := loginOf(t, pgtest.New(t), "hasty", `GRANT teamtask_runtime TO {role}`, `ALTER ROLE {role} SET synchronous_commit = off`)
		if got, want := refusal(t, address, migrations.Latest()), "synchronous_commit is off"; !strings.Contains(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	})
	t.Run("synchronous_commit of the database", func(t *testing.T) {
		t.Parallel()
		base := pgtest.New(t)
		runSQL(t, connectAt(t, base.AdminURL), `ALTER DATABASE `+pgx.Identifier{base.Name}.Sanitize()+` SET synchronous_commit = off`)
		if got, want := refusal(t, base.AppURL, migrations.Latest()), "synchronous_commit is off"; !strings.Contains(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	})
	// The servers of tests have these on, whatever their configuration says. Here a
	// function answers in the server's stead.
	for _, setting := range []string{"fsync", "full_page_writes"} {
		t.Run(setting, func(t *testing.T) {
			t.Parallel()
			base := pgtest.New(t)
			runSQL(t, connectAt(t, base.AdminURL), `
				CREATE FUNCTION public.current_setting(setting text) RETURNS text LANGUAGE sql
				RETURN CASE WHEN setting = '`+setting+`' THEN 'off' ELSE pg_catalog.current_setting(setting) END`)
			address := withParameters(t, base.AppURL, "search_path", "public,pg_catalog")
			if got, want := refusal(t, address, migrations.Latest()), setting+" is off"; !strings.Contains(got, want) {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

func TestDatabaseThatIsNotReadyIsRefused(t *testing.T) {
	t.Parallel()
	prepared := func(t *testing.T, statement string, args ...any) string {
		t.Helper()
		base := pgtest.New(t)
		runSQL(t, connectAt(t, base.AdminURL), statement, args...)
		return base.AppURL
	}
	elsewhere := func(t *testing.T, change func(*url.URL)) string {
		t.Helper()
		u, err := url.Parse(pgtest.New(t).AppURL)
		if err != nil {
			t.Fatal(err)
		}
		change(u)
		return u.String()
	}
	for name, c := range map[string]struct {
		address func(*testing.T) string
		want    string
	}{
		"empty database": {func(t *testing.T) string { t.Helper(); return pgtest.Empty(t).AppURL }, "migration 0 and this server needs"},
		"one migration short": {func(t *testing.T) string {
			t.Helper()
			return prepared(t, `DELETE FROM goose_db_version WHERE version_id = $1`, migrations.Latest())
		}, "run `migrate up`"},
		"migration taken back": {func(t *testing.T) string {
			t.Helper()
			return prepared(t, `UPDATE goose_db_version SET is_applied = false WHERE version_id = $1`, migrations.Latest())
		}, "run `migrate up`"},
		"version not readable": {func(t *testing.T) string {
			t.Helper()
			return prepared(t, `REVOKE ALL ON goose_db_version FROM teamtask_runtime`)
		}, "migration 0 and this server needs"},
		"no sealing key":              {func(t *testing.T) string { t.Helper(); return prepared(t, `DELETE FROM sealing_keys`) }, "the page sealing key is missing"},
		"a statement's table is gone": {func(t *testing.T) string { t.Helper(); return prepared(t, `DROP TABLE tasks`) }, "prepare test_add"},
		"nobody listens": {func(t *testing.T) string {
			t.Helper()
			return elsewhere(t, func(u *url.URL) { u.Host = "127.0.0.1:1" })
		}, "PostgreSQL cannot be reached"},
		"wrong password": {func(t *testing.T) string {
			t.Helper()
			return elsewhere(t, func(u *url.URL) { u.User = url.UserPassword(u.User.Username(), "not-the-password") })
		}, "refuses the user or the password"},
		"unknown user": {func(t *testing.T) string {
			t.Helper()
			return elsewhere(t, func(u *url.URL) { u.User = url.UserPassword("nobody_of_that_name", "not-the-password") })
		}, "refuses the user or the password"},
		"wrong database": {func(t *testing.T) string {
			t.Helper()
			return elsewhere(t, func(u *url.URL) { u.Path = "/no_database_of_that_name" })
		}, "the database does not exist"},
		"unknown parameter": {func(t *testing.T) string {
			t.Helper()
			return withParameters(t, pgtest.New(t).AppURL, "no_such_setting", "1")
		}, "PostgreSQL refuses the connection (SQLSTATE 42704)"},
		"not a URL": {func(*testing.T) string { return "postgres://u:not-the-password@%zz/x" }, "not a PostgreSQL URL"},
		"not a pool size": {func(t *testing.T) string {
			t.Helper()
			return withParameters(t, pgtest.New(t).AppURL, "pool_max_conns", "many")
		}, "not a PostgreSQL URL"},
		"read-only": {func(t *testing.T) string {
			t.Helper()
			return withParameters(t, pgtest.New(t).AppURL, "default_transaction_read_only", "on")
		}, "the database is read-only"},
		"simple protocol": {func(t *testing.T) string {
			t.Helper()
			return withParameters(t, pgtest.New(t).AppURL, "default_query_exec_mode", "simple_protocol")
		}, "simple protocol"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address := c.address(t)
			got := refusal(t, address, migrations.Latest())
			if !strings.Contains(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
			if strings.Contains(got, "not-the-password") {
				t.Errorf("the error holds the password: %q", got)
			}
		})
	}
}

func TestNewerSchemaOpensAndOlderDoesNot(t *testing.T) {
	t.Parallel()
	base := pgtest.New(t)
	db, err := tenancy.Open(t.Context(), tenancy.Options{URL: base.AppURL, Schema: migrations.Latest() - 1})
	if err != nil {
		t.Fatalf("a database newer than the server: %v", err)
	}
	db.Close()
	if got := refusal(t, base.AppURL, migrations.Latest()+1); !strings.Contains(got, "this server needs") {
		t.Errorf("got %q, want a refusal of the older database", got)
	}
}

func TestServerThatGoesAwayWhileOpeningIsNotQuoted(t *testing.T) {
	t.Parallel()
	p := throughProxy(t, pgtest.New(t).AppURL)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	p.once.Store(true) // the inspection gets through, the pool does not
	db, err := tenancy.Open(ctx, tenancy.Options{URL: p.url, Schema: migrations.Latest(), Statements: testStatements})
	if err == nil {
		db.Close()
		t.Fatal("Open did not refuse")
	}
	if got, want := err.Error(), "PostgreSQL cannot be reached"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
