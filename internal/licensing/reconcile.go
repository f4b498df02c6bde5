package licensing

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/teamtask/teamtask/internal/directory"
	"github.com/teamtask/teamtask/internal/stripe"
	"github.com/teamtask/teamtask/internal/tenancy"
)

// Drift is one difference between the ledger and what Stripe or Clerk says. It holds no
// personal text.
type Drift struct {
	Tenant string // the organization's id
	About  string // "license", "customer", "subscription" or "seat"
	ID     string // of what differs; of a seat its holder's
	What   string
}

// Reconciliation says what to compare, and what to do about it.
type Reconciliation struct {
	Organization string      // its id; "": all
	Apply        bool        // write what Stripe has, and have Clerk told what the ledger says
	Adopt        bool        // with Apply: take customers and flags that were there before us into an empty ledger
	Drift        func(Drift) // told of each difference; may be nil
}

// Summary is what a reconciliation came to.
type Summary struct {
	Organizations int // compared
	Drifts        int // found
}

// ErrOtherAccount is a Stripe that knows none of several customers of ours.
var ErrOtherAccount = errors.New("none of the customers kept here is known to Stripe: is the key of another account?")

const (
	inARow  = 10 // failures after which nothing is tried any more
	toldMax = 20 // failures that are told of
	lossOf  = 3  // unknown customers, and no known one, are taken for another account
)

// Reconcile compares the ledger with Stripe and with Clerk's metadata as the directory has
// them, organization by organization, and repairs what differs if asked to: so it also
// does what events that were lost would have done. What cannot be compared is left and the
// rest goes on; the errors of it are in the one that is answered. It gives up after 10 in
// a row.
//
// A customer whom Stripe does not know counts as deleted only where Stripe knows another
// one of ours.
//
// Errors: ErrOtherAccount, fault.BillingNotConfigured, Stripe's and the database's.
func (l *Licensing) Reconcile(ctx context.Context, r Reconciliation) (Summary, error) {
	if err := l.configured(); err != nil {
		return Summary{}, err
	}
	c := comparison{l: l, r: r}
	if err := c.all(ctx); err != nil {
		return c.sum, err
	}
	return c.sum, errors.Join(c.failed...)
}

// comparison is a reconciliation under way.
type comparison struct {
	l   *Licensing
	r   Reconciliation
	sum Summary

	ours    bool                // Stripe knows a customer of ours
	orphans map[string][]string // customers that name an organization and are not kept here
	failed  []error
	row     int // failures since the last success
}

func (c *comparison) all(ctx context.Context) error {
	if err := c.customers(ctx); err != nil {
		return err
	}
	organizations := []string{c.r.Organization}
	if c.r.Organization == "" {
		err := c.l.db.Once(ctx, system(""), func(tx *tenancy.Tx) (err error) {
			organizations, err = selectOrganizations(ctx, tx)
			return err
		})
		if err != nil {
			return err
		}
	}
	for _, org := range organizations {
		err := c.organization(ctx, org)
		if err == nil {
			c.row = 0
			continue
		}
		if len(c.failed) < toldMax {
			c.failed = append(c.failed, fmt.Errorf("organization %s: %w", org, err))
		}
		if c.row++; c.row >= inARow || ctx.Err() != nil {
			return errors.Join(c.failed...)
		}
	}
	return nil
}

// customers goes through those that Stripe has: which of them are ours, and which could
// be.
func (c *comparison) customers(ctx context.Context) error {
	kept := map[string]string{}
	err := c.l.db.Once(ctx, system(""), func(tx *tenancy.Tx) error {
		rows, err := selectAllCustomers(ctx, tx)
		for _, r := range rows {
			kept[r.CustomerID] = r.OrganizationID
		}
		return err
	})
	if err != nil {
		return err
	}
	c.orphans = map[string][]string{}
	for found, err := range c.l.stripe.Customers(ctx) {
		if err != nil {
			return fmt.Errorf("list the customers: %w", err)
		}
		if _, ok := kept[found.ID]; ok {
			c.ours = true
			continue
		}
		c.orphans[found.Organization] = append(c.orphans[found.Organization], found.ID)
	}
	if !c.ours && len(kept) >= lossOf {
		return ErrOtherAccount
	}
	return nil
}

