package sandbox

import (
	"fmt"
	"slices"
)

const retryAfterDays = 3 // of a failed payment

// The states of an invoice.
const (
	invoiceDraft = "draft"
	invoiceOpen  = "open"
	invoicePaid  = "paid"
	invoiceVoid  = "void"
	invoiceLost  = "uncollectible"
)

// periodLines are what one period of a subscription costs.
func (a *stripeAccount) periodLines(s *stripeSubscription) []stripeLine {
	var lines []stripeLine
	for _, item := range s.Items.Data {
		line := a.line(s, item, item.Quantity, item.Price.costs(item.Quantity, s.Currency))
		line.Period = stripePeriod{Start: s.CurrentPeriodStart, End: s.CurrentPeriodEnd}
		line.Description = fmt.Sprintf("%d × %s", item.Quantity, a.productName(item.Price.Product))
		line.Type = "subscription"
		if s.Status == subTrialing {
			line.Amount = 0
			line.Description = "Trial period for " + a.productName(item.Price.Product)
		}
		lines = append(lines, line)
	}
	return lines
}

func (a *stripeAccount) productName(id string) string {
	if p, ok := a.products.get(id); ok {
		return p.Name
	}
	return id
}

func (a *stripeAccount) line(s *stripeSubscription, item stripeItem, quantity, amount int64) stripeLine {
	return stripeLine{
		ID: FreshID("il_"), Object: "line_item", Amount: amount, Currency: s.Currency, Discountable: true, Metadata: hash{},
		Plan: item.Plan, Price: item.Price, Quantity: quantity, Subscription: s.ID, SubscriptionItem: item.ID,
	}
}

// proration is what a change of an item costs or gives back for the rest of the period; nothing where there is no difference.
func (a *stripeAccount) proration(s *stripeSubscription, item stripeItem, was, is int64) []stripeLine {
	length := s.CurrentPeriodEnd - s.CurrentPeriodStart
	left := min(max(s.CurrentPeriodEnd-a.at(), 0), length)
	if was == is || length <= 0 || s.Status != subActive && s.Status != subPastDue {
		return nil
	}
	part := func(quantity int64) int64 { return item.Price.costs(quantity, s.Currency) * left / length }
	var lines []stripeLine
	for _, one := range []struct {
		quantity, amount int64
		words            string
	}{{was, -part(was), "Unused time on %d × %s"}, {is, part(is), "Remaining time on %d × %s"}} {
		if one.quantity == 0 {
			continue
		}
		line := a.line(s, item, one.quantity, one.amount)
		line.Description = fmt.Sprintf(one.words, one.quantity, a.productName(item.Price.Product))
		line.Period = stripePeriod{Start: s.CurrentPeriodEnd - left, End: s.CurrentPeriodEnd}
		line.Type, line.Proration, line.Discountable = "invoiceitem", true, false
		id := FreshID("ii_")
		extra := a.extras.add(id, &stripeInvoiceItem{
			ID: id, Object: "invoiceitem", Amount: line.Amount, Currency: line.Currency, Customer: s.Customer, Date: a.at(),
			Description: line.Description, Metadata: hash{}, Period: line.Period, Price: line.Price, Proration: true,
			Quantity: line.Quantity, Subscription: s.ID,
		})
		line.InvoiceItem = &extra.ID
		lines = append(lines, line)
	}
	return lines
}

// draft makes an invoice that is the subscription's latest from then on.
func (a *stripeAccount) draft(s *stripeSubscription, reason string, lines []stripeLine) *stripeInvoice {
	id := FreshID("in_")
	invoice := a.invoices.add(id, &stripeInvoice{
		ID: id, Object: "invoice", AutoAdvance: true, BillingReason: reason, CollectionMethod: s.CollectionMethod, Created: a.at(),
		Currency: s.Currency, Customer: s.Customer, Discounts: []string{}, Metadata: hash{}, PeriodStart: s.CurrentPeriodStart,
		PeriodEnd: s.CurrentPeriodStart, Status: invoiceDraft, Subscription: s.ID, SubscriptionDetails: stripeNotes{copied(s.Metadata)},
		Lines: stripeLines{Object: "list", Data: lines, TotalCount: len(lines), URL: "/v1/invoices/" + id + "/lines"},
	})
	if c, ok := a.customers.get(s.Customer); ok {
		invoice.CustomerEmail, invoice.CustomerName, invoice.StartingBalance = c.Email, c.Name, c.Balance
	}
	for _, line := range lines {
		invoice.Subtotal += line.Amount
		if line.InvoiceItem != nil {
			if extra, ok := a.extras.get(*line.InvoiceItem); ok {
				extra.Invoice = &invoice.ID
			}
		}
	}
	invoice.Total = invoice.Subtotal
	invoice.AmountDue = max(0, invoice.Total+invoice.StartingBalance)
	invoice.AmountRemaining = invoice.AmountDue
	s.LatestInvoice = &invoice.ID
	a.tell("invoice.created", invoice, nil)
	return invoice
}

