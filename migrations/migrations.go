// Package migrations holds the schema, as files that only go forward, and brings a
// database up to it.
package migrations

import (
	"context"
	"crypto/rand"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

//go:embed *.sql
var files embed.FS

// Runtime is the group that every runtime role belongs to; what it may do is what
// the migrations grant it.
const Runtime = "teamtask_runtime"

// expiry is the role that owns what removes expired lines of the audit log. Nobody
// logs in as it.
const expiry = "teamtask_expiry"

// ErrNoRuntimeUser is a runtime user that has not been made yet.
var ErrNoRuntimeUser = errors.New("the user of DATABASE_URL does not exist: create it first, LOGIN and nothing more")

// attempts is how often a change of roles is tried: they belong to the whole cluster,
// and two installations may change them at once.
const attempts = 8

// lockWithin is for how long one waits for another's migrations, in seconds.
const lockWithin = 300

// Latest is the number of the last migration.
func Latest() int64 {
	names, err := fs.Glob(files, "*.sql")
	if err != nil || len(names) == 0 {
		panic("migrations: no files are embedded") // fixed when the binary is built
	}
	number, _, _ := strings.Cut(names[len(names)-1], "_")
	latest, err := strconv.ParseInt(number, 10, 64)
	if err != nil {
		panic("migrations: a file name does not begin with a number") // fixed when the binary is built
	}
	return latest
}

// Up connects as the owner, applies what is missing, River's own migrations of the job
// tables included, makes the group of runtime roles and the keys that servers share,
// and makes runtimeUser, which must exist, a member of the group. It may be repeated, and run by several at once. Errors never
// quote the URL.
func Up(ctx context.Context, ownerURL, runtimeUser string) (applied []string, err error) {
	config, err := ownerConfig(ownerURL)
	if err != nil {
		return nil, err
	}
	if config.User == runtimeUser {
		return nil, errors.New("the owner and the runtime role are the same user: row security would not bind it")
	}
	db := stdlib.OpenDB(*config)
	defer func() { err = errors.Join(err, db.Close()) }()
	if err := prepareRoles(ctx, db, runtimeUser); err != nil {
		return nil, err
	}
	provider, err := newProvider(db)
	if err != nil {
		return nil, err
	}
	results, err := provider.Up(ctx)
	if partial, ok := errors.AsType[*goose.PartialError](err); ok {
		results = partial.Applied
	}
	for _, r := range results {
		applied = append(applied, r.Source.Path)
	}
	if err != nil {
		return applied, fmt.Errorf("migrate: %w", unquoted(err))
	}
	if err := upJobs(ctx, ownerURL); err != nil {
		return applied, err
	}
	return applied, finish(ctx, db)
}

// State is one migration and whether it has been applied.
type State struct {
	Name    string
	Applied bool
}

// Status tells which migrations have been applied.
func Status(ctx context.Context, ownerURL string) (states []State, err error) {
	config, err := ownerConfig(ownerURL)
	if err != nil {
		return nil, err
	}
	db := stdlib.OpenDB(*config)
	defer func() { err = errors.Join(err, db.Close()) }()
	provider, err := newProvider(db)
	if err != nil {
		return nil, err
	}
	all, err := provider.Status(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the status: %w", unquoted(err))
	}
	for _, s := range all {
		states = append(states, State{Name: s.Source.Path, Applied: s.State == goose.StateApplied})
	}
	return states, nil
}

func ownerConfig(url string) (*pgx.ConnConfig, error) {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, errors.New("not a PostgreSQL URL")
	}
	// A migration that waits for a lock makes everybody behind it wait; it gives up
	// instead, and is run again.
	if _, ok := config.RuntimeParams["lock_timeout"]; !ok {
		config.RuntimeParams["lock_timeout"] = "10s"
	}
	config.RuntimeParams["search_path"] = "public"
	return config, nil
}

