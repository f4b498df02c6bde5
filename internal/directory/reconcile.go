package directory

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"

	"github.com/teamtask/teamtask/internal/clerk"
	"github.com/teamtask/teamtask/internal/tenancy"
)

const (
	oursPage   = 500 // rows of ours read at once
	applyBatch = 50  // differences written in one transaction
)

// Drift is one difference between our copy and Clerk. It holds no personal text.
type Drift struct {
	Tenant string // the organization's id
	About  string // "organization", "organizationMembership", "organizationInvitation" or "user"
	ID     string // of what differs; of a membership the person's
	What   string // for instance "missing here", "role: org:member here, org:admin at Clerk"
}

// Reconciliation says what to compare, and what to do about it.
type Reconciliation struct {
	Organization string      // its id; "": all
	Apply        bool        // write what Clerk has
	Drift        func(Drift) // told of each difference; may be nil
}

// Summary is what a reconciliation came to.
type Summary struct {
	Organizations int // compared
	People        int // compared
	Drifts        int // found
	Applied       int // written; the rest was overtaken by something newer, or not asked for
}

// Errors of Reconcile.
var (
	ErrOtherInstance = errors.New("nothing of what is kept here is known to Clerk: is the key of another instance? " +
		"Where it is not, reconcile the organizations one by one")
	ErrNoOrganization = errors.New("there is no such organization, neither here nor at Clerk")
)

// Reconcile compares our copy with Clerk, organization by organization and person by
// person, and writes what differs if asked to. What comes in by events meanwhile is
// newer and stays. Nothing is removed because a list lacks it: Clerk is asked for that
// one first. What cannot be compared is left and the rest goes on; the errors of it are
// in the one that is answered. It gives up after 10 in a row.
//
// Errors: ErrOtherInstance, ErrNoOrganization, Clerk's and the database's.
func (d *Directory) Reconcile(ctx context.Context, r Reconciliation) (Summary, error) {
	c := comparison{d: d, r: r}
	if r.Organization != "" {
		err := c.organization(ctx, r.Organization)
		return c.sum, err
	}
	if err := c.organizations(ctx); err != nil {
		return c.sum, err
	}
	if err := c.people(ctx); err != nil {
		return c.sum, err
	}
	return c.sum, errors.Join(c.failed...)
}

const (
	inARow  = 10 // failures after which nothing is tried any more
	toldMax = 20 // failures that are told of
	lossOf  = 3  // of all that is alive here, and more, is taken for another instance
)

// comparison is a reconciliation under way.
type comparison struct {
	d   *Directory
	r   Reconciliation
	sum Summary

	failed []error
	row    int // failures since the last success
}

// each compares one of many, and answers an error where it is no use to go on.
func (c *comparison) each(ctx context.Context, err error) error {
	if err == nil {
		c.row = 0
		return nil
	}
	if len(c.failed) < toldMax {
		c.failed = append(c.failed, err)
	}
	if c.row++; c.row >= inARow || ctx.Err() != nil {
		return errors.Join(c.failed...)
	}
	return nil
}

// organizations compares those that Clerk lists, and those that only we have.
func (c *comparison) organizations(ctx context.Context) error {
	seen := make(map[string]bool)
	for o, err := range c.d.clerk.Organizations(ctx) {
		if err != nil {
			return fmt.Errorf("list the organizations: %w", err)
		}
		seen[o.ID] = true
	}
	ours, err := c.tenants(ctx, false)
	if err != nil {
		return err
	}
	if err := c.sameInstance(ctx, ours, seen); err != nil {
		return err
	}
	for id := range seen {
		if err := c.each(ctx, c.organization(ctx, id)); err != nil {
			return err
		}
	}
	for _, id := range ours {
		if seen[id] {
			continue
		}
		if err := c.each(ctx, c.organization(ctx, id)); err != nil {
			return err
		}
	}
	return nil
}

// sameInstance refuses to go on where Clerk knows none of several organizations that are
// alive here: all would end.
func (c *comparison) sameInstance(ctx context.Context, ours []string, seen map[string]bool) error {
	alive := 0
	for _, id := range ours {
		if seen[id] {
			return nil
		}
		var o *organization
		err := c.read(ctx, id, func(tx *tenancy.Tx) (err error) {
			o, err = selectOrganization(ctx, tx, id)
			return err
		})
		if err != nil {
			return err
		}
		if o != nil && o.DeleteTime == nil {
			alive++
		}
	}
	if alive >= lossOf {
		return ErrOtherInstance
	}
	return nil
}

// tenants are the ids of all organizations, or of all people, that were ever kept.
func (c *comparison) tenants(ctx context.Context, people bool) (ids []string, err error) {
	err = c.read(ctx, "", func(tx *tenancy.Tx) (err error) {
		ids, err = selectTenants(ctx, tx, people)
		return err
	})
	return ids, err
}

func (c *comparison) organization(ctx context.Context, id string) error {
	c.sum.Organizations++
	ticket, err := c.d.ticket(ctx)
	if err != nil {
		return err
	}
	found, err := here(c.d.clerk.Organization(ctx, id))
	if err != nil {
		return fmt.Errorf("organization %s: %w", id, err)
	}
	var ours *organization
	err = c.read(ctx, id, func(tx *tenancy.Tx) (err error) {
		ours, err = selectOrganization(ctx, tx, id)
		return err
	})
	if err != nil {
		return err
	}
	if found == nil && ours == nil && c.r.Organization != "" {
		known, err := c.tenants(ctx, false)
		if err != nil {
			return err
		}
		if !slices.Contains(known, id) {
			return ErrNoOrganization
		}
	}
	if what := organizationDiffers(ours, found); what != "" {
		c.drift(Drift{id, aboutOrganization, id, what})
		err := c.apply(ctx, id, func(tx *tenancy.Tx) error { return c.d.keepOrganization(ctx, tx, ticket, id, found) })
		if err != nil {
			return err
		}
	}
	if found == nil {
		return nil // everything of it has ended with it
	}
	if err := compare(ctx, c, id, members(ctx, c, id)); err != nil {
		return fmt.Errorf("members of %s: %w", id, err)
	}
	if err := compare(ctx, c, id, invitations(ctx, c, id)); err != nil {
		return fmt.Errorf("invitations of %s: %w", id, err)
	}
	return nil
}

