package tenancy

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/teamtask/teamtask/internal/pgpool"
)

// inspect connects once and refuses a database in which tenants would not be
// apart or what was acknowledged could be lost: a role that can get around row
// security, durability switched off, migrations missing; and a pooler in between that does
// not keep sessions. It returns the key that page tokens are sealed with.
func inspect(ctx context.Context, config *pgxpool.Config, schema int64) (key []byte, err error) {
	conn, err := pgpool.Connect(ctx, config)
	if err != nil {
		return nil, pgpool.Reason(err)
	}
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()
	if err := pgpool.CheckPooler(ctx, config, conn); err != nil {
		return nil, err
	}
	if err := checkDurability(ctx, conn); err != nil {
		return nil, err
	}
	if err := checkRole(ctx, conn); err != nil {
		return nil, err
	}
	if err := checkSchema(ctx, conn, schema); err != nil {
		return nil, err
	}
	err = conn.QueryRow(ctx, `SELECT key FROM sealing_keys WHERE purpose = $1`, sealingPurpose).Scan(&key)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, errors.New("the page sealing key is missing: run `migrate up`")
	}
	if err != nil {
		return nil, fmt.Errorf("read the page sealing key: %w", err)
	}
	return key, nil
}

// checkDurability wants what an acknowledged write rests on: a crash test cannot see
// that one of these is off.
func checkDurability(ctx context.Context, conn *pgx.Conn) error {
	for _, setting := range []string{"fsync", "full_page_writes", "synchronous_commit"} {
		var value string
		if err := conn.QueryRow(ctx, `SELECT current_setting($1)`, setting).Scan(&value); err != nil {
			return fmt.Errorf("read the setting %s: %w", setting, err)
		}
		if value == "off" {
			return fmt.Errorf("%s is %s: acknowledged writes could be lost", setting, value)
		}
	}
	return nil
}

// checkRole wants a role that row security binds and that cannot make itself one
// that it does not bind.
func checkRole(ctx context.Context, conn *pgx.Conn) error {
	rows, err := conn.Query(ctx, roleSQL)
	if err != nil {
		return fmt.Errorf("inspect the role: %w", err)
	}
	faults, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return fmt.Errorf("inspect the role: %w", err)
	}
	if len(faults) > 0 {
		return fmt.Errorf("the runtime role could get around row security: %s", strings.Join(faults, "; "))
	}
	return nil
}

// roleSQL lists what makes the current role unfit. Attributes and rights count whether
// they are its own or of a role that it is a member of, and could turn into.
const roleSQL = `
WITH reachable AS (
    SELECT r.oid, r.rolname, r.rolsuper, r.rolbypassrls, r.rolcreaterole, r.rolreplication
      FROM pg_roles r
     WHERE r.rolname = current_user OR r.rolname = session_user
        OR pg_has_role(session_user, r.oid, 'MEMBER')
)
SELECT 'superuser through ' || rolname FROM reachable WHERE rolsuper
UNION ALL
SELECT 'BYPASSRLS through ' || rolname FROM reachable WHERE rolbypassrls
UNION ALL
SELECT 'CREATEROLE through ' || rolname FROM reachable WHERE rolcreaterole
UNION ALL
SELECT 'REPLICATION through ' || rolname FROM reachable WHERE rolreplication
UNION ALL
SELECT 'member of ' || rolname FROM reachable
 WHERE rolname IN ('pg_execute_server_program', 'pg_write_server_files', 'pg_read_server_files')
UNION ALL
SELECT DISTINCT 'owner of tables through ' || r.rolname
  FROM reachable r
  JOIN pg_class c ON c.relowner = r.oid AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
  JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname NOT LIKE 'pg\_%'
UNION ALL
SELECT 'owner of the database through ' || r.rolname
  FROM reachable r
  JOIN pg_database d ON d.datdba = r.oid AND d.datname = current_database()
UNION ALL
SELECT DISTINCT 'CREATE on schema ' || n.nspname
  FROM reachable r, pg_namespace n
 WHERE n.nspname NOT LIKE 'pg\_%' AND n.nspname <> 'information_schema'
   AND has_schema_privilege(r.oid, n.oid, 'CREATE')
UNION ALL
SELECT DISTINCT 'CREATE on the database'
  FROM reachable r
 WHERE has_database_privilege(r.oid, current_database(), 'CREATE')
UNION ALL
SELECT DISTINCT 'TRUNCATE, REFERENCES or TRIGGER on ' || c.relname
  FROM reachable r, pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname NOT LIKE 'pg\_%' AND n.nspname <> 'information_schema'
 WHERE c.relkind IN ('r', 'p')
   AND has_table_privilege(r.oid, c.oid, 'TRUNCATE, REFERENCES, TRIGGER')
UNION ALL
SELECT 'row security is not forced on ' || c.relname
  FROM pg_class c
  JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped
 WHERE c.relnamespace = 'public'::regnamespace
   AND c.relkind IN ('r', 'p')
   AND NOT (c.relrowsecurity AND c.relforcerowsecurity)
UNION ALL
SELECT 'app.tenant_id is set before anybody has called'
 WHERE coalesce(current_setting('app.tenant_id', true), '') <> ''
UNION ALL
SELECT 'not a member of teamtask_runtime (run ` + "`migrate up`" + ` with this DATABASE_URL)'
 WHERE NOT EXISTS (SELECT FROM reachable WHERE rolname = 'teamtask_runtime')
UNION ALL
SELECT 'a member of teamtask_runtime that does not inherit its rights (NOINHERIT)'
  FROM reachable
 WHERE rolname = 'teamtask_runtime' AND NOT pg_has_role(current_user, oid, 'USAGE')
`

// checkSchema wants at least the migration that this server was built with.
func checkSchema(ctx context.Context, conn *pgx.Conn, want int64) error {
	var have int64
	var readOnly string
	err := conn.QueryRow(ctx, `
		SELECT coalesce(max(version_id), 0), current_setting('transaction_read_only')
		  FROM goose_db_version
		 WHERE is_applied`).Scan(&have, &readOnly)
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok && (pg.Code == "42P01" || pg.Code == "42501") {
		have, err = 0, nil // no such table yet, or not granted yet
	}
	if err != nil {
		return fmt.Errorf("read the schema version: %w", err)
	}
	if readOnly == "on" {
		return pgpool.ErrReadOnly
	}
	if have < want {
		return fmt.Errorf("the database is at migration %d and this server needs %d: run `migrate up`", have, want)
	}
	return nil
}
