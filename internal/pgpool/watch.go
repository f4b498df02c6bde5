package pgpool

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

const (
	// answerWithin is how long a server may take to end a statement that is canceled,
	// before the connection is given up.
	answerWithin = 2 * time.Second
	// answerLate is the same where the caller's deadline has passed, who waits for it.
	answerLate = 250 * time.Millisecond
)

// watch cancels the statement on the server when the context of its caller ends, and
// leaves the connection for others. It implements ctxwatch.Handler.
type watch struct {
	conn   *pgconn.PgConn
	handle *pgconn.CancelRequestContextWatcherHandler // of the present cancellation
}

// HandleCancel implements ctxwatch.Handler.
func (w *watch) HandleCancel(ctx context.Context) {
	within := answerWithin
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		within = answerLate
	}
	w.handle = &pgconn.CancelRequestContextWatcherHandler{Conn: w.conn, DeadlineDelay: within}
	w.handle.HandleCancel(ctx)
}

// HandleUnwatchAfterCancel implements ctxwatch.Handler.
func (w *watch) HandleUnwatchAfterCancel() { w.handle.HandleUnwatchAfterCancel() }
