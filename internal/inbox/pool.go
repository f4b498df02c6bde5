package inbox

import (
	"context"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/teamtask/teamtask/internal/pgpool"
)

// openPool opens the pool that jobs are worked with and events are received over. It
// refuses a pooler that does not keep sessions: jobs are announced by notifications, and
// some hold a lock of their session.
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
