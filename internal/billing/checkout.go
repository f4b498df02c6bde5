package billing

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/teamtask/teamtask/internal/fault"
	"github.com/teamtask/teamtask/internal/stripe"
	"github.com/teamtask/teamtask/internal/tenancy"
)

// Checkout returns the address of Stripe's page on which the actor's organization buys so
// many seats. An organization has one such page: a call for the same returns the same page,
// a call for something else closes the one before. What there is at Stripe is fetched
// first, so that nothing is sold twice because events are late.
//
// Faults: PATH_NOT_ALLOWED, SUBSCRIPTION_EXISTS, PAYMENT_REFUSED, IMPERSONATION_NOT_ALLOWED,
// fault.BillingNotConfigured, fault.DirectoryNotConfigured, fault.ProviderUnavailable,
// fault.Overloaded.
func (b *Billing) Checkout(ctx context.Context, actor tenancy.Actor, quantity int32, successPath, cancelPath string) (string, error) {
	if err := b.configured(); err != nil {
		return "", err
	}
	success, err := resolvePath(b.appURL, successPath)
	if err != nil {
		return "", err
	}
	cancel, err := resolvePath(b.appURL, cancelPath)
	if err != nil {
		return "", err
	}
	name, err := b.mayBuy(ctx, actor)
	if err != nil {
		return "", err
	}
	sold, err := b.stripe.SoldID("checkout.sessions.create")
	if err != nil {
		return "", err
	}
	c := stripe.Checkout{Organization: actor.Tenant, Price: sold, Quantity: int64(quantity), SuccessURL: success, CancelURL: cancel}
	arrived := time.Now()
	b.away(ctx)
	mine, end, err := b.turns.take(ctx, actor.Tenant, actor.User)
	if err != nil {
		return "", err
	}
	defer end()
	purpose := purposeOf(c)
	if mine.last.purpose == purpose && mine.last.began.After(arrived) {
		return mine.last.url, nil // asked at the same time
	}
	if name == "" { // news of the organization are not here yet; without a name it buys all the same
		if o, err := b.clerk.Organization(ctx, actor.Tenant); err == nil {
			name = o.Name
		}
	}
	began := time.Now()
	url, err := b.sell(ctx, name, c)
	for range sellTries - 1 {
		if !errors.Is(err, errOvertaken) {
			break
		}
		url, err = b.sell(ctx, name, c)
	}
	if err != nil {
		return "", b.purchaseFault(ctx, actor.Tenant, err)
	}
	mine.last = answered{purpose: purpose, began: began, url: url}
	return url, nil
}

// sellTries is how often a page is begun anew that another server has overtaken.
const sellTries = 3

// purchaseFault returns the fault of a purchase that failed at Stripe. What Stripe refuses for
// good is errPaymentRefused; everything that a later try may mend, and a secret key that is
// not the right one, is fault.ProviderUnavailable. What an operator must mend is an alert;
// what Stripe says about it is only in the log.
func (b *Billing) purchaseFault(ctx context.Context, org string, err error) error {
	if _, ok := errors.AsType[*fault.Fault](err); ok {
		return err
	}
	e, ok := errors.AsType[*stripe.Error](err)
	switch {
	case errors.Is(err, errForeign), ok && (e.Ours || e.Kind == stripe.Idempotency):
		b.alert(ctx, alertRefused, org, "")
		return fault.ProviderUnavailable.Because(err)
	case ok && stripe.Permanent(e):
		if !stripe.CardRefused(e) {
			b.alert(ctx, alertRefused, org, "")
		}
		b.log.LogAttrs(ctx, slog.LevelWarn, "Stripe refused a purchase", slog.String("tenant", org), slog.String("method", e.Method),
			slog.Int("status", e.Status), slog.String("code", e.Code), slog.String("param", e.Param),
			slog.String("stripe_request", e.RequestID), slog.String("says", e.Said))
		return errPaymentRefused.Because(err)
	case errors.Is(err, stripe.ErrNoCustomer): // deleted while we were at it
		return fault.ProviderUnavailable.Because(err)
	}
	return stripe.AsFault(err)
}

// sell creates the page, or returns the one that there is.
func (b *Billing) sell(ctx context.Context, name string, c stripe.Checkout) (string, error) {
	org := c.Organization
	var err error
	if c.Customer, err = b.customer(ctx, org, name); err != nil {
		return "", err
	}
	if err := b.sync(ctx, org, nil); err != nil {
		return "", err
	}
	key, err := b.openPage(ctx, c)
	if err != nil {
		return "", err
	}
	made, err := b.stripe.CreateCheckout(ctx, key, c)
	if err != nil {
		if stripe.Spends(err) {
			err = errors.Join(err, b.forgetPage(ctx, org, key))
		}
		return "", err
	}
	current := false
	err = b.db.Once(ctx, system(org), func(tx *tenancy.Tx) (err error) {
		current, err = setPage(ctx, tx, org, key, made.ID)
		return err
	})
	if err != nil {
		return "", err
	}
	if !current { // another call has opened one meanwhile, or the organization bought
		return "", errors.Join(errOvertaken, b.closePage(ctx, org, made.ID))
	}
	return made.URL, nil
}
