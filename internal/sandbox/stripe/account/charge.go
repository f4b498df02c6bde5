package account

import (
	"github.com/teamtask/teamtask/internal/sandbox/kit"
	"github.com/teamtask/teamtask/internal/sandbox/stripe/object"
)

// createIntent makes what an invoice is paid by.
func (a *Account) createIntent(invoice *object.Invoice) {
	id := kit.FreshID("pi_")
	intent := a.PaymentIntents.Add(id, &object.PaymentIntent{
		ID: id, Object: "payment_intent", Amount: invoice.AmountDue, Created: a.Unix(), Currency: invoice.Currency, Customer: invoice.Customer,
		Invoice: &invoice.ID, Metadata: object.Metadata{}, Status: "requires_payment_method",
	})
	invoice.PaymentIntent = &intent.ID
	a.Emit("payment_intent.created", intent, nil)
}

// Charge tries to pay an open invoice.
func (a *Account) Charge(invoice *object.Invoice, method *object.PaymentMethod, paid bool) {
	intent, ok := a.PaymentIntents.Get(*invoice.PaymentIntent)
	if !ok {
		return
	}
	id := kit.FreshID("ch_")
	c := a.Charges.Add(id, &object.Charge{
		ID: id, Object: "charge", Amount: invoice.AmountDue, Captured: paid, Created: a.Unix(), Currency: invoice.Currency,
		Customer: invoice.Customer, Description: kit.OrNull("Subscription update"), Invoice: &invoice.ID, Metadata: object.Metadata{}, Paid: paid,
		PaymentIntent: &intent.ID, PaymentMethodDetails: object.PaymentMethodDetails{Type: "card"},
		Outcome: object.Outcome{NetworkStatus: "approved_by_network", RiskLevel: "normal", SellerMessage: "Payment complete.", Type: "authorized"},
		Status:  "succeeded",
	})
	if method != nil {
		c.PaymentMethod, c.PaymentMethodDetails.Card, intent.PaymentMethod = &method.ID, method.Card, &method.ID
	}
	invoice.Charge, invoice.Attempted, intent.LatestCharge = &c.ID, true, &c.ID
	invoice.AttemptCount++
	customer, known := a.Customers.Get(invoice.Customer)
	if known {
		customer.Delinquent = !paid
	}
	if paid {
		c.AmountCaptured = c.Amount
		intent.Status, intent.AmountReceived, intent.LastPaymentError = "succeeded", intent.Amount, nil
		a.Emit("charge.succeeded", c, nil)
		a.Emit("payment_intent.succeeded", intent, nil)
		a.MarkPaid(invoice)
		return
	}
	before := Document(invoice)
	c.Status, c.FailureCode, c.FailureMessage = "failed", kit.OrNull("card_declined"), kit.OrNull("Your card was declined.")
	c.Outcome = object.Outcome{
		NetworkStatus: "declined_by_network", Reason: kit.OrNull("generic_decline"), RiskLevel: "normal",
		SellerMessage: "The bank did not return any further details with this decline.", Type: "issuer_declined",
	}
	intent.Status = "requires_payment_method"
	intent.LastPaymentError = &object.Error{Type: object.TypeCard, Code: "card_declined", DeclineCode: "generic_decline", Message: "Your card was declined."}
	next := a.Now().Add(retryAfterDays * kit.Day).Unix()
	invoice.NextPaymentAttempt = &next
	a.Emit("charge.failed", c, nil)
	a.Emit("payment_intent.payment_failed", intent, nil)
	a.Emit("invoice.updated", invoice, before)
	a.Emit("invoice.payment_failed", invoice, nil)
}

// Refund gives a charge back, or a part of it.
func (a *Account) Refund(c *object.Charge, amount *int64, reason *string, metadata object.Metadata) (*object.Refund, error) {
	left := c.AmountCaptured - c.AmountRefunded
	switch {
	case !c.Paid:
		return nil, object.InvalidRequest("", "", "Charge %s was not successful and cannot be refunded.", c.ID)
	case left == 0:
		return nil, object.InvalidRequest("", "charge_already_refunded", "Charge %s has already been refunded.", c.ID)
	case amount == nil:
		amount = &left
	case *amount > left:
		return nil, object.InvalidRequest("amount", "", "Refund amount (%d) is greater than unrefunded amount on charge (%d)", *amount, left)
	}
	before := Document(c)
	id := kit.FreshID("re_")
	r := a.Refunds.Add(id, &object.Refund{
		ID: id, Object: "refund", Amount: *amount, Charge: c.ID, Created: a.Unix(), Currency: c.Currency, Metadata: object.Copied(metadata),
		PaymentIntent: c.PaymentIntent, Reason: reason, Status: "succeeded",
	})
	c.AmountRefunded += *amount
	c.Refunded = c.AmountRefunded == c.AmountCaptured
	a.Emit("charge.refunded", c, before)
	return r, nil
}

// Dispute charges a payment back, as a customer's bank does.
func (a *Account) Dispute(c *object.Charge) (*object.Dispute, error) {
	if c.Disputed {
		return nil, object.InvalidRequest("", "charge_disputed", "Charge %s has been charged back already.", c.ID)
	}
	c.Disputed = true
	id := kit.FreshID("dp_")
	d := a.Disputes.Add(id, &object.Dispute{
		ID: id, Object: "dispute", Amount: c.Amount, Charge: c.ID, Created: a.Unix(), Currency: c.Currency, Metadata: object.Metadata{},
		EvidenceDetails: object.EvidenceDetails{DueBy: a.Now().Add(7 * kit.Day).Unix()}, PaymentIntent: c.PaymentIntent, Reason: "fraudulent",
		Status: "needs_response",
	})
	a.Emit("charge.dispute.created", d, nil)
	return d, nil
}

const retryAfterDays = 3 // of a failed payment

// LatestCharge returns the newest paid charge of a subscription.
func (a *Account) LatestCharge(s *object.Subscription) (*object.Charge, error) {
	for _, c := range a.Charges.Where(func(c *object.Charge) bool { return c.Paid && c.Invoice != nil }) {
		if invoice, ok := a.Invoices.Get(*c.Invoice); ok && invoice.Subscription == s.ID {
			return c, nil
		}
	}
	return nil, object.InvalidRequest("", "", "The subscription %s has no charge yet.", s.ID)
}
