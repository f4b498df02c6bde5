package sandbox

import "time"

// Every change of a subscription is made here, whoever asked for it, and tells what Stripe would tell. The caller of each function
// holds the lock of what the account belongs to.

const (
	chargeCard  = "charge_automatically"
	sendInvoice = "send_invoice"
)

// The states of a subscription.
const (
	subIncomplete = "incomplete"
	subExpired    = "incomplete_expired"
	subTrialing   = "trialing"
	subActive     = "active"
	subPastDue    = "past_due"
	subUnpaid     = "unpaid"
	subPaused     = "paused"
	subCanceled   = "canceled"
)

// What becomes of the difference when a quantity changes.
const (
	prorateLater = "create_prorations"
	prorateNow   = "always_invoice"
	prorateNever = "none"
)

// purchase is a subscription to make.
type purchase struct {
	id, item    string // empty: fresh ones
	customer    *stripeCustomer
	items       []bought
	method      *string // default payment method
	currency    string  // empty: the price's
	daysDue     *int64  // of invoices that are sent; nil: a card is charged
	metadata    hash
	description *string
	trialEnd    int64  // 0: no trial
	noMethod    string // what the end of a trial does without a payment method; empty: create_invoice
}

type bought struct {
	price    *stripePrice
	quantity int64
	metadata hash
}

// sendsInvoices says whether nobody's card is charged.
func (s *stripeSubscription) sendsInvoices() bool { return s.CollectionMethod == sendInvoice }

// period is the end of a period of a subscription that begins then.
func (s *stripeSubscription) period(from int64) int64 {
	if len(s.Items.Data) == 0 {
		return from + s.CurrentPeriodEnd - s.CurrentPeriodStart
	}
	return s.Items.Data[0].Price.later(from)
}

// over says whether a subscription has come to its end.
func (s *stripeSubscription) over() bool { return s.Status == subCanceled || s.Status == subExpired }

// refresh brings what is said of the only item up to date.
func (s *stripeSubscription) refresh() {
	s.Plan, s.Quantity = nil, nil
	s.Items.TotalCount = len(s.Items.Data)
	if len(s.Items.Data) == 1 {
		plan, quantity := s.Items.Data[0].Plan, s.Items.Data[0].Quantity
		s.Plan, s.Quantity = &plan, &quantity
	}
	s.CancelAt = cancelTime(s)
}

// cancelTime is when a subscription will end.
func cancelTime(s *stripeSubscription) *int64 {
	if s.CancelAtPeriodEnd {
		end := s.CurrentPeriodEnd
		return &end
	}
	return s.CancelAt
}

// later is one period of a price after a time.
func (p *stripePrice) later(at int64) int64 {
	from, n := time.Unix(at, 0).UTC(), int(p.Recurring.IntervalCount)
	switch p.Recurring.Interval {
	case "day":
		return from.AddDate(0, 0, n).Unix()
	case "week":
		return from.AddDate(0, 0, 7*n).Unix()
	case "year":
		return from.AddDate(n, 0, 0).Unix()
	}
	return from.AddDate(0, n, 0).Unix()
}

func (a *stripeAccount) newItem(id string, s *stripeSubscription, b bought) stripeItem {
	return stripeItem{
		ID: id, Object: "subscription_item", Created: a.at(), Metadata: copied(b.metadata), Plan: b.price.plan(), Price: *b.price,
		Quantity: b.quantity, Subscription: s.ID, TaxRates: []string{},
	}
}

// begin makes a subscription whose first invoice is a draft, or, in a trial, is of nothing.
func (a *stripeAccount) begin(p purchase) (*stripeSubscription, *stripeInvoice) {
	now := a.at()
	if p.id == "" {
		p.id = FreshID("sub_")
	}
	price := p.items[0].price
	if p.currency == "" {
		p.currency = price.Currency
	}
	s := a.subscriptions.add(p.id, &stripeSubscription{
		ID: p.id, Object: "subscription", BillingCycleAnchor: now, CollectionMethod: chargeCard, Created: now,
		Currency: p.currency, CurrentPeriodStart: now, CurrentPeriodEnd: price.later(now), Customer: p.customer.ID,
		DefaultPaymentMethod: p.method, DefaultTaxRates: []string{}, Description: p.description, Metadata: copied(p.metadata),
		StartDate: now, Status: subIncomplete, TrialSettings: stripeTrial{stripeTrialEnd{"create_invoice"}},
		Items: stripeItems{Object: "list", URL: "/v1/subscription_items?subscription=" + p.id},
	})
	if p.daysDue != nil {
		s.CollectionMethod, s.DaysUntilDue, s.Status = sendInvoice, p.daysDue, subActive
	}
	if p.noMethod != "" {
		s.TrialSettings.EndBehavior.MissingPaymentMethod = p.noMethod
	}
	for i, b := range p.items {
		id := FreshID("si_")
		if i == 0 && p.item != "" {
			id = p.item
		}
		s.Items.Data = append(s.Items.Data, a.newItem(id, s, b))
	}
	if p.trialEnd > now {
		s.Status, s.TrialStart, s.TrialEnd = subTrialing, &now, &p.trialEnd
		s.CurrentPeriodEnd, s.BillingCycleAnchor = p.trialEnd, p.trialEnd
	}
	s.refresh()
	p.customer.Currency = &s.Currency
	invoice := a.draft(s, "subscription_create", a.periodLines(s))
	a.tell("customer.subscription.created", s, nil)
	return s, invoice
}

