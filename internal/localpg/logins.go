package localpg

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// loginLock is the advisory lock on the administrator's database under which logins change.
const loginLock = 7308620917742361

// CreateLogin makes a role that logs in with the password, or gives an existing role this password and these rights:
// no superuser, no creation of databases, no way around row security, creation of roles only if createRole says so.
// It refuses a superuser, a role that bypasses row security or may start replication, and the administrator itself,
// instead of taking rights away from them. It is safe to call from several processes at once. An administrator who is
// no superuser becomes a member of the role.
func (s *Server) CreateLogin(ctx context.Context, name, password string, createRole bool) error {
	err := s.asAdmin(ctx, func(conn *pgx.Conn) error {
		return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
			return createLogin(ctx, tx, name, password, createRole)
		})
	})
	if err != nil {
		return fmt.Errorf("create login %s: %w", name, err)
	}
	return nil
}

func createLogin(ctx context.Context, tx pgx.Tx, name, password string, createRole bool) error {
	// Every other CreateLogin on this server waits until this one commits.
	if _, err := tx.Exec(ctx, "select pg_advisory_xact_lock($1)", loginLock); err != nil {
		return err
	}
	admin, err := readAdministrator(ctx, tx)
	if err != nil {
		return err
	}
	exists, mighty, err := readLogin(ctx, tx, name)
	if err != nil {
		return err
	}
	if mighty {
		return errors.New("the role exists with rights that a login must not have: choose another name")
	}
	if err := writeLogin(ctx, tx, name, password, exists, createRole); err != nil {
		return err
	}
	if admin.Superuser {
		return nil
	}
	_, err = tx.Exec(ctx, "grant "+pgx.Identifier{name}.Sanitize()+" to current_user")
	return err
}

// readLogin reports whether a role exists, and whether it is above the limits of a login or the administrator itself.
func readLogin(ctx context.Context, q querier, name string) (exists, mighty bool, err error) {
	err = q.QueryRow(ctx, `
		select count(*) > 0, coalesce(bool_or(rolsuper or rolbypassrls or rolreplication or rolname = current_user), false)
		from pg_roles
		where rolname = $1`, name).Scan(&exists, &mighty)
	return exists, mighty, err
}

// writeLogin lets the server quote the name and the password. The rights that readLogin has ruled out are not repeated
// for an existing role: only a superuser may mention them.
func writeLogin(ctx context.Context, q querier, name, password string, exists, createRole bool) error {
	form := "create role %I login nosuperuser nobypassrls noreplication nocreatedb"
	if exists {
		form = "alter role %I login nocreatedb"
	}
	if createRole {
		form += " createrole"
	} else {
		form += " nocreaterole"
	}
	var statement string
	err := q.QueryRow(ctx, "select format($1, $2::text, $3::text)", form+" password %L", name, password).Scan(&statement)
	if err != nil {
		return err
	}
	_, err = q.Exec(ctx, statement)
	return err
}
