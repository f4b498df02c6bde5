package tenancy

import (
	"context"
	"errors"
	"io"
	"net"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/teamtask/teamtask/internal/fault"
	"github.com/teamtask/teamtask/internal/pgpool"
)

// SQLSTATEs that this package gives a meaning, from PostgreSQL's Appendix A.
const (
	codeQueryCanceled    = "57014"
	codeLockNotAvailable = "55P03"
	codeSerialization    = "40001"
	codeDeadlock         = "40P01"
	codeCharacter        = "22021"
	codeUntranslatable   = "22P05"
	classResources       = "53"
	classIntervention    = "57"
	classSystem          = "58"
)

// fromDatabase puts the fault in front of what PostgreSQL or the way to it says;
// faults and everything else pass as they are.
func fromDatabase(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*fault.Fault](err); ok {
		return err
	}
	if cause := ctx.Err(); cause != nil {
		return errors.Join(cause, err) // the caller's deadline, or the caller went away
	}
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return fault.DatabaseUnavailable.Because(err) // also where PostgreSQL says why, for instance a changed password
	}
	if errors.Is(err, pgpool.ErrReadOnly) {
		return fault.DatabaseUnavailable.Because(err)
	}
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return fromSQLState(pg, err)
	}
	if unreachable(err) {
		return fault.DatabaseUnavailable.Because(err)
	}
	return err
}

func fromSQLState(pg *pgconn.PgError, err error) error {
	switch pg.Code {
	case codeSeatRequired:
		return SeatRequired
	case codeMembershipEnded:
		return MembershipEnded
	case codeTokenStale:
		return TokenStale
	case codeQueryCanceled, codeLockNotAvailable:
		return fault.DeadlineExceeded.Because(err)
	case codeSerialization, codeDeadlock:
		return fault.DatabaseUnavailable.Because(err)
	case codeCharacter, codeUntranslatable:
		return fault.Invalid.Saying("a text holds a character that cannot be stored").Because(err)
	}
	if pgpool.Owned(pg) {
		return fault.DatabaseUnavailable.Because(err)
	}
	switch pg.Code[:min(2, len(pg.Code))] {
	case classResources, classIntervention, classSystem:
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
