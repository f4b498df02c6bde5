package inbox

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
)

// The places at which a test may end the process.
const (
	stepVerified  = "verified"
	stepInserted  = "inserted"
	stepCommitted = "committed"
	stepTaken     = "taken"
	stepApplied   = "applied"
)

// store stores the event with one delivery and one job for each consumer that wants
// it, all or nothing. Where the event is there already nothing changes; one that is on
// its way in by another request is waited for. With gone come the jobs that forget
// that person.
func (b *Inbox) store(ctx context.Context, e Event, gone string) (Outcome, error) {
	wanting := b.wanting(e.Kind)
	if len(wanting) == 0 && gone == "" {
		id, err := insertEvent(ctx, b.pool, e, nil)
		switch {
		case err != nil:
			return "", err
		case id == 0:
			return Duplicate, nil
		case e.Kind == "":
			return Unreadable, nil
		}
		return Ignored, nil
	}
	outcome := Duplicate
	err := pgx.BeginFunc(ctx, b.pool, func(tx pgx.Tx) error {
		id, err := insertEvent(ctx, tx, e, wanting)
		if err != nil || id == 0 {
			return err
		}
		if outcome = Stored; len(wanting) == 0 {
			outcome = Ignored
		}
		if err := b.enqueue(ctx, tx, append(deliveries(id, e.Kind, wanting), forgetting(gone, time.Now())...)); err != nil {
			return err
		}
		b.step(stepInserted)
		return nil
	})
	return outcome, err
}

// deliveries are a job for each of the consumers of an event of the kind.
func deliveries(event int64, kind string, consumers []string) []river.InsertManyParams {
	jobs := make([]river.InsertManyParams, 0, len(consumers)+2)
	for _, name := range consumers {
		jobs = append(jobs, river.InsertManyParams{
			Args:       deliveryJob{Event: event, Consumer: name},
			InsertOpts: &river.InsertOpts{Priority: priority(kind)},
		})
	}
	return jobs
}

func (b *Inbox) enqueue(ctx context.Context, tx pgx.Tx, jobs []river.InsertManyParams) error {
	if _, err := b.river.InsertManyTx(ctx, tx, jobs); err != nil {
		return fmt.Errorf("enqueue: %w", err)
	}
	return nil
}

// check wants the tables that are worked with.
func (b *Inbox) check(ctx context.Context) error {
	if err := b.pool.Ping(ctx); err != nil {
		return connectReason(err)
	}
	version, err := jobsVersion(ctx, b.pool)
	if err != nil || version < jobsVersionWanted {
		return errors.Join(errors.New("the job tables are missing or too old: run `migrate up`"), connectReason(err))
	}
	return nil
}
