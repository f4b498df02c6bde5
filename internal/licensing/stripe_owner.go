package licensing

import (
	"context"
	"net/http"
	"strings"

	"github.com/stripe/stripe-go/v76"
)

// customerOf is the customer of the thing that events of the kind are about; "" where it is
// nobody's.
func (s *Stripe) customerOf(ctx context.Context, kind, id string) (string, error) {
	switch {
	case kind == kindRefunded:
		return s.customerOfCharge(ctx, id)
	case kind == kindDisputed:
		return s.customerOfDispute(ctx, id)
	case strings.HasPrefix(kind, "customer.subscription."):
		return s.owner(ctx, "subscriptions.retrieve", "/v1/subscriptions/%s", id)
	case strings.HasPrefix(kind, "invoice."):
		return s.owner(ctx, "invoices.retrieve", "/v1/invoices/%s", id)
	case strings.HasPrefix(kind, "checkout.session."):
		return s.owner(ctx, "checkout.sessions.retrieve", "/v1/checkout/sessions/%s", id)
	}
	return "", errNoHint
}

// owned is the part of a thing of Stripe's that says whose it is.
type owned struct {
	ID       string           `json:"id"`
	Customer *stripe.Customer `json:"customer"`
}

// owner is the customer of the thing at the path, or "".
func (s *Stripe) owner(ctx context.Context, name, path, id string) (string, error) {
	if err := checkPlainID(name, id); err != nil {
		return "", err
	}
	q := question{name, http.MethodGet, stripe.FormatURLPath(path, id), "", &stripe.Params{}}
	return send(ctx, s, q, func(o *owned) (string, bool) {
		if o.Customer == nil {
			return "", o.ID == id
		}
		return o.Customer.ID, o.ID == id
	})
}

// customerOfDispute is the customer whose charge is disputed, or "".
func (s *Stripe) customerOfDispute(ctx context.Context, id string) (string, error) {
	if err := checkPlainID("disputes.retrieve", id); err != nil {
		return "", err
	}
	q := question{"disputes.retrieve", http.MethodGet, stripe.FormatURLPath("/v1/disputes/%s", id), "", &stripe.DisputeParams{}}
	charge, err := send(ctx, s, q, func(d *stripe.Dispute) (string, bool) {
		if d.Charge == nil {
			return "", d.ID == id
		}
		return d.Charge.ID, d.ID == id
	})
	if err != nil || !isPlainID(charge) {
		return "", err
	}
	return s.customerOfCharge(ctx, charge)
}
