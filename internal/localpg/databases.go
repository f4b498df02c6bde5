package localpg

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// ErrExists means that a database of the name is there already. It was not touched.
var ErrExists = errors.New("database exists already")

// querier is a connection or a transaction.
type querier interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// CreateDatabase makes a database that belongs to owner, as a copy of template. An empty owner is the administrator,
// an empty template the server's default. Nobody may be connected to the template. On an external server owner should
// come from CreateLogin. If the database exists, the error is ErrExists.
func (s *Server) CreateDatabase(ctx context.Context, name, owner, template string) error {
	statement := "create database " + pgx.Identifier{name}.Sanitize()
	if owner != "" {
		statement += " owner " + pgx.Identifier{owner}.Sanitize()
	}
	if template != "" {
		statement += " template " + pgx.Identifier{template}.Sanitize()
	}
	err := s.asAdmin(ctx, func(conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, statement)
		return err
	})
	if isDuplicate(err) {
		err = ErrExists
	}
	if err != nil {
		return fmt.Errorf("create database %s: %w", name, err)
	}
	return nil
}

// DropDatabase removes a database and ends its sessions. A database that is not there is no error.
func (s *Server) DropDatabase(ctx context.Context, name string) error {
	err := s.asAdmin(ctx, func(conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, "drop database if exists "+pgx.Identifier{name}.Sanitize()+" with (force)")
		return err
	})
	if err != nil {
		return fmt.Errorf("drop database %s: %w", name, err)
	}
	return nil
}

func (s *Server) asAdmin(ctx context.Context, do func(*pgx.Conn) error) error {
	conn, err := pgx.Connect(ctx, s.AdminURL())
	if err != nil {
		if s.external {
			return fmt.Errorf("no connection to the server of %s: %s", variable, reason(err))
		}
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	return do(conn)
}

// isDuplicate knows both answers: that of the check, and that of the index when two create the same name at once.
func isDuplicate(err error) bool {
	var refusal *pgconn.PgError
	if !errors.As(err, &refusal) {
		return false
	}
	return refusal.Code == "42P04" || refusal.ConstraintName == "pg_database_datname_index"
}
