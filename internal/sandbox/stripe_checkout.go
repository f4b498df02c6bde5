package sandbox

import "time"

const (
	sessionOpen       = "open"
	sessionComplete   = "complete"
	sessionExpired    = "expired"
	sessionLife       = 24 * time.Hour
	sessionIDTemplate = "{CHECKOUT_SESSION_ID}"
	adjustableMost    = 99 // where no maximum is given
	linesMax          = 20
)

// What can come of a checkout.
const (
	outcomePaid     = "paid"
	outcomeDeclined = "declined"
	outcomeUnpaid   = "unpaid" // a payment that takes days
)

// checkoutOrder is the order of events in a good run of a purchase.
var checkoutOrder = []string{
	"customer.created", "charge.succeeded", "charge.failed", "payment_method.attached", "invoice.created", "customer.subscription.created",
	"invoice.updated", "invoice.finalized", "customer.subscription.updated", "invoice.paid", "invoice.payment_succeeded",
	"payment_intent.created", "payment_intent.processing", "payment_intent.succeeded", "payment_intent.payment_failed",
	"invoice.payment_failed", "checkout.session.completed", "checkout.session.async_payment_succeeded",
	"checkout.session.async_payment_failed",
}

// postSession answers POST /v1/checkout/sessions, for subscriptions alone.
func (a stripeAPI) postSession(q stripeRequest) (any, error) {
	f := q.form
	id := FreshID("cs_test_")
	s := stripeSession{
		ID: id, Object: "checkout.session", AllowPromotionCodes: f.flag("allow_promotion_codes"), CancelURL: f.address("cancel_url"),
		BillingAddress: f.str("billing_address_collection"), ClientReferenceID: f.str("client_reference_id"), Created: a.at(),
		Customer: f.str("customer"), CustomerEmail: f.str("customer_email"), ExpiresAt: a.now().Add(sessionLife).Unix(),
		Locale: f.str("locale"), Metadata: f.metadata(nil), PaymentMethodTypes: []string{"card"},
		PaymentStatus: outcomeUnpaid, Status: sessionOpen, UIMode: f.one("ui_mode", "hosted", "hosted"),
		PaymentCollection: f.one("payment_method_collection", "always", "always", "if_required"),
		URL:               OrNull(a.baseURL + stripeRoot + "/checkout/" + id),
	}
	if s.Mode = f.one("mode", "", "subscription"); s.Mode == "" {
		f.missing("mode")
	}
	if given := f.address("success_url"); given != nil {
		s.SuccessURL = *given
	} else {
		f.missing("success_url")
	}
	if at := f.number("expires_at", 0, 1<<40); at != nil {
		s.ExpiresAt = *at
		if *at < a.now().Add(30*time.Minute).Unix() || *at > a.now().Add(sessionLife).Unix() {
			f.fail(invalidRequest("expires_at", "", "The `expires_at` timestamp must be between 30 minutes and 24 hours from Checkout Session creation."))
		}
	}
	a.readSessionLines(f, &s)
	a.readSubscriptionData(f.child("subscription_data"), &s)
	if branch := f.child("customer_update"); branch != nil {
		for _, name := range []string{"address", "name", "shipping"} {
			branch.one(name, "never", "auto", "never")
		}
		if s.Customer == nil {
			f.fail(invalidRequest("customer_update", "", "`customer_update` can only be used with `customer`."))
		}
	}
	if branch := f.child("automatic_tax"); branch != nil {
		branch.flag("enabled")
	}
	if s.Customer != nil && s.CustomerEmail != nil {
		f.fail(invalidRequest("customer_email", "", "You may only specify one of these parameters: customer, customer_email."))
	}
	f.ignore("payment_method_types", "tax_id_collection", "consent_collection", "phone_number_collection", "custom_text", "payment_method_options",
		"currency")
	if err := f.done(); err != nil {
		return nil, err
	}
	if s.Customer != nil {
		if _, err := named(&a.customers, "customer", "customer", *s.Customer); err != nil {
			return nil, err
		}
	}
	s.total()
	return a.sessions.add(id, &s), nil
}

func (a stripeAPI) readSessionLines(f *form, s *stripeSession) {
	branches := f.list("line_items")
	if len(branches) == 0 {
		f.missing("line_items")
	}
	if len(branches) > linesMax {
		f.fail(invalidRequest("line_items", "", "You can only have up to %d line items.", linesMax))
		return
	}
	for _, branch := range branches {
		line := stripeSessionLine{ID: FreshID("li_"), Object: "item", Quantity: 1}
		if price := a.recurringPrice(branch); price != nil {
			line.Price, line.Currency, line.Description = *price, price.Currency, a.productName(price.Product)
		}
		if n := branch.number("quantity", 1, quantityMax); n != nil {
			line.Quantity = *n
		} else {
			branch.missing("quantity")
		}
		line.Least, line.Most = line.Quantity, line.Quantity
		if adjust := branch.child("adjustable_quantity"); adjust != nil {
			on, least, most := adjust.flag("enabled"), adjust.number("minimum", 0, quantityMax), adjust.number("maximum", 1, quantityMax)
			if on == nil {
				adjust.missing("enabled")
			} else if *on {
				line.Adjustable, line.Least, line.Most = true, 0, adjustableMost
				if least != nil {
					line.Least = *least
				}
				if most != nil {
					line.Most = *most
				}
				if line.Quantity < line.Least || line.Quantity > line.Most {
					f.fail(invalidRequest(branch.within("quantity"), "", "The quantity has to be from adjustable_quantity[minimum] to [maximum]."))
				}
			}
		}
		branch.ignore("tax_rates", "dynamic_tax_rates")
		s.Lines = append(s.Lines, line)
	}
	for _, line := range s.Lines[min(1, len(s.Lines)):] {
		if line.Currency != s.Lines[0].Currency {
			f.fail(invalidRequest("line_items", "", "All prices of a session have one currency."))
		}
	}
}

func (a stripeAPI) readSubscriptionData(f *form, s *stripeSession) {
	if f == nil {
		return
	}
	s.Wish = stripeWish{Metadata: f.metadata(nil), Description: f.str("description")}
	if days := f.number("trial_period_days", 1, 730); days != nil {
		s.Wish.TrialDays = *days
	}
	if at := f.number("trial_end", 0, 1<<40); at != nil {
		s.Wish.TrialEnd = *at
		if *at < a.now().Add(2*Day).Unix() {
			f.fail(invalidRequest(f.within("trial_end"), "", "The `trial_end` date has to be at least 2 days in the future."))
		}
	}
	if settings := f.child("trial_settings"); settings != nil {
		s.Wish.NoMethod = settings.child("end_behavior").one("missing_payment_method", "", "cancel", "create_invoice", "pause")
	}
	f.one("proration_behavior", prorateLater, prorateLater, prorateNever)
}

// total brings the amounts of a session up to date.
func (s *stripeSession) total() {
	s.AmountSubtotal = 0
	for i := range s.Lines {
		line := &s.Lines[i]
		line.AmountSubtotal = line.Price.costs(line.Quantity, line.Currency)
		line.AmountTotal = line.AmountSubtotal
		s.AmountSubtotal += line.AmountSubtotal
		s.Currency = line.Currency
	}
	s.AmountTotal = s.AmountSubtotal
	if s.trial() {
		s.AmountSubtotal, s.AmountTotal = 0, 0
	}
}

func (s *stripeSession) trial() bool { return s.Wish.TrialDays > 0 || s.Wish.TrialEnd > 0 }
