package directory

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/teamtask/teamtask/internal/clerk"
	"github.com/teamtask/teamtask/internal/jobs"
	"github.com/teamtask/teamtask/internal/tenancy"
)

// Clerk's membership metadata say isLicensed: a copy, for frontends, of who holds a seat
// that works. A job writes it until Clerk agrees.

// JobLicensed writes isLicensed to Clerk: of the subject, or of all members. Jobs of that
// name may be stored, so that it stays what it was first called.
const JobLicensed = "licensing-copy"

const (
	licensedTries = 4                // writes of one membership before the job is tried again later
	licensedPage  = 100              // members read at once
	licensedIn    = 40 * time.Second // for all members: less than an attempt of a job may take
	licensedInRow = 10               // failures after which the job is tried again later

	// writtenWithin is how long a write may be on its way: longer than an attempt of a job.
	writtenWithin = 90 * time.Second
)

var (
	errUnlicensed = errors.New("the server that asked for it had Clerk and Stripe configured, this one has not")

	// ErrDisagree is a Clerk that says otherwise right after it was written to.
	ErrDisagree = errors.New("clerk says otherwise right after it was told")
)

// Jobs are the jobs of this package.
func (d *Directory) Jobs() []jobs.Job {
	return []jobs.Job{{Name: JobLicensed, Do: func(ctx context.Context, c jobs.Call) error {
		switch {
		case !d.ledger || d.clerk == nil:
			return errUnlicensed
		case c.Subject != "":
			return d.writeLicensed(ctx, c.Tenant, c.Subject)
		}
		return d.writeAllLicensed(ctx, c.Tenant)
	}}}
}

// EnqueueLicensed asks for JobLicensed in the caller's transaction: for the member, or for
// all members ("").
func EnqueueLicensed(ctx context.Context, tx *tenancy.Tx, org, user string) error {
	return enqueueLicensed(ctx, tx, org, user, nil)
}

func enqueueLicensed(ctx context.Context, tx *tenancy.Tx, org, user string, at *time.Time) error {
	_, err := tenancy.Exec(ctx, tx, jobSQL, JobLicensed, org, user, at)
	return err
}

// LicensedFlag is what the ledger says of a member, and what Clerk said last.
type LicensedFlag struct {
	UserID  string
	Wanted  bool
	Said    bool
	Pending *time.Time // until when a write may be on its way; nil: none is
	Now     time.Time
}

// Disagreeing returns members behind after, in the order of their ids, of whom Clerk says
// something else than the ledger, or may. Fewer than a page are the last ones.
func Disagreeing(ctx context.Context, tx *tenancy.Tx, org, after string) (flags []LicensedFlag, last bool, err error) {
	flags, err = selectDisagreeing(ctx, tx, org, after, licensedPage)
	return flags, len(flags) < licensedPage, err
}

// writeLicensed writes to Clerk whether the member holds a seat that works, until it
// agrees. What Clerk has is taken from a fetch behind the write, never from the response to
// it.
//
// A write is announced before it is sent. A job that finds one announced fetches before it
// believes anything, and asks for another job at the time when the write must have arrived.
// So two jobs may run at once, in two servers, and either process may end at any point.
func (d *Directory) writeLicensed(ctx context.Context, org, user string) error {
	var mine *time.Time // the write that we announced
	for range licensedTries {
		f, err := d.licensedFlag(ctx, org, user)
		if err != nil || f == nil {
			return err
		}
		if f.Pending != nil {
			if err := d.Refresh(ctx, org, user); err != nil {
				return fmt.Errorf("fetch the membership: %w", err)
			}
			if f, err = d.licensedFlag(ctx, org, user); err != nil || f == nil {
				return err
			}
		}
		if f.Wanted == f.Said {
			return d.confirm(ctx, org, f, mine)
		}
		err = d.db.Once(ctx, system(org), func(tx *tenancy.Tx) (err error) {
			mine, err = setPending(ctx, tx, org, user)
			return err
		})
		if err != nil {
			return err
		}
		_, err = d.clerk.SetMembershipMetadata(ctx, org, user, map[string]any{clerk.MetadataLicensed: f.Wanted})
		if err != nil && !errors.Is(err, clerk.NotFound) { // what there is not is fetched as gone
			return fmt.Errorf("write the membership's metadata: %w", err)
		}
	}
	return ErrDisagree
}

func (d *Directory) licensedFlag(ctx context.Context, org, user string) (f *LicensedFlag, err error) {
	err = d.db.Once(ctx, system(org), func(tx *tenancy.Tx) (err error) {
		f, err = selectLicensed(ctx, tx, org, user)
		return err
	})
	return f, err
}

// confirm ends the pending write where it was ours or its time is over, and asks for
// another job where a write of others may still be on its way.
func (d *Directory) confirm(ctx context.Context, org string, f *LicensedFlag, mine *time.Time) error {
	if f.Pending == nil {
		return nil
	}
	return d.db.In(ctx, system(org), func(tx *tenancy.Tx) error {
		if mine != nil && mine.Equal(*f.Pending) || !f.Pending.After(f.Now) {
			return clearPending(ctx, tx, org, f.UserID, *f.Pending)
		}
		return enqueueLicensed(ctx, tx, org, f.UserID, f.Pending)
	})
}

// writeAllLicensed writes of all members of whom Clerk says something else. One whose write
// fails does not hold up the rest; the job gives up after 10 in a row.
func (d *Directory) writeAllLicensed(ctx context.Context, org string) error {
	ctx, cancel := context.WithTimeout(ctx, licensedIn)
	defer cancel()
	var failed error // the last one
	row := 0
	for after := ""; ; {
		var page []LicensedFlag
		last := false
		err := d.db.Once(ctx, system(org), func(tx *tenancy.Tx) (err error) {
			page, last, err = Disagreeing(ctx, tx, org, after)
			return err
		})
		if err != nil {
			return err
		}
		for _, f := range page {
			after = f.UserID
			err := d.writeLicensed(ctx, org, f.UserID)
			if err == nil {
				row = 0
				continue
			}
			if ctx.Err() != nil { // so many members take their time
				return d.enqueueAllLicensed(context.WithoutCancel(ctx), org)
			}
			failed = fmt.Errorf("member %s: %w", f.UserID, err)
			if row++; row >= licensedInRow {
				return failed
			}
		}
		if last {
			return failed
		}
	}
}

func (d *Directory) enqueueAllLicensed(ctx context.Context, org string) error {
	return d.db.In(ctx, system(org), func(tx *tenancy.Tx) error { return EnqueueLicensed(ctx, tx, org, "") })
}

// memberWritten calls the observer with a member as they were written, and asks for the job
// where Clerk's news are something else than what the ledger says. What is no news is on
// its way already: one job writes it, and not one more for each time it is fetched. A write
// that was on its way when they left may still arrive, so that a member who comes back with
// one is looked at again.
func (d *Directory) memberWritten(ctx context.Context, tx *tenancy.Tx, org, user string, news, back bool) error {
	if !d.observed {
		return nil
	}
	f, err := selectLicensed(ctx, tx, org, user)
	if err != nil || f == nil {
		return err
	}
	changed, err := d.observer.OnMemberChanged(ctx, tx, org, user)
	switch {
	case err != nil:
		return err
	case changed:
		return EnqueueLicensed(ctx, tx, org, user)
	case !news || f.Wanted == f.Said && (!back || f.Pending == nil) || !d.ledger:
		return nil
	}
	return EnqueueLicensed(ctx, tx, org, user)
}
