package pgpool

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	poolerWithin = 2 * time.Second // for a pooler to find a second session
	poolerTries  = 5               // statements that one session must serve by one backend
)

var errPooler = errors.New("the pooler between server and PostgreSQL does not keep sessions, on which timeouts, prepared statements, " +
	"locks and notifications rest: set its pool_mode to session, or connect to PostgreSQL itself")

// CheckPooler refuses a pooler that lends a backend for less than the life of a
// connection. conn must be from Connect. Where nothing is between, it costs nothing.
//
// The backend that conn has used is free in such a pooler as long as conn does nothing.
// So a second connection takes what is free, and keeps it by a transaction: either it
// is the backend of conn, or conn has to be served by another one than before.
func CheckPooler(ctx context.Context, c *pgxpool.Config, conn *pgx.Conn) error {
	if s := SessionOf(conn); s == nil || !s.pooled {
		return nil
	}
	before, err := backendOf(ctx, conn.PgConn())
	if err != nil {
		return err
	}
	second, cancel := context.WithTimeout(ctx, poolerWithin)
	defer cancel()
	other, err := pgconn.ConnectConfig(second, &c.ConnConfig.Copy().Config)
	if err == nil {
		defer func() { _ = other.Close(context.WithoutCancel(ctx)) }()
		if err = other.Exec(second, `BEGIN`).Close(); refused(err) {
			return errPooler // it lends backends for a statement
		}
	}
	var taken string
	if err == nil {
		taken, err = backendOf(second, other)
	}
	if err != nil && second.Err() != nil && ctx.Err() == nil {
		return nil // there is no other backend, and that of conn was not lent
	}
	if err != nil {
		return fmt.Errorf("open a second session: %w", err)
	}
	if taken == before {
		return errPooler
	}
	for range poolerTries {
		after, err := backendOf(second, conn.PgConn())
		if err != nil && second.Err() == nil {
			return err
		}
		if err != nil || after != before {
			return errPooler
		}
	}
	return nil
}

func backendOf(ctx context.Context, conn *pgconn.PgConn) (string, error) {
	result := conn.ExecParams(ctx, `SELECT pg_backend_pid()::text`, nil, nil, nil, nil).Read()
	if result.Err != nil {
		return "", fmt.Errorf("ask for the backend: %w", result.Err)
	}
	if len(result.Rows) != 1 {
		return "", errors.New("ask for the backend: got no row")
	}
	return string(result.Rows[0][0]), nil
}

func refused(err error) bool {
	_, ok := errors.AsType[*pgconn.PgError](err)
	return ok
}
