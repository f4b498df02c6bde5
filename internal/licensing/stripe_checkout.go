package licensing

import (
	"cmp"
	"context"
	"errors"
	"time"
)

// checkoutMax is how many seats one checkout sells at most.
const checkoutMax = 10_000

// errCheckoutComplete is a checkout that cannot be ended, because it was paid.
var errCheckoutComplete = errors.New("stripe: the checkout is complete")

// checkout is what is to be bought. The URLs are whole ones, of our own frontend.
type checkout struct {
	Organization, Customer string
	Quantity               int64
	SuccessURL, CancelURL  string
	Price                  string // "": the one that is sold
}

// session is a checkout that waits for somebody to pay.
type session struct {
	ID, URL    string
	ExpireTime time.Time
}

// createCheckout opens a checkout for seats at the price that is sold. The answer is
// errNoCustomer where the customer is unknown or deleted. After an error that is
// Replayed the same key cannot succeed; what it made, if anything, nobody was sent to.
func (s *Stripe) createCheckout(ctx context.Context, key string, c checkout) (session, error) {
	if err := checkStripeID("checkout.sessions.create", c.Customer); err != nil {
		return session{}, err
	}
	sold := c.Price
	if sold == "" {
		var err error
		if sold, err = s.soldID("checkout.sessions.create"); err != nil {
			return session{}, err
		}
	}
	opened, err := s.newCheckout(ctx, key, sold, c)
	return opened, missing(err)
}

// expireCheckout ends a checkout, so that it cannot be paid. It returns nil where it has
// ended already, and errCheckoutComplete where it was completed. That it has ended is looked
// at: another one is opened next.
func (s *Stripe) expireCheckout(ctx context.Context, key, id string) error {
	if err := checkStripeID("checkout.sessions.expire", id); err != nil {
		return err
	}
	err := repeatable(key, func(key string) error { return s.endCheckout(ctx, key, id) })
	if err != nil && !isRefusal(err) {
		return err
	}
	status, asked := s.checkoutStatus(ctx, id)
	switch {
	case asked != nil:
		return asked
	case status == "expired":
		return nil
	case status == "complete":
		return errCheckoutComplete
	}
	return cmp.Or(err, errNotExpired)
}

// errNotExpired is a checkout that Stripe says it has ended, and has not.
var errNotExpired error = &StripeError{Kind: StripeUnavailable, Method: "checkout.sessions.expire", words: "the checkout that was ended is open"}
