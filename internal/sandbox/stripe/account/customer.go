package account

import (
	"github.com/teamtask/teamtask/internal/sandbox/kit"
	"github.com/teamtask/teamtask/internal/sandbox/stripe/object"
)

// MethodOf returns the payment method of a subscription; nil where there is none.
func (a *Account) MethodOf(s *object.Subscription) *object.PaymentMethod {
	ids := []*string{s.DefaultPaymentMethod}
	if c, ok := a.Customers.Get(s.Customer); ok {
		ids = append(ids, c.InvoiceSettings.DefaultPaymentMethod)
	}
	for _, id := range ids {
		if id == nil {
			continue
		}
		if m, ok := a.PaymentMethods.Get(*id); ok && m.Customer != nil {
			return m
		}
	}
	return nil
}

// NewCustomer makes a customer with an id. It emits no event.
func (a *Account) NewCustomer(id string) *object.Customer {
	return a.Customers.Add(id, &object.Customer{
		ID: id, Object: "customer", Created: a.Unix(), InvoicePrefix: kit.FreshID("")[:8], Metadata: object.Metadata{}, NextInvoice: 1, Locales: []string{},
		TaxExempt: "none",
	})
}

// SubscriptionsOf returns the list of a customer's subscriptions that have not ended.
func (a *Account) SubscriptionsOf(customer string) object.List {
	list := object.List{Object: "list", Data: []any{}, URL: "/v1/customers/" + customer + "/subscriptions"}
	for _, sub := range a.Subscriptions.Where(func(sub *object.Subscription) bool { return sub.Customer == customer && !sub.Ended() }) {
		list.Data = append(list.Data, sub)
	}
	return list
}