// finalize makes a draft final. What costs nothing is paid then.
func (a *stripeAccount) finalize(invoice *stripeInvoice) {
	now := a.at()
	before := document(invoice)
	invoice.Status, invoice.StatusTransitions.FinalizedAt = invoiceOpen, &now
	left := min(0, invoice.Total+invoice.StartingBalance)
	invoice.EndingBalance = &left
	if c, ok := a.customers.get(invoice.Customer); ok {
		invoice.Number = OrNull(fmt.Sprintf("%s-%04d", c.InvoicePrefix, c.NextInvoice))
		c.NextInvoice++
		c.Balance = left
	}
	if invoice.AmountDue > 0 {
		a.intend(invoice)
	}
	a.tell("invoice.updated", invoice, before)
	a.tell("invoice.finalized", invoice, nil)
	if invoice.AmountDue == 0 {
		a.paid(invoice)
	}
}

// paid marks an invoice as paid.
func (a *stripeAccount) paid(invoice *stripeInvoice) {
	now := a.at()
	before := document(invoice)
	invoice.Status, invoice.Paid, invoice.Attempted, invoice.StatusTransitions.PaidAt = invoicePaid, true, true, &now
	invoice.AmountPaid, invoice.AmountRemaining, invoice.NextPaymentAttempt = invoice.AmountDue, 0, nil
	a.tell("invoice.updated", invoice, before)
	a.tell("invoice.paid", invoice, nil)
	a.tell("invoice.payment_succeeded", invoice, nil)
}

// openInvoices are the invoices of a subscription that wait to be paid, newest first.
func (a *stripeAccount) openInvoices(s *stripeSubscription) []*stripeInvoice {
	return a.invoices.where(func(i *stripeInvoice) bool { return i.Subscription == s.ID && i.Status == invoiceOpen })
}

// void takes the open invoices of a subscription back.
func (a *stripeAccount) void(s *stripeSubscription) {
	for _, invoice := range a.openInvoices(s) {
		a.voidOne(invoice)
	}
}

// voidOne takes an invoice back, and with it what it would be paid by.
func (a *stripeAccount) voidOne(invoice *stripeInvoice) {
	now := a.at()
	invoice.Status, invoice.StatusTransitions.VoidedAt, invoice.NextPaymentAttempt = invoiceVoid, &now, nil
	if invoice.PaymentIntent != nil {
		if intent, ok := a.intents.get(*invoice.PaymentIntent); ok && intent.Status != "succeeded" && intent.Status != "canceled" {
			intent.Status = "canceled"
			a.tell("payment_intent.canceled", intent, nil)
		}
	}
	a.tell("invoice.voided", invoice, nil)
}

// voidInvoice answers POST /v1/invoices/{id}/void. A payment that is under way cannot be stopped. The subscription whose first
// invoice it is comes to its end.
func (a stripeAPI) voidInvoice(q stripeRequest) (any, error) {
	invoice, err := named(&a.invoices, "id", "invoice", q.id)
	if err != nil {
		return nil, err
	}
	if err := q.form.done(); err != nil {
		return nil, err
	}
	if invoice.Status != invoiceOpen {
		return nil, invalidRequest("", "", "You can only pass in open invoices. This invoice isn't open.")
	}
	if invoice.PaymentIntent != nil {
		if intent, ok := a.intents.get(*invoice.PaymentIntent); ok && intent.Status == "processing" {
			return nil, invalidRequest("", "payment_intent_unexpected_state", "The payment of this invoice is under way: it cannot be voided.")
		}
	}
	a.voidOne(invoice)
	if s, ok := a.subscriptions.get(invoice.Subscription); ok && s.Status == subIncomplete {
		a.giveUp(s)
	}
	return invoice, nil
}

func (a stripeAPI) getInvoice(q stripeRequest) (any, error) {
	return only(&a.invoices, "invoice", q)
}