// subscribe makes a subscription and pays its first invoice with the payment method it has.
func (a *stripeAccount) subscribe(p purchase) {
	s, invoice := a.begin(p)
	a.finalize(invoice)
	a.collect(s, invoice)
}

// collect tries to pay a final invoice with the subscription's payment method, and changes the subscription by what came of it.
func (a *stripeAccount) collect(s *stripeSubscription, invoice *stripeInvoice) {
	method := a.methodOf(s)
	a.settleInvoice(s, invoice, method, method != nil && !method.Declines)
}

// settleInvoice pays a final invoice or fails to, and changes the subscription by what came of it.
func (a *stripeAccount) settleInvoice(s *stripeSubscription, invoice *stripeInvoice, method *stripeMethod, paid bool) {
	if invoice.Status == invoiceOpen {
		a.charge(invoice, method, paid)
	}
	if invoice.Status == invoicePaid {
		a.revive(s)
		return
	}
	a.change(s, func() {
		s.Failures++
		if s.Status == subActive {
			s.Status = subPastDue
		}
	})
}

// revive makes a subscription active again whose latest invoice is paid.
func (a *stripeAccount) revive(s *stripeSubscription) {
	if latest, ok := a.invoices.get(*s.LatestInvoice); !ok || latest.Status != invoicePaid {
		return
	}
	a.change(s, func() {
		s.Failures = 0
		if s.Status == subIncomplete || s.Status == subPastDue || s.Status == subUnpaid {
			s.Status = subActive
		}
	})
}

// change changes a subscription and tells of it, unless nothing changed.
func (a *stripeAccount) change(s *stripeSubscription, do func()) {
	before := document(s)
	do()
	s.refresh()
	if len(difference(before, document(s))) > 0 {
		a.tell("customer.subscription.updated", s, before)
	}
}

// methodOf is what a subscription is paid with; nil where there is nothing.
func (a *stripeAccount) methodOf(s *stripeSubscription) *stripeMethod {
	ids := []*string{s.DefaultPaymentMethod}
	if c, ok := a.customers.get(s.Customer); ok {
		ids = append(ids, c.InvoiceSettings.DefaultPaymentMethod)
	}
	for _, id := range ids {
		if id == nil {
			continue
		}
		if m, ok := a.methods.get(*id); ok && m.Customer != nil {
			return m
		}
	}
	return nil
}

// end cancels a subscription at once.
func (a *stripeAccount) end(s *stripeSubscription) {
	now := a.at()
	if s.Status == subIncomplete {
		a.void(s)
	}
	s.Status, s.EndedAt, s.Waiting = subCanceled, &now, nil
	if s.CanceledAt == nil {
		s.CanceledAt = &now
	}
	if s.CancellationDetails.Reason == nil {
		s.CancellationDetails.Reason = OrNull("cancellation_requested")
	}
	for _, invoice := range a.openInvoices(s) {
		invoice.AutoAdvance, invoice.NextPaymentAttempt = false, nil
	}
	a.tell("customer.subscription.deleted", s, nil)
}

// giveUp ends a subscription whose first invoice was never paid.
func (a *stripeAccount) giveUp(s *stripeSubscription) {
	a.void(s)
	now := a.at()
	a.change(s, func() { s.Status, s.EndedAt = subExpired, &now })
}

// endLater cancels at the end of the period, or takes that back.
func (a *stripeAccount) endLater(s *stripeSubscription, on bool) {
	a.change(s, func() {
		if s.CancelAtPeriodEnd == on && (on || s.CancelAt == nil) {
			return
		}
		s.CancelAtPeriodEnd, s.CancelAt, s.CanceledAt, s.CancellationDetails.Reason = on, nil, nil, nil
		if on {
			now := a.at()
			s.CanceledAt, s.CancellationDetails.Reason = &now, OrNull("cancellation_requested")
		}
	})
}
