package licensing

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"
)

// errNoCustomer is a customer that Stripe does not know, or that was deleted.
var errNoCustomer = errors.New("stripe: no such customer")

// subscription is a subscription as it is in Stripe.
type subscription struct {
	ID, Customer string
	Status       string // as Stripe says it, cut to 64 bytes of printable ASCII
	Quantity     int64  // sum over the items with a seat price; 0 if there are none
	// Paid is how many of them are paid for. It is 0 where no seat works anyway: only of a
	// subscription that is active, in trial or past due it is asked.
	Paid  int64
	Seats bool // has an item with a seat price
	// Started says that something was paid for, or that it is in trial, has no invoice, or
	// that its customer is sent invoices and none is past due. Asked as Paid is.
	Started    bool
	Cost       *cost // of a seat, where it is exactly that; nil: not known
	CreateTime time.Time
	// CancelTime is when it will end, or has ended.
	CurrentPeriodEnd, TrialEnd, CancelTime *time.Time
}

const (
	statusTrialing          = "trialing"
	statusCanceled          = "canceled"
	statusIncomplete        = "incomplete"
	statusIncompleteExpired = "incomplete_expired"

	statusMax = 64 // bytes
)

// item is one item of a subscription.
type item struct {
	id       string
	quantity int64
	price    foundPrice // with the id alone where Stripe says no more
}

// listedSubscription is a subscription as a list has it: perhaps not with all items.
type listedSubscription struct {
	subscription
	currency      string // three lower-case letters
	discounted    bool
	sendsInvoices bool // and does not charge a card
	items         page[item]
	latest        *invoice         // without lines where the list does not have them; nil: it has no invoice
	quantities    map[string]int64 // of the items with a seat price
}

// subscriptions are all of the customer, ended ones too. The answer is errNoCustomer
// where the customer is unknown or deleted.
func (s *Stripe) subscriptions(ctx context.Context, customer string) ([]subscription, error) {
	if err := checkStripeID("subscriptions.list", customer); err != nil {
		return nil, err
	}
	var all []subscription
	going := false
	for found, err := range pages("subscriptions.list", func(after string) (page[listedSubscription], error) {
		return s.subscriptionPage(ctx, customer, after)
	}) {
		if err == nil {
			err = s.complete(ctx, &found)
		}
		if err != nil {
			return nil, missing(err)
		}
		all = append(all, found.subscription)
		going = going || !isOver(found.Status)
	}
	if going {
		return all, nil
	}
	// A deleted customer has nothing that goes on, and may still be listed.
	gone, err := s.customerGone(ctx, customer)
	if err != nil {
		return nil, err
	}
	if gone {
		return nil, errNoCustomer
	}
	return all, nil
}

// complete asks for what the list does not say.
func (s *Stripe) complete(ctx context.Context, f *listedSubscription) error {
	items, err := rest(f.items, "subscription_items.list", func(after string) (page[item], error) { return s.itemPage(ctx, f.ID, after) })
	if err != nil {
		return err
	}
	f.quantities = map[string]int64{}
	var seats []item
	for _, i := range items {
		if !slices.Contains(s.seatPrices, i.price.ID) {
			continue
		}
		if i.quantity < 0 || i.quantity > quantityMax {
			return errAbsurd
		}
		seats = append(seats, i)
		f.Quantity += i.quantity
		f.quantities[i.id] = i.quantity
	}
	f.Seats = len(seats) > 0
	f.Cost = s.costOf(ctx, f, seats)
	if !f.Seats || !isLive(f.Status) {
		f.Started = !f.Seats // there is nothing to pay for
		return nil
	}
	f.Paid, f.Started, err = s.paidFor(ctx, f)
	return err
}

// errAbsurd is a quantity that cannot be.
var errAbsurd = &StripeError{Kind: StripeUnavailable, Method: "subscriptions.list", words: "an item has a quantity that cannot be"}

// isLive reports whether the seats of a subscription of that status may work.
func isLive(status string) bool {
	return status == statusActive || status == statusTrialing || status == statusPastDue
}

// isOver tells whether a subscription of that status has ended for good.
func isOver(status string) bool { return status == statusCanceled || status == statusIncompleteExpired }

// cancel ends the subscription at once. It is nil where the subscription is canceled or
// gone already.
func (s *Stripe) cancel(ctx context.Context, key, subscription string) error {
	if err := checkPlainID("subscriptions.cancel", subscription); err != nil {
		return err
	}
	err := repeatable(key, func(key string) error { return s.cancelSubscription(ctx, key, subscription) })
	if !isRefusal(err) {
		return err
	}
	status, asked := s.subscriptionStatus(ctx, subscription)
	switch {
	case errors.Is(asked, StripeNotFound), asked == nil && isOver(status):
		return nil
	case asked != nil:
		return asked
	}
	return err
}

// statusText makes a status of Stripe's one that can be stored and shown.
func statusText(s string) string {
	s = strings.Map(func(r rune) rune {
		if r <= ' ' || r > '~' {
			return -1
		}
		return r
	}, s)
	return s[:min(len(s), statusMax)]
}
