package api

import (
	"slices"

	"github.com/teamtask/teamtask/internal/sandbox/kit"
	"github.com/teamtask/teamtask/internal/sandbox/stripe/account"
	"github.com/teamtask/teamtask/internal/sandbox/stripe/form"
	"github.com/teamtask/teamtask/internal/sandbox/stripe/object"
)

func (a handler) getSubscription(q Request) (any, error) {
	return only(&a.Subscriptions, "subscription", q)
}

// listSubscriptions serves GET /v1/subscriptions. It leaves canceled ones out unless the status includes them.
func (a handler) listSubscriptions(q Request) (any, error) {
	customer, price, plan := q.Form.Text("customer"), q.Form.Text("price"), q.Form.Text("plan")
	status := q.Form.OneOf("status", "", "all", "ended", object.SubscriptionActive, object.SubscriptionCanceled, object.SubscriptionIncomplete, object.SubscriptionIncompleteExpired, object.SubscriptionPastDue, object.SubscriptionPaused, object.SubscriptionTrialing, object.SubscriptionUnpaid)
	q.Form.Ignore("collection_method")
	if err := a.knows(customer, nil); err != nil {
		return nil, err
	}
	if price == nil {
		price = plan
	}
	return listed(q, a.Subscriptions.Where(func(s *object.Subscription) bool {
		if customer != nil && s.Customer != *customer {
			return false
		}
		if price != nil && !slices.ContainsFunc(s.Items.Data, func(i object.Item) bool { return i.Price.ID == *price }) {
			return false
		}
		switch status {
		case "all":
			return true
		case "":
			return s.Status != object.SubscriptionCanceled
		case "ended":
			return s.Ended()
		}
		return s.Status == status
	}))
}

// recurringPrice returns the price of a line, which must be a recurring one.
func (a handler) recurringPrice(f *form.Form) *object.Price {
	id := f.Required("price")
	p, ok := a.Prices.Get(id)
	switch {
	case id == "":
	case !ok:
		f.Fail(object.Missing(f.Path("price"), "price", id))
	case !p.Active:
		f.Fail(object.InvalidRequest(f.Path("price"), "", "The price specified is inactive. This field only accepts active prices."))
	case p.Recurring == nil:
		f.Fail(object.InvalidRequest(f.Path("price"), "", "The price specified is set to `type=one_time` but this field only accepts prices with `type=recurring`."))
	}
	return p
}

// postSubscription serves POST /v1/subscriptions: a subscription without a checkout.
func (a handler) postSubscription(q Request) (any, error) {
	f := q.Form
	p := account.Purchase{Metadata: f.Metadata(nil), Description: f.Text("description"), Method: f.Text("default_payment_method")}
	customer := f.Required("customer")
	for _, line := range f.List("items") {
		b := account.Bought{Price: a.recurringPrice(line), Quantity: 1, Metadata: line.Metadata(nil)}
		if n := line.Number("quantity", 0, object.QuantityMax); n != nil {
			b.Quantity = *n
		}
		p.Items = append(p.Items, b)
	}
	if len(p.Items) == 0 {
		f.Missing("items")
	}
	p.TrialEnd, p.NoMethod = a.readTrial(f)
	later := f.Bool("cancel_at_period_end")
	behavior := f.OneOf("payment_behavior", "allow_incomplete", "allow_incomplete", "default_incomplete", "error_if_incomplete")
	readCollection(f, &p)
	p.Currency = f.TextOr("currency", "")
	f.OneOf("proration_behavior", object.CreateProrations, object.CreateProrations, object.AlwaysInvoice, object.NoProrations)
	f.Ignore("off_session", "payment_settings", "automatic_tax")
	if err := f.Done(); err != nil {
		return nil, err
	}
	var err error
	if p.Customer, err = account.Named(&a.Customers, "customer", "customer", customer); err != nil {
		return nil, err
	}
	var card *object.PaymentMethod
	if p.Method != nil {
		if card, err = account.Named(&a.PaymentMethods, "default_payment_method", "PaymentMethod", *p.Method); err != nil {
			return nil, err
		}
	} else if id := p.Customer.InvoiceSettings.DefaultPaymentMethod; id != nil {
		card, _ = a.PaymentMethods.Get(*id)
	}
	switch {
	case p.DaysDue != nil:
	case card == nil && p.TrialEnd == 0 && behavior != "default_incomplete":
		return nil, object.InvalidRequest("", "resource_missing",
			"This customer has no attached payment source or default payment method. Please consider adding a default payment method.")
	case card != nil && card.Declines && behavior == "error_if_incomplete":
		return nil, object.Declined()
	}
	s, invoice := a.Create(p)
	a.Finalize(invoice)
	if p.DaysDue == nil && behavior != "default_incomplete" || invoice.Status == object.InvoicePaid {
		a.Collect(s, invoice)
	}
	if later != nil && *later {
		a.SetCancelAtPeriodEnd(s, true)
	}
	return s, nil
}

