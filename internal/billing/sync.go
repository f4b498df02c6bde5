package billing

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/teamtask/teamtask/internal/licensing"
	"github.com/teamtask/teamtask/internal/stripe"
	"github.com/teamtask/teamtask/internal/tenancy"
)

// cancelAgain is how long after something was found to go on it is canceled once more.
const cancelAgain = time.Minute

// errForeign is a customer of ours that Stripe does not know: the key is of another
// account, or the account's test data were deleted.
var errForeign = errors.New("the customer is not known to Stripe: is STRIPE_SECRET_KEY of another account?")

// state is what Stripe says of an organization's customers.
type state struct {
	subscriptions []stripe.Subscription
	gone          map[string]bool // customers that were deleted

	alerts []notice // found while it is merged, raised once it is
}

// notice is an alert to be raised.
type notice struct{ kind, subject string }

// query is what Stripe is asked for, with the ticket that was taken before.
type query struct {
	ticket    int64
	customers []string // all that the organization has, or had
	current   string   // the one it has; "": none
	open      []stored // the subscriptions that have not ended, as far as we know
}

// fetch asks Stripe for all subscriptions of the customers. Missing says that a present
// customer whom Stripe does not know was deleted; without it that is errForeign. One whom
// the organization had before has been found to be deleted. A subscription does not end
// because a list lacks it: Stripe is asked for that one.
func (b *Billing) fetch(ctx context.Context, q query, missing bool) (*state, error) {
	s := &state{gone: map[string]bool{}}
	for _, id := range q.customers {
		found, err := b.stripe.Subscriptions(ctx, id)
		if errors.Is(err, stripe.ErrNoCustomer) {
			deleted, err := b.stripe.IsDeleted(ctx, id)
			switch {
			case errors.Is(err, stripe.NotFound) && !missing && id == q.current:
				return nil, fmt.Errorf("customer %s: %w", id, errForeign)
			case err != nil && !errors.Is(err, stripe.NotFound):
				return nil, err
			case err == nil && !deleted:
				return nil, fmt.Errorf("customer %s: %w", id, stripe.ErrNoCustomer) // it changes under our eyes: again
			}
			s.gone[id] = true
			continue
		}
		if err != nil {
			return nil, err
		}
		s.subscriptions = append(s.subscriptions, found...)
	}
	for _, k := range q.open {
		if s.gone[k.CustomerID] || slices.ContainsFunc(s.subscriptions, func(f stripe.Subscription) bool { return f.ID == k.ID }) {
			continue
		}
		status, err := b.stripe.SubscriptionStatus(ctx, k.ID)
		if errors.Is(err, stripe.NotFound) || err == nil && stripe.IsOver(status) {
			continue
		}
		if err != nil {
			return nil, err
		}
		return nil, errUnlisted
	}
	return s, nil
}

// errUnlisted is a list that cannot be believed.
var errUnlisted = stripe.Inconsistent("subscriptions.list", "the list lacks a subscription that goes on")

// sync fetches what the organization has bought and merges it, unless something newer was
// merged meanwhile. Event is the delivery that is done with it, or nil.
func (b *Billing) sync(ctx context.Context, org string, event *int64) error {
	q, err := b.query(ctx, org)
	if err != nil {
		return err
	}
	found, err := b.fetch(ctx, q, false)
	if err != nil {
		return err
	}
	err = b.in(ctx, org, event, func(tx *tenancy.Tx) error { return b.mergeState(ctx, tx, org, q.ticket, found) })
	if err == nil {
		b.raise(ctx, org, found)
	}
	return err
}

// raise raises the alerts of what was merged.
func (b *Billing) raise(ctx context.Context, org string, merged *state) {
	for _, n := range merged.alerts {
		b.alert(ctx, n.kind, org, n.subject)
	}
}

// in runs fn in a transaction of the organization, and marks the delivery done in it.
func (b *Billing) in(ctx context.Context, org string, event *int64, fn func(*tenancy.Tx) error) error {
	return b.db.In(ctx, system(org), func(tx *tenancy.Tx) error {
		if err := fn(tx); err != nil || event == nil {
			return err
		}
		_, err := tenancy.Exec(ctx, tx, doneSQL, *event, Consumer)
		return err
	})
}

