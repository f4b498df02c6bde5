package tenancy

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/teamtask/teamtask/internal/pgpool"
)

// Rows runs the statement and returns its rows, by column name.
func Rows[T any](ctx context.Context, t *Tx, s Statement, args ...any) ([]T, error) {
	return RowsWhile(ctx, t, s, func(*T) bool { return true }, args...)
}

// RowsWhile is Rows up to the first row for which more returns false; that row is the
// last. What comes behind it is received and not kept: it takes no memory.
func RowsWhile[T any](ctx context.Context, t *Tx, s Statement, more func(*T) bool, args ...any) ([]T, error) {
	var all []T
	err := t.run(ctx, s, args, func(rows pgx.Rows) (err error) {
		all, err = collect(s, rows, more)
		return err
	})
	return all, err
}

// One runs the statement and returns its only row, by column name, or nil if there is none.
func One[T any](ctx context.Context, t *Tx, s Statement, args ...any) (*T, error) {
	all, err := Rows[T](ctx, t, s, args...)
	switch {
	case err != nil || len(all) == 0:
		return nil, err
	case len(all) > 1:
		return nil, fmt.Errorf("%s: %d rows, want one", s.Name, len(all))
	}
	return &all[0], nil
}

// Column runs the statement and returns the values of its only column.
func Column[T any](ctx context.Context, t *Tx, s Statement, args ...any) ([]T, error) {
	all := []T{}
	err := t.run(ctx, s, args, func(rows pgx.Rows) error {
		defer rows.Close()
		var value T
		for rows.Next() {
			if err := rows.Scan(&value); err != nil {
				return err
			}
			all = append(all, value)
		}
		return rows.Err()
	})
	return all, err
}

// Scalar runs the statement and returns the only column of its only row, or the zero value if
// there is none.
func Scalar[T any](ctx context.Context, t *Tx, s Statement, args ...any) (value T, err error) {
	all, err := Column[T](ctx, t, s, args...)
	switch {
	case err != nil || len(all) == 0:
		return value, err
	case len(all) > 1:
		return value, fmt.Errorf("%s: %d rows, want one", s.Name, len(all))
	}
	return all[0], nil
}

// Exec runs the statement and returns how many rows it changed.
func Exec(ctx context.Context, t *Tx, s Statement, args ...any) (int64, error) {
	var changed int64
	err := t.run(ctx, s, args, func(rows pgx.Rows) error {
		rows.Close()
		changed = rows.CommandTag().RowsAffected()
		return rows.Err()
	})
	return changed, err
}

func (t *Tx) run(ctx context.Context, s Statement, args []any, read func(pgx.Rows) error) (err error) {
	if !t.db.declares(s) {
		return fmt.Errorf("%s: %w", s.Name, errUndeclared)
	}
	if t.witness != nil && !t.db.declares(t.witness.Statement) {
		return fmt.Errorf("%s: %w", t.witness.Statement.Name, errUndeclared)
	}
	if t.db.trace != nil {
		ended := t.db.trace(ctx, s.Name)
		defer func() { ended(err) }()
	}
	defer func() {
		if pg, ok := errors.AsType[*pgconn.PgError](err); ok && pg.Code == codeLockNotAvailable {
			t.db.shares.waitedInVain(t.tenant, t.began)
		}
	}()
	if !t.ran {
		t.ran = true
		return t.first(ctx, s, args, read)
	}
	if t.single {
		return errSecondStatement
	}
	if t.conn == nil {
		return fmt.Errorf("%s: %w", s.Name, pgx.ErrTxClosed) // there was none to be had before
	}
	b := t.batch(ctx)
	b.send(s.Name, args...)
	if s.Locks {
		b.send(preamble.Name, t.scope...)
	}
	b.sync()
	b.read(s.Name, read)
	if s.Locks {
		b.read(preamble.Name, nil)
	}
	return b.close()
}

// first runs the statement that the beginning of the transaction and the preamble
// travel with, a second time over another connection where the first was lost before
// anything could have happened.
func (t *Tx) first(ctx context.Context, s Statement, args []any, read func(pgx.Rows) error) error {
	if err := t.acquire(ctx, s); err != nil {
		return err
	}
	lost, err := t.tryFirst(ctx, s, args, read)
	if !lost || ctx.Err() != nil {
		return err
	}
	t.conn.Release()
	t.conn, t.open = nil, false
	if again := t.acquire(ctx, s); again != nil {
		return errors.Join(again, err)
	}
	_, err = t.tryFirst(ctx, s, args, read)
	return err
}

// tryFirst is first over the present connection. lost reports whether the connection is
// lost and the statement certainly has had no effect.
func (t *Tx) tryFirst(ctx context.Context, s Statement, args []any, read func(pgx.Rows) error) (lost bool, err error) {
	b := t.batch(ctx)
	if !t.single {
		b.send(begin.Name)
	}
	b.send(preambleOf(s).Name, t.scope...)
	b.send(s.Name, args...)
	if s.Locks {
		b.send(preamble.Name, t.scope...)
	}
	along := t.single && t.witness != nil
	if along {
		b.send(t.witness.Statement.Name, t.witness.Args()...)
	}
	b.sync()
	if !t.single {
		t.open = true
		b.read(begin.Name, nil)
	}
	b.read(preamble.Name, t.readKnown)
	b.read(s.Name, read)
	lost = t.lost(b.err)
	if s.Locks {
		b.read(preamble.Name, nil)
	}
	wrote := false
	if along {
		wrote = b.read(t.witness.Statement.Name, nil).RowsAffected() > 0
	}
	err = b.close()
	t.kept = wrote && err == nil
	return lost && t.conn.Conn().IsClosed(), err
}

// lost reports whether a connection that ended with err before it returned what the first
// statement did can have had no effect. Nothing is committed before that: with Once it
// is when the server has sent the result, with In when it is asked to. A connection that is
// merely gone is certain only with In. With Once it takes the word of PostgreSQL itself.
func (t *Tx) lost(err error) bool {
	if err == nil {
		return false
	}
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return pgpool.Owned(pg) && (!t.single || pgpool.SessionOf(t.conn.Conn()).RolledBack(pg))
	}
	return pgconn.SafeToRetry(err) || !t.single && unreachable(err)
}

// readKnown reads from the preamble whether the directory knows the actor.
func (t *Tx) readKnown(rows pgx.Rows) error {
	defer rows.Close()
	for rows.Next() {
		known := rows.RawValues()[preambleKnown]
		t.unknown = len(known) == 1 && known[0] == 0 // a boolean on the wire
	}
	return rows.Err()
}

func (db *DB) declares(s Statement) bool {
	declared, ok := db.declared[s.Name]
	return ok && declared == s.SQL
}
