package stripe

import (
	"context"
	"errors"
	"net/http"
	"strings"

	sdk "github.com/stripe/stripe-go/v76"
)

// CustomerOf is the customer of the thing that events of the kind are about; "" where it is
// nobody's.
func (s *Client) CustomerOf(ctx context.Context, kind, id string) (string, error) {
	switch {
	case kind == KindRefunded:
		return s.CustomerOfCharge(ctx, id)
	case kind == KindDisputed:
		return s.customerOfDispute(ctx, id)
	case strings.HasPrefix(kind, "customer.subscription."):
		return s.owner(ctx, "subscriptions.retrieve", "/v1/subscriptions/%s", id)
	case strings.HasPrefix(kind, "invoice."):
		return s.owner(ctx, "invoices.retrieve", "/v1/invoices/%s", id)
	case strings.HasPrefix(kind, "checkout.session."):
		return s.owner(ctx, "checkout.sessions.retrieve", "/v1/checkout/sessions/%s", id)
	}
	return "", errNoOwner
}

// errNoOwner is an event of a kind that is about nothing a customer has.
var errNoOwner = errors.New("events of this kind belong to no customer")

// owned is the part of a thing of Stripe's that says whose it is.
type owned struct {
	ID       string        `json:"id"`
	Customer *sdk.Customer `json:"customer"`
}

// owner is the customer of the thing at the path, or "".
func (s *Client) owner(ctx context.Context, name, path, id string) (string, error) {
	if err := checkPlainID(name, id); err != nil {
		return "", err
	}
	q := question{name, http.MethodGet, sdk.FormatURLPath(path, id), "", &sdk.Params{}}
	return send(ctx, s, q, func(o *owned) (string, bool) {
		if o.Customer == nil {
			return "", o.ID == id
		}
		return o.Customer.ID, o.ID == id
	})
}

// customerOfDispute is the customer whose charge is disputed, or "".
func (s *Client) customerOfDispute(ctx context.Context, id string) (string, error) {
	if err := checkPlainID("disputes.retrieve", id); err != nil {
		return "", err
	}
	q := question{"disputes.retrieve", http.MethodGet, sdk.FormatURLPath("/v1/disputes/%s", id), "", &sdk.DisputeParams{}}
	charge, err := send(ctx, s, q, func(d *sdk.Dispute) (string, bool) {
		if d.Charge == nil {
			return "", d.ID == id
		}
		return d.Charge.ID, d.ID == id
	})
	if err != nil || !IsPlainID(charge) {
		return "", err
	}
	return s.CustomerOfCharge(ctx, charge)
}

// chargedCustomer is the customer of a charge, or "".
func (s *Client) chargedCustomer(ctx context.Context, charge string) (string, error) {
	q := question{"charges.retrieve", http.MethodGet, sdk.FormatURLPath("/v1/charges/%s", charge), "", &sdk.ChargeParams{}}
	return send(ctx, s, q, func(c *sdk.Charge) (string, bool) {
		if c.Customer == nil {
			return "", c.ID == charge
		}
		return c.Customer.ID, c.ID == charge
	})
}
