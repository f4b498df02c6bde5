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
	// forwardWithin is how long a pooler may take to pass a cancel request on after it has
	// closed the connection of the request. PostgreSQL itself closes it afterwards.
	forwardWithin = 100 * time.Millisecond
)

// watch cancels the statement on the server when the context of its caller ends, and
// leaves the connection for others. It implements ctxwatch.Handler.
//
// A cancel request names a connection, not a statement. One that arrives late cancels the
// next statement, which may be another caller's: the connection is used again only after
// the server has taken the request, and closed where that is not certain.
type watch struct {
	conn   *pgconn.PgConn
	cancel func(context.Context) error // sends a cancel request and waits until the server has taken it
	ended  chan struct{}               // closed after the present cancellation
	lost   bool                        // the request may still arrive; read after ended
}

func newWatch(conn *pgconn.PgConn) *watch { return &watch{conn: conn, cancel: conn.CancelRequest} }

// HandleCancel implements ctxwatch.Handler.
func (w *watch) HandleCancel(ctx context.Context) {
	within := answerWithin
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		within = answerLate
	}
	deadline := time.Now().Add(within)
	_ = w.conn.Conn().SetDeadline(deadline) // fails where the connection is closed
	w.ended = make(chan struct{})
	go func() {
		defer close(w.ended)
		ctx, cancel := context.WithDeadline(context.WithoutCancel(ctx), deadline)
		defer cancel()
		// CancelRequest returns nil too where the deadline ended the wait for the server.
		if err := w.cancel(ctx); err != nil || ctx.Err() != nil {
			w.lost = true
			return
		}
		<-time.After(forwardWithin)
	}()
}

// HandleUnwatchAfterCancel implements ctxwatch.Handler.
func (w *watch) HandleUnwatchAfterCancel() {
	<-w.ended
	if w.lost {
		_ = w.conn.Conn().Close() // found closed before its next use
		return
	}
	_ = w.conn.Conn().SetDeadline(time.Time{})
}