func newProvider(db *sql.DB) (*goose.Provider, error) {
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, lockWithin))
	if err != nil {
		return nil, fmt.Errorf("make the migration lock: %w", err)
	}
	provider, err := goose.NewProvider(goose.DialectPostgres, db, files,
		goose.WithSessionLocker(locker), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return nil, fmt.Errorf("read the migrations: %w", err)
	}
	return provider, nil
}

// prepareRoles makes the groups, and puts the runtime user into the one and the owner
// into the other.
func prepareRoles(ctx context.Context, db *sql.DB, runtimeUser string) error {
	var exists bool
	if err := db.QueryRowContext(ctx, `SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)`, runtimeUser).Scan(&exists); err != nil {
		return connectReason(err)
	}
	if !exists {
		return ErrNoRuntimeUser
	}
	for _, role := range []string{Runtime, expiry} {
		if err := makeRole(ctx, db, role); err != nil {
			return fmt.Errorf("make the group %s: %w", role, err)
		}
	}
	if err := join(ctx, db, runtimeUser, Runtime); err != nil {
		return fmt.Errorf("make the user of DATABASE_URL a member of %s: %w", Runtime, err)
	}
	// Only a member of a role may give it something to own.
	var owner string
	if err := db.QueryRowContext(ctx, `SELECT current_user`).Scan(&owner); err != nil {
		return fmt.Errorf("read who the owner is: %w", err)
	}
	if err := join(ctx, db, owner, expiry); err != nil {
		return fmt.Errorf("make the owner a member of %s: %w", expiry, err)
	}
	return nil
}

func makeRole(ctx context.Context, db *sql.DB, name string) error {
	return retried(ctx, db, `
		DO $$
		BEGIN
			IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '`+name+`') THEN
				CREATE ROLE `+name+` NOLOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE;
			END IF;
		END
		$$`)
}

// join makes the user a member of the group, where it is none yet.
func join(ctx context.Context, db *sql.DB, user, group string) error {
	var member bool
	// From PostgreSQL 16 on the creator of a role is a member who may do nothing but add others.
	const isMember = `
		SELECT CASE WHEN current_setting('server_version_num')::integer < 160000
		            THEN pg_has_role($1, $2, 'MEMBER')
		            ELSE pg_has_role($1, $2, 'SET')
		       END`
	if err := db.QueryRowContext(ctx, isMember, user, group).Scan(&member); err != nil || member {
		return err
	}
	return retried(ctx, db, `GRANT `+group+` TO `+pgx.Identifier{user}.Sanitize())
}

// retried runs a change of roles again while another session makes the same one.
func retried(ctx context.Context, db *sql.DB, statement string) (err error) {
	for range attempts {
		if _, err = db.ExecContext(ctx, statement); err == nil {
			return nil
		}
		pg, ok := errors.AsType[*pgconn.PgError](err)
		collided := ok && (pg.Code == "42710" || pg.Code == "23505" || strings.Contains(pg.Message, "concurrently updated"))
		if !collided {
			return err
		}
	}
	return err
}

// finish writes the shared keys, once, and lets runtime roles read which migrations
// there are.
func finish(ctx context.Context, db *sql.DB) error {
	key := make([]byte, 32)
	rand.Read(key)
	const seal = `INSERT INTO sealing_keys (purpose, key) VALUES ('page', $1) ON CONFLICT (purpose) DO NOTHING`
	if _, err := db.ExecContext(ctx, seal, key); err != nil {
		return fmt.Errorf("write the page sealing key: %w", err)
	}
	if err := retried(ctx, db, `GRANT SELECT ON goose_db_version TO `+Runtime); err != nil {
		return fmt.Errorf("let %s read the schema version: %w", Runtime, err)
	}
	return nil
}

// unquoted is err, or where a connection could not be made the reason for that
// without what the URL says.
func unquoted(err error) error {
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return connectReason(err)
	}
	return err
}

// connectReason is why the first statement failed, without quoting the URL.
func connectReason(err error) error {
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return fmt.Errorf("PostgreSQL refuses the connection (SQLSTATE %s)", pg.Code)
	}
	return errors.New("PostgreSQL cannot be reached")
}
