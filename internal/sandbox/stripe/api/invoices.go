package api

import (
	"github.com/teamtask/teamtask/internal/sandbox/stripe/account"
	"github.com/teamtask/teamtask/internal/sandbox/stripe/object"
)

// voidInvoice serves POST /v1/invoices/{id}/void. A payment that is under way cannot be stopped. The subscription whose first
// invoice it is comes to its end.
func (a handler) voidInvoice(q Request) (any, error) {
	invoice, err := account.Named(&a.Invoices, "id", "invoice", q.id)
	if err != nil {
		return nil, err
	}
	if err := q.Form.Done(); err != nil {
		return nil, err
	}
	if invoice.Status != object.InvoiceOpen {
		return nil, object.InvalidRequest("", "", "You can only pass in open invoices. This invoice isn't open.")
	}
	if invoice.PaymentIntent != nil {
		if intent, ok := a.PaymentIntents.Get(*invoice.PaymentIntent); ok && intent.Status == "processing" {
			return nil, object.InvalidRequest("", "payment_intent_unexpected_state", "The payment of this invoice is under way: it cannot be voided.")
		}
	}
	a.Void(invoice)
	if s, ok := a.Subscriptions.Get(invoice.Subscription); ok && s.Status == object.SubscriptionIncomplete {
		a.Expire(s)
	}
	return invoice, nil
}

func (a handler) getInvoice(q Request) (any, error) {
	return only(&a.Invoices, "invoice", q)
}

func (a handler) listInvoices(q Request) (any, error) {
	customer, subscription := q.Form.Text("customer"), q.Form.Text("subscription")
	status := q.Form.OneOf("status", "", object.InvoiceDraft, object.InvoiceOpen, object.InvoicePaid, object.InvoiceUncollectible, object.InvoiceVoid)
	q.Form.Ignore("collection_method")
	if err := a.knows(customer, subscription); err != nil {
		return nil, err
	}
	return listed(q, a.Invoices.Where(func(i *object.Invoice) bool {
		return (customer == nil || i.Customer == *customer) && (subscription == nil || i.Subscription == *subscription) &&
			(status == "" || i.Status == status)
	}))
}

func (a handler) listLines(q Request) (any, error) {
	invoice, err := account.Named(&a.Invoices, "id", "invoice", q.id)
	if err != nil {
		return nil, err
	}
	var lines []*object.Line
	for i := range invoice.Lines.Data {
		lines = append(lines, &invoice.Lines.Data[i])
	}
	return listed(q, lines)
}

// knows refuses filters by a customer or a subscription that never was.
func (a handler) knows(customer, subscription *string) error {
	if customer != nil && !a.DeletedCustomers[*customer] {
		if _, err := account.Named(&a.Customers, "customer", "customer", *customer); err != nil {
			return err
		}
	}
	if subscription != nil {
		if _, err := account.Named(&a.Subscriptions, "subscription", "subscription", *subscription); err != nil {
			return err
		}
	}
	return nil
}

// payInvoice serves POST /v1/invoices/{id}/pay.
func (a handler) payInvoice(q Request) (any, error) {
	invoice, err := account.Named(&a.Invoices, "id", "invoice", q.id)
	if err != nil {
		return nil, err
	}
	given, outOfBand := q.Form.Text("payment_method"), q.Form.Bool("paid_out_of_band")
	q.Form.Ignore("off_session", "forgive", "mandate")
	if err := q.Form.Done(); err != nil {
		return nil, err
	}
	if invoice.Status != object.InvoiceOpen && invoice.Status != object.InvoiceUncollectible {
		return nil, object.InvalidRequest("", map[bool]string{true: "invoice_already_paid"}[invoice.Status == object.InvoicePaid], "Invoice is already %s", invoice.Status)
	}
	s, err := account.Named(&a.Subscriptions, "id", "subscription", invoice.Subscription)
	if err != nil {
		return nil, err
	}
	if outOfBand != nil && *outOfBand {
		invoice.PaidOutOfBand = true
		a.MarkPaid(invoice)
		a.Reactivate(s)
		return invoice, nil
	}
	method := a.MethodOf(s)
	if given != nil {
		if method, err = account.Named(&a.PaymentMethods, "payment_method", "PaymentMethod", *given); err != nil {
			return nil, err
		}
	}
	if method == nil {
		return nil, object.InvalidRequest("", "", "There is no `default_payment_method` set on this Customer or Invoice.")
	}
	a.Charge(invoice, method, !method.Declines)
	if invoice.Status != object.InvoicePaid {
		return nil, object.Declined()
	}
	if !s.Ended() {
		a.Reactivate(s)
	}
	return invoice, nil
}

// markUncollectible serves POST /v1/invoices/{id}/mark_uncollectible.
func (a handler) markUncollectible(q Request) (any, error) {
	invoice, err := account.Named(&a.Invoices, "id", "invoice", q.id)
	if err != nil {
		return nil, err
	}
	if err := q.Form.Done(); err != nil {
		return nil, err
	}
	if invoice.Status != object.InvoiceOpen {
		return nil, object.InvalidRequest("", "", "You can only pass in open invoices. This invoice isn't open.")
	}
	now := a.Unix()
	invoice.Status, invoice.NextPaymentAttempt, invoice.StatusTransitions.MarkedUncollectibleAt = object.InvoiceUncollectible, nil, &now
	a.Emit("invoice.marked_uncollectible", invoice, nil)
	return invoice, nil
}
