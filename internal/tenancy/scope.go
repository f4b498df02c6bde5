package tenancy

import (
	"context"
	"errors"
	"fmt"
	"time"

	"connectrpc.com/connect"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	teamtaskv1 "github.com/teamtask/teamtask/gen/teamtask/v1"
	"github.com/teamtask/teamtask/internal/fault"
)

var (
	// SeatRequired is a call that needs a seat by somebody who holds none that works.
	SeatRequired = fault.New(connect.CodePermissionDenied, teamtaskv1.Reason_REASON_SEAT_REQUIRED,
		"a seat is required: people who manage the organization's seats can assign one, also to themselves")
	// MembershipEnded is a call with a token from before its holder was removed from the
	// organization, or before the organization or the person was deleted.
	MembershipEnded = fault.New(connect.CodePermissionDenied, teamtaskv1.Reason_REASON_MEMBERSHIP_ENDED,
		"the membership has ended since this token was issued")
	// TokenStale is a call with a token from before its holder got another role.
	TokenStale = fault.New(connect.CodeUnauthenticated, teamtaskv1.Reason_REASON_TOKEN_STALE,
		"the role has changed since this token was issued; get a fresh one and try again")
)

// The SQLSTATEs with which the preamble refuses.
const (
	codeSeatRequired    = "TT001"
	codeMembershipEnded = "TT002"
	codeTokenStale      = "TT003"
)

var (
	begin = Statement{Name: "begin", SQL: `BEGIN`}
	end   = Statement{Name: "end", SQL: `COMMIT`}

	// preamble scopes the transaction to a tenant and a person, and refuses the call
	// where the actor may not go on. It travels with the first statement; when it
	// refuses, PostgreSQL skips what is behind it.
	//
	// Whether the membership still is what the token says, and whether a seat that works goes
	// with it, is asked of standings, which the directory and the ledger keep ($5 is when the
	// token was issued, NULL for the system; $6 is its role; $3 is whether the method wants a
	// seat). Whoever it does not know, or knows otherwise and from before the token, is trusted
	// by the token, and the answer says so; they hold no seat. Where an organization has ended,
	// all its members have, so that it is looked at only for people who are not known. Tokens
	// are issued by another clock, in whole seconds, so that one from within 5 seconds after the
	// change counts as older; a role that is the present one is never stale.
	//
	// What the token claims of the seat counts only where there is no ledger ($4, NULL where
	// there is one).
	preamble = Statement{Name: "preamble", SQL: preambleSQL}
)

const preambleSQL = `
		SELECT set_config('app.tenant_id', $1, true),
		       set_config('app.user_id', $2, true),
		       coalesce(
		           (SELECT CASE WHEN remove_time IS NULL AND role = $6::text AND (NOT $3::boolean OR coalesce($4::boolean, seated)) THEN true
		                        WHEN remove_time >= $5::timestamptz - interval '5 s' THEN refuse('` + codeMembershipEnded + `', 'the membership has ended')
		                        WHEN remove_time IS NOT NULL THEN NULL
		                        WHEN role <> $6 AND role_time >= $5 - interval '5 s' THEN refuse('` + codeTokenStale + `', 'the role has changed')
		                        WHEN NOT $3 OR coalesce($4, seated) THEN false
		                        ELSE refuse('` + codeSeatRequired + `', 'a seat is required') END
		              FROM standings
		             WHERE tenant_id = $1 AND user_id = $2 AND $5 IS NOT NULL),
		           (SELECT CASE WHEN remove_time >= $5 - interval '5 s' THEN refuse('` + codeMembershipEnded + `', 'the organization has ended') END
		              FROM standings
		             WHERE tenant_id = $1 AND user_id = '' AND $5 IS NOT NULL),
		           CASE WHEN $3 AND $4 IS NOT TRUE THEN refuse('` + codeSeatRequired + `', 'a seat is required') ELSE $5 IS NULL END) AS known`

// preambleKnown is the place of the column known in what the preamble answers.
const preambleKnown = 2

func (db *DB) scope(a Actor) []any {
	var issued *time.Time
	if !a.IssuedAt.IsZero() {
		issued = &a.IssuedAt
	}
	var claimed *bool
	if db.claims {
		claimed = &a.Licensed
	}
	return []any{a.Tenant, a.User, a.SeatRequired, claimed, issued, a.Role}
}

