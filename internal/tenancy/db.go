package tenancy

import (
	"context"
	"crypto/cipher"
	"errors"
	"fmt"
	"runtime"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/teamtask/teamtask/internal/pgpool"
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

	// Locks is true for a statement that waits for a row that another transaction has
	// locked. The caller's standing is checked again right behind it, and what it has
	// changed is undone where the caller was removed meanwhile.
	Locks bool
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
	probe    *pgxpool.Pool // one connection, for Ready: calls cannot take it
	shares   *shares
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
	session := pgpool.Options{URL: o.URL, Application: "teamtask"}
	bare, err := pgpool.ParseConfig(session)
	if err != nil {
		return nil, err
	}
	session.Statements = prepared(o.Statements)
	config, err := pgpool.ParseConfig(session)
	if err != nil {
		return nil, err
	}
	if !poolSizeGiven(o.URL) {
		config.MaxConns = int32(max(8, 4*min(runtime.NumCPU(), 64)))
	}
	key, err := inspect(ctx, bare, o.Schema)
	if err != nil {
		return nil, err
	}
	sealer, err := newSealer(key)
	if err != nil {
		return nil, fmt.Errorf("page sealing key: %w", err)
	}
	db := &DB{
		shares: newShares(int(config.MaxConns)), declared: make(map[string]string, len(o.Statements)), schema: o.Schema,
		sealer: sealer, claims: o.Claims, trace: o.Trace, unknown: o.Unknown,
	}
	for _, s := range o.Statements {
		db.declared[s.Name] = s.SQL
	}
	one := config.Copy()
	one.MaxConns, one.MinConns, one.MinIdleConns = 1, 0, 0
	if db.probe, err = pgpool.Open(ctx, one); err != nil {
		return nil, err
	}
	if db.pool, err = pgpool.Open(ctx, config); err != nil {
		db.probe.Close()
		return nil, err
	}
	if err := db.pool.Ping(ctx); err != nil {
		db.Close()
		if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
			return nil, pgpool.Reason(err)
		}
		return nil, fmt.Errorf("prepare the statements: %w", err)
	}
	return db, nil
}

// prepared are the statements that every connection has. One that several packages use is
// prepared once; PostgreSQL refuses two that share a name.
func prepared(statements []Statement) []pgpool.Statement {
	all := make([]pgpool.Statement, 0, len(statements)+4)
	for _, s := range append([]Statement{begin, end, preamble, preambleOfLists}, statements...) {
		if next := (pgpool.Statement{Name: s.Name, SQL: s.SQL}); !slices.Contains(all, next) {
			all = append(all, next)
		}
	}
	return all
}

// Close gives the connections back, once those in use are returned.
func (db *DB) Close() {
	db.probe.Close()
	db.pool.Close()
}

// Connections is how many connections are open, and how many of them are in use.
func (db *DB) Connections() (open, used int) {
	s := db.pool.Stat()
	return int(s.TotalConns()), int(s.AcquiredConns())
}

// Size is how many connections there may be.
func (db *DB) Size() int { return int(db.pool.Stat().MaxConns()) }

// Ready reports whether the database answers, can be written to and has the schema that
// this server needs. It asks over a connection of its own, so that it neither waits for
// calls nor takes their place. Where the server at the other end cannot write any more,
// all connections are replaced. Faults: fault.DatabaseUnavailable.
func (db *DB) Ready(ctx context.Context) error {
	conn, err := db.probe.Acquire(ctx)
	if err != nil {
		return fromDatabase(ctx, err)
	}
	defer conn.Release()
	err = checkSchema(ctx, conn.Conn(), db.schema)
	if errors.Is(err, pgpool.ErrReadOnly) {
		db.probe.Reset()
		db.pool.Reset()
	}
	return fromDatabase(ctx, err)
}

// poolSizeGiven reports whether the URL sets the size of the pool. In the parsed
// configuration a size that was given looks like the library's default.
func poolSizeGiven(url string) bool {
	c, err := pgx.ParseConfig(url)
	if err != nil {
		return false
	}
	_, ok := c.RuntimeParams["pool_max_conns"]
	return ok
}
