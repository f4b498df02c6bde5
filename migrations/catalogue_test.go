package migrations_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/teamtask/teamtask/internal/pgtest"
)

// shared are the tables of schema public that hold no rows of tenants, and what the
// runtime role may do with them.
var shared = map[string]string{
	"goose_db_version":    "SELECT",
	"sealing_keys":        "SELECT",
	"inbox_events":        "SELECT INSERT UPDATE DELETE",
	"inbox_deliveries":    "SELECT INSERT UPDATE",
	"river_job":           "SELECT INSERT UPDATE DELETE",
	"river_leader":        "SELECT INSERT UPDATE DELETE",
	"river_queue":         "SELECT INSERT UPDATE DELETE",
	"river_migration":     "SELECT",
	"river_notification":  "", // not used on PostgreSQL
	"directory_places":    "SELECT INSERT",
	"directory_gone":      "SELECT INSERT UPDATE",
	"directory_barred":    "SELECT INSERT UPDATE DELETE",
	"directory_tenants":   "SELECT INSERT",
	"licensing_customers": "SELECT INSERT",
}

// rights are what shared says, one line each, as the check prints them.
func rights() []string {
	var all []string
	for table, granted := range shared {
		for right := range strings.FieldsSeq(granted) {
			all = append(all, table+": "+right)
		}
	}
	return all
}

// definers are the functions that may run with the rights of their owner. Each must
// pin its search_path.
const definers = `'{expire_audit}'::name[]`

// unwitnessed are the tenant tables whose change is by itself nothing that a call is
// about: the audit log, what only remembers requests, our copy of Clerk, and what follows
// Stripe, whose lines are written with it.
const unwitnessed = `'{audit_events,task_requests,users,organizations,members,invitations,standings,licenses,subscriptions,seat_holds}'::name[]`

const (
	ours = `n.nspname NOT LIKE 'pg\_%' AND n.nspname <> 'information_schema'`

	// confinement is what every policy says, as PostgreSQL prints it.
	confinement = `(tenant_id = NULLIF(current_setting('app.tenant_id'::text, true), ''::text))`

	// witnessBody is what the one function says that pins no search_path.
	witnessBody = ` DECLARE said text; BEGIN said := pg_catalog.set_config('app.changed', 'on', true); RETURN NULL; END `

	// expiry is the one policy beside it: what the owner of expire_audit may remove.
	expiry = `("time" < (now() - '400 days'::interval))`
)

