// Package account is what Stripe does with one account in test mode: the subscriptions with their items, periods, invoices and
// payments, checkout and portal sessions, and the events of each change.
package account

import (
	"maps"
	"slices"
	"time"

	"github.com/teamtask/teamtask/internal/sandbox/stripe/object"
)

// Root is where the addresses of the API and of the pages start.
const Root = "/stripe"

// Account is everything that Stripe stores for one account. Times are seconds since 1970. The caller serializes all calls.
type Account struct {
	BaseURL string
	Now     func() time.Time
	OnEvent func(object.Event, []object.WebhookEndpoint) // called with every event; nil: there are none
	Request object.EventRequest                          // of the events of the moment
	held    *[]heldEvent                                 // events that wait to be put in order; nil: none do

	Customers            Table[object.Customer]
	DeletedCustomers     map[string]bool // ids of deleted customers
	Products             Table[object.Product]
	Prices               Table[object.Price]
	PaymentMethods       Table[object.PaymentMethod]
	CheckoutSessions     Table[object.CheckoutSession]
	PortalConfigurations Table[object.PortalConfiguration]
	PortalSessions       Table[object.PortalSession]
	Subscriptions        Table[object.Subscription]
	Invoices             Table[object.Invoice]
	InvoiceItems         Table[object.InvoiceItem]
	PaymentIntents       Table[object.PaymentIntent]
	Charges              Table[object.Charge]
	Refunds              Table[object.Refund]
	Disputes             Table[object.Dispute]
	Events               Table[object.Event]
	Endpoints            Table[object.WebhookEndpoint]
}

// Unix returns the time now, in seconds.
func (a *Account) Unix() int64 { return a.Now().Unix() }

// Clone returns a copy that has no OnEvent.
func (a *Account) Clone() *Account {
	return &Account{
		BaseURL: a.BaseURL, Now: a.Now, DeletedCustomers: maps.Clone(a.DeletedCustomers),
		Customers: a.Customers.clone(), Products: a.Products.clone(), Prices: a.Prices.clone(), PaymentMethods: a.PaymentMethods.clone(),
		CheckoutSessions: a.CheckoutSessions.clone(), PortalConfigurations: a.PortalConfigurations.clone(), PortalSessions: a.PortalSessions.clone(),
		Subscriptions: a.Subscriptions.clone(), Invoices: a.Invoices.clone(), InvoiceItems: a.InvoiceItems.clone(), PaymentIntents: a.PaymentIntents.clone(),
		Charges: a.Charges.clone(), Refunds: a.Refunds.clone(), Disputes: a.Disputes.clone(),
		Events:    Table[object.Event]{rows: maps.Clone(a.Events.rows), order: slices.Clone(a.Events.order)}, // which never change
		Endpoints: a.Endpoints.clone(),
	}
}

// Find returns the object with an id, of any kind; nil where there is none.
func (a *Account) Find(id string) any {
	if a.DeletedCustomers[id] {
		return object.Deleted{ID: id, Object: "customer", Deleted: true}
	}
	for _, in := range []func(string) any{
		in(&a.Customers), in(&a.Products), in(&a.Prices), in(&a.PaymentMethods), in(&a.CheckoutSessions), in(&a.PortalConfigurations), in(&a.Subscriptions),
		in(&a.Invoices), in(&a.PaymentIntents), in(&a.Charges), in(&a.Refunds), in(&a.Disputes),
	} {
		if object := in(id); object != nil {
			return object
		}
	}
	return nil
}

func in[T any](t *Table[T]) func(string) any {
	return func(id string) any {
		if row, ok := t.Get(id); ok {
			return row
		}
		return nil
	}
}

// Named returns an object by its id in a path or, where param is not "id", in a parameter.
func Named[T any](t *Table[T], param, what, id string) (*T, error) {
	row, ok := t.Get(id)
	if !ok {
		return nil, object.Missing(param, what, id)
	}
	return row, nil
}

// Sweep expires what is past its time.
func (a *Account) Sweep() {
	for _, s := range a.CheckoutSessions.Where(func(s *object.CheckoutSession) bool { return s.Status == object.SessionOpen && a.Unix() >= s.ExpiresAt }) {
		a.ExpireSession(s)
	}
}
