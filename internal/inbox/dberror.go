package inbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/teamtask/teamtask/internal/fault"
	"github.com/teamtask/teamtask/internal/pgpool"
)

// fromDatabase puts the fault in front of what PostgreSQL or the way to it says. What
// PostgreSQL says may quote a value, of which only the SQLSTATE is kept.
func fromDatabase(ctx context.Context, err error) error {
	if cause := ctx.Err(); cause != nil {
		return errors.Join(cause, withoutValues(err))
	}
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return fault.DatabaseUnavailable.Because(err)
	}
	if errors.Is(err, pgpool.ErrReadOnly) {
		return fault.DatabaseUnavailable.Because(err)
	}
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		if pgpool.Owned(pg) {
			return fault.DatabaseUnavailable.Because(withoutValues(err))
		}
		switch pg.Code[:min(2, len(pg.Code))] {
		case "08", "53", "57", "58", "25", "40", "55": // connection, resources, intervention, system, read-only, serialization, locks
			return fault.DatabaseUnavailable.Because(withoutValues(err))
		}
		return withoutValues(err)
	}
	if unreachable(err) {
		return fault.DatabaseUnavailable.Because(err)
	}
	return err
}

func unreachable(err error) bool {
	if _, ok := errors.AsType[net.Error](err); ok {
		return true
	}
	for _, lost := range []error{io.EOF, io.ErrUnexpectedEOF, net.ErrClosed, pgconn.ErrConnClosed, pgx.ErrTxClosed} {
		if errors.Is(err, lost) {
			return true
		}
	}
	return pgconn.Timeout(err) || pgconn.SafeToRetry(err)
}

func withoutValues(err error) error {
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return fmt.Errorf("PostgreSQL refuses (SQLSTATE %s, %s)", pg.Code, pg.ConstraintName)
	}
	return err
}
