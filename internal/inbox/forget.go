package inbox

import (
	"context"
	"fmt"
	"time"

	"github.com/riverqueue/river"
)

const (
	forgetBatch = 500

	// forgetAgain is when a person is forgotten once more: events of theirs that waited
	// at first, or were sent again later, are done by then. Svix gives up after 28 h.
	forgetAgain = 48 * time.Hour
)

// forgetJob removes the events that tell of a person who was deleted.
type forgetJob struct {
	Person string `json:"person"` // an id
	After  int64  `json:"after"`  // the last event that was looked at
}

// Kind implements river.JobArgs.
func (forgetJob) Kind() string { return "inbox_forget" }

// InsertOpts implements river.JobArgsWithInsertOpts.
func (forgetJob) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: queue, MaxAttempts: riverAttempts}
}

// forgetting are the jobs that forget a person, none for "".
func forgetting(person string, now time.Time) []river.InsertManyParams {
	if person == "" {
		return nil
	}
	return []river.InsertManyParams{
		{Args: forgetJob{Person: person}},
		{Args: forgetJob{Person: person}, InsertOpts: &river.InsertOpts{ScheduledAt: now.Add(forgetAgain)}},
	}
}

// forget removes the events that name the person and wait for nothing, the news of the
// deletion included. When its time is over another job goes on where it was.
func (b *Inbox) forget(ctx context.Context, job *river.Job[forgetJob]) error {
	ending := time.Now().Add(b.o.Timeout / 2)
	for after := job.Args.After; ; {
		// A whole text of the document: an id that only begins alike is another's.
		last, err := forgetText(ctx, b.pool, after, `"`+job.Args.Person+`"`, forgetBatch)
		if err != nil || last == 0 {
			return err
		}
		if after = last; time.Now().After(ending) {
			if _, err := b.river.Insert(ctx, forgetJob{Person: job.Args.Person, After: after}, nil); err != nil {
				return fmt.Errorf("enqueue: %w", err)
			}
			return nil
		}
	}
}
