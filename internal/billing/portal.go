package billing

import (
	"context"
	"crypto/rand"
	"errors"

	"github.com/teamtask/teamtask/internal/stripe"
	"github.com/teamtask/teamtask/internal/tenancy"
)

// Portal returns the address of Stripe's page on which the actor's organization changes
// what it has bought.
//
// Faults: PATH_NOT_ALLOWED, NO_SUBSCRIPTION, PAYMENT_REFUSED, IMPERSONATION_NOT_ALLOWED,
// fault.BillingNotConfigured, fault.DirectoryNotConfigured, fault.ProviderUnavailable,
// fault.Overloaded.
func (b *Billing) Portal(ctx context.Context, actor tenancy.Actor, returnPath string) (string, error) {
	if err := b.configured(); err != nil {
		return "", err
	}
	back, err := resolvePath(b.appURL, returnPath)
	if err != nil {
		return "", err
	}
	if _, err := b.mayBuy(ctx, actor); err != nil {
		return "", err
	}
	org := actor.Tenant
	customer, err := b.buyer(ctx, org)
	if err != nil {
		return "", err
	}
	b.away(ctx)
	_, end, err := b.turns.take(ctx, org, actor.User)
	if err != nil {
		return "", err
	}
	defer end()
	url, err := b.stripe.CreatePortal(ctx, "portal-"+rand.Text(), customer, back)
	if errors.Is(err, stripe.ErrNoCustomer) { // deleted, and the news were lost
		if err = b.sync(ctx, org, nil); err == nil {
			if customer, err = b.buyer(ctx, org); err != nil {
				return "", err
			}
			url, err = b.stripe.CreatePortal(ctx, "portal-"+rand.Text(), customer, back)
		}
	}
	if err != nil {
		return "", b.purchaseFault(ctx, org, err)
	}
	return url, nil
}

// buyer is the customer of an organization that has bought something, now or before.
func (b *Billing) buyer(ctx context.Context, org string) (string, error) {
	var page *openPage
	err := b.db.In(ctx, system(org), func(tx *tenancy.Tx) (err error) {
		page, err = lockPage(ctx, tx, org)
		return err
	})
	if err != nil {
		return "", err
	}
	if page == nil || page.CustomerID == "" || !page.Ever {
		return "", errNoSubscription
	}
	return page.CustomerID, nil
}

// mayBuy returns the organization's name, "" where it is not known, or why the actor may
// not buy for it: who they are now is asked of the database before Stripe is asked of
// anything.
func (b *Billing) mayBuy(ctx context.Context, actor tenancy.Actor) (name string, err error) {
	err = b.db.Once(ctx, actor, func(tx *tenancy.Tx) (err error) {
		name, err = selectName(ctx, tx, actor.Tenant)
		return err
	})
	if err == nil && actor.Impersonator != "" {
		err = errImpersonation
	}
	return name, err
}
