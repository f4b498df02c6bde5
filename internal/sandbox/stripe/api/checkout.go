package api

import (
	"time"

	"github.com/teamtask/teamtask/internal/sandbox/kit"
	"github.com/teamtask/teamtask/internal/sandbox/stripe/account"
	"github.com/teamtask/teamtask/internal/sandbox/stripe/form"
	"github.com/teamtask/teamtask/internal/sandbox/stripe/object"
)

const (
	sessionLife    = 24 * time.Hour
	adjustableMost = 99 // where no maximum is given
	linesMax       = 20
)

// postSession serves POST /v1/checkout/sessions, for subscriptions alone.
func (a handler) postSession(q Request) (any, error) {
	f := q.Form
	id := kit.FreshID("cs_test_")
	s := object.CheckoutSession{
		ID: id, Object: "checkout.session", AllowPromotionCodes: f.Bool("allow_promotion_codes"), CancelURL: f.URL("cancel_url"),
		BillingAddress: f.Text("billing_address_collection"), ClientReferenceID: f.Text("client_reference_id"), Created: a.Unix(),
		Customer: f.Text("customer"), CustomerEmail: f.Text("customer_email"), ExpiresAt: a.Now().Add(sessionLife).Unix(),
		Locale: f.Text("locale"), Metadata: f.Metadata(nil), PaymentMethodTypes: []string{"card"},
		PaymentStatus: object.OutcomeUnpaid, Status: object.SessionOpen, UIMode: f.OneOf("ui_mode", "hosted", "hosted"),
		PaymentCollection: f.OneOf("payment_method_collection", "always", "always", "if_required"),
		URL:               kit.OrNull(a.BaseURL + account.Root + "/checkout/" + id),
	}
	if s.Mode = f.OneOf("mode", "", "subscription"); s.Mode == "" {
		f.Missing("mode")
	}
	if given := f.URL("success_url"); given != nil {
		s.SuccessURL = *given
	} else {
		f.Missing("success_url")
	}
	if at := f.Number("expires_at", 0, 1<<40); at != nil {
		s.ExpiresAt = *at
		if *at < a.Now().Add(30*time.Minute).Unix() || *at > a.Now().Add(sessionLife).Unix() {
			f.Fail(object.InvalidRequest("expires_at", "", "The `expires_at` timestamp must be between 30 minutes and 24 hours from Checkout Session creation."))
		}
	}
	a.readSessionLines(f, &s)
	a.readSubscriptionData(f.Child("subscription_data"), &s)
	if branch := f.Child("customer_update"); branch != nil {
		for _, name := range []string{"address", "name", "shipping"} {
			branch.OneOf(name, "never", "auto", "never")
		}
		if s.Customer == nil {
			f.Fail(object.InvalidRequest("customer_update", "", "`customer_update` can only be used with `customer`."))
		}
	}
	if branch := f.Child("automatic_tax"); branch != nil {
		branch.Bool("enabled")
	}
	if s.Customer != nil && s.CustomerEmail != nil {
		f.Fail(object.InvalidRequest("customer_email", "", "You may only specify one of these parameters: customer, customer_email."))
	}
	f.Ignore("payment_method_types", "tax_id_collection", "consent_collection", "phone_number_collection", "custom_text", "payment_method_options",
		"currency")
	if err := f.Done(); err != nil {
		return nil, err
	}
	if s.Customer != nil {
		if _, err := account.Named(&a.Customers, "customer", "customer", *s.Customer); err != nil {
			return nil, err
		}
	}
	s.UpdateTotals()
	return a.CheckoutSessions.Add(id, &s), nil
}

