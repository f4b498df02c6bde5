package localpg

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// externalMax is how long the first connection to an external server may take.
const externalMax = 15 * time.Second

// external checks the server at an address and its administrator. Its errors repeat nothing of the address.
func external(ctx context.Context, address string) (*Server, error) {
	u, err := url.Parse(address)
	if err != nil || (u.Scheme != "postgres" && u.Scheme != "postgresql") {
		return nil, fmt.Errorf("%s is not an address of the form postgres://", variable)
	}
	if _, err := pgx.ParseConfig(address); err != nil {
		return nil, fmt.Errorf("%s is not an address that a client understands", variable)
	}
	ctx, cancel := context.WithTimeout(ctx, externalMax)
	defer cancel()
	conn, err := pgx.Connect(ctx, address)
	if err != nil {
		return nil, fmt.Errorf("no connection to the server of %s: %s", variable, reason(err))
	}
	defer func() { _ = conn.Close(ctx) }()
	admin, err := readAdministrator(ctx, conn)
	if err != nil {
		return nil, fmt.Errorf("ask the server of %s: %s", variable, reason(err))
	}
	if admin.Version/10000 < oldest {
		return nil, fmt.Errorf("the server of %s is PostgreSQL %s, which is too old: %d or newer is needed", variable, admin.VersionText, oldest)
	}
	if !admin.Superuser && !admin.Creates {
		return nil, fmt.Errorf("the user of %s may not create databases and roles", variable)
	}
	return &Server{admin: u, external: true}, nil
}

// administrator is what the server knows about the user of a connection, and about itself.
type administrator struct {
	Version     int // for instance 150020
	VersionText string
	Superuser   bool
	Creates     bool // databases and roles
}

func readAdministrator(ctx context.Context, q querier) (administrator, error) {
	rows, err := q.Query(ctx, `
		select current_setting('server_version_num')::int as version, current_setting('server_version') as version_text,
		       rolsuper as superuser, rolcreatedb and rolcreaterole as creates
		from pg_roles
		where rolname = current_user`)
	if err != nil {
		return administrator{}, err
	}
	return pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[administrator])
}

// reason is what went wrong with a connection, without the names of host, user and database.
func reason(err error) string {
	var refusal *pgconn.PgError
	var system syscall.Errno
	switch {
	case errors.As(err, &refusal):
		return "the server answered with SQLSTATE " + refusal.Code
	case errors.As(err, &system):
		return system.Error()
	case errors.Is(err, context.DeadlineExceeded):
		return "it did not answer in time"
	case errors.Is(err, context.Canceled):
		return "the start was cancelled"
	}
	return "it could not be reached, or it refused"
}