// rollbackMax bounds the end of a transaction whose caller may be gone already.
const rollbackMax = 2 * time.Second

// Tx is the scope of an actor, in which statements run. It is not safe to share and
// ends with the function that it was lent to.
type Tx struct {
	db      *DB
	conn    *pgxpool.Conn
	scope   []any
	single  bool   // for one statement only, in a transaction of its own
	ran     bool   // the preamble is through
	unknown bool   // the directory does not know the actor
	tx      pgx.Tx // nil before the first statement, and always if single

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
// Faults: SeatRequired, fault.DatabaseUnavailable, fault.DeadlineExceeded.
func (db *DB) Once(ctx context.Context, a Actor, fn func(*Tx) error) error {
	return db.lend(ctx, a, true, fn)
}

// In lends the actor's scope for a transaction, READ COMMITTED: its beginning and
// the preamble travel with the first statement. It commits when fn returns nil, and
// leaves nothing behind otherwise.
//
// Faults: SeatRequired, fault.DatabaseUnavailable, fault.DeadlineExceeded.
func (db *DB) In(ctx context.Context, a Actor, fn func(*Tx) error) error {
	return db.lend(ctx, a, false, fn)
}

func (db *DB) lend(ctx context.Context, a Actor, single bool, fn func(*Tx) error) error {
	conn, err := db.pool.Acquire(ctx)
	if err != nil {
		return fromDatabase(ctx, err)
	}
	defer conn.Release() // closes the connection where a transaction is still open
	t := &Tx{db: db, conn: conn, scope: db.scope(a), single: single, witness: takeWitness(ctx, a)}
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
	if t.tx == nil {
		return nil
	}
	if err := t.commit(ctx); err != nil {
		t.rollback(ctx)
		return fromDatabase(ctx, fmt.Errorf("commit: %w", err))
	}
	return nil
}

func (t *Tx) rollback(ctx context.Context) {
	if t.tx == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), rollbackMax)
	defer cancel()
	_ = t.tx.Rollback(ctx) // a connection that cannot roll back is closed, which does
}

// Rows runs the statement and answers its rows, by column name.
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

// Exec runs the statement and answers how many rows it changed.
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
	if t.ran {
		if t.single {
			return errSecondStatement
		}
		rows, err := t.tx.Query(ctx, s.Name, args...)
		if err != nil {
			return fmt.Errorf("%s: %w", s.Name, err)
		}
		return named(s, read(rows))
	}
	t.ran = true
	var batch pgx.Batch
	if !t.single {
		batch.BeginTx(pgx.TxOptions{})
	}
	batch.Queue(preambleOf(s).Name, t.scope...)
	batch.Queue(s.Name, args...)
	along := t.single && t.witness != nil
	if along {
		batch.Queue(t.witness.Statement.Name, t.witness.Args()...)
	}
	results := t.conn.SendBatch(ctx, &batch)
	err = named(s, t.readBatch(results, read))
	wrote := false
	if along && err == nil {
		wrote, err = t.witness.wrote(results)
	}
	if closed := results.Close(); err == nil {
		err = named(s, closed)
	}
	if !t.single {
		t.tx = results.Tx()
	}
	t.kept = wrote && err == nil
	return err
}

func (db *DB) declares(s Statement) bool {
	declared, ok := db.declared[s.Name]
	return ok && declared == s.SQL
}

func (t *Tx) readBatch(results pgx.BatchResults, read func(pgx.Rows) error) error {
	if !t.single {
		if _, err := results.Exec(); err != nil {
			return fmt.Errorf("begin: %w", err)
		}
	}
	scoped, err := results.Query()
	if err != nil {
		return fmt.Errorf("preamble: %w", err)
	}
	for scoped.Next() {
		known := scoped.RawValues()[preambleKnown]
		t.unknown = len(known) == 1 && known[0] == 0 // a boolean on the wire
	}
	if err := scoped.Err(); err != nil {
		return fmt.Errorf("preamble: %w", err)
	}
	rows, err := results.Query()
	if err != nil {
		return err
	}
	return read(rows)
}

func named(s Statement, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", s.Name, err)
}
