package inbox

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
)

// The steps at which a test may end the process.
const (
	stepVerified  = "verified"
	stepInserted  = "inserted"
	stepCommitted = "committed"
	stepTaken     = "taken"
	stepApplied   = "applied"
)

// store stores the event with a delivery for each consumer that wants it, and the jobs for them,
// in one transaction. One that no consumer wants is stored with ids alone. An event that is
// stored already is given to the consumers that should have it and do not; one that another
// request is storing is waited for. Envelope.Gone adds the jobs that forget that person.
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
			if err := b.jobs.EnqueueTx(ctx, tx, forgetting(v.Gone, time.Now())...); err != nil {
				return err
			}
		}
		b.step(stepInserted)
		return nil
	})
	return outcome, err
}

// resent opens the deliveries of an event that came before.
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

// deliveries returns a job for each of the consumers of an event.
func deliveries(e StoredEvent, t Thing, consumers []string) []river.InsertManyParams {
	jobs := make([]river.InsertManyParams, 0, len(consumers))
	for _, name := range consumers {
		jobs = append(jobs, river.InsertManyParams{
			Args:       deliveryJob{Event: e.ID, Consumer: name, Party: t.Party, Subject: t.Subject},
			InsertOpts: &river.InsertOpts{Queue: queueOf(e.Provider), Priority: priority(e.Provider, e.Kind)},
		})
	}
	return jobs
}
