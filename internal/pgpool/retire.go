package pgpool

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// ErrReadOnly is a server that cannot write: a standby, or one whose transactions are
// read-only by default.
var ErrReadOnly = errors.New("the database is read-only")

// The SQLSTATEs that belong to the connection. Another connection may do better.
const (
	codeReadOnly        = "25006" // it leads to a standby, or was opened while writing was switched off
	codeNoStatement     = "26000" // its prepared statements are gone
	codeStatementExists = "42P05" // its prepared statements are another's
	codeNotSupported    = "0A000" // where routineStalePlan raised it
	classConnection     = "08"
	classIntervention   = "57P" // shutdown, crash, start, a dropped database, a session idle for too long

	// routineStalePlan raises "cached plan must not change result type": a migration has
	// changed a table. Texts are translated, names of routines are not.
	routineStalePlan = "RevalidateCachedQuery"
)

// Owned reports whether the error belongs to the connection it came over, and not to the
// statement. The connection is closed because of it. The transaction in which it came
// first has had no effect.
func Owned(err *pgconn.PgError) bool {
	switch err.Code {
	case codeReadOnly, codeNoStatement, codeStatementExists:
		return true
	case codeNotSupported:
		return err.Routine == routineStalePlan
	}
	return strings.HasPrefix(err.Code, classConnection) || strings.HasPrefix(err.Code, classIntervention)
}

// RolledBack reports whether the error, which came in place of the result of a statement,
// says that the statement has had no effect. What a pooler says in PostgreSQL's place does
// not: it may have lost a server that has committed.
func (s *Session) RolledBack(err *pgconn.PgError) bool {
	if strings.HasPrefix(err.Code, classIntervention) {
		return !s.pooled
	}
	return Owned(err) && !strings.HasPrefix(err.Code, classConnection)
}

// spreads reports whether what the error says of its connection most likely holds for all
// of the pool.
func spreads(err *pgconn.PgError) bool {
	switch err.Code {
	case codeReadOnly, codeNoStatement, codeStatementExists, codeNotSupported:
		return Owned(err)
	}
	return false
}

// ownedByConnection closes a connection whose error belongs to it. It calls suspect where
// the others of the pool are probably as useless.
func ownedByConnection(next pgconn.PgErrorHandler, suspect func()) pgconn.PgErrorHandler {
	return func(conn *pgconn.PgConn, err *pgconn.PgError) bool {
		if suspect != nil && spreads(err) {
			suspect()
		}
		if next != nil && !next(conn, err) {
			return false
		}
		return !Owned(err) && err.SeverityUnlocalized != "FATAL" && err.SeverityUnlocalized != "PANIC"
	}
}

// writable refuses servers that cannot write, so that the next host of the URL is tried.
// PostgreSQL says of its own accord what it is; what a pooler repeats of that may be old,
// so that a server that seems to be read-only is asked.
func writable(next pgconn.ValidateConnectFunc) pgconn.ValidateConnectFunc {
	return func(ctx context.Context, conn *pgconn.PgConn) error {
		if next != nil {
			if err := next(ctx, conn); err != nil {
				return err
			}
		}
		if conn.ParameterStatus("in_hot_standby") != "on" && conn.ParameterStatus("default_transaction_read_only") != "on" {
			return nil
		}
		result := conn.ExecParams(ctx, `SELECT current_setting('transaction_read_only')`, nil, nil, nil, nil).Read()
		if result.Err != nil {
			return fmt.Errorf("ask whether writing is possible: %w", result.Err)
		}
		if len(result.Rows) != 1 || string(result.Rows[0][0]) == "on" {
			return ErrReadOnly
		}
		return nil
	}
}

const unsupportedParameter = "unsupported startup parameter"

// Reason returns why a connection failed, without the address, the database and the user
// that were tried.
func Reason(err error) error {
	if err == nil {
		return nil
	}
	for _, known := range []error{ErrReadOnly, errPooler} {
		if errors.Is(err, known) {
			return known
		}
	}
	pg, ok := errors.AsType[*pgconn.PgError](err)
	if !ok {
		return errors.New("PostgreSQL cannot be reached")
	}
	switch {
	case pg.Code == "28P01" || pg.Code == "28000":
		return errors.New("PostgreSQL refuses the user or the password")
	case pg.Code == "3D000":
		return errors.New("the database does not exist")
	case strings.HasPrefix(pg.Message, unsupportedParameter): // PgBouncer's words
		_, names, _ := strings.Cut(pg.Message, ": ")
		return fmt.Errorf("the pooler refuses the startup parameter %s: take it out of the URL, or name it in the pooler's ignore_startup_parameters", names)
	}
	return fmt.Errorf("PostgreSQL refuses the connection (SQLSTATE %s)", pg.Code)
}