// readCollection reads whether a card is charged, or invoices are sent.
func readCollection(f *form.Form, p *account.Purchase) {
	days := f.Number("days_until_due", 0, 730)
	if f.OneOf("collection_method", object.ChargeAutomatically, object.ChargeAutomatically, object.SendInvoice) == object.ChargeAutomatically {
		return
	}
	if p.DaysDue = days; days == nil {
		f.Missing("days_until_due")
	}
}

// readTrial reads when a trial ends, 0 for none, and what follows without a payment method.
func (a handler) readTrial(f *form.Form) (end int64, noMethod string) {
	if days := f.Number("trial_period_days", 0, 730); days != nil && *days > 0 {
		end = a.Now().AddDate(0, 0, int(*days)).Unix()
	}
	if at := f.Number("trial_end", 0, 1<<40); at != nil {
		end = *at
		if end <= a.Unix() {
			f.Fail(object.InvalidRequest(f.Path("trial_end"), "", "Invalid timestamp: must be an integer Unix timestamp in the future"))
		}
	}
	if settings := f.Child("trial_settings"); settings != nil {
		noMethod = settings.Child("end_behavior").OneOf("missing_payment_method", "", "cancel", "create_invoice", "pause")
	}
	return end, noMethod
}

// changeSubscription serves POST /v1/subscriptions/{id}.
func (a handler) changeSubscription(q Request) (any, error) {
	s, err := account.Named(&a.Subscriptions, "id", "subscription", q.id)
	if err != nil {
		return nil, err
	}
	f := q.Form
	c := a.readItemsChange(f, s)
	later := f.Bool("cancel_at_period_end")
	var at *int64
	clearAt := f.TextOr("cancel_at", "absent") == ""
	if !clearAt {
		at = f.Number("cancel_at", a.Unix(), 1<<40)
	}
	metadata, description, method := f.Metadata(s.Metadata), f.Text("description"), f.Text("default_payment_method")
	if branch := f.Child("cancellation_details"); branch != nil {
		branch.Ignore("comment", "feedback")
	}
	var collection account.Purchase
	if f.Has("collection_method") {
		readCollection(f, &collection)
	}
	collects := f.Has("collection_method")
	f.Ignore("off_session", "payment_settings", "automatic_tax")
	if err := f.Done(); err != nil {
		return nil, err
	}
	if s.Ended() && (len(c.Items) > 0 || later != nil || at != nil) {
		return nil, object.InvalidRequest("", "", "A canceled subscription can only update its cancellation_details and metadata.")
	}
	if method != nil {
		if _, err := account.Named(&a.PaymentMethods, "default_payment_method", "PaymentMethod", *method); err != nil {
			return nil, err
		}
	}
	if err := a.ChangeItems(s, c, func() {
		s.Metadata = metadata
		if collects {
			s.CollectionMethod, s.DaysUntilDue = object.ChargeAutomatically, collection.DaysDue
			if collection.DaysDue != nil {
				s.CollectionMethod = object.SendInvoice
			}
		}
		if description != nil {
			s.Description = kit.OrNull(*description)
		}
		if method != nil {
			s.DefaultPaymentMethod = method
		}
		if clearAt && !s.CancelAtPeriodEnd {
			s.CancelAt, s.CanceledAt = nil, nil
		}
		if at != nil {
			now := a.Unix()
			s.CancelAt, s.CanceledAt, s.CancelAtPeriodEnd = at, &now, false
		}
	}); err != nil {
		return nil, err
	}
	if later != nil {
		a.SetCancelAtPeriodEnd(s, *later)
	}
	return s, nil
}

// cancelSubscription serves DELETE /v1/subscriptions/{id}. One that has ended is not found, as with Stripe.
func (a handler) cancelSubscription(q Request) (any, error) {
	s, err := account.Named(&a.Subscriptions, "id", "subscription", q.id)
	if err != nil {
		return nil, err
	}
	if branch := q.Form.Child("cancellation_details"); branch != nil {
		branch.Ignore("comment", "feedback")
	}
	q.Form.Ignore("invoice_now", "prorate")
	if err := q.Form.Done(); err != nil {
		return nil, err
	}
	if s.Ended() {
		return nil, object.Missing("id", "subscription", q.id)
	}
	a.Cancel(s)
	return s, nil
}

// resumeSubscription serves POST /v1/subscriptions/{id}/resume.
func (a handler) resumeSubscription(q Request) (any, error) {
	s, err := account.Named(&a.Subscriptions, "id", "subscription", q.id)
	if err != nil {
		return nil, err
	}
	anchor := q.Form.OneOf("billing_cycle_anchor", "now", "now", "unchanged")
	q.Form.OneOf("proration_behavior", object.CreateProrations, object.CreateProrations, object.AlwaysInvoice, object.NoProrations)
	if err := q.Form.Done(); err != nil {
		return nil, err
	}
	return s, a.Resume(s, anchor == "now")
}
