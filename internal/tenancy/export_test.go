package tenancy

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// Raw lends tests a connection of the pool without any scope, which nobody else gets.
func (db *DB) Raw(ctx context.Context, fn func(*pgx.Conn) error) error {
	conn, err := db.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	return fn(conn.Conn())
}