// part is one kind of thing in an organization: how it is listed and kept, here (O) and
// at Clerk (T).
type part[O, T any] struct {
	about   string
	listed  iter.Seq2[T, error]
	ours    func(ctx context.Context, tx *tenancy.Tx, after string) ([]O, error) // a page in the order of ids
	idOf    func(T) string
	ourID   func(O) string
	ticket  func(O) int64
	gone    func(O) bool
	differs func(O, T) string // "": they agree
	fetch   func(ctx context.Context, id string) (T, error)
	keep    func(ctx context.Context, tx *tenancy.Tx, ticket int64, id string, found *T) error
	prepare func(ctx context.Context, found *T) error  // completes what is to be kept, by asking Clerk; may be nil
	ended   func(ctx context.Context, id string) error // looks further where one is gone at Clerk; may be nil
}

// complete completes what is to be kept, where something is to be written.
func (p part[O, T]) complete(ctx context.Context, c *comparison, found *T) error {
	if p.prepare == nil || !c.r.Apply {
		return nil
	}
	return p.prepare(ctx, found)
}

// compare goes through one part of an organization.
func compare[O, T any](ctx context.Context, c *comparison, org string, p part[O, T]) error {
	ticket, err := c.d.ticket(ctx)
	if err != nil {
		return err
	}
	theirs := make(map[string]T)
	for t, err := range p.listed {
		if errors.Is(err, clerk.NotFound) {
			return nil // the organization has gone meanwhile, of which there will be news
		}
		if err != nil {
			return err
		}
		theirs[p.idOf(t)] = t
	}
	w := writer{c: c, tenant: org}
	unlisted := func(o O) error {
		later, err := c.d.ticket(ctx)
		if err != nil {
			return err
		}
		found, err := here(p.fetch(ctx, p.ourID(o)))
		if err != nil {
			return err
		}
		what := "gone at Clerk"
		if found != nil {
			what = p.differs(o, *found)
		}
		if what == "" {
			return nil
		}
		if found != nil {
			if err := p.complete(ctx, c, found); err != nil {
				return err
			}
		}
		if found == nil && p.ended != nil {
			if err := p.ended(ctx, p.ourID(o)); err != nil {
				return err
			}
		}
		return w.write(ctx, Drift{org, p.about, p.ourID(o), what}, func(tx *tenancy.Tx) error {
			return p.keep(ctx, tx, later, p.ourID(o), found)
		})
	}
	listed := func(id string, t T, what string) error {
		if err := p.complete(ctx, c, &t); err != nil {
			return err
		}
		return w.write(ctx, Drift{org, p.about, id, what}, func(tx *tenancy.Tx) error {
			return p.keep(ctx, tx, ticket, id, &t)
		})
	}
	for after := ""; ; {
		var page []O
		err := c.read(ctx, org, func(tx *tenancy.Tx) (err error) {
			page, err = p.ours(ctx, tx, after)
			return err
		})
		if err != nil {
			return err
		}
		for _, o := range page {
			after = p.ourID(o)
			t, ok := theirs[after]
			delete(theirs, after)
			switch {
			case p.ticket(o) >= ticket: // written since the list began
			case !ok && p.gone(o):
			case !ok:
				err = unlisted(o)
			default:
				if what := p.differs(o, t); what != "" {
					err = listed(after, t, what)
				}
			}
			if err != nil {
				return err
			}
		}
		if len(page) < oursPage {
			break
		}
	}
	if err := w.flush(ctx); err != nil { // what follows begins with lower ids again
		return err
	}
	for _, id := range slices.Sorted(maps.Keys(theirs)) {
		if err := listed(id, theirs[id], "missing here"); err != nil {
			return err
		}
	}
	return w.flush(ctx)
}

// writer writes differences of one tenant, some in each transaction.
type writer struct {
	c       *comparison
	tenant  string
	waiting []func(*tenancy.Tx) error
}

func (w *writer) write(ctx context.Context, drift Drift, keep func(*tenancy.Tx) error) error {
	w.c.drift(drift)
	w.waiting = append(w.waiting, keep)
	if len(w.waiting) < applyBatch {
		return nil
	}
	return w.flush(ctx)
}

func (w *writer) flush(ctx context.Context) error {
	all := w.waiting
	w.waiting = nil
	return w.c.apply(ctx, w.tenant, all...)
}

func (c *comparison) drift(found Drift) {
	c.sum.Drifts++
	if c.r.Drift != nil {
		c.r.Drift(found)
	}
}

func (c *comparison) apply(ctx context.Context, tenant string, all ...func(*tenancy.Tx) error) error {
	if !c.r.Apply || len(all) == 0 {
		return nil
	}
	err := c.d.in(ctx, tenant, nil, func(tx *tenancy.Tx) error {
		for _, keep := range all {
			if err := keep(tx); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		c.sum.Applied += len(all)
	}
	return err
}

func (c *comparison) read(ctx context.Context, tenant string, fn func(*tenancy.Tx) error) error {
	return c.d.db.Once(ctx, system(tenant), fn)
}
