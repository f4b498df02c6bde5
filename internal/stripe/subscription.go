package stripe

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	sdk "github.com/stripe/stripe-go/v76"
)

// ErrNoCustomer is a customer that Stripe does not know, or that was deleted.
var ErrNoCustomer = errors.New("stripe: no such customer")

// Subscription is a subscription as it is in Stripe.
type Subscription struct {
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
	Cost       *Cost // of a seat, where it is exactly that; nil: not known
	CreateTime time.Time
	// CancelTime is when it will end, or has ended.
	CurrentPeriodEnd, TrialEnd, CancelTime *time.Time
}

// The statuses of a subscription at Stripe.
const (
	StatusActive            = "active"
	StatusTrialing          = "trialing"
	StatusPastDue           = "past_due"
	StatusUnpaid            = "unpaid"
	StatusPaused            = "paused"
	StatusIncomplete        = "incomplete"
	StatusIncompleteExpired = "incomplete_expired"
	StatusCanceled          = "canceled"
)

const statusMax = 64 // bytes

// item is one item of a subscription.
type item struct {
	id       string
	quantity int64
	price    foundPrice // with the id alone where Stripe says no more
}

// listedSubscription is a subscription as a list has it: perhaps not with all items.
type listedSubscription struct {
	Subscription
	currency      string // three lower-case letters
	discounted    bool
	sendsInvoices bool // and does not charge a card
	items         page[item]
	latest        *invoice         // without lines where the list does not have them; nil: it has no invoice
	quantities    map[string]int64 // of the items with a seat price
}

// Subscriptions are all of the customer, ended ones too. The answer is ErrNoCustomer
// where the customer is unknown or deleted.
func (s *Client) Subscriptions(ctx context.Context, customer string) ([]Subscription, error) {
	if err := checkID("subscriptions.list", customer); err != nil {
		return nil, err
	}
	var all []Subscription
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
		all = append(all, found.Subscription)
		going = going || !IsOver(found.Status)
	}
	if going {
		return all, nil
	}
	// A deleted customer has nothing that goes on, and may still be listed.
	gone, err := s.CustomerGone(ctx, customer)
	if err != nil {
		return nil, err
	}
	if gone {
		return nil, ErrNoCustomer
	}
	return all, nil
}

// complete asks for what the list does not say.
func (s *Client) complete(ctx context.Context, f *listedSubscription) error {
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
	if !f.Seats || !IsLive(f.Status) {
		f.Started = !f.Seats // there is nothing to pay for
		return nil
	}
	f.Paid, f.Started, err = s.paidFor(ctx, f)
	return err
}

// errAbsurd is a quantity that cannot be.
var errAbsurd = Inconsistent("subscriptions.list", "an item has a quantity that cannot be")

// IsLive reports whether the seats of a subscription of that status may work.
func IsLive(status string) bool {
	return status == StatusActive || status == StatusTrialing || status == StatusPastDue
}

// IsOver reports whether a subscription of that status has ended for good.
func IsOver(status string) bool { return status == StatusCanceled || status == StatusIncompleteExpired }

// Cancel ends the subscription at once. It is nil where the subscription is canceled or
// gone already.
func (s *Client) Cancel(ctx context.Context, key, subscription string) error {
	if err := checkPlainID("subscriptions.cancel", subscription); err != nil {
		return err
	}
	err := repeatable(key, func(key string) error { return s.cancelSubscription(ctx, key, subscription) })
	if !isRefusal(err) {
		return err
	}
	status, asked := s.SubscriptionStatus(ctx, subscription)
	switch {
	case errors.Is(asked, NotFound), asked == nil && IsOver(status):
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

func (f listedSubscription) key() string { return f.ID }
func (i item) key() string               { return i.id }

func (s *Client) subscriptionPage(ctx context.Context, customer, after string) (page[listedSubscription], error) {
	params := &sdk.SubscriptionListParams{
		ListParams: listed(after), Customer: sdk.String(customer), Status: sdk.String("all"),
		Expand: sdk.StringSlice([]string{"data.latest_invoice"}),
	}
	return send(ctx, s, question{"subscriptions.list", http.MethodGet, "/v1/subscriptions", "", params}, func(l *sdk.SubscriptionList) (page[listedSubscription], bool) {
		return readPage(l.Data, l.ListMeta, func(w *sdk.Subscription) (listedSubscription, bool) {
			got, ok := readSubscription(w)
			return got, ok && got.Customer == customer
		})
	})
}

func readSubscription(w *sdk.Subscription) (listedSubscription, bool) {
	if !IsPlainID(w.ID) || w.Customer == nil || w.Items == nil || w.Status == "" {
		return listedSubscription{}, false
	}
	items, ok := readPage(w.Items.Data, w.Items.ListMeta, readItem)
	got := listedSubscription{
		Subscription: Subscription{
			ID: w.ID, Customer: w.Customer.ID, Status: statusText(string(w.Status)),
			CreateTime:       time.Unix(w.Created, 0).UTC(),
			CurrentPeriodEnd: moment(w.CurrentPeriodEnd), TrialEnd: moment(w.TrialEnd), CancelTime: moment(w.CancelAt),
		},
		currency:      statusText(string(w.Currency)),
		discounted:    w.Discount != nil || len(w.Discounts) > 0,
		sendsInvoices: w.CollectionMethod == sdk.SubscriptionCollectionMethodSendInvoice,
		items:         items,
	}
	if w.LatestInvoice != nil {
		latest, whole := readInvoice(w.LatestInvoice)
		if !whole { // the list was not expanded: it says no more than that there is one
			latest = invoice{id: w.LatestInvoice.ID}
		}
		got.latest = &latest
	}
	switch {
	case w.EndedAt != 0:
		got.CancelTime = moment(w.EndedAt)
	case w.CancelAt == 0 && w.CancelAtPeriodEnd:
		got.CancelTime = got.CurrentPeriodEnd
	}
	return got, ok
}

func (s *Client) itemPage(ctx context.Context, subscription, after string) (page[item], error) {
	params := &sdk.SubscriptionItemListParams{ListParams: listed(after), Subscription: sdk.String(subscription)}
	return send(ctx, s, question{"subscription_items.list", http.MethodGet, "/v1/subscription_items", "", params}, func(l *sdk.SubscriptionItemList) (page[item], bool) {
		return readPage(l.Data, l.ListMeta, readItem)
	})
}

// readItem reads an item, whose price may be as old as to be a plan.
func readItem(w *sdk.SubscriptionItem) (item, bool) {
	got := item{id: w.ID, quantity: w.Quantity}
	switch {
	case w.Price != nil:
		got.price, _ = readPrice(w.Price)
	case w.Plan != nil:
		got.price.ID = w.Plan.ID
	}
	return got, w.ID != ""
}

// SubscriptionStatus is the status as Stripe says it.
func (s *Client) SubscriptionStatus(ctx context.Context, id string) (string, error) {
	q := question{"subscriptions.retrieve", http.MethodGet, sdk.FormatURLPath("/v1/subscriptions/%s", id), "", &sdk.SubscriptionParams{}}
	return send(ctx, s, q, func(w *sdk.Subscription) (string, bool) { return statusText(string(w.Status)), w.ID == id })
}

func (s *Client) cancelSubscription(ctx context.Context, key, id string) error {
	q := question{"subscriptions.cancel", http.MethodDelete, sdk.FormatURLPath("/v1/subscriptions/%s", id), key, &sdk.SubscriptionCancelParams{}}
	_, err := send(ctx, s, q, func(w *sdk.Subscription) (struct{}, bool) { return struct{}{}, w.ID == id })
	return err
}
