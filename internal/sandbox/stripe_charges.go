package sandbox

// intend makes what an invoice is paid by.
func (a *stripeAccount) intend(invoice *stripeInvoice) {
	id := FreshID("pi_")
	intent := a.intents.add(id, &stripeIntent{
		ID: id, Object: "payment_intent", Amount: invoice.AmountDue, Created: a.at(), Currency: invoice.Currency, Customer: invoice.Customer,
		Invoice: &invoice.ID, Metadata: hash{}, Status: "requires_payment_method",
	})
	invoice.PaymentIntent = &intent.ID
	a.tell("payment_intent.created", intent, nil)
}

// charge tries to pay an open invoice.
func (a *stripeAccount) charge(invoice *stripeInvoice, method *stripeMethod, paid bool) {
	intent, ok := a.intents.get(*invoice.PaymentIntent)
	if !ok {
		return
	}
	id := FreshID("ch_")
	c := a.charges.add(id, &stripeCharge{
		ID: id, Object: "charge", Amount: invoice.AmountDue, Captured: paid, Created: a.at(), Currency: invoice.Currency,
		Customer: invoice.Customer, Description: OrNull("Subscription update"), Invoice: &invoice.ID, Metadata: hash{}, Paid: paid,
		PaymentIntent: &intent.ID, PaymentMethodDetails: stripePaidBy{Type: "card"},
		Outcome: stripeOutcome{NetworkStatus: "approved_by_network", RiskLevel: "normal", SellerMessage: "Payment complete.", Type: "authorized"},
		Status:  "succeeded",
	})
	if method != nil {
		c.PaymentMethod, c.PaymentMethodDetails.Card, intent.PaymentMethod = &method.ID, method.Card, &method.ID
	}
	invoice.Charge, invoice.Attempted, intent.LatestCharge = &c.ID, true, &c.ID
	invoice.AttemptCount++
	customer, known := a.customers.get(invoice.Customer)
	if known {
		customer.Delinquent = !paid
	}
	if paid {
		c.AmountCaptured = c.Amount
		intent.Status, intent.AmountReceived, intent.LastPaymentError = "succeeded", intent.Amount, nil
		a.tell("charge.succeeded", c, nil)
		a.tell("payment_intent.succeeded", intent, nil)
		a.paid(invoice)
		return
	}
	before := document(invoice)
	c.Status, c.FailureCode, c.FailureMessage = "failed", OrNull("card_declined"), OrNull("Your card was declined.")
	c.Outcome = stripeOutcome{
		NetworkStatus: "declined_by_network", Reason: OrNull("generic_decline"), RiskLevel: "normal",
		SellerMessage: "The bank did not return any further details with this decline.", Type: "issuer_declined",
	}
	intent.Status = "requires_payment_method"
	intent.LastPaymentError = &stripeError{Type: kindCard, Code: "card_declined", DeclineCode: "generic_decline", Message: "Your card was declined."}
	next := a.now().Add(retryAfterDays * Day).Unix()
	invoice.NextPaymentAttempt = &next
	a.tell("charge.failed", c, nil)
	a.tell("payment_intent.payment_failed", intent, nil)
	a.tell("invoice.updated", invoice, before)
	a.tell("invoice.payment_failed", invoice, nil)
}

func (a stripeAPI) getIntent(q stripeRequest) (any, error) {
	return only(&a.intents, "payment_intent", q)
}
func (a stripeAPI) getCharge(q stripeRequest) (any, error) { return only(&a.charges, "charge", q) }

func (a stripeAPI) listCharges(q stripeRequest) (any, error) {
	customer, intent := q.form.str("customer"), q.form.str("payment_intent")
	return listed(q, a.charges.where(func(c *stripeCharge) bool {
		return (customer == nil || c.Customer == *customer) && (intent == nil || c.PaymentIntent != nil && *c.PaymentIntent == *intent)
	}))
}

