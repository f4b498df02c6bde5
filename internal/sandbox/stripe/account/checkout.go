package account

import (
	"slices"

	"github.com/teamtask/teamtask/internal/sandbox/kit"
	"github.com/teamtask/teamtask/internal/sandbox/stripe/object"
)

// checkoutOrder is the order of events in a good run of a purchase.
var checkoutOrder = []string{
	"customer.created", "charge.succeeded", "charge.failed", "payment_method.attached", "invoice.created", "customer.subscription.created",
	"invoice.updated", "invoice.finalized", "customer.subscription.updated", "invoice.paid", "invoice.payment_succeeded",
	"payment_intent.created", "payment_intent.processing", "payment_intent.succeeded", "payment_intent.payment_failed",
	"invoice.payment_failed", "checkout.session.completed", "checkout.session.async_payment_succeeded",
	"checkout.session.async_payment_failed",
}

// Complete finishes a checkout session as a buyer does on its page.
func (a *Account) Complete(s *object.CheckoutSession, quantity *int64, outcome string) error {
	if s.Status != object.SessionOpen {
		return object.InvalidRequest("", "", "The session %s is %s.", s.ID, s.Status)
	}
	if !slices.Contains([]string{object.OutcomePaid, object.OutcomeDeclined, object.OutcomeUnpaid}, outcome) {
		return object.InvalidRequest("outcome", "", "The outcome is paid, declined or unpaid.")
	}
	if s.Customer != nil && a.DeletedCustomers[*s.Customer] {
		return object.Missing("customer", "customer", *s.Customer)
	}
	if err := s.SetQuantity(quantity); err != nil {
		return err
	}
	return a.inOrder(checkoutOrder, func() error {
		a.fulfill(s, outcome)
		return nil
	})
}

// fulfill makes the subscription of a session, or takes the one whose card was declined before.
func (a *Account) fulfill(s *object.CheckoutSession, outcome string) {
	customer := a.buyer(s)
	free := s.HasTrial()
	if free && outcome == object.OutcomeDeclined {
		return // the card is not taken, and nothing begins
	}
	sub := a.declinedOf(s)
	if sub != nil && !sameItems(sub, s) {
		a.Expire(sub)
		sub = nil
	}
	var card *object.PaymentMethod
	if outcome != object.OutcomeDeclined && (!free || s.PaymentCollection == "always") {
		card = a.NewCard(kit.FreshID("pm_"), TestCards["pm_card_visa"])
		a.Attach(card, customer)
	}
	var invoice *object.Invoice
	if sub == nil {
		sub, invoice = a.Create(a.purchaseOf(s, customer))
		a.Finalize(invoice)
	} else {
		invoice = a.openInvoices(sub)[0]
	}
	if card != nil {
		sub.DefaultPaymentMethod = &card.ID
	}
	switch {
	case outcome == object.OutcomeDeclined:
		s.Declined = &sub.ID
		a.Charge(invoice, nil, false)
		return
	case outcome == object.OutcomeUnpaid && invoice.Status == object.InvoiceOpen:
		if intent, ok := a.PaymentIntents.Get(*invoice.PaymentIntent); ok {
			intent.Status, intent.PaymentMethod = "processing", &card.ID
			a.Emit("payment_intent.processing", intent, nil)
		}
		a.update(sub, func() { sub.Status = object.SubscriptionActive })
	default:
		a.settleInvoice(sub, invoice, card, true)
		s.PaymentStatus = object.OutcomePaid
		if free {
			s.PaymentStatus = "no_payment_required"
		}
	}
	s.Status, s.URL, s.Subscription, s.Invoice = object.SessionComplete, nil, &sub.ID, &invoice.ID
	s.CustomerDetails = &object.CustomerDetails{Email: customer.Email, Name: customer.Name, TaxExempt: "none", TaxIDs: []string{}}
	a.Emit("checkout.session.completed", s, nil)
}

// buyer returns the customer of a session and makes one where there is none.
func (a *Account) buyer(s *object.CheckoutSession) *object.Customer {
	if s.Customer != nil {
		if c, ok := a.Customers.Get(*s.Customer); ok {
			return c
		}
	}
	c := a.NewCustomer(kit.FreshID("cus_"))
	c.Email = s.CustomerEmail
	if c.Email == nil {
		c.Email = kit.OrNull("buyer@checkout.test")
	}
	s.Customer = &c.ID
	a.Emit("customer.created", c, nil)
	return c
}

func (a *Account) purchaseOf(s *object.CheckoutSession, customer *object.Customer) Purchase {
	p := Purchase{
		Customer: customer, Metadata: s.SubscriptionData.Metadata, Description: s.SubscriptionData.Description, TrialEnd: s.SubscriptionData.TrialEnd, NoMethod: s.SubscriptionData.NoMethod,
	}
	if s.SubscriptionData.TrialDays > 0 {
		p.TrialEnd = a.Now().AddDate(0, 0, int(s.SubscriptionData.TrialDays)).Unix()
	}
	for _, line := range s.Lines {
		p.Items = append(p.Items, Bought{Price: &line.Price, Quantity: line.Quantity})
	}
	return p
}

func sameItems(sub *object.Subscription, s *object.CheckoutSession) bool {
	return slices.EqualFunc(sub.Items.Data, s.Lines, func(item object.Item, line object.SessionLine) bool {
		return item.Price.ID == line.Price.ID && item.Quantity == line.Quantity
	})
}

// SettlePayment ends a payment that took days.
func (a *Account) SettlePayment(s *object.CheckoutSession, paid bool) error {
	if s.Status != object.SessionComplete || s.PaymentStatus != object.OutcomeUnpaid {
		return object.InvalidRequest("", "", "The session %s waits for no payment.", s.ID)
	}
	sub, err := Named(&a.Subscriptions, "subscription", "subscription", *s.Subscription)
	if err != nil {
		return err
	}
	invoice, err := Named(&a.Invoices, "invoice", "invoice", *s.Invoice)
	if err != nil {
		return err
	}
	return a.inOrder(checkoutOrder, func() error {
		if invoice.Status == object.InvoiceOpen && !sub.Ended() {
			a.settleInvoice(sub, invoice, a.MethodOf(sub), paid)
		}
		if !paid {
			a.Emit("checkout.session.async_payment_failed", s, nil)
			return nil
		}
		s.PaymentStatus = object.OutcomePaid
		a.Emit("checkout.session.async_payment_succeeded", s, nil)
		return nil
	})
}

// ExpireSession ends an open session, and with it the subscription of a card that was declined.
func (a *Account) ExpireSession(s *object.CheckoutSession) {
	s.Status, s.URL = object.SessionExpired, nil
	if sub := a.declinedOf(s); sub != nil {
		a.Expire(sub)
	}
	a.Emit("checkout.session.expired", s, nil)
}

// declinedOf returns the subscription that waits for another card; nil where there is none.
func (a *Account) declinedOf(s *object.CheckoutSession) *object.Subscription {
	if s.Declined == nil {
		return nil
	}
	if sub, ok := a.Subscriptions.Get(*s.Declined); ok && sub.Status == object.SubscriptionIncomplete {
		return sub
	}
	return nil
}