func (c *comparison) drift(tenant, about, id, what string) {
	c.sum.Drifts++
	if c.r.Drift != nil {
		c.r.Drift(Drift{Tenant: tenant, About: about, ID: id, What: what})
	}
}

func (c *comparison) organization(ctx context.Context, org string) error {
	c.sum.Organizations++
	q, err := c.l.query(ctx, org)
	if err != nil {
		return err
	}
	orphans := c.orphans[org]
	if c.r.Adopt {
		q.customers = append(q.customers, orphans...)
	}
	found, err := c.l.fetch(ctx, q, c.ours)
	if err != nil {
		return err
	}
	err = c.l.in(ctx, org, nil, func(tx *tenancy.Tx) error { return c.keep(ctx, tx, org, q, orphans, found) })
	if err != nil {
		return err
	}
	c.l.raise(ctx, org, found)
	return c.flags(ctx, org)
}

// keep compares, and writes if asked to: customers, what they have bought and whom Clerk's
// metadata call licensed come into an empty ledger together or not at all.
func (c *comparison) keep(ctx context.Context, tx *tenancy.Tx, org string, q query, orphans []string, found *state) error {
	if c.r.Apply && c.r.Adopt && len(orphans) > 0 {
		if err := insertLicense(ctx, tx, org); err != nil {
			return err
		}
	}
	lic, err := lockLicense(ctx, tx, org)
	if err != nil {
		return err
	}
	none := lic == nil
	if none {
		lic = &license{Status: statusNone}
	}
	if err := c.adoptCustomers(ctx, tx, org, *lic, orphans, found); err != nil || none && len(q.customers) == 0 {
		return err
	}
	if err := c.barred(ctx, tx, org); err != nil {
		return err
	}
	if lic.Ticket < q.ticket { // else something newer was kept meanwhile
		if err := c.compare(ctx, tx, org, *lic, found); err != nil {
			return err
		}
	}
	if !c.r.Apply {
		return nil
	}
	if err := c.l.mergeState(ctx, tx, org, q.ticket, found); err != nil {
		return err
	}
	if !c.r.Adopt || lic.Status != statusNone {
		return nil // it has been in use
	}
	return c.adoptSeats(ctx, tx, org)
}

// barred releases the seats of people who cannot sign in any more, of whom the news was lost.
func (c *comparison) barred(ctx context.Context, tx *tenancy.Tx, org string) error {
	all, err := selectBarred(ctx, tx, org)
	if err != nil {
		return err
	}
	for _, s := range all {
		c.drift(org, "seat", s.UserID, "held by a person who is "+s.Why)
		if !c.r.Apply {
			continue
		}
		if _, err := c.l.bar(ctx, tx, org, s.UserID, s.Why); err != nil {
			return err
		}
		if err := directory.EnqueueLicensed(ctx, tx, org, s.UserID); err != nil {
			return err
		}
	}
	return nil
}

// compare tells what keeping the state would change.
func (c *comparison) compare(ctx context.Context, tx *tenancy.Tx, org string, lic license, found *state) error {
	had, err := selectSubscriptions(ctx, tx, org)
	if err != nil {
		return err
	}
	was := map[string]*kept{}
	for i := range had {
		was[had[i].ID] = &had[i]
	}
	var have []kept
	for _, s := range found.subscriptions {
		before := was[s.ID]
		delete(was, s.ID)
		if s.Seats || before != nil {
			have = append(have, keeping(s, before))
		}
	}
	for id, k := range was {
		if !k.over() {
			c.drift(org, "subscription", id, "gone at Stripe")
		}
	}
	now := totalOf(have)
	if lic.Status != now.status && (lic.Status != statusCanceled || now.status != statusNone) {
		c.drift(org, "license", org, fmt.Sprintf("status: %s here, %s at Stripe", lic.Status, now.status))
	}
	if lic.Purchased != now.purchased {
		c.drift(org, "license", org, fmt.Sprintf("purchased: %d here, %d at Stripe", lic.Purchased, now.purchased))
	}
	if now.live > 1 {
		c.drift(org, "license", org, fmt.Sprintf("%d subscriptions pay for seats: all count, one was probably meant", now.live))
	}
	if found.gone[lic.CustomerID] {
		c.drift(org, "customer", lic.CustomerID, "gone at Stripe")
	}
	return nil
}

