package billing

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"time"

	"github.com/teamtask/teamtask/internal/fault"
	"github.com/teamtask/teamtask/internal/stripe"
	"github.com/teamtask/teamtask/internal/tenancy"
)

// openPage is the page on which the organization buys, as it was opened last.
type openPage struct {
	CustomerID string
	Key        string     // the idempotency key it was made with; "": there is none to come back to
	Purpose    string     // what was sent to make it
	KeyTime    *time.Time // when
	SessionID  string     // Stripe's id of it; "": not known
	Now        time.Time
	Subscribed bool     // a subscription has not ended, and does not only wait for its first payment
	Incomplete []string // the subscriptions that wait for their first payment
	Ever       bool     // there is a subscription, or was
}

// known reports whether Stripe still knows the key.
func (p openPage) known() bool {
	return p.Key != "" && p.KeyTime != nil && p.Now.Sub(*p.KeyTime) < keyFor
}

// errOvertaken is a page that is of no use any more: another call came in between.
var errOvertaken = fault.Overloaded.Saying("the organization is buying in another window; try again in a moment")

// openPage returns the key to make the page with, which is stored before it is used, with
// what is sent. Where there is a page for the same that is open, it is that one's: then it
// is made again, which changes nothing, and a card that was declined on it can be replaced
// there. Any other page is closed first, and forgotten when it is; with it ends what waits
// for its first payment.
func (b *Billing) openPage(ctx context.Context, c stripe.Checkout) (string, error) {
	purpose := purposeOf(c)
	p, err := b.page(ctx, c)
	if err != nil {
		return "", err
	}
	if p.known() && p.Purpose == purpose {
		open, err := b.isOpen(ctx, p.SessionID)
		if err != nil || open {
			return p.Key, err
		}
	}
	session, err := b.sessionOf(ctx, p)
	if err != nil {
		return "", err
	}
	if err := b.closePage(ctx, c.Organization, session); err != nil {
		return "", err
	}
	if session != "" { // a card may have been declined on it until it was closed
		if p, err = b.closed(ctx, c, p); err != nil {
			return "", err
		}
	}
	if err := b.giveUp(ctx, c.Organization, p.Incomplete); err != nil {
		return "", err
	}
	key := "checkout-" + rand.Text()
	return key, b.db.In(ctx, system(c.Organization), func(tx *tenancy.Tx) error {
		now, err := lockPage(ctx, tx, c.Organization)
		switch {
		case err != nil:
			return err
		case now == nil || now.CustomerID != c.Customer || now.Key != p.Key || now.SessionID != p.SessionID:
			return errOvertaken
		case now.Subscribed:
			return errSubscriptionExists
		case len(now.Incomplete) > 0:
			return errNotEnded
		}
		return updatePage(ctx, tx, c.Organization, key, purpose)
	})
}

// page is the organization's page as it was opened last.
func (b *Billing) page(ctx context.Context, c stripe.Checkout) (openPage, error) {
	var p *openPage
	err := b.db.In(ctx, system(c.Organization), func(tx *tenancy.Tx) (err error) {
		p, err = lockPage(ctx, tx, c.Organization)
		return err
	})
	switch {
	case err != nil:
		return openPage{}, err
	case p == nil || p.CustomerID != c.Customer:
		return openPage{}, errOvertaken // the customer was deleted under our eyes
	case p.Subscribed:
		return openPage{}, errSubscriptionExists
	}
	return *p, nil
}

// closed returns the page p again, now that it is closed, with what Stripe has become of it.
func (b *Billing) closed(ctx context.Context, c stripe.Checkout, p openPage) (openPage, error) {
	if err := b.sync(ctx, c.Organization, nil); err != nil {
		return openPage{}, err
	}
	now, err := b.page(ctx, c)
	if err == nil && (now.Key != p.Key || now.SessionID != p.SessionID) {
		err = errOvertaken
	}
	return now, err
}

// errNotEnded is a subscription that Stripe says it has ended, and that goes on.
var errNotEnded error = stripe.Inconsistent("subscriptions.cancel", "a subscription that was ended waits for its payment again")

