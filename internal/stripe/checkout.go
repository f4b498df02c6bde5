package stripe

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"time"

	sdk "github.com/stripe/stripe-go/v76"
)

// checkoutMax is how many seats one checkout sells at most.
const checkoutMax = 10_000

// ErrCheckoutComplete is a checkout that cannot be ended, because it was paid.
var ErrCheckoutComplete = errors.New("stripe: the checkout is complete")

// Checkout is what is to be bought. The URLs are whole ones, of our own frontend.
type Checkout struct {
	Organization, Customer string
	Quantity               int64
	SuccessURL, CancelURL  string
	Price                  string // "": the one that is sold
}

// Session is a checkout that waits for somebody to pay.
type Session struct {
	ID, URL    string
	ExpireTime time.Time
}

// CreateCheckout opens a checkout for seats at the price that is sold. It returns
// ErrNoCustomer where the customer is unknown or deleted. After an error that is
// Replayed the same key cannot succeed; what it made, if anything, nobody was sent to.
func (s *Client) CreateCheckout(ctx context.Context, key string, c Checkout) (Session, error) {
	if err := checkID("checkout.sessions.create", c.Customer); err != nil {
		return Session{}, err
	}
	sold := c.Price
	if sold == "" {
		var err error
		if sold, err = s.SoldID("checkout.sessions.create"); err != nil {
			return Session{}, err
		}
	}
	opened, err := s.newCheckout(ctx, key, sold, c)
	return opened, missing(err)
}

// ExpireCheckout ends a checkout, so that it cannot be paid. It returns nil where it has
// ended already, and errCheckoutComplete where it was completed. That it has ended is looked
// at: another one is opened next.
func (s *Client) ExpireCheckout(ctx context.Context, key, id string) error {
	if err := checkID("checkout.sessions.expire", id); err != nil {
		return err
	}
	err := repeatable(key, func(key string) error { return s.endCheckout(ctx, key, id) })
	if err != nil && !isRefusal(err) {
		return err
	}
	status, asked := s.CheckoutStatus(ctx, id)
	switch {
	case asked != nil:
		return asked
	case status == "expired":
		return nil
	case status == "complete":
		return ErrCheckoutComplete
	}
	return cmp.Or(err, errNotExpired)
}

// errNotExpired is a checkout that Stripe says it has ended, and has not.
var errNotExpired error = Inconsistent("checkout.sessions.expire", "the checkout that was ended is open")

func (s *Client) newCheckout(ctx context.Context, key, price string, c Checkout) (Session, error) {
	params := &sdk.CheckoutSessionParams{
		Mode:              sdk.String(string(sdk.CheckoutSessionModeSubscription)),
		Customer:          sdk.String(c.Customer),
		ClientReferenceID: sdk.String(c.Organization),
		LineItems: []*sdk.CheckoutSessionLineItemParams{{
			Price: sdk.String(price), Quantity: sdk.Int64(c.Quantity),
			AdjustableQuantity: &sdk.CheckoutSessionLineItemAdjustableQuantityParams{
				Enabled: sdk.Bool(true), Minimum: sdk.Int64(1), Maximum: sdk.Int64(checkoutMax),
			},
		}},
		SubscriptionData: &sdk.CheckoutSessionSubscriptionDataParams{Metadata: map[string]string{metadataOrganization: c.Organization}},
		CustomerUpdate:   &sdk.CheckoutSessionCustomerUpdateParams{Address: sdk.String("auto")},
		SuccessURL:       sdk.String(c.SuccessURL),
		CancelURL:        sdk.String(c.CancelURL),
	}
	return send(ctx, s, question{"checkout.sessions.create", http.MethodPost, "/v1/checkout/sessions", key, params}, func(w *sdk.CheckoutSession) (Session, bool) {
		return Session{ID: w.ID, URL: w.URL, ExpireTime: time.Unix(w.ExpiresAt, 0).UTC()}, IsID(w.ID) && isPage(w.URL)
	})
}

// CheckoutStatus is "open", "complete" or "expired".
func (s *Client) CheckoutStatus(ctx context.Context, id string) (string, error) {
	q := question{"checkout.sessions.retrieve", http.MethodGet, sdk.FormatURLPath("/v1/checkout/sessions/%s", id), "", &sdk.CheckoutSessionParams{}}
	return send(ctx, s, q, func(w *sdk.CheckoutSession) (string, bool) { return statusText(string(w.Status)), w.ID == id })
}

func (s *Client) endCheckout(ctx context.Context, key, id string) error {
	q := question{"checkout.sessions.expire", http.MethodPost, sdk.FormatURLPath("/v1/checkout/sessions/%s/expire", id), key, &sdk.CheckoutSessionExpireParams{}}
	_, err := send(ctx, s, q, func(w *sdk.CheckoutSession) (struct{}, bool) { return struct{}{}, w.ID == id })
	return err
}