func (a handler) readSessionLines(f *form.Form, s *object.CheckoutSession) {
	branches := f.List("line_items")
	if len(branches) == 0 {
		f.Missing("line_items")
	}
	if len(branches) > linesMax {
		f.Fail(object.InvalidRequest("line_items", "", "You can only have up to %d line items.", linesMax))
		return
	}
	for _, branch := range branches {
		line := object.SessionLine{ID: kit.FreshID("li_"), Object: "item", Quantity: 1}
		if price := a.recurringPrice(branch); price != nil {
			line.Price, line.Currency, line.Description = *price, price.Currency, a.ProductName(price.Product)
		}
		if n := branch.Number("quantity", 1, object.QuantityMax); n != nil {
			line.Quantity = *n
		} else {
			branch.Missing("quantity")
		}
		line.Least, line.Most = line.Quantity, line.Quantity
		if adjust := branch.Child("adjustable_quantity"); adjust != nil {
			on, least, most := adjust.Bool("enabled"), adjust.Number("minimum", 0, object.QuantityMax), adjust.Number("maximum", 1, object.QuantityMax)
			if on == nil {
				adjust.Missing("enabled")
			} else if *on {
				line.Adjustable, line.Least, line.Most = true, 0, adjustableMost
				if least != nil {
					line.Least = *least
				}
				if most != nil {
					line.Most = *most
				}
				if line.Quantity < line.Least || line.Quantity > line.Most {
					f.Fail(object.InvalidRequest(branch.Path("quantity"), "", "The quantity has to be from adjustable_quantity[minimum] to [maximum]."))
				}
			}
		}
		branch.Ignore("tax_rates", "dynamic_tax_rates")
		s.Lines = append(s.Lines, line)
	}
	for _, line := range s.Lines[min(1, len(s.Lines)):] {
		if line.Currency != s.Lines[0].Currency {
			f.Fail(object.InvalidRequest("line_items", "", "All prices of a session have one currency."))
		}
	}
}

func (a handler) readSubscriptionData(f *form.Form, s *object.CheckoutSession) {
	if f == nil {
		return
	}
	s.SubscriptionData = object.SubscriptionData{Metadata: f.Metadata(nil), Description: f.Text("description")}
	if days := f.Number("trial_period_days", 1, 730); days != nil {
		s.SubscriptionData.TrialDays = *days
	}
	if at := f.Number("trial_end", 0, 1<<40); at != nil {
		s.SubscriptionData.TrialEnd = *at
		if *at < a.Now().Add(2*kit.Day).Unix() {
			f.Fail(object.InvalidRequest(f.Path("trial_end"), "", "The `trial_end` date has to be at least 2 days in the future."))
		}
	}
	if settings := f.Child("trial_settings"); settings != nil {
		s.SubscriptionData.NoMethod = settings.Child("end_behavior").OneOf("missing_payment_method", "", "cancel", "create_invoice", "pause")
	}
	f.OneOf("proration_behavior", object.CreateProrations, object.CreateProrations, object.NoProrations)
}

func (a handler) getSession(q Request) (any, error) {
	return only(&a.CheckoutSessions, "checkout.session", q)
}

func (a handler) listSessions(q Request) (any, error) {
	customer, subscription := q.Form.Text("customer"), q.Form.Text("subscription")
	status := q.Form.OneOf("status", "", object.SessionOpen, object.SessionComplete, object.SessionExpired)
	return listed(q, a.CheckoutSessions.Where(func(s *object.CheckoutSession) bool {
		return (customer == nil || s.Customer != nil && *s.Customer == *customer) && (status == "" || s.Status == status) &&
			(subscription == nil || s.Subscription != nil && *s.Subscription == *subscription)
	}))
}

func (a handler) listSessionLines(q Request) (any, error) {
	s, err := account.Named(&a.CheckoutSessions, "id", "checkout.session", q.id)
	if err != nil {
		return nil, err
	}
	var lines []*object.SessionLine
	for i := range s.Lines {
		lines = append(lines, &s.Lines[i])
	}
	return listed(q, lines)
}

func sessionLines(s *object.CheckoutSession) object.List {
	list := object.List{Object: "list", Data: []any{}, URL: "/v1/checkout/sessions/" + s.ID + "/line_items"}
	for _, line := range s.Lines {
		list.Data = append(list.Data, line)
	}
	return list
}

func (a handler) expireSession(q Request) (any, error) {
	s, err := account.Named(&a.CheckoutSessions, "id", "checkout.session", q.id)
	if err != nil {
		return nil, err
	}
	if err := q.Form.Done(); err != nil {
		return nil, err
	}
	if s.Status != object.SessionOpen {
		return nil, object.InvalidRequest("", "", "Only Checkout Sessions with a status in [\"open\"] can be expired. This Checkout Session has a status of %s.", s.Status)
	}
	a.ExpireSession(s)
	return s, nil
}
