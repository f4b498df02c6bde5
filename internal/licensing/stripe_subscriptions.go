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
	Seats        bool   // has an item with a seat price
	// Started says that its first invoice is paid, or that it has none, or that it is in
	// trial. Of one that is canceled or incomplete it says only whether the latest is.
	Started    bool
	Price      price // of its first seat item
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
	price    price
}

// listedSubscription is a subscription as a list has it: perhaps not with all items.
type listedSubscription struct {
	subscription
	items page[item]
	paid  bool // its latest invoice is, or it has none
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
	items := f.items.rows
	if after := f.items.next; after != "" {
		for i, err := range pages("subscription_items.list", func(from string) (page[item], error) {
			if from == "" {
				from = after
			}
			return s.itemPage(ctx, f.ID, from)
		}) {
			if err != nil {
				return err
			}
			items = append(items, i)
		}
	}
	for _, i := range items {
		if !slices.Contains(s.seatPrices, i.price.ID) {
			continue
		}
		if !f.Seats {
			f.Seats, f.Price = true, i.price
		}
		f.Quantity += i.quantity
	}
	f.Started = f.paid || f.Status == statusTrialing
	if f.Started || isOver(f.Status) || f.Status == statusIncomplete {
		return nil
	}
	paid, err := s.hasPaidInvoice(ctx, f.ID)
	f.Started = paid
	return err
}

// isOver tells whether a subscription of that status has ended for good.
func isOver(status string) bool { return status == statusCanceled || status == statusIncompleteExpired }

// cancel ends the subscription at once. It is nil where the subscription is canceled or
// gone already.
func (s *Stripe) cancel(ctx context.Context, key, subscription string) error {
	if err := checkStripeID("subscriptions.cancel", subscription); err != nil {
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