// query takes a ticket, newer than all that were taken before, and says whom to ask about.
func (b *Billing) query(ctx context.Context, org string) (q query, err error) {
	err = b.db.In(ctx, system(org), func(tx *tenancy.Tx) error {
		if q.ticket, err = nextTicket(ctx, tx); err != nil {
			return err
		}
		if q.current, err = selectCustomer(ctx, tx, org); err != nil {
			return err
		}
		if q.customers, err = selectCustomers(ctx, tx, org); err != nil {
			return err
		}
		had, err := selectSubscriptions(ctx, tx, org)
		q.open = slices.DeleteFunc(had, stored.ended)
		return err
	})
	return q, err
}

// mergeState writes what a fetch brought, under the lock of the license. What a newer
// ticket has written stays. What is bought is merged here; what follows for the seats is
// decided by SetPurchased.
func (b *Billing) mergeState(ctx context.Context, tx *tenancy.Tx, org string, ticket int64, found *state) error {
	found.alerts = nil
	lic, err := openLicense(ctx, tx, org)
	if err != nil || lic == nil || lic.Ticket >= ticket {
		return err
	}
	had, err := selectSubscriptions(ctx, tx, org)
	if err != nil {
		return err
	}
	have, err := b.mergeSubscriptions(ctx, tx, org, *lic, had, found)
	if err != nil {
		return err
	}
	was, now := totalOf(had), totalOf(have)
	if err := b.mergeCustomer(ctx, tx, org, *lic, now, found); err != nil {
		return err
	}
	if now.live > 1 && was.live <= 1 {
		found.alerts = append(found.alerts, notice{kind: alertSeveral})
	}
	if now.open > 0 {
		if err := b.cancelEnded(ctx, tx, org, lic.Now); err != nil {
			return err
		}
	}
	return b.ledger.SetPurchased(ctx, tx, org, licensing.Purchase{
		Ticket: ticket, Status: now.status, Working: now.working, Frozen: now.frozen, Quantity: now.purchased,
	})
}

// mergeCustomer forgets a customer that is gone, so that another one can be made, and the
// page to buy on where something was bought.
func (b *Billing) mergeCustomer(ctx context.Context, tx *tenancy.Tx, org string, lic licensing.License, now total, found *state) error {
	gone := found.gone[lic.CustomerID]
	if gone {
		if err := record(ctx, tx, org, "customer.gone", lic.CustomerID, nil); err != nil {
			return err
		}
	}
	bought := now.open > now.incomplete
	if gone || bought {
		if err := endCustomerPage(ctx, tx, org, gone, bought); err != nil {
			return err
		}
	}
	if !bought || lic.CheckoutID == "" {
		return nil
	}
	return enqueue(ctx, tx, jobClose, org, lic.CheckoutID, nil) // nobody is to buy on it a second time
}

// cancelEnded asks for the end of what goes on although the organization was deleted: it
// was bought afterwards, or not canceled although Stripe said so.
func (b *Billing) cancelEnded(ctx context.Context, tx *tenancy.Tx, org string, now time.Time) error {
	gone, err := selectEnded(ctx, tx, org)
	if err != nil || !gone {
		return err
	}
	later := now.Add(cancelAgain)
	return enqueue(ctx, tx, jobCancel, org, "", &later)
}

// mergeSubscriptions writes those that have a seat price, or had one, and returns what is
// stored afterwards. One that Stripe does not list any more has ended.
func (b *Billing) mergeSubscriptions(ctx context.Context, tx *tenancy.Tx, org string, lic licensing.License, had []stored, found *state) ([]stored, error) {
	was := make(map[string]*stored, len(had))
	for i := range had {
		was[had[i].ID] = &had[i]
	}
	var have []stored
	for _, s := range found.subscriptions {
		before := was[s.ID]
		delete(was, s.ID)
		if !s.Seats && before == nil {
			continue // it sells something else
		}
		k := merged(s, before)
		if k.unknownStatus() && (before == nil || before.Status != k.Status) {
			found.alerts = append(found.alerts, notice{alertStatus, s.ID})
		}
		if before == nil || !k.equals(*before) {
			if err := upsertSubscription(ctx, tx, org, k); err != nil {
				return nil, err
			}
		}
		have = append(have, k)
	}
	for _, k := range was {
		if !k.ended() {
			k.Status, k.KnownStatus, k.Seats = statusCanceled, statusCanceled, 0
			if k.CancelTime == nil || k.CancelTime.After(lic.Now) {
				k.CancelTime = &lic.Now
			}
			if err := upsertSubscription(ctx, tx, org, *k); err != nil {
				return nil, err
			}
		}
		have = append(have, *k)
	}
	return have, nil
}