func quoted(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// checks answer what is wrong in a database, one line each. $1 are the names of the
// shared tables, $2 what the runtime role may do with them.
var checks = map[string]string{
	// C01, C26
	"row security is enabled and forced on every tenant table": `
		SELECT c.relname
		  FROM pg_class c
		  JOIN pg_namespace n ON n.oid = c.relnamespace
		 WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') AND c.relname <> ALL ($1)
		   AND NOT (c.relrowsecurity AND c.relforcerowsecurity)`,
	// C04, C09
	"every tenant table has the one policy, word for word": `
		SELECT c.relname
		  FROM pg_class c
		  JOIN pg_namespace n ON n.oid = c.relnamespace
		  LEFT JOIN pg_policies p ON p.schemaname = n.nspname AND p.tablename = c.relname
		       AND NOT (p.tablename = 'audit_events' AND p.policyname = 'expiry' AND p.roles = '{teamtask_expiry}'
		                AND p.permissive = 'PERMISSIVE' AND p.with_check IS NULL AND p.qual = ` + quoted(expiry) + `)
		 WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') AND c.relname <> ALL ($1)
		 GROUP BY c.oid, c.relname
		HAVING count(p.policyname) <> 1
		    OR NOT coalesce(bool_and(
		           p.policyname = 'tenant' AND p.permissive = 'PERMISSIVE' AND p.cmd = 'ALL'
		           AND p.roles = '{teamtask_runtime}'
		           AND p.qual = '` + strings.ReplaceAll(confinement, "'", "''") + `'
		           AND p.with_check = '` + strings.ReplaceAll(confinement, "'", "''") + `'), false)`,
	"tables of ours are ordinary and in schema public": `
		SELECT n.nspname || '.' || c.relname
		  FROM pg_class c
		  JOIN pg_namespace n ON n.oid = c.relnamespace
		 WHERE ` + ours + `
		   AND (c.relkind = 'f' OR c.relkind IN ('r', 'p') AND n.nspname <> 'public'
		        OR c.relpersistence <> 'p' AND c.relname NOT IN ('river_leader', 'river_leader_pkey'))`, // who leads is worth nothing after a crash
	"tenant_id is text and never NULL": `
		SELECT c.relname
		  FROM pg_class c
		  JOIN pg_namespace n ON n.oid = c.relnamespace
		  LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped
		 WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') AND c.relname <> ALL ($1)
		   AND (a.attnum IS NULL OR NOT a.attnotnull OR a.atttypid <> 'text'::regtype OR a.atthasdef OR a.attgenerated <> '')`,
	// C15
	"keys lead with tenant_id": `
		SELECT k.relname
		  FROM pg_class c
		  JOIN pg_namespace n ON n.oid = c.relnamespace
		  JOIN pg_index i ON i.indrelid = c.oid AND (i.indisunique OR i.indisexclusion)
		  JOIN pg_class k ON k.oid = i.indexrelid
		  LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = i.indkey[0]
		 WHERE n.nspname = 'public' AND c.relname <> ALL ($1)
		   AND a.attname IS DISTINCT FROM 'tenant_id'`,
	"every table has a primary key": `
		SELECT c.relname
		  FROM pg_class c
		  JOIN pg_namespace n ON n.oid = c.relnamespace
		 WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p')
		   AND NOT EXISTS (SELECT FROM pg_index WHERE indrelid = c.oid AND indisprimary)`,
	// C16
	"foreign keys lead with tenant_id on both ends": `
		SELECT f.conname
		  FROM pg_constraint f
		  JOIN pg_class c ON c.oid = f.conrelid
		  JOIN pg_attribute a ON a.attrelid = f.conrelid AND a.attnum = f.conkey[1]
		  JOIN pg_attribute b ON b.attrelid = f.confrelid AND b.attnum = f.confkey[1]
		 WHERE f.contype = 'f' AND c.relname <> ALL ($1)
		   AND (a.attname <> 'tenant_id' OR b.attname <> 'tenant_id')`,
	// C10
	"views run with the rights of who reads them": `
		SELECT c.relname
		  FROM pg_class c
		  JOIN pg_namespace n ON n.oid = c.relnamespace
		 WHERE ` + ours + ` AND c.relkind = 'v'
		   AND NOT EXISTS (SELECT
		                     FROM pg_options_to_table(c.reloptions)
		                    WHERE option_name = 'security_invoker' AND option_value::boolean)`,
	// C12
	"there is no materialized view": `
		SELECT c.relname
		  FROM pg_class c
		  JOIN pg_namespace n ON n.oid = c.relnamespace
		 WHERE ` + ours + ` AND c.relkind = 'm'`,
	// C11
	"functions run with the rights of who calls them": `
		SELECT p.proname
		  FROM pg_proc p
		  JOIN pg_namespace n ON n.oid = p.pronamespace
		 WHERE ` + ours + ` AND p.prosecdef
		   AND NOT (p.proname = ANY (` + definers + `) AND p.proconfig::text LIKE '%search_path=%')`,
	"functions that run with their owner's rights belong to a role that nobody logs in as": `
		SELECT p.proname
		  FROM pg_proc p
		  JOIN pg_namespace n ON n.oid = p.pronamespace
		  JOIN pg_roles r ON r.oid = p.proowner
		 WHERE ` + ours + ` AND p.prosecdef
		   AND (r.rolcanlogin OR r.rolsuper OR r.rolbypassrls OR r.rolcreaterole OR has_schema_privilege(r.oid, 'public', 'CREATE'))`,
	"changes of tenants' rows are witnessed": `
		SELECT c.relname
		  FROM pg_class c
		  JOIN pg_namespace n ON n.oid = c.relnamespace
		 WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') AND c.relname <> ALL ($1) AND c.relname <> ALL (` + unwitnessed + `)
		   AND NOT EXISTS (SELECT
		                     FROM pg_trigger t
		                    WHERE t.tgrelid = c.oid AND t.tgfoid = 'witness'::regproc AND t.tgenabled = 'O'
		                      AND t.tgtype = 29 AND t.tgqual IS NULL AND cardinality(t.tgattr::int2[]) = 0)`,
	"functions pin their search_path": `
		SELECT p.proname
		  FROM pg_proc p
		  JOIN pg_namespace n ON n.oid = p.pronamespace
		 WHERE ` + ours + ` AND coalesce(p.proconfig::text, '') NOT LIKE '%search_path=%'
		   AND NOT (p.proname = 'witness' AND regexp_replace(p.prosrc, '\s+', ' ', 'g') = ` + quoted(witnessBody) + `)`,
	// C13
	"partitions and children are confined themselves": `
		SELECT c.relname
		  FROM pg_inherits i
		  JOIN pg_class c ON c.oid = i.inhrelid AND c.relkind IN ('r', 'p', 'f')
		 WHERE NOT (c.relrowsecurity AND c.relforcerowsecurity)
		    OR NOT EXISTS (SELECT FROM pg_policy WHERE polrelid = c.oid)`,
	"no rule rewrites a statement": `
		SELECT r.rulename
		  FROM pg_rewrite r
		  JOIN pg_class c ON c.oid = r.ev_class
		  JOIN pg_namespace n ON n.oid = c.relnamespace
		 WHERE ` + ours + ` AND r.rulename <> '_RETURN'`,
	// C14
	"nobody but the owner may more than read and write rows": `
		SELECT c.relname || ': ' || g.privilege_type
		  FROM pg_class c
		  JOIN pg_namespace n ON n.oid = c.relnamespace
		 CROSS JOIN LATERAL aclexplode(c.relacl) g
		 WHERE ` + ours + ` AND g.grantee <> c.relowner
		   AND NOT (c.relname = 'audit_events' AND g.grantee = 'teamtask_expiry'::regrole AND NOT g.is_grantable
		            AND g.privilege_type IN ('SELECT', 'DELETE'))
		   AND (g.grantee <> 'teamtask_runtime'::regrole OR g.is_grantable
		        OR g.privilege_type NOT IN ('SELECT', 'INSERT', 'UPDATE', 'DELETE')
		           AND (c.relname, g.privilege_type) NOT IN (('river_job_id_seq', 'USAGE'), ('directory_tickets', 'USAGE'), ('licensing_tickets', 'USAGE')))`,
	"the runtime role may with what is shared what is listed": `
		SELECT c.relname || ': ' || g.privilege_type
		  FROM pg_class c
		  JOIN pg_namespace n ON n.oid = c.relnamespace
		 CROSS JOIN LATERAL aclexplode(c.relacl) g
		 WHERE n.nspname = 'public' AND c.relname = ANY ($1) AND g.grantee <> c.relowner
		   AND c.relname || ': ' || g.privilege_type <> ALL ($2)`,
	"nothing is granted by the column": `
		SELECT c.relname || '.' || a.attname
		  FROM pg_attribute a
		  JOIN pg_class c ON c.oid = a.attrelid
		  JOIN pg_namespace n ON n.oid = c.relnamespace
		 WHERE ` + ours + ` AND a.attacl IS NOT NULL`,
	"nothing will be granted by default": `
		SELECT defaclobjtype::text
		  FROM pg_default_acl`,
	"functions are not for everybody": `
		SELECT p.proname
		  FROM pg_proc p
		  JOIN pg_namespace n ON n.oid = p.pronamespace
		 WHERE ` + ours + `
		   AND EXISTS (SELECT
		                 FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) g
		                WHERE g.grantee = 0)`,
	// C22
	"the runtime role creates nothing": `
		SELECT 'schema ' || n.nspname
		  FROM pg_namespace n
		 WHERE has_schema_privilege('teamtask_runtime', n.oid, 'CREATE')
		UNION ALL
		SELECT 'database ' || current_database()
		 WHERE has_database_privilege('teamtask_runtime', current_database(), 'CREATE')
		UNION ALL
		SELECT 'owner of ' || c.relname
		  FROM pg_class c
		 WHERE c.relowner = 'teamtask_runtime'::regrole`,
}

// findings returns what the named check has to say.
func findings(t *testing.T, q querier, check string) []string {
	t.Helper()
	names := slices.Sorted(maps.Keys(shared))
	if strings.Contains(checks[check], "$2") {
		return list[string](t, q, checks[check], names, rights())
	}
	if strings.Contains(checks[check], "$1") {
		return list[string](t, q, checks[check], names)
	}
	return list[string](t, q, checks[check])
}

func TestCatalogueHoldsNothingThatCouldLeak(t *testing.T) {
	t.Parallel()
	conn := connect(t, pgtest.New(t).OwnerURL)
	for check := range checks {
		for _, found := range findings(t, conn, check) {
			t.Errorf("%s: not so: %s", check, found)
		}
	}
	for table := range shared {
		if one[int](t, conn, `SELECT count(*) FROM pg_class WHERE relname = $1 AND relnamespace = 'public'::regnamespace`, table) != 1 {
			t.Errorf("there is no table %s to make an exception for", table)
		}
	}
	if n := len(confinedTables(t, conn)); n < 2 {
		t.Errorf("got %d confined tables, want at least tasks and task_requests", n)
	}
}

// TestCatalogueChecksFindWhatTheyAreFor seeds one mistake at a time.
func TestCatalogueChecksFindWhatTheyAreFor(t *testing.T) {
	t.Parallel()
	const (
		policy = `CREATE POLICY tenant ON tasks TO teamtask_runtime `
		using  = `USING (tenant_id = NULLIF(current_setting('app.tenant_id', true), ''))`
		same   = ` WITH CHECK (tenant_id = NULLIF(current_setting('app.tenant_id', true), ''))`
		drop   = `DROP POLICY tenant ON tasks; `
		notes  = `CREATE TABLE notes (tenant_id text NOT NULL, id integer NOT NULL, PRIMARY KEY (tenant_id, id)); `
	)
	seeds := map[string]map[string]string{
		"row security is enabled and forced on every tenant table": {
			"notes":         notes,
			"tasks":         `ALTER TABLE tasks NO FORCE ROW LEVEL SECURITY`,
			"task_requests": `ALTER TABLE task_requests DISABLE ROW LEVEL SECURITY`,
		},
		"tables of ours are ordinary and in schema public": {
			"hidden.notes": `CREATE SCHEMA hidden; CREATE TABLE hidden.notes (tenant_id text PRIMARY KEY)`,
			"public.quick": `CREATE UNLOGGED TABLE quick (tenant_id text PRIMARY KEY)`,
			"public.far":   `CREATE FOREIGN DATA WRAPPER nowhere; CREATE SERVER nowhere FOREIGN DATA WRAPPER nowhere; CREATE FOREIGN TABLE far (tenant_id text) SERVER nowhere`,
		},
		"tenant_id is text and never NULL": {
			"without":  `CREATE TABLE without (id integer PRIMARY KEY)`,
			"nullable": `CREATE TABLE nullable (tenant_id text, id integer PRIMARY KEY)`,
			"uuids":    `CREATE TABLE uuids (tenant_id uuid PRIMARY KEY)`,
			"guesses":  `CREATE TABLE guesses (tenant_id text PRIMARY KEY DEFAULT 'org_1')`,
		},
		"keys lead with tenant_id": {
			"tasks_slug":       `CREATE UNIQUE INDEX tasks_slug ON tasks (name)`,
			"tasks_slug_after": `CREATE UNIQUE INDEX tasks_slug_after ON tasks (name, tenant_id)`,
			"tasks_expression": `CREATE UNIQUE INDEX tasks_expression ON tasks ((lower(tenant_id)), name)`,
			"notes_pkey":       `CREATE TABLE notes (tenant_id text NOT NULL, id integer PRIMARY KEY)`,
			"tasks_apart":      `ALTER TABLE tasks ADD CONSTRAINT tasks_apart EXCLUDE (name WITH =)`,
		},
		"every table has a primary key": {
			"notes": `CREATE TABLE notes (tenant_id text NOT NULL)`,
		},
		"foreign keys lead with tenant_id on both ends": {
			"by_id":   `CREATE TABLE parents (tenant_id text, id text UNIQUE, PRIMARY KEY (tenant_id, id)); CREATE TABLE notes (tenant_id text PRIMARY KEY, parent text CONSTRAINT by_id REFERENCES parents (id))`,
			"after":   `CREATE TABLE parents (tenant_id text, id text, PRIMARY KEY (tenant_id, id), UNIQUE (id, tenant_id)); CREATE TABLE notes (tenant_id text PRIMARY KEY, parent text, CONSTRAINT after FOREIGN KEY (parent, tenant_id) REFERENCES parents (id, tenant_id))`,
			"crossed": `CREATE TABLE parents (tenant_id text, id text, PRIMARY KEY (tenant_id, id)); CREATE TABLE notes (tenant_id text PRIMARY KEY, parent text, CONSTRAINT crossed FOREIGN KEY (tenant_id, parent) REFERENCES parents (id, tenant_id))`,
		},
		"views run with the rights of who reads them": {
			"all_tasks":  `CREATE VIEW all_tasks AS SELECT * FROM tasks`,
			"off_tasks":  `CREATE VIEW off_tasks WITH (security_invoker = false) AS SELECT * FROM tasks`,
			"wall_tasks": `CREATE VIEW wall_tasks WITH (security_barrier = true) AS SELECT * FROM tasks`,
		},
		"there is no materialized view": {
			"kept_tasks": `CREATE MATERIALIZED VIEW kept_tasks AS SELECT * FROM tasks`,
		},
		"functions run with the rights of who calls them": {
			"peek":      `CREATE FUNCTION peek() RETURNS bigint LANGUAGE sql SECURITY DEFINER AS 'SELECT count(*) FROM tasks'`,
			"peek_safe": `CREATE FUNCTION peek_safe() RETURNS bigint LANGUAGE sql SECURITY DEFINER SET search_path = public AS 'SELECT count(*) FROM tasks'`,
		},
		"functions that run with their owner's rights belong to a role that nobody logs in as": {
			"expire_audit": `ALTER FUNCTION expire_audit OWNER TO CURRENT_USER`,
			"peek":         `CREATE FUNCTION peek() RETURNS bigint LANGUAGE sql SECURITY DEFINER SET search_path = public AS 'SELECT count(*) FROM tasks'`,
		},
		"changes of tenants' rows are witnessed": {
			"notes": notes + `CALL confine('notes')`,
			"tasks": `DROP TRIGGER witness ON tasks`,
			"task":  `DROP TRIGGER witness ON tasks; CREATE TRIGGER witness AFTER INSERT OR UPDATE ON tasks FOR EACH ROW EXECUTE FUNCTION witness()`,
			"tas":   `DROP TRIGGER witness ON tasks; CREATE TRIGGER witness AFTER INSERT OR DELETE OR UPDATE OF name ON tasks FOR EACH ROW EXECUTE FUNCTION witness()`,
			"ta":    `ALTER TABLE tasks DISABLE TRIGGER witness`,
		},
		"functions pin their search_path": {
			"loose": `CREATE FUNCTION loose() RETURNS bigint LANGUAGE sql AS 'SELECT 1::bigint'`,
			"witness": `CREATE OR REPLACE FUNCTION witness() RETURNS trigger LANGUAGE plpgsql AS
				'DECLARE said text; BEGIN said := set_config(''app.changed'', ''on'', true); RETURN NULL; END'`,
		},
		"partitions and children are confined themselves": {
			"parts_1": `
				CREATE TABLE parts (tenant_id text, id integer, PRIMARY KEY (tenant_id, id)) PARTITION BY HASH (tenant_id);
				CREATE TABLE parts_1 PARTITION OF parts FOR VALUES WITH (MODULUS 1, REMAINDER 0);
				CALL confine('parts')`,
			"more_tasks": `CREATE TABLE more_tasks () INHERITS (tasks)`,
		},
		"no rule rewrites a statement": {
			"sideways": `CREATE RULE sideways AS ON INSERT TO tasks DO ALSO NOTHING`,
		},
		"nobody but the owner may more than read and write rows": {
			"tasks: TRUNCATE":      `GRANT TRUNCATE ON tasks TO teamtask_runtime`,
			"tasks: REFERENCES":    `GRANT REFERENCES ON tasks TO teamtask_runtime`,
			"tasks: TRIGGER":       `GRANT TRIGGER ON tasks TO teamtask_runtime`,
			"tasks: SELECT":        `GRANT SELECT ON tasks TO PUBLIC`,
			"tasks: INSERT":        `GRANT INSERT ON tasks TO teamtask_runtime WITH GRANT OPTION`,
			"sealing_keys: SELECT": `GRANT SELECT ON sealing_keys TO PUBLIC`,
			"audit_events: UPDATE": `GRANT UPDATE ON audit_events TO teamtask_expiry`,
			"task_requests: DELET": `GRANT DELETE ON task_requests TO teamtask_expiry`,
			"numbers: USAGE":       `CREATE SEQUENCE numbers; GRANT USAGE ON numbers TO PUBLIC`,
			"river_job: TRUNCATE":  `GRANT TRUNCATE ON river_job TO teamtask_runtime`,
		},
		"the runtime role may with what is shared what is listed": {
			"sealing_keys: UPDATE":     `GRANT UPDATE ON sealing_keys TO teamtask_runtime`,
			"directory_places: UPDATE": `GRANT UPDATE ON directory_places TO teamtask_runtime`,
			"goose_db_version: DELETE": `GRANT DELETE ON goose_db_version TO teamtask_runtime`,
		},
		"nothing is granted by the column": {
			"tasks.name": `GRANT UPDATE (name) ON tasks TO PUBLIC`,
		},
		"nothing will be granted by default": {
			"r": `ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC`,
		},
		"functions are not for everybody": {
			"open":   `CREATE FUNCTION open() RETURNS bigint LANGUAGE sql SET search_path = public AS 'SELECT 1::bigint'`,
			"refuse": `GRANT EXECUTE ON FUNCTION refuse TO PUBLIC`,
		},
		"the runtime role creates nothing": {
			"schema public":  `GRANT CREATE ON SCHEMA public TO teamtask_runtime`,
			"schema hidden":  `CREATE SCHEMA hidden; GRANT CREATE ON SCHEMA hidden TO PUBLIC`,
			"database":       `DO $$ BEGIN EXECUTE format('GRANT CREATE ON DATABASE %I TO teamtask_runtime', current_database()); END $$`,
			"owner of tasks": `ALTER TABLE tasks OWNER TO teamtask_runtime`,
		},
	}
	policies := "every tenant table has the one policy, word for word"
	badPolicies := map[string]string{
		"no policy":          drop,
		"a second policy":    `CREATE POLICY support ON tasks TO teamtask_runtime USING (true)`,
		"a second for some":  `CREATE POLICY support ON tasks FOR SELECT TO teamtask_runtime USING (created_by = 'support')`,
		"another name":       `ALTER POLICY tenant ON tasks RENAME TO tenants`,
		"for everybody":      drop + `CREATE POLICY tenant ON tasks ` + using + same,
		"for one more":       `ALTER POLICY tenant ON tasks TO teamtask_runtime, CURRENT_USER`,
		"restrictive":        drop + `CREATE POLICY tenant ON tasks AS RESTRICTIVE TO teamtask_runtime ` + using + same,
		"only for reading":   drop + `CREATE POLICY tenant ON tasks FOR SELECT TO teamtask_runtime ` + using,
		"without WITH CHECK": drop + policy + using,
		"WITH CHECK open":    drop + policy + using + ` WITH CHECK (true)`,
		"USING open":         drop + policy + `USING (true)` + same,
		"fail-open":          drop + policy + `USING (current_setting('app.tenant_id', true) IS NULL OR tenant_id = current_setting('app.tenant_id', true))` + same,
		"without NULLIF":     drop + policy + `USING (tenant_id = current_setting('app.tenant_id', true))` + same,
		"without true":       drop + policy + `USING (tenant_id = NULLIF(current_setting('app.tenant_id'), ''))` + same,
		"another setting":    drop + policy + `USING (tenant_id = NULLIF(current_setting('app.user_id', true), ''))` + same,
		"another column":     drop + policy + `USING (created_by = NULLIF(current_setting('app.tenant_id', true), ''))` + same,
		"prefix":             drop + policy + `USING (starts_with(tenant_id, NULLIF(current_setting('app.tenant_id', true), '')))` + same,
	}

	conn := connect(t, pgtest.New(t).AdminURL)
	find := func(check, want, seed string) {
		t.Helper()
		within(t, conn, func(tx pgx.Tx) {
			run(t, tx, seed)
			got := findings(t, tx, check)
			if !slices.ContainsFunc(got, func(found string) bool { return strings.HasPrefix(found, want) }) {
				t.Errorf("%s: got %q, want it to find %q after %s", check, got, want, seed)
			}
		})
	}
	for check := range checks {
		if len(seeds[check]) == 0 && check != policies {
			t.Errorf("%s: nothing shows that this check can fail", check)
		}
	}
	for check, bad := range seeds {
		if checks[check] == "" {
			t.Errorf("there is no check %q", check)
			continue
		}
		for want, seed := range bad {
			find(check, want, seed)
		}
	}
	for name, seed := range badPolicies {
		t.Log(name)
		find(policies, "tasks", seed)
	}
	find(policies, "notes", notes)
	find(policies, "audit_events", `ALTER POLICY expiry ON audit_events USING (time < now() - interval '40 days')`)
	find(policies, "audit_events", `ALTER POLICY expiry ON audit_events USING (true)`)
	find(policies, "audit_events", `ALTER POLICY expiry ON audit_events TO teamtask_runtime`)

	// What is right passes: the checks are not against everything.
	within(t, conn, func(tx pgx.Tx) {
		run(t, tx, notes+`CALL confine('notes')`)
		run(t, tx, `
			CREATE TABLE replies (tenant_id text, id integer, note integer, PRIMARY KEY (tenant_id, id),
			    FOREIGN KEY (tenant_id, note) REFERENCES notes (tenant_id, id));
			CALL confine('replies', 'SELECT, INSERT');
			CREATE VIEW some_tasks WITH (security_invoker = true) AS SELECT * FROM tasks;
			GRANT SELECT ON some_tasks TO teamtask_runtime;
			CREATE TABLE parts (tenant_id text, id integer, PRIMARY KEY (tenant_id, id)) PARTITION BY HASH (tenant_id);
			CREATE TABLE parts_1 PARTITION OF parts FOR VALUES WITH (MODULUS 1, REMAINDER 0);
			CALL confine('parts');
			CALL confine('parts_1');
			CREATE TRIGGER witness AFTER INSERT OR UPDATE OR DELETE ON notes FOR EACH ROW EXECUTE FUNCTION witness();
			CREATE TRIGGER witness AFTER INSERT OR UPDATE OR DELETE ON replies FOR EACH ROW EXECUTE FUNCTION witness();
			CREATE TRIGGER witness AFTER INSERT OR UPDATE OR DELETE ON parts FOR EACH ROW EXECUTE FUNCTION witness()`)
		for check := range checks {
			for _, found := range findings(t, tx, check) {
				t.Errorf("%s: a table that is right is found: %s", check, found)
			}
		}
	})
}

// TestConfineRefusesTablesThatCouldLeak is C15 and C16 at the door.
func TestConfineRefusesTablesThatCouldLeak(t *testing.T) {
	t.Parallel()
	conn := connect(t, pgtest.New(t).OwnerURL)
	const parents = `CREATE TABLE parents (tenant_id text, id text, PRIMARY KEY (tenant_id, id)); `
	for table, want := range map[string]string{
		`CREATE TABLE t (tenant_id text NOT NULL, id integer)`:                                                                                            "no primary key",
		`CREATE TABLE t (tenant_id text NOT NULL, id integer, UNIQUE (tenant_id, id))`:                                                                    "no primary key",
		`CREATE TABLE t (tenant_id text NOT NULL, id integer PRIMARY KEY)`:                                                                                "key t_pkey",
		`CREATE TABLE t (tenant_id text, id integer, PRIMARY KEY (id, tenant_id))`:                                                                        "key t_pkey",
		`CREATE TABLE t (id integer PRIMARY KEY)`:                                                                                                         "key t_pkey",
		`CREATE TABLE t (tenant_id text PRIMARY KEY, slug text UNIQUE)`:                                                                                   "key t_slug_key",
		`CREATE TABLE t (tenant_id text PRIMARY KEY, slug text); CREATE UNIQUE INDEX i ON t (lower(slug))`:                                                "key i",
		`CREATE TABLE t (tenant_id text PRIMARY KEY, slug text); CREATE UNIQUE INDEX i ON t (slug) WHERE slug > 'm'`:                                      "key i",
		`CREATE TABLE t (tenant_id text PRIMARY KEY); CREATE UNIQUE INDEX i ON t (lower(tenant_id))`:                                                      "key i",
		`CREATE TABLE t (tenant_id text PRIMARY KEY, slug text, CONSTRAINT e EXCLUDE (slug WITH =))`:                                                      "key e",
		parents + `CREATE TABLE t (tenant_id text PRIMARY KEY, task text, CONSTRAINT f FOREIGN KEY (task, tenant_id) REFERENCES parents)`:                 "foreign key f",
		parents + `CREATE TABLE t (tenant_id text PRIMARY KEY, task text, CONSTRAINT f FOREIGN KEY (tenant_id, task) REFERENCES parents (id, tenant_id))`: "foreign key f",
		`CREATE TABLE keys (id text PRIMARY KEY); CREATE TABLE t (tenant_id text PRIMARY KEY, key text CONSTRAINT f REFERENCES keys)`:                     "foreign key f",
		`CREATE TABLE keys (id text PRIMARY KEY); CREATE TABLE t (tenant_id text PRIMARY KEY CONSTRAINT f REFERENCES keys)`:                               "foreign key f",
	} {
		within(t, conn, func(tx pgx.Tx) {
			run(t, tx, table)
			_, err := tx.Exec(t.Context(), `CALL confine('t')`)
			if err == nil || !strings.Contains(err.Error(), "confine: ") || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: got %v, want a refusal because of %q", table, err, want)
			}
		})
	}
	for _, table := range []string{
		`CREATE TABLE t (tenant_id uuid PRIMARY KEY)`, // the policy would not compare
		`CREATE TABLE t (tenant_id text PRIMARY KEY); CALL confine('t')`,
	} {
		within(t, conn, func(tx pgx.Tx) {
			run(t, tx, table)
			if _, err := tx.Exec(t.Context(), `CALL confine('t')`); err == nil {
				t.Errorf("%s: confined", table)
			}
		})
	}
}
