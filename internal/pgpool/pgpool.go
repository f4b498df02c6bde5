// Package pgpool opens pools of connections to PostgreSQL that keep what the server
// relies on: sessions with bounds, statements prepared in one round trip, connections
// that can write, and no connection kept that has become useless.
package pgpool

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"
	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	connectWithin  = 5 * time.Second // for a whole connection, unless the URL says otherwise
	lifetime       = 30 * time.Minute
	lifetimeJitter = 5 * time.Minute
	healthEvery    = 15 * time.Second
	pingWithin     = time.Second // for the rare connection that has to prove that it is alive
	closeWithin    = time.Second // for the server to take leave of a connection
)

// Statement is one SQL statement under a name of its own.
type Statement struct {
	Name string
	SQL  string
}

// Options are the arguments of New.
type Options struct {
	URL         string      // of the runtime role
	Application string      // the application_name, unless the URL has one
	Statements  []Statement // prepared on every connection, for Session.Send
	Listens     bool        // connections wait for notifications: who gives up closes them, and waits for nothing
}

var (
	errNotURL         = errors.New("not a PostgreSQL URL")
	errSimpleProtocol = errors.New("the URL asks for the simple protocol, which sends values as text of the statement")
)

// ParseConfig returns the configuration of a pool. Settings of the session that the URL
// names win over those of this package; default_transaction_isolation does not. The
// caller may change the pool's size before it calls Open. Errors never quote the URL.
func ParseConfig(o Options) (*pgxpool.Config, error) {
	c, err := pgxpool.ParseConfig(o.URL)
	if err != nil {
		return nil, errNotURL
	}
	conn := c.ConnConfig
	if conn.DefaultQueryExecMode == pgx.QueryExecModeSimpleProtocol {
		return nil, errSimpleProtocol
	}
	conn.DialFunc = dialer(conn.ConnectTimeout)
	if conn.ConnectTimeout == 0 {
		conn.ConnectTimeout = connectWithin
	}
	if _, ok := conn.RuntimeParams["application_name"]; !ok {
		conn.RuntimeParams["application_name"] = o.Application
	}
	s := takeSettings(conn.RuntimeParams)
	conn.ValidateConnect = writable(conn.ValidateConnect)
	conn.OnPgError = ownedByConnection(conn.OnPgError, nil)
	if !o.Listens { // there is no statement to cancel where a notification is waited for
		conn.BuildContextWatcherHandler = func(conn *pgconn.PgConn) ctxwatch.Handler { return newWatch(conn) }
	}
	c.MaxConnLifetime = lifetime
	c.MaxConnLifetimeJitter = lifetimeJitter
	c.HealthCheckPeriod = healthEvery
	c.PingTimeout = pingWithin
	// A ping is a round trip. It is made only where the socket shows that the server has
	// closed the connection or has said something since its last use.
	c.ShouldPing = func(_ context.Context, p pgxpool.ShouldPingParams) bool {
		return !quiet(p.Conn.PgConn().Conn())
	}
	c.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error {
		return begin(ctx, conn, s, o.Statements)
	}
	c.BeforeClose = func(conn *pgx.Conn) { leave(conn.PgConn()) }
	return c, nil
}

// Open opens a pool with a configuration of ParseConfig. It does not connect. When a
// connection turns out to lead to a server that cannot write, all connections of the
// pool are replaced.
func Open(ctx context.Context, c *pgxpool.Config) (*pgxpool.Pool, error) {
	var pool atomic.Pointer[pgxpool.Pool]
	c.ConnConfig.OnPgError = ownedByConnection(c.ConnConfig.OnPgError, func() {
		if p := pool.Load(); p != nil {
			p.Reset()
		}
	})
	p, err := pgxpool.NewWithConfig(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("open the pool: %w", err)
	}
	pool.Store(p)
	return p, nil
}

// Connect opens one connection as the pool would.
func Connect(ctx context.Context, c *pgxpool.Config) (*pgx.Conn, error) {
	conn, err := pgx.ConnectConfig(ctx, c.ConnConfig.Copy())
	if err != nil {
		return nil, err
	}
	if err := c.AfterConnect(ctx, conn); err != nil {
		return nil, errors.Join(err, conn.Close(context.WithoutCancel(ctx)))
	}
	return conn, nil
}

// leave closes a connection's socket soon. The pool counts a connection until it is
// closed, and the library waits 15 seconds for a server that does not answer.
func leave(conn *pgconn.PgConn) {
	if conn.IsClosed() {
		_ = conn.Conn().Close() // it is broken already
		return
	}
	time.AfterFunc(closeWithin, func() { _ = conn.Conn().Close() })
}
