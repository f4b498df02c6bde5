package account

import (
	"github.com/teamtask/teamtask/internal/sandbox/kit"
	"github.com/teamtask/teamtask/internal/sandbox/stripe/object"
)

// Purchase is a subscription to make.
type Purchase struct {
	id, item    string // empty: fresh ones
	Customer    *object.Customer
	Items       []Bought
	Method      *string // default payment method
	Currency    string  // empty: the price's
	DaysDue     *int64  // of invoices that are sent; nil: a card is charged
	Metadata    object.Metadata
	Description *string
	TrialEnd    int64  // 0: no trial
	NoMethod    string // what the end of a trial does without a payment method; empty: create_invoice
}

// Bought is one item of a purchase.
type Bought struct {
	Price    *object.Price
	Quantity int64
	Metadata object.Metadata
}

func (a *Account) newItem(id string, s *object.Subscription, b Bought) object.Item {
	return object.Item{
		ID: id, Object: "subscription_item", Created: a.Unix(), Metadata: object.Copied(b.Metadata), Plan: b.Price.Plan(), Price: *b.Price,
		Quantity: b.Quantity, Subscription: s.ID, TaxRates: []string{},
	}
}

// Create makes a subscription whose first invoice is a draft, or, in a trial, is of nothing.
func (a *Account) Create(p Purchase) (*object.Subscription, *object.Invoice) {
	now := a.Unix()
	if p.id == "" {
		p.id = kit.FreshID("sub_")
	}
	price := p.Items[0].Price
	if p.Currency == "" {
		p.Currency = price.Currency
	}
	s := a.Subscriptions.Add(p.id, &object.Subscription{
		ID: p.id, Object: "subscription", BillingCycleAnchor: now, CollectionMethod: object.ChargeAutomatically, Created: now,
		Currency: p.Currency, CurrentPeriodStart: now, CurrentPeriodEnd: price.PeriodEnd(now), Customer: p.Customer.ID,
		DefaultPaymentMethod: p.Method, DefaultTaxRates: []string{}, Description: p.Description, Metadata: object.Copied(p.Metadata),
		StartDate: now, Status: object.SubscriptionIncomplete,
		TrialSettings: object.TrialSettings{EndBehavior: object.EndBehavior{MissingPaymentMethod: "create_invoice"}},
		Items:         object.Items{Object: "list", URL: "/v1/subscription_items?subscription=" + p.id},
	})
	if p.DaysDue != nil {
		s.CollectionMethod, s.DaysUntilDue, s.Status = object.SendInvoice, p.DaysDue, object.SubscriptionActive
	}
	if p.NoMethod != "" {
		s.TrialSettings.EndBehavior.MissingPaymentMethod = p.NoMethod
	}
	for i, b := range p.Items {
		id := kit.FreshID("si_")
		if i == 0 && p.item != "" {
			id = p.item
		}
		s.Items.Data = append(s.Items.Data, a.newItem(id, s, b))
	}
	if p.TrialEnd > now {
		s.Status, s.TrialStart, s.TrialEnd = object.SubscriptionTrialing, &now, &p.TrialEnd
		s.CurrentPeriodEnd, s.BillingCycleAnchor = p.TrialEnd, p.TrialEnd
	}
	s.Refresh()
	p.Customer.Currency = &s.Currency
	invoice := a.draft(s, "subscription_create", a.periodLines(s))
	a.Emit("customer.subscription.created", s, nil)
	return s, invoice
}

// subscribe makes a subscription and pays its first invoice with the payment method it has.
func (a *Account) subscribe(p Purchase) {
	s, invoice := a.Create(p)
	a.Finalize(invoice)
	a.Collect(s, invoice)
}

// Collect tries to pay a final invoice with the subscription's payment method, and changes the subscription by what came of it.
func (a *Account) Collect(s *object.Subscription, invoice *object.Invoice) {
	method := a.MethodOf(s)
	a.settleInvoice(s, invoice, method, method != nil && !method.Declines)
}

// settleInvoice pays a final invoice or fails to, and changes the subscription by what came of it.
func (a *Account) settleInvoice(s *object.Subscription, invoice *object.Invoice, method *object.PaymentMethod, paid bool) {
	if invoice.Status == object.InvoiceOpen {
		a.Charge(invoice, method, paid)
	}
	if invoice.Status == object.InvoicePaid {
		a.Reactivate(s)
		return
	}
	a.update(s, func() {
		s.Failures++
		if s.Status == object.SubscriptionActive {
			s.Status = object.SubscriptionPastDue
		}
	})
}

// Reactivate makes a subscription active again whose latest invoice is paid.
func (a *Account) Reactivate(s *object.Subscription) {
	if latest, ok := a.Invoices.Get(*s.LatestInvoice); !ok || latest.Status != object.InvoicePaid {
		return
	}
	a.update(s, func() {
		s.Failures = 0
		if s.Status == object.SubscriptionIncomplete || s.Status == object.SubscriptionPastDue || s.Status == object.SubscriptionUnpaid {
			s.Status = object.SubscriptionActive
		}
	})
}

// update calls do to change a subscription and emits the event, unless nothing changed.
func (a *Account) update(s *object.Subscription, do func()) {
	before := Document(s)
	do()
	s.Refresh()
	if len(difference(before, Document(s))) > 0 {
		a.Emit("customer.subscription.updated", s, before)
	}
}

// Cancel cancels a subscription at once.
func (a *Account) Cancel(s *object.Subscription) {
	now := a.Unix()
	if s.Status == object.SubscriptionIncomplete {
		a.voidOpenInvoices(s)
	}
	s.Status, s.EndedAt, s.PendingLines = object.SubscriptionCanceled, &now, nil
	if s.CanceledAt == nil {
		s.CanceledAt = &now
	}
	if s.CancellationDetails.Reason == nil {
		s.CancellationDetails.Reason = kit.OrNull("cancellation_requested")
	}
	for _, invoice := range a.openInvoices(s) {
		invoice.AutoAdvance, invoice.NextPaymentAttempt = false, nil
	}
	a.Emit("customer.subscription.deleted", s, nil)
}

// Expire ends a subscription whose first invoice was never paid.
func (a *Account) Expire(s *object.Subscription) {
	a.voidOpenInvoices(s)
	now := a.Unix()
	a.update(s, func() { s.Status, s.EndedAt = object.SubscriptionIncompleteExpired, &now })
}

// SetCancelAtPeriodEnd cancels at the end of the period, or takes that back.
func (a *Account) SetCancelAtPeriodEnd(s *object.Subscription, on bool) {
	a.update(s, func() {
		if s.CancelAtPeriodEnd == on && (on || s.CancelAt == nil) {
			return
		}
		s.CancelAtPeriodEnd, s.CancelAt, s.CanceledAt, s.CancellationDetails.Reason = on, nil, nil, nil
		if on {
			now := a.Unix()
			s.CanceledAt, s.CancellationDetails.Reason = &now, kit.OrNull("cancellation_requested")
		}
	})
}
