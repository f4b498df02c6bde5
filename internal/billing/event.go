package billing

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"time"

	"github.com/teamtask/teamtask/internal/clerk"
	"github.com/teamtask/teamtask/internal/inbox"
	"github.com/teamtask/teamtask/internal/stripe"
	"github.com/teamtask/teamtask/internal/tenancy"
)

// waitFor is how long an event of a customer that we do not know waits for them.
const waitFor = 72 * time.Hour

const (
	kindFounded = "organization.created" // of Clerk's

	providerClerk = "clerk"
)

var (
	errNoHint          = errors.New("the event does not say whom it is about")
	errUnknownCustomer = errors.New("the customer is not known here")
)

// Consumer applies Stripe's events, and Clerk's news of a new organization.
func (b *Billing) Consumer() inbox.Consumer {
	return inbox.Consumer{
		Name:  Consumer,
		Wants: func(kind string) bool { return kind == kindFounded || slices.Contains(stripe.EventTypes, kind) },
		Apply: b.apply,
	}
}

func (b *Billing) apply(ctx context.Context, e inbox.Event) error {
	if b.stripe == nil {
		return nil // there is nothing to make, and nobody to ask
	}
	if (e.Kind == kindFounded) != (e.Provider == providerClerk) {
		return errNoHint // signed by the other provider
	}
	if e.Kind == kindFounded {
		return b.onOrganizationCreated(ctx, e)
	}
	if other, err := b.otherAccount(ctx, e); err != nil || other {
		return err
	}
	customer, about, err := b.customerAbout(ctx, e)
	if err != nil || customer == "" {
		return err
	}
	org, err := b.organizationOf(ctx, customer)
	if err != nil {
		return err
	}
	if org == "" {
		return b.foreign(ctx, e, customer)
	}
	warning := map[string]string{stripe.KindRefunded: alertRefund, stripe.KindDisputed: alertDispute}[e.Kind]
	switch {
	case warning == "":
		return b.sync(ctx, org, &e.ID)
	case !stripe.IsPlainID(about):
		return nil // it is in no form that a log may hold
	}
	return b.warn(ctx, org, warning, about, &e.ID)
}

// warn raises an alert and writes it into the organization's log. Seats stay where they
// are.
func (b *Billing) warn(ctx context.Context, org, kind, about string, event *int64) error {
	err := b.in(ctx, org, event, func(tx *tenancy.Tx) error { return record(ctx, tx, org, kind, about, nil) })
	if err == nil {
		b.alert(ctx, kind, org, about)
	}
	return err
}

// foreign decides about an event of a customer that is not known here. An account may be
// shared: a customer that carries no organization of ours is somebody else's, and nothing
// is to be done. One that does is waited for, because the ledger may learn of it later.
func (b *Billing) foreign(ctx context.Context, e inbox.Event, customer string) error {
	named, err := b.stripe.OrganizationOf(ctx, customer)
	if err != nil {
		return err
	}
	if !organizationForm.MatchString(named) {
		// What Stripe says of the customer holds for the others of the subject.
		return b.in(ctx, "", &e.ID, func(*tenancy.Tx) error { return nil })
	}
	if !e.Since.IsZero() && time.Since(e.Since) >= waitFor {
		b.log.LogAttrs(ctx, slog.LevelWarn, "event of a customer that another installation may have",
			slog.String("customer", customer), slog.String("organization", named))
		return nil
	}
	return inbox.Wait(fmt.Errorf("customer %s: %w", customer, errUnknownCustomer), 2*waitFor)
}

// organizationForm is what ids of organizations look like at Clerk.
var organizationForm = regexp.MustCompile(`^org_[A-Za-z0-9_]+$`)

// hint is what is read of an event of Stripe's. Nothing else of it counts: the present state
// is fetched.
type hint struct {
	Data *struct {
		Object *struct {
			ID       json.RawMessage `json:"id"`
			Customer json.RawMessage `json:"customer"` // an id, or the customer
			Charge   json.RawMessage `json:"charge"`   // of a dispute, likewise
		} `json:"object"`
	} `json:"data"`
	Related *struct { // of a thin event
		ID json.RawMessage `json:"id"`
	} `json:"related_object"`
}

// customerAbout returns which customer an event is about, and the id of the thing, which may be of any
// form. The customer is "" where nothing is to be done: the thing is nobody's, or of a customer
// whose id has another form than those that Stripe gives, and ours have no other.
func (b *Billing) customerAbout(ctx context.Context, e inbox.Event) (customer, about string, err error) {
	var event hint
	if json.Unmarshal(e.Body, &event) != nil {
		return "", "", errNoHint
	}
	if event.Related != nil {
		return b.customerAboutThin(ctx, e.Kind, idIn(event.Related.ID))
	}
	if event.Data == nil || event.Data.Object == nil || !isText(event.Data.Object.ID) {
		return "", "", errNoHint
	}
	o := event.Data.Object
	about = idIn(o.ID)
	switch e.Kind {
	case "customer.deleted":
		customer = about
	case stripe.KindDisputed:
		charge := idIn(o.Charge)
		if !stripe.IsPlainID(charge) {
			return "", about, nil // of a payment without one
		}
		if customer, err = b.ownerOf(b.stripe.CustomerOfCharge(ctx, charge)); err != nil {
			return "", "", err
		}
	default:
		customer = idIn(o.Customer)
	}
	if !stripe.IsID(customer) {
		return "", about, nil
	}
	return customer, about, nil
}

// customerAboutThin is customerAbout for a thin event, which names the thing alone: its
// customer is fetched.
func (b *Billing) customerAboutThin(ctx context.Context, kind, id string) (customer, about string, err error) {
	if !stripe.IsPlainID(id) {
		return "", id, nil
	}
	if kind == "customer.deleted" {
		customer, err = b.ownerOf(id, nil)
		return customer, id, err
	}
	customer, err = b.ownerOf(b.stripe.CustomerOf(ctx, kind, id))
	return customer, id, err
}

// ownerOf is the customer that Stripe names, or "" where there is no such thing (any more):
// it is another account's, or was removed, and with it what could be done.
func (b *Billing) ownerOf(customer string, err error) (string, error) {
	if errors.Is(err, stripe.NotFound) || err == nil && !stripe.IsID(customer) {
		return "", nil
	}
	return customer, err
}

// isText reports whether a field holds a text.
func isText(field json.RawMessage) bool { return len(field) > 2 && field[0] == '"' }

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

// onOrganizationCreated creates the customer of a new organization.
func (b *Billing) onOrganizationCreated(ctx context.Context, e inbox.Event) error {
	var event struct {
		Data struct {
			ID string `json:"id"`
		} `json:"data"`
	}
	if json.Unmarshal(e.Body, &event) != nil || event.Data.ID == "" {
		return errNoHint
	}
	if b.clerk == nil {
		return nil
	}
	o, err := b.clerk.Organization(ctx, event.Data.ID)
	if errors.Is(err, clerk.NotFound) {
		return nil // it is gone already
	}
	if err != nil {
		return err
	}
	_, err = b.customer(ctx, o.ID, o.Name)
	return err
}
