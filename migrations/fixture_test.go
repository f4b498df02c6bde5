package migrations_test

import (
	"context"
	"errors"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// querier is a connection or a transaction.
type querier interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

func connect(t *testing.T, address string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.WithoutCancel(t.Context())) })
	return conn
}

// run returns how many rows the statement changed.
func run(t *testing.T, q querier, statement string, args ...any) int64 {
	t.Helper()
	tag, err := q.Exec(t.Context(), statement, args...)
	if err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
	return tag.RowsAffected()
}

func list[T any](t *testing.T, q querier, query string, args ...any) []T {
	t.Helper()
	rows, err := q.Query(t.Context(), query, args...)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	all, err := pgx.CollectRows(rows, pgx.RowTo[T])
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return all
}

func one[T any](t *testing.T, q querier, query string, args ...any) T {
	t.Helper()
	all := list[T](t, q, query, args...)
	if len(all) != 1 {
		t.Fatalf("%s: got %d rows, want 1", query, len(all))
	}
	return all[0]
}

// within runs do in a transaction that is rolled back.
func within(t *testing.T, conn *pgx.Conn, do func(pgx.Tx)) {
	t.Helper()
	tx, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := tx.Rollback(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	}()
	do(tx)
}

// denied wants the statement refused for want of a right.
func denied(t *testing.T, conn *pgx.Conn, statement string, args ...any) (message string) {
	t.Helper()
	within(t, conn, func(tx pgx.Tx) {
		_, err := tx.Exec(t.Context(), statement, args...)
		pg, ok := errors.AsType[*pgconn.PgError](err)
		if !ok || pg.Code != "42501" {
			t.Errorf("%s: got %v, want SQLSTATE 42501", statement, err)
			return
		}
		message = pg.Message
	})
	return message
}
