package tenancy

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// rollbackMax bounds the end of a transaction whose caller may be gone already.
const rollbackMax = 2 * time.Second

// Tx is the scope of an actor, in which statements run. It is not safe to share and
// ends with the function that it was lent to. It takes a connection with its first
// statement.
type Tx struct {
	db      *DB
	tenant  string        // whose share of the pool it is
	began   string        // the first statement
	conn    *pgxpool.Conn // nil before that
	place   *holder       // of the pool; nil where conn is
	scope   []any
	single  bool // for one statement only, in a transaction of its own
	ran     bool // the preamble is through
	open    bool // a transaction has begun
	unknown bool // the directory does not know the actor

	witness *Witness // nil: nothing goes along
	kept    bool     // the witness was committed
}

var (
	errSecondStatement = errors.New("a second statement in Once: use In")
	errUndeclared      = errors.New("the statement is not among those given to Open")
)

// Once lends the actor's scope for one statement: preamble and statement travel
// together, one round trip, one implicit transaction. A second statement is an
// error.
//
// Faults: SeatRequired, MembershipEnded, TokenStale, fault.DatabaseUnavailable,
// fault.DeadlineExceeded, fault.Overloaded.
func (db *DB) Once(ctx context.Context, a Actor, fn func(*Tx) error) error {
	return db.lend(ctx, a, true, fn)
}

// In lends the actor's scope for a transaction, READ COMMITTED: its beginning and
// the preamble travel with the first statement. It commits when fn returns nil, and
// leaves nothing behind otherwise.
//
// Faults: as Once.
func (db *DB) In(ctx context.Context, a Actor, fn func(*Tx) error) error {
	return db.lend(ctx, a, false, fn)
}

func (db *DB) lend(ctx context.Context, a Actor, single bool, fn func(*Tx) error) error {
	t := &Tx{db: db, tenant: shareOf(a), scope: db.scope(a), single: single, witness: takeWitness(ctx, a)}
	defer t.release() // closes the connection where a transaction is still open
	defer func() { t.witness.settle(t.kept) }()
	defer func() {
		if t.unknown && db.unknown != nil {
			db.unknown(a)
		}
	}()
	if err := fn(t); err != nil {
		t.rollback(ctx)
		return fromDatabase(ctx, err)
	}
	if !t.open {
		return nil
	}
	if err := t.commit(ctx); err != nil {
		t.rollback(ctx)
		return fromDatabase(ctx, fmt.Errorf("commit: %w", err))
	}
	return nil
}

// acquire takes the tenant's share of the pool, and a connection.
func (t *Tx) acquire(ctx context.Context, s Statement) error {
	if t.place == nil {
		t.began = s.Name
		place, err := t.db.shares.enter(ctx, t.tenant, s.Name)
		if err != nil {
			return err
		}
		t.place = place
	}
	conn, err := t.db.pool.Acquire(ctx)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	t.conn = conn
	return nil
}

// release gives back what acquire has taken. The second time it does nothing.
func (t *Tx) release() {
	if t.conn != nil {
		t.conn.Release()
		t.conn = nil
	}
	if t.place != nil {
		t.db.shares.leave(t.place)
		t.place = nil
	}
}

// rollback ends a transaction that failed. Where its caller waits no more, because the
// deadline has passed or they hung up, it does not wait for the server either.
func (t *Tx) rollback(ctx context.Context) {
	if t.conn == nil || t.conn.Conn().PgConn().TxStatus() == txIdle || t.conn.Conn().IsClosed() {
		return
	}
	gone := ctx.Err() != nil
	conn, place := t.conn, t.place
	end := func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), rollbackMax)
		defer cancel()
		// A connection that cannot roll back is closed when it is released, which does.
		_ = conn.Conn().PgConn().Exec(ctx, `ROLLBACK`).Close()
	}
	if !gone {
		end()
		return
	}
	t.conn, t.place = nil, nil
	go func() {
		defer t.db.shares.leave(place)
		defer conn.Release()
		end()
	}()
}

// commit ends the transaction. The witness, where there is one, travels with it.
func (t *Tx) commit(ctx context.Context) (err error) {
	if t.db.trace != nil {
		ended := t.db.trace(ctx, "commit")
		defer func() { ended(err) }()
	}
	// In a transaction that has failed the witness would be told so in place of the commit.
	along := t.witness != nil && t.conn.Conn().PgConn().TxStatus() == txOpen
	b := t.batch(ctx)
	if along {
		b.send(t.witness.Statement.Name, t.witness.Args()...)
	}
	b.send(end.Name)
	b.sync()
	wrote := false
	if along {
		wrote = b.read(t.witness.Statement.Name, nil).RowsAffected() > 0
	}
	tag := b.read(end.Name, nil)
	if err := b.close(); err != nil {
		return err
	}
	if tag.String() == "ROLLBACK" {
		return pgx.ErrTxCommitRollback
	}
	t.open, t.kept = false, wrote
	return nil
}
