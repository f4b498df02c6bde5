package licensing

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/teamtask/teamtask/internal/clerk"
	"github.com/teamtask/teamtask/internal/inbox"
	"github.com/teamtask/teamtask/internal/tenancy"
)

// waitFor is how long an event of a customer that we do not know waits for them.
const waitFor = 72 * time.Hour

const (
	kindRefunded = "charge.refunded"
	kindDisputed = "charge.dispute.created"
	kindFounded  = "organization.created" // of Clerk's

	providerClerk = "clerk"
)

var (
	errNoHint          = errors.New("the event does not say whom it is about")
	errUnknownCustomer = errors.New("the customer is not known here")
)

// Consumer applies Stripe's events, and Clerk's news of a new organization.
func (l *Licensing) Consumer() inbox.Consumer {
	return inbox.Consumer{
		Name:  Consumer,
		Wants: func(kind string) bool { return kind == kindFounded || slices.Contains(stripeEvents, kind) },
		Apply: l.apply,
	}
}

func (l *Licensing) apply(ctx context.Context, e inbox.Event) error {
	if l.stripe == nil {
		return nil // there is nothing to make, and nobody to ask
	}
	if (e.Kind == kindFounded) != (e.Provider == providerClerk) {
		return errNoHint // signed by somebody who has no say in it
	}
	if e.Kind == kindFounded {
		return l.found(ctx, e)
	}
	if foreign, err := l.foreign(ctx, e); err != nil || foreign {
		return err
	}
	customer, about, err := l.whose(ctx, e)
	if err != nil || customer == "" {
		return err
	}
	org, err := l.organizationOf(ctx, customer)
	if err != nil {
		return err
	}
	if org == "" {
		ours, err := l.stripe.organizationOf(ctx, customer)
		if err != nil || ours == "" {
			return err // of somebody else who shares the account
		}
		return inbox.NotYet(fmt.Errorf("customer %s: %w", customer, errUnknownCustomer), waitFor)
	}
	switch e.Kind {
	case kindRefunded:
		return l.warn(ctx, org, alertRefund, about, &e.ID)
	case kindDisputed:
		return l.warn(ctx, org, alertDispute, about, &e.ID)
	}
	return l.sync(ctx, org, &e.ID)
}

// warn raises an alert and writes it into the organization's log. Seats stay where they
// are.
func (l *Licensing) warn(ctx context.Context, org, kind, about string, event *int64) error {
	err := l.in(ctx, org, event, func(tx *tenancy.Tx) error { return record(ctx, tx, org, kind, about, nil) })
	if err == nil {
		l.alert(ctx, kind, org, about)
	}
	return err
}

// whose answers which customer an event is about, "" for nobody that is one, and the id of
// the thing. Nothing else of the event counts: the present state is fetched.
func (l *Licensing) whose(ctx context.Context, e inbox.Event) (customer, about string, err error) {
	var event struct {
		Data struct {
			Object struct {
				ID       string          `json:"id"`
				Customer json.RawMessage `json:"customer"` // an id, or the customer
				Charge   json.RawMessage `json:"charge"`   // of a dispute, likewise
			} `json:"object"`
		} `json:"data"`
	}
	if json.Unmarshal(e.Body, &event) != nil {
		return "", "", errNoHint
	}
	o := event.Data.Object
	switch e.Kind {
	case "customer.deleted":
		customer = o.ID
	case kindDisputed:
		if customer, err = l.stripe.customerOfCharge(ctx, idIn(o.Charge)); err != nil {
			return "", "", err
		}
	default:
		customer = idIn(o.Customer)
	}
	if customer == "" && isStripeID(o.ID) && (e.Kind == kindDisputed && isStripeID(idIn(o.Charge)) || e.Kind != "customer.deleted" && isNull(o.Customer)) {
		return "", o.ID, nil // paid by a guest
	}
	if !isStripeID(customer) || o.ID != "" && !isStripeID(o.ID) {
		return "", "", errNoHint
	}
	return customer, o.ID, nil
}

// isNull tells whether a field is there and holds nothing.
func isNull(field json.RawMessage) bool { return string(field) == "null" }

// idIn is the id that a field holds, alone or in an object.
func idIn(field json.RawMessage) string {
	var id string
	if json.Unmarshal(field, &id) == nil {
		return id
	}
	var object struct {
		ID string `json:"id"`
	}
	if json.Unmarshal(field, &object) == nil {
		return object.ID
	}
	return ""
}

// found makes the customer of a new organization.
func (l *Licensing) found(ctx context.Context, e inbox.Event) error {
	var event struct {
		Data struct {
			ID string `json:"id"`
		} `json:"data"`
	}
	if json.Unmarshal(e.Body, &event) != nil || event.Data.ID == "" {
		return errNoHint
	}
	if l.clerk == nil {
		return nil
	}
	o, err := l.clerk.Organization(ctx, event.Data.ID)
	if errors.Is(err, clerk.NotFound) {
		return nil // it is gone already
	}
	if err != nil {
		return err
	}
	_, err = l.customer(ctx, o.ID, o.Name)
	return err
}
