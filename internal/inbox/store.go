package inbox

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"github.com/teamtask/teamtask/internal/pgpool"
)

// The places at which a test may end the process.
const (
	stepVerified  = "verified"
	stepInserted  = "inserted"
	stepCommitted = "committed"
	stepTaken     = "taken"
	stepApplied   = "applied"
)

// store stores the event with a delivery for each consumer that wants it, and the jobs for
// them, all or nothing. One that no consumer wants is stored with ids alone. An event that
// is there already is handed to the consumers that should have it and do not; one that is on
// its way in by another request is waited for. With Envelope.Gone come the jobs that forget
// that person.
func (b *Inbox) store(ctx context.Context, e Event, v Envelope) (outcome Outcome, err error) {
	wanting := b.wanting(e.Kind)
	if v.Inapplicable {
		wanting = nil
	}
	reduced := len(wanting) == 0 && e.Kind != ""
	if reduced {
		e.Body = shapeOf(e.Provider).reduced(e.Body)
	}
	switch outcome = Stored; {
	case e.Kind == "":
		outcome = Unreadable
	case v.Inapplicable:
		outcome = Inapplicable
	case len(wanting) == 0:
		outcome = Ignored
	}
	err = pgx.BeginFunc(ctx, b.pool, func(tx pgx.Tx) error {
		stored, err := insertEvent(ctx, tx, e, v.Thing, wanting, reduced)
		if err != nil {
			return err
		}
		if !stored {
			outcome, err = b.resent(ctx, tx, e, v.Thing, wanting)
			return err
		}
		if v.Gone != "" {
			if err := b.enqueue(ctx, tx, forgetting(v.Gone, time.Now())); err != nil {
				return err
			}
		}
		b.step(stepInserted)
		return nil
	})
	return outcome, err
}

// resent is an event that came before.
func (b *Inbox) resent(ctx context.Context, tx pgx.Tx, e Event, t Thing, wanting []string) (Outcome, error) {
	if len(wanting) == 0 {
		return Duplicate, nil
	}
	reopened, err := resend(ctx, tx, e, t, wanting)
	if reopened {
		return Reopened, err
	}
	return Duplicate, err
}

// deliveries are a job for each of the consumers of an event.
func deliveries(e Entry, t Thing, consumers []string) []river.InsertManyParams {
	jobs := make([]river.InsertManyParams, 0, len(consumers))
	for _, name := range consumers {
		jobs = append(jobs, river.InsertManyParams{
			Args:       deliveryJob{Event: e.ID, Consumer: name, Party: t.Party, Subject: t.Subject},
			InsertOpts: &river.InsertOpts{Queue: queueOf(e.Provider), Priority: priority(e.Provider, e.Kind)},
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
		return pgpool.Reason(err)
	}
	version, err := jobsVersion(ctx, b.pool)
	if err != nil || version < jobsVersionWanted {
		return errors.Join(errors.New("the job tables are missing or too old: run `migrate up`"), pgpool.Reason(err))
	}
	return nil
}