// adoptCustomers makes customers the organization's that were made for it by others, or by
// a call whose end was lost. What any of them has bought counts; the one that has bought
// something is the one that goes on buying.
func (c *comparison) adoptCustomers(ctx context.Context, tx *tenancy.Tx, org string, lic license, orphans []string, found *state) error {
	present := ""
	for _, id := range orphans {
		switch {
		case !c.r.Adopt:
			c.drift(org, "customer", id, "at Stripe, not kept here")
			continue
		case !c.r.Apply:
			c.drift(org, "customer", id, "at Stripe, would be adopted")
			continue
		}
		owner, err := insertCustomer(ctx, tx, id, org)
		if err != nil {
			return err
		}
		if owner != org {
			return fmt.Errorf("customer %s: %w", id, errOwned)
		}
		c.drift(org, "customer", id, "adopted")
		if err := record(ctx, tx, org, "customer.add", id, map[string]any{"adopted": true}); err != nil {
			return err
		}
		buys := slices.ContainsFunc(found.subscriptions, func(s stripe.Subscription) bool { return s.Customer == id && s.Seats && !stripe.IsOver(s.Status) })
		if !found.gone[id] && (present == "" || buys) {
			present = id
		}
	}
	if present == "" || lic.CustomerID != "" {
		return nil
	}
	return setCustomer(ctx, tx, org, present)
}

// adoptSeats takes the members whom Clerk's metadata call licensed into an empty ledger,
// also where they are more than are paid for: then the time of grace begins.
func (c *comparison) adoptSeats(ctx context.Context, tx *tenancy.Tx, org string) error {
	lic, err := lockLicense(ctx, tx, org)
	if err != nil || lic == nil || lic.Status == statusNone || lic.Assigned > 0 {
		return err
	}
	flagged, err := insertFlagged(ctx, tx, org, system(org).User)
	if err != nil {
		return err
	}
	for _, user := range flagged {
		c.drift(org, "seat", user, "adopted")
		if err := record(ctx, tx, org, "seat.assign", user, map[string]any{"adopted": true}); err != nil {
			return err
		}
	}
	if len(flagged) > 0 && !lic.Working {
		lic.SuspendTime = nil // their 30 days begin now
	}
	lic.Assigned += int32(len(flagged))
	return c.l.settle(ctx, tx, org, lic)
}

// flags compares Clerk's metadata with the ledger.
func (c *comparison) flags(ctx context.Context, org string) error {
	for after := ""; ; {
		var page []directory.LicensedFlag
		last := false
		err := c.l.db.Once(ctx, system(org), func(tx *tenancy.Tx) (err error) {
			page, last, err = directory.Disagreeing(ctx, tx, org, after)
			return err
		})
		if err != nil {
			return err
		}
		for _, m := range page {
			after = m.UserID
			c.drift(org, "seat", m.UserID, fmt.Sprintf("isLicensed: %t here, %t at Clerk", m.Wanted, m.Said))
		}
		if len(page) > 0 && c.r.Apply {
			if err := c.l.in(ctx, org, nil, func(tx *tenancy.Tx) error { return directory.EnqueueLicensed(ctx, tx, org, "") }); err != nil {
				return err
			}
		}
		if last {
			return nil
		}
	}
}
