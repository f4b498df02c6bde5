package pgpool

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

// connection returns a connection to a server that says nothing.
func connection(t *testing.T) *pgconn.PgConn {
	t.Helper()
	ours, theirs := net.Pipe()
	t.Cleanup(func() { theirs.Close() })
	config, err := pgconn.ParseConfig("host=pg.test user=app")
	if err != nil {
		t.Fatal(err)
	}
	conn, err := pgconn.Construct(&pgconn.HijackedConn{
		Conn: ours, PID: 1, SecretKey: []byte{1, 2, 3, 4}, ParameterStatuses: map[string]string{}, TxStatus: 'I',
		Frontend: pgproto3.NewFrontend(ours, ours), Config: config,
	})
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

// A cancel request that is still on its way when the statement has ended by itself would
// cancel the next statement of the connection.
func TestNoConnectionIsLentWhileACancelRequestMayArrive(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		took   time.Duration // by the server, for the request
		err    error
		closed bool
	}{
		"taken at once":         {0, nil, false},
		"taken late":            {1900 * time.Millisecond, nil, false},
		"perhaps not taken yet": {3 * time.Second, nil, true},
		"perhaps not sent":      {0, errors.New("broken pipe"), true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWatch(connection(t))
				var taken bool
				w.cancel = func(ctx context.Context) error {
					select {
					case <-time.After(c.took):
						taken = true
					case <-ctx.Done(): // as of CancelRequest, which does not say so
					}
					return c.err
				}
				began := time.Now()
				ctx, cancel := context.WithCancel(t.Context())
				cancel()
				w.HandleCancel(ctx)
				w.HandleUnwatchAfterCancel() // the statement has ended
				if !c.closed && (!taken || time.Since(began) < c.took+forwardWithin) {
					t.Errorf("lent after %v; taken: %t", time.Since(began), taken)
				}
				if time.Since(began) > answerWithin+forwardWithin {
					t.Errorf("the caller waited for %v", time.Since(began))
				}
				if err := w.conn.Conn().SetDeadline(time.Time{}); errors.Is(err, io.ErrClosedPipe) != c.closed {
					t.Errorf("got %v, want it closed: %t", err, c.closed)
				}
			})
		})
	}
}

// A caller whose deadline has passed does not wait for long.
func TestALateCallerWaitsLittleForTheServer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWatch(connection(t))
		w.cancel = func(ctx context.Context) error { <-ctx.Done(); return nil }
		ctx, cancel := context.WithDeadline(t.Context(), time.Now())
		defer cancel()
		<-ctx.Done()
		began := time.Now()
		w.HandleCancel(ctx)
		w.HandleUnwatchAfterCancel()
		if waited := time.Since(began); waited != answerLate {
			t.Errorf("waited for %v, want %v", waited, answerLate)
		}
	})
}
