package jobs

import (
	"context"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/teamtask/teamtask/internal/pgpool"
)

// connections is the size of the pool: workers and receipts of events need one for moments,
// listening needs one, and each periodic job that is running needs one.
const connections = 12

// openPool opens the pool that jobs are worked over. It refuses a pooler that does not keep
// sessions: jobs are announced by notifications, and periodic jobs hold a lock of their session.
func openPool(ctx context.Context, url string) (*pgxpool.Pool, error) {
	config, err := pgpool.ParseConfig(pgpool.Options{URL: url, Application: "teamtask-inbox", Listens: true})
	if err != nil {
		return nil, err
	}
	config.MaxConns, config.MinConns, config.MinIdleConns = connections, 0, 0
	conn, err := pgpool.Connect(ctx, config)
	if err != nil {
		return nil, pgpool.Reason(err)
	}
	err = pgpool.CheckPooler(ctx, config, conn)
	_ = conn.Close(context.WithoutCancel(ctx)) // it was for the check alone
	if err != nil {
		return nil, err
	}
	return pgpool.Open(ctx, config)
}