// errPaying is a first payment that may come in: nothing else may be bought until it has, or
// has failed.
var errPaying = errSubscriptionExists.Saying("the organization's first payment is under way: wait until it has come in or failed")

// giveUp ends the subscriptions, which wait for their first payment, and has the ledger learn
// of it. None of them is a purchase, and none can be paid afterwards.
func (b *Billing) giveUp(ctx context.Context, org string, subscriptions []string) error {
	for _, id := range subscriptions {
		err := b.stripe.GiveUp(ctx, id)
		if errors.Is(err, stripe.ErrPaymentUnderWay) {
			return errors.Join(errPaying, b.sync(ctx, org, nil))
		}
		if err != nil {
			return err
		}
		if err := b.in(ctx, org, nil, func(tx *tenancy.Tx) error {
			return record(ctx, tx, org, "subscription.cancel", id, map[string]any{"why": "its first payment was not made, and another checkout was begun"})
		}); err != nil {
			return err
		}
	}
	if len(subscriptions) == 0 {
		return nil
	}
	return b.sync(ctx, org, nil)
}

// isOpen reports whether the page can be bought on. Of one whose id was never learned it is
// not known, and creating it again will show.
func (b *Billing) isOpen(ctx context.Context, session string) (bool, error) {
	if session == "" {
		return true, nil
	}
	status, err := b.stripe.CheckoutStatus(ctx, session)
	if errors.Is(err, stripe.NotFound) {
		return false, nil
	}
	return status == pageOpen, err
}

// pageOpen is the status of a page on which can be bought.
const pageOpen = "open"

// sessionOf is the page's id at Stripe, or "". Where the answer to making it was lost, it
// is asked for again by sending the same with the same key.
func (b *Billing) sessionOf(ctx context.Context, p openPage) (string, error) {
	var sent stripe.Checkout
	if p.SessionID != "" || !p.known() || json.Unmarshal([]byte(p.Purpose), &sent) != nil {
		return p.SessionID, nil
	}
	made, err := b.stripe.CreateCheckout(ctx, p.Key, sent)
	if stripe.Spends(err) || errors.Is(err, stripe.ErrNoCustomer) {
		return "", nil // it was never made, and never will be
	}
	return made.ID, err
}

// purposeOf is all that is sent to make the page.
func purposeOf(c stripe.Checkout) string {
	sent, err := json.Marshal(c)
	if err != nil {
		return "" // texts and a number always encode
	}
	return string(sent)
}

func (b *Billing) forgetPage(ctx context.Context, org, key string) error {
	return b.db.Once(ctx, system(org), func(tx *tenancy.Tx) error { return forgetPage(ctx, tx, org, key) })
}

// closePage ends the page, so that nothing is bought on it any more. Where something just
// was, what is bought is synced now.
func (b *Billing) closePage(ctx context.Context, org, session string) error {
	if session == "" {
		return nil
	}
	err := b.stripe.ExpireCheckout(ctx, "expire-"+session, session)
	switch {
	case errors.Is(err, stripe.NotFound):
		return nil
	case !errors.Is(err, stripe.ErrCheckoutComplete):
		return err
	}
	if err := b.sync(ctx, org, nil); err != nil {
		return err
	}
	return b.db.In(ctx, system(org), func(tx *tenancy.Tx) error {
		p, err := lockPage(ctx, tx, org)
		if err == nil && p != nil && p.Subscribed {
			return errSubscriptionExists
		}
		return err
	})
}

// endPage ends any page of the organization's, and one that is just being opened.
func (b *Billing) endPage(ctx context.Context, org string) error {
	var session string
	err := b.db.In(ctx, system(org), func(tx *tenancy.Tx) error {
		p, err := lockPage(ctx, tx, org)
		if err != nil || p == nil {
			return err
		}
		session = p.SessionID
		return forgetPage(ctx, tx, org, p.Key)
	})
	if err != nil {
		return err
	}
	return b.endSession(ctx, org, session)
}

// endSession ends the page, also where something was just bought on it.
func (b *Billing) endSession(ctx context.Context, org, session string) error {
	if b.stripe == nil {
		return errUnconfigured
	}
	if err := b.closePage(ctx, org, session); !errors.Is(err, errSubscriptionExists) {
		return err
	}
	return nil
}
