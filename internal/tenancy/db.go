package tenancy

import (
	"context"
	"crypto/cipher"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Statement is one SQL statement under a name of its own. Every connection has all
// statements prepared, so that running one is one round trip from the first time
// on.
type Statement struct {
	Name string
	SQL  string
	// Listing is a statement that reads a page of a list: see planner.go. It is the first
	// of its transaction.
	Listing bool
}

// Trace is told when a statement or a commit begins, by its name, and answers what to
// call when it has ended. It sees neither SQL nor values.
type Trace func(ctx context.Context, name string) (ended func(error))

// Options are what Open needs to know.
type Options struct {
	URL        string      // of the runtime role
	Schema     int64       // the migration that must have been applied
	Statements []Statement // all that will ever be run
	Trace      Trace       // nil where nobody wants to know
	Claims     bool        // there is no ledger of seats: what tokens claim of them decides
	Unknown    func(Actor) // told of who is not in the directory, after each transaction of theirs; must not wait; may be nil
}

// DB holds the connections to PostgreSQL. Nothing reaches tenant data but through
// Once and In. It is safe to share.
type DB struct {
	pool     *pgxpool.Pool
	declared map[string]string // the statements, by name
	schema   int64
	sealer   cipher.AEAD
	claims   bool        // of seats, decide
	trace    Trace       // may be nil
	unknown  func(Actor) // may be nil
}

// Open connects as the runtime role and refuses a database that would not keep its
// promises: see inspect for what is checked. Errors never quote the URL.
func Open(ctx context.Context, o Options) (*DB, error) {
	config, err := pgxpool.ParseConfig(o.URL)
	if err != nil {
		return nil, errors.New("not a PostgreSQL URL")
	}
	if config.ConnConfig.DefaultQueryExecMode == pgx.QueryExecModeSimpleProtocol {
		return nil, errors.New("the URL asks for the simple protocol, which sends values as text of the statement")
	}
	if !poolSizeGiven(o.URL) {
		config.MaxConns = int32(max(8, 4*min(runtime.NumCPU(), 64)))
	}
	configure(config, o.Statements)
	key, err := inspect(ctx, config.ConnConfig, o.Schema)
	if err != nil {
		return nil, err
	}
	sealer, err := newSealer(key)
	if err != nil {
		return nil, fmt.Errorf("page sealing key: %w", err)
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("open the pool: %w", err)
	}
	db := &DB{pool: pool, declared: make(map[string]string, len(o.Statements)), schema: o.Schema, sealer: sealer, claims: o.Claims, trace: o.Trace, unknown: o.Unknown}
	for _, s := range o.Statements {
		db.declared[s.Name] = s.SQL
	}
	if err := pool.Ping(ctx); err != nil {
		pool.Close()
		if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
			return nil, connectReason(err)
		}
		return nil, fmt.Errorf("prepare the statements: %w", err)
	}
	return db, nil
}

// Close gives the connections back, once those in use are returned.
func (db *DB) Close() { db.pool.Close() }

// Connections is how many connections are open, and how many of them are in use.
func (db *DB) Connections() (open, used int) {
	s := db.pool.Stat()
	return int(s.TotalConns()), int(s.AcquiredConns())
}

// Size is how many connections there may be.
func (db *DB) Size() int { return int(db.pool.Stat().MaxConns()) }

// Ready tells whether the database answers and has the schema that this server
// needs. Faults: fault.DatabaseUnavailable.
func (db *DB) Ready(ctx context.Context) error {
	conn, err := db.pool.Acquire(ctx)
	if err != nil {
		return fromDatabase(ctx, err)
	}
	defer conn.Release()
	return fromDatabase(ctx, checkSchema(ctx, conn.Conn(), db.schema))
}

// configure sets what a server relies on. What the URL says of the pool's size and
// of the session wins.
func configure(c *pgxpool.Config, statements []Statement) {
	if c.ConnConfig.ConnectTimeout == 0 {
		c.ConnConfig.ConnectTimeout = 5 * time.Second
	}
	c.MaxConnLifetime = 30 * time.Minute
	c.MaxConnLifetimeJitter = 5 * time.Minute
	c.HealthCheckPeriod = 15 * time.Second
	for name, value := range map[string]string{
		"application_name":                    "teamtask",
		"statement_timeout":                   "5s",
		"lock_timeout":                        "2s",
		"idle_in_transaction_session_timeout": "10s",
		"search_path":                         "public, pg_temp",
		"timezone":                            "UTC",
	} {
		if _, ok := c.ConnConfig.RuntimeParams[name]; !ok {
			c.ConnConfig.RuntimeParams[name] = value
		}
	}
	// Statements that wait for each other rely on it, and In promises it.
	c.ConnConfig.RuntimeParams["default_transaction_isolation"] = "read committed"
	// A ping before use would be a round trip of its own.
	c.ShouldPing = func(context.Context, pgxpool.ShouldPingParams) bool { return false }
	// A caller who hangs up cancels the query on the server and leaves the connection.
	c.ConnConfig.BuildContextWatcherHandler = func(conn *pgconn.PgConn) ctxwatch.Handler {
		return &pgconn.CancelRequestContextWatcherHandler{Conn: conn, DeadlineDelay: 2 * time.Second}
	}
	all := append([]Statement{begin, end, preamble, preambleOfLists}, statements...)
	c.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error {
		for _, s := range all {
			if _, err := conn.Prepare(ctx, s.Name, s.SQL); err != nil {
				return fmt.Errorf("prepare %s: %w", s.Name, err)
			}
		}
		return nil
	}
}

// poolSizeGiven tells whether the URL sets the size of the pool. In the parsed
// configuration a size that was given looks like the library's default.
func poolSizeGiven(url string) bool {
	c, err := pgx.ParseConfig(url)
	if err != nil {
		return false
	}
	_, ok := c.RuntimeParams["pool_max_conns"]
	return ok
}