func (a stripeAPI) listInvoices(q stripeRequest) (any, error) {
	customer, subscription := q.form.str("customer"), q.form.str("subscription")
	status := q.form.one("status", "", invoiceDraft, invoiceOpen, invoicePaid, invoiceLost, invoiceVoid)
	q.form.ignore("collection_method")
	if err := a.knows(customer, subscription); err != nil {
		return nil, err
	}
	return listed(q, a.invoices.where(func(i *stripeInvoice) bool {
		return (customer == nil || i.Customer == *customer) && (subscription == nil || i.Subscription == *subscription) &&
			(status == "" || i.Status == status)
	}))
}

func (a stripeAPI) listLines(q stripeRequest) (any, error) {
	invoice, err := named(&a.invoices, "id", "invoice", q.id)
	if err != nil {
		return nil, err
	}
	var lines []*stripeLine
	for i := range invoice.Lines.Data {
		lines = append(lines, &invoice.Lines.Data[i])
	}
	return listed(q, lines)
}

// knows refuses filters by a customer or a subscription that never was.
func (a stripeAPI) knows(customer, subscription *string) error {
	if customer != nil && !a.gone[*customer] {
		if _, err := named(&a.customers, "customer", "customer", *customer); err != nil {
			return err
		}
	}
	if subscription != nil {
		if _, err := named(&a.subscriptions, "subscription", "subscription", *subscription); err != nil {
			return err
		}
	}
	return nil
}

// payInvoice answers POST /v1/invoices/{id}/pay.
func (a stripeAPI) payInvoice(q stripeRequest) (any, error) {
	invoice, err := named(&a.invoices, "id", "invoice", q.id)
	if err != nil {
		return nil, err
	}
	given, outOfBand := q.form.str("payment_method"), q.form.flag("paid_out_of_band")
	q.form.ignore("off_session", "forgive", "mandate")
	if err := q.form.done(); err != nil {
		return nil, err
	}
	if invoice.Status != invoiceOpen && invoice.Status != invoiceLost {
		return nil, invalidRequest("", map[bool]string{true: "invoice_already_paid"}[invoice.Status == invoicePaid], "Invoice is already %s", invoice.Status)
	}
	s, err := named(&a.subscriptions, "id", "subscription", invoice.Subscription)
	if err != nil {
		return nil, err
	}
	if outOfBand != nil && *outOfBand {
		invoice.PaidOutOfBand = true
		a.paid(invoice)
		a.revive(s)
		return invoice, nil
	}
	method := a.methodOf(s)
	if given != nil {
		if method, err = named(&a.methods, "payment_method", "PaymentMethod", *given); err != nil {
			return nil, err
		}
	}
	if method == nil {
		return nil, invalidRequest("", "", "There is no `default_payment_method` set on this Customer or Invoice.")
	}
	a.charge(invoice, method, !method.Declines)
	if invoice.Status != invoicePaid {
		return nil, declined()
	}
	if !s.over() {
		a.revive(s)
	}
	return invoice, nil
}

// loseInvoice answers POST /v1/invoices/{id}/mark_uncollectible.
func (a stripeAPI) loseInvoice(q stripeRequest) (any, error) {
	invoice, err := named(&a.invoices, "id", "invoice", q.id)
	if err != nil {
		return nil, err
	}
	if err := q.form.done(); err != nil {
		return nil, err
	}
	if invoice.Status != invoiceOpen {
		return nil, invalidRequest("", "", "You can only pass in open invoices. This invoice isn't open.")
	}
	now := a.at()
	invoice.Status, invoice.NextPaymentAttempt, invoice.StatusTransitions.MarkedUncollectibleAt = invoiceLost, nil, &now
	a.tell("invoice.marked_uncollectible", invoice, nil)
	return invoice, nil
}

// latestCharge is the newest paid charge of a subscription.
func (a *stripeAccount) latestCharge(s *stripeSubscription) (*stripeCharge, error) {
	for _, c := range a.charges.where(func(c *stripeCharge) bool { return c.Paid && c.Invoice != nil }) {
		if invoice, ok := a.invoices.get(*c.Invoice); ok && invoice.Subscription == s.ID {
			return c, nil
		}
	}
	return nil, invalidRequest("", "", "The subscription %s has no charge yet.", s.ID)
}

// paidStates are those of a subscription that may go on.
var paidStates = []string{subActive, subTrialing, subPastDue}

func (s *stripeSubscription) live() bool { return slices.Contains(paidStates, s.Status) }
