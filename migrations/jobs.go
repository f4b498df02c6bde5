package migrations

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
)

// jobsLock is the advisory lock under which River's tables are made: River itself
// takes none, and several may be at it at once.
const jobsLock = 0x7465616d7461736b // "teamtask"

// grantJobs gives runtime roles what working jobs takes, and takes from everybody what
// PostgreSQL gives by default. River's function stands in the condition of an index:
// a role that writes jobs has to be allowed to run it.
const grantJobs = `
	REVOKE ALL ON river_job, river_leader, river_queue, river_notification, river_migration FROM PUBLIC, ` + Runtime + `;
	GRANT SELECT, INSERT, UPDATE, DELETE ON river_job, river_leader, river_queue TO ` + Runtime + `;
	GRANT SELECT ON river_migration TO ` + Runtime + `;
	GRANT USAGE ON SEQUENCE river_job_id_seq TO ` + Runtime + `;
	ALTER FUNCTION river_job_state_in_bitmask(bit, river_job_state) SET search_path = pg_catalog, public;
	REVOKE ALL ON FUNCTION river_job_state_in_bitmask(bit, river_job_state) FROM PUBLIC;
	GRANT EXECUTE ON FUNCTION river_job_state_in_bitmask(bit, river_job_state) TO ` + Runtime

// upJobs brings the tables of River, which keeps the jobs, up to date.
func upJobs(ctx context.Context, ownerURL string) (err error) {
	patient, err := ownerConfig(ownerURL)
	if err != nil {
		return err
	}
	patient.RuntimeParams["lock_timeout"] = strconv.Itoa(lockWithin) + "s"
	lock, err := pgx.ConnectConfig(ctx, patient)
	if err != nil {
		return connectReason(err)
	}
	defer func() { err = errors.Join(err, lock.Close(context.WithoutCancel(ctx))) }() // which gives the lock back
	if _, err := lock.Exec(ctx, `SELECT pg_advisory_lock($1)`, jobsLock); err != nil {
		return fmt.Errorf("wait for another's migration of the job tables: %w", unquoted(err))
	}
	pool, err := ownerPool(ctx, ownerURL)
	if err != nil {
		return err
	}
	defer pool.Close()
	migrator, err := rivermigrate.New(riverpgxv5.New(pool), &rivermigrate.Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return fmt.Errorf("read the migrations of the job tables: %w", err)
	}
	if _, err := migrator.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return fmt.Errorf("migrate the job tables: %w", unquoted(err))
	}
	if _, err := lock.Exec(ctx, grantJobs); err != nil {
		return fmt.Errorf("let %s work jobs: %w", Runtime, unquoted(err))
	}
	return nil
}

func ownerPool(ctx context.Context, ownerURL string) (*pgxpool.Pool, error) {
	owner, err := ownerConfig(ownerURL)
	if err != nil {
		return nil, err
	}
	config, err := pgxpool.ParseConfig(ownerURL)
	if err != nil {
		return nil, errors.New("not a PostgreSQL URL")
	}
	config.ConnConfig.RuntimeParams = owner.RuntimeParams
	config.MaxConns = 2
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, connectReason(err)
	}
	return pool, nil
}
