package billing

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/teamtask/teamtask/internal/licensing"
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
	Drift        func(Drift) // called with each difference; may be nil
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
func (b *Billing) Reconcile(ctx context.Context, r Reconciliation) (Summary, error) {
	if err := b.configured(); err != nil {
		return Summary{}, err
	}
	c := comparison{b: b, r: r}
	if err := c.all(ctx); err != nil {
		return c.sum, err
	}
	return c.sum, errors.Join(c.failed...)
}

// comparison is a reconciliation under way.
type comparison struct {
	b   *Billing
	r   Reconciliation
	sum Summary

	ours    bool                // Stripe knows a customer of ours
	orphans map[string][]string // customers that name an organization and are not known here
	failed  []error
	row     int // failures since the last success
}

func (c *comparison) all(ctx context.Context) error {
	if err := c.customers(ctx); err != nil {
		return err
	}
	organizations := []string{c.r.Organization}
	if c.r.Organization == "" {
		err := c.b.db.Once(ctx, system(""), func(tx *tenancy.Tx) (err error) {
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
	err := c.b.db.Once(ctx, system(""), func(tx *tenancy.Tx) error {
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
	for found, err := range c.b.stripe.Customers(ctx) {
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
	q, err := c.b.query(ctx, org)
	if err != nil {
		return err
	}
	orphans := c.orphans[org]
	if c.r.Adopt {
		q.customers = append(q.customers, orphans...)
	}
	found, err := c.b.fetch(ctx, q, c.ours)
	if err != nil {
		return err
	}
	err = c.b.in(ctx, org, nil, func(tx *tenancy.Tx) error { return c.merge(ctx, tx, org, q, orphans, found) })
	if err != nil {
		return err
	}
	c.b.raise(ctx, org, found)
	return c.flags(ctx, org)
}

// keep compares, and writes if asked to: customers, what they have bought and whom Clerk's
// metadata call licensed come into an empty ledger together or not at all.
func (c *comparison) merge(ctx context.Context, tx *tenancy.Tx, org string, q query, orphans []string, found *state) error {
	if c.r.Apply && c.r.Adopt && len(orphans) > 0 {
		if err := licensing.InsertLicense(ctx, tx, org); err != nil {
			return err
		}
	}
	lic, err := licensing.LockLicense(ctx, tx, org)
	if err != nil {
		return err
	}
	none := lic == nil
	if none {
		lic = &licensing.License{Status: statusNone}
	}
	if err := c.adoptCustomers(ctx, tx, org, *lic, orphans, found); err != nil || none && len(q.customers) == 0 {
		return err
	}
	barred, err := c.b.ledger.ReleaseBarred(ctx, tx, org, c.r.Apply)
	for _, s := range barred {
		c.drift(org, "seat", s.UserID, "held by a person who is "+s.Why)
	}
	if err != nil {
		return err
	}
	if lic.Ticket < q.ticket { // else something newer was written meanwhile
		if err := c.compare(ctx, tx, org, *lic, found); err != nil {
			return err
		}
	}
	if !c.r.Apply {
		return nil
	}
	if err := c.b.mergeState(ctx, tx, org, q.ticket, found); err != nil {
		return err
	}
	if !c.r.Adopt || lic.Status != statusNone {
		return nil // it has been in use
	}
	users, err := c.b.ledger.AdoptSeats(ctx, tx, org)
	for _, user := range users {
		c.drift(org, "seat", user, "adopted")
	}
	return err
}

// compare reports what merging the state would change.
func (c *comparison) compare(ctx context.Context, tx *tenancy.Tx, org string, lic licensing.License, found *state) error {
	had, err := selectSubscriptions(ctx, tx, org)
	if err != nil {
		return err
	}
	was := map[string]*stored{}
	for i := range had {
		was[had[i].ID] = &had[i]
	}
	var have []stored
	for _, s := range found.subscriptions {
		before := was[s.ID]
		delete(was, s.ID)
		if s.Seats || before != nil {
			have = append(have, merged(s, before))
		}
	}
	for id, k := range was {
		if !k.ended() {
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
func (c *comparison) adoptCustomers(ctx context.Context, tx *tenancy.Tx, org string, lic licensing.License, orphans []string, found *state) error {
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

// flags compares Clerk's metadata with the ledger.
func (c *comparison) flags(ctx context.Context, org string) error {
	return c.b.ledger.CompareFlags(ctx, org, c.r.Apply, func(user string, here, atClerk bool) {
		c.drift(org, "seat", user, fmt.Sprintf("isLicensed: %t here, %t at Clerk", here, atClerk))
	})
}
