package inbox

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/riverqueue/river"
)

const (
	forgetBatch  = 500
	forgetWithin = 10 * time.Second // of one job; then another goes on

	// forgetAgain is when a person is forgotten once more: events of theirs that waited
	// at first, or were sent again later, are done by then. Svix gives up after 28 h.
	forgetAgain = 48 * time.Hour
)

// forgetJob removes what events hold about a person who was deleted. Rows of jobs hold ids only.
type forgetJob struct {
	Person string `json:"person"` // an id
	After  int64  `json:"after"`  // the last event whose body was reduced
}

// Kind implements river.JobArgs.
func (forgetJob) Kind() string { return "inbox_forget" }

// InsertOpts implements river.JobArgsWithInsertOpts.
func (forgetJob) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: erasureQueue, MaxAttempts: riverAttempts, Priority: priorityHousekeeping}
}

// forgetting returns the jobs that forget a person.
func forgetting(person string, now time.Time) []river.InsertManyParams {
	return []river.InsertManyParams{
		{Args: forgetJob{Person: person}},
		{Args: forgetJob{Person: person}, InsertOpts: &river.InsertOpts{ScheduledAt: now.Add(forgetAgain)}},
	}
}

// Forget enqueues a job that removes what events hold about a person, a batch at a time. Other
// jobs do not wait for it.
func (b *Inbox) Forget(ctx context.Context, person string) error {
	if !idForm.MatchString(person) {
		return errNoPerson
	}
	if err := b.jobs.Enqueue(ctx, forgetting(person, time.Now())...); err != nil {
		return fmt.Errorf("forget a person: %w", fromDatabase(ctx, err))
	}
	return nil
}

var errNoPerson = errors.New("forget a person: not an id")

// forget removes the events that are about the person and wait for nothing, the one about the
// deletion included. The bodies of all others are reduced to ids: an invitation, for one, holds
// an address and no id. When its time is over another job continues from there.
func (b *Inbox) forget(ctx context.Context, job *river.Job[forgetJob]) error {
	within, cancel := context.WithTimeout(ctx, min(forgetWithin, b.jobs.Timeout()/2))
	defer cancel()
	last := job.Args.After
	err := b.forgetOwn(within, job.Args.Person) // what is known to be theirs goes at once
	if err == nil {
		last, err = b.reduceFrom(within, last, true)
	}
	if err == nil {
		err = b.forgetOwn(within, job.Args.Person) // and what has turned out to be, while it was reduced
	}
	if err == nil || within.Err() == nil || ctx.Err() != nil {
		return err
	}
	return b.jobs.Enqueue(ctx, river.InsertManyParams{Args: forgetJob{Person: job.Args.Person, After: last}})
}

// forgetOwn removes the events that are known to be about the person and wait for nothing.
func (b *Inbox) forgetOwn(ctx context.Context, person string) (err error) {
	for n := int64(forgetBatch); err == nil && n == forgetBatch; {
		n, err = forgetPerson(ctx, b.pool, person, forgetBatch)
	}
	return err
}
