package sandbox

import "slices"

const quantityMax = 999_999

func (a stripeAPI) getSubscription(q stripeRequest) (any, error) {
	return only(&a.subscriptions, "subscription", q)
}

// listSubscriptions leaves canceled ones out, unless a status asks for them.
func (a stripeAPI) listSubscriptions(q stripeRequest) (any, error) {
	customer, price, plan := q.form.str("customer"), q.form.str("price"), q.form.str("plan")
	status := q.form.one("status", "", "all", "ended", subActive, subCanceled, subIncomplete, subExpired, subPastDue, subPaused, subTrialing, subUnpaid)
	q.form.ignore("collection_method")
	if err := a.knows(customer, nil); err != nil {
		return nil, err
	}
	if price == nil {
		price = plan
	}
	return listed(q, a.subscriptions.where(func(s *stripeSubscription) bool {
		if customer != nil && s.Customer != *customer {
			return false
		}
		if price != nil && !slices.ContainsFunc(s.Items.Data, func(i stripeItem) bool { return i.Price.ID == *price }) {
			return false
		}
		switch status {
		case "all":
			return true
		case "":
			return s.Status != subCanceled
		case "ended":
			return s.over()
		}
		return s.Status == status
	}))
}

// recurringPrice is the price of a line, which must be one that can be bought again and again.
func (a stripeAPI) recurringPrice(f *form) *stripePrice {
	id := f.must("price")
	p, ok := a.prices.get(id)
	switch {
	case id == "":
	case !ok:
		f.fail(missingAt(f.within("price"), "price", id))
	case !p.Active:
		f.fail(invalidRequest(f.within("price"), "", "The price specified is inactive. This field only accepts active prices."))
	case p.Recurring == nil:
		f.fail(invalidRequest(f.within("price"), "", "The price specified is set to `type=one_time` but this field only accepts prices with `type=recurring`."))
	}
	return p
}

// postSubscription makes a subscription without anybody's checkout.
func (a stripeAPI) postSubscription(q stripeRequest) (any, error) {
	f := q.form
	p := purchase{metadata: f.metadata(nil), description: f.str("description"), method: f.str("default_payment_method")}
	customer := f.must("customer")
	for _, line := range f.list("items") {
		b := bought{price: a.recurringPrice(line), quantity: 1, metadata: line.metadata(nil)}
		if n := line.number("quantity", 0, quantityMax); n != nil {
			b.quantity = *n
		}
		p.items = append(p.items, b)
	}
	if len(p.items) == 0 {
		f.missing("items")
	}
	p.trialEnd, p.noMethod = a.readTrial(f)
	later := f.flag("cancel_at_period_end")
	behavior := f.one("payment_behavior", "allow_incomplete", "allow_incomplete", "default_incomplete", "error_if_incomplete")
	readCollection(f, &p)
	p.currency = f.textOr("currency", "")
	f.one("proration_behavior", prorateLater, prorateLater, prorateNow, prorateNever)
	f.ignore("off_session", "payment_settings", "automatic_tax")
	if err := f.done(); err != nil {
		return nil, err
	}
	var err error
	if p.customer, err = named(&a.customers, "customer", "customer", customer); err != nil {
		return nil, err
	}
	var card *stripeMethod
	if p.method != nil {
		if card, err = named(&a.methods, "default_payment_method", "PaymentMethod", *p.method); err != nil {
			return nil, err
		}
	} else if id := p.customer.InvoiceSettings.DefaultPaymentMethod; id != nil {
		card, _ = a.methods.get(*id)
	}
	switch {
	case p.daysDue != nil:
	case card == nil && p.trialEnd == 0 && behavior != "default_incomplete":
		return nil, invalidRequest("", "resource_missing",
			"This customer has no attached payment source or default payment method. Please consider adding a default payment method.")
	case card != nil && card.Declines && behavior == "error_if_incomplete":
		return nil, declined()
	}
	s, invoice := a.begin(p)
	a.finalize(invoice)
	if p.daysDue == nil && behavior != "default_incomplete" || invoice.Status == invoicePaid {
		a.collect(s, invoice)
	}
	if later != nil && *later {
		a.endLater(s, true)
	}
	return s, nil
}

// readCollection reads whether a card is charged, or invoices are sent.
func readCollection(f *form, p *purchase) {
	days := f.number("days_until_due", 0, 730)
	if f.one("collection_method", chargeCard, chargeCard, sendInvoice) == chargeCard {
		return
	}
	if p.daysDue = days; days == nil {
		f.missing("days_until_due")
	}
}