// postRefund answers POST /v1/refunds.
func (a stripeAPI) postRefund(q stripeRequest) (any, error) {
	f := q.form
	id := f.textOr("charge", "")
	if intent := f.str("payment_intent"); intent != nil && id == "" {
		pi, err := named(&a.intents, "payment_intent", "payment_intent", *intent)
		if err != nil {
			return nil, err
		}
		if pi.LatestCharge != nil {
			id = *pi.LatestCharge
		}
	}
	amount := f.number("amount", 1, 1<<40)
	reason := f.one("reason", "", "duplicate", "fraudulent", "requested_by_customer")
	metadata := f.metadata(nil)
	f.ignore("reverse_transfer", "refund_application_fee")
	if err := f.done(); err != nil {
		return nil, err
	}
	if id == "" {
		return nil, invalidRequest("", "parameter_missing", "One of the following params should be provided for this request: payment_intent or charge.")
	}
	c, err := named(&a.charges, "charge", "charge", id)
	if err != nil {
		return nil, err
	}
	return a.refund(c, amount, OrNull(reason), metadata)
}

// refund gives a charge back, or a part of it.
func (a *stripeAccount) refund(c *stripeCharge, amount *int64, reason *string, metadata hash) (*stripeRefund, error) {
	left := c.AmountCaptured - c.AmountRefunded
	switch {
	case !c.Paid:
		return nil, invalidRequest("", "", "Charge %s was not successful and cannot be refunded.", c.ID)
	case left == 0:
		return nil, invalidRequest("", "charge_already_refunded", "Charge %s has already been refunded.", c.ID)
	case amount == nil:
		amount = &left
	case *amount > left:
		return nil, invalidRequest("amount", "", "Refund amount (%d) is greater than unrefunded amount on charge (%d)", *amount, left)
	}
	before := document(c)
	id := FreshID("re_")
	r := a.refunds.add(id, &stripeRefund{
		ID: id, Object: "refund", Amount: *amount, Charge: c.ID, Created: a.at(), Currency: c.Currency, Metadata: copied(metadata),
		PaymentIntent: c.PaymentIntent, Reason: reason, Status: "succeeded",
	})
	c.AmountRefunded += *amount
	c.Refunded = c.AmountRefunded == c.AmountCaptured
	a.tell("charge.refunded", c, before)
	return r, nil
}

func (a stripeAPI) getRefund(q stripeRequest) (any, error) { return only(&a.refunds, "refund", q) }

func (a stripeAPI) listRefunds(q stripeRequest) (any, error) {
	charge := q.form.str("charge")
	return listed(q, a.refunds.where(func(r *stripeRefund) bool { return charge == nil || r.Charge == *charge }))
}

// dispute is what a customer's bank does.
func (a *stripeAccount) dispute(c *stripeCharge) (*stripeDispute, error) {
	if c.Disputed {
		return nil, invalidRequest("", "charge_disputed", "Charge %s has been charged back already.", c.ID)
	}
	c.Disputed = true
	id := FreshID("dp_")
	d := a.disputes.add(id, &stripeDispute{
		ID: id, Object: "dispute", Amount: c.Amount, Charge: c.ID, Created: a.at(), Currency: c.Currency, Metadata: hash{},
		EvidenceDetails: stripeEvidence{DueBy: a.now().Add(7 * Day).Unix()}, PaymentIntent: c.PaymentIntent, Reason: "fraudulent",
		Status: "needs_response",
	})
	a.tell("charge.dispute.created", d, nil)
	return d, nil
}

func (a stripeAPI) getDispute(q stripeRequest) (any, error) {
	return only(&a.disputes, "dispute", q)
}

func (a stripeAPI) listDisputes(q stripeRequest) (any, error) {
	charge := q.form.str("charge")
	return listed(q, a.disputes.where(func(d *stripeDispute) bool { return charge == nil || d.Charge == *charge }))
}