// readTrial reads when a trial ends, 0 for none, and what follows without a payment method.
func (a stripeAPI) readTrial(f *form) (end int64, noMethod string) {
	if days := f.number("trial_period_days", 0, 730); days != nil && *days > 0 {
		end = a.now().AddDate(0, 0, int(*days)).Unix()
	}
	if at := f.number("trial_end", 0, 1<<40); at != nil {
		end = *at
		if end <= a.at() {
			f.fail(invalidRequest(f.within("trial_end"), "", "Invalid timestamp: must be an integer Unix timestamp in the future"))
		}
	}
	if settings := f.child("trial_settings"); settings != nil {
		noMethod = settings.child("end_behavior").one("missing_payment_method", "", "cancel", "create_invoice", "pause")
	}
	return end, noMethod
}

// changeSubscription answers POST /v1/subscriptions/{id}.
func (a stripeAPI) changeSubscription(q stripeRequest) (any, error) {
	s, err := named(&a.subscriptions, "id", "subscription", q.id)
	if err != nil {
		return nil, err
	}
	f := q.form
	c := a.readItemsChange(f, s)
	later := f.flag("cancel_at_period_end")
	var at *int64
	clearAt := f.textOr("cancel_at", "absent") == ""
	if !clearAt {
		at = f.number("cancel_at", a.at(), 1<<40)
	}
	metadata, description, method := f.metadata(s.Metadata), f.str("description"), f.str("default_payment_method")
	if branch := f.child("cancellation_details"); branch != nil {
		branch.ignore("comment", "feedback")
	}
	var collection purchase
	if f.has("collection_method") {
		readCollection(f, &collection)
	}
	collects := f.has("collection_method")
	f.ignore("off_session", "payment_settings", "automatic_tax")
	if err := f.done(); err != nil {
		return nil, err
	}
	if s.over() && (len(c.items) > 0 || later != nil || at != nil) {
		return nil, invalidRequest("", "", "A canceled subscription can only update its cancellation_details and metadata.")
	}
	if method != nil {
		if _, err := named(&a.methods, "default_payment_method", "PaymentMethod", *method); err != nil {
			return nil, err
		}
	}
	if err := a.changeItems(s, c, func() {
		s.Metadata = metadata
		if collects {
			s.CollectionMethod, s.DaysUntilDue = chargeCard, collection.daysDue
			if collection.daysDue != nil {
				s.CollectionMethod = sendInvoice
			}
		}
		if description != nil {
			s.Description = OrNull(*description)
		}
		if method != nil {
			s.DefaultPaymentMethod = method
		}
		if clearAt && !s.CancelAtPeriodEnd {
			s.CancelAt, s.CanceledAt = nil, nil
		}
		if at != nil {
			now := a.at()
			s.CancelAt, s.CanceledAt, s.CancelAtPeriodEnd = at, &now, false
		}
	}); err != nil {
		return nil, err
	}
	if later != nil {
		a.endLater(s, *later)
	}
	return s, nil
}

// cancelSubscription answers DELETE /v1/subscriptions/{id}. One that is over is not found, as with Stripe.
func (a stripeAPI) cancelSubscription(q stripeRequest) (any, error) {
	s, err := named(&a.subscriptions, "id", "subscription", q.id)
	if err != nil {
		return nil, err
	}
	if branch := q.form.child("cancellation_details"); branch != nil {
		branch.ignore("comment", "feedback")
	}
	q.form.ignore("invoice_now", "prorate")
	if err := q.form.done(); err != nil {
		return nil, err
	}
	if s.over() {
		return nil, missingAt("id", "subscription", q.id)
	}
	a.end(s)
	return s, nil
}

// resumeSubscription answers POST /v1/subscriptions/{id}/resume.
func (a stripeAPI) resumeSubscription(q stripeRequest) (any, error) {
	s, err := named(&a.subscriptions, "id", "subscription", q.id)
	if err != nil {
		return nil, err
	}
	anchor := q.form.one("billing_cycle_anchor", "now", "now", "unchanged")
	q.form.one("proration_behavior", prorateLater, prorateLater, prorateNow, prorateNever)
	if err := q.form.done(); err != nil {
		return nil, err
	}
	return s, a.resume(s, anchor == "now")
}
