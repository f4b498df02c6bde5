package sandbox

import "slices"

// complete is what a buyer does on the checkout page.
func (a *stripeAccount) complete(s *stripeSession, quantity *int64, outcome string) error {
	if s.Status != sessionOpen {
		return invalidRequest("", "", "The session %s is %s.", s.ID, s.Status)
	}
	if !slices.Contains([]string{outcomePaid, outcomeDeclined, outcomeUnpaid}, outcome) {
		return invalidRequest("outcome", "", "The outcome is paid, declined or unpaid.")
	}
	if s.Customer != nil && a.gone[*s.Customer] {
		return missingAt("customer", "customer", *s.Customer)
	}
	if err := s.adjust(quantity); err != nil {
		return err
	}
	return a.inOrder(checkoutOrder, func() error {
		a.buy(s, outcome)
		return nil
	})
}

// buy makes the subscription of a session, or takes the one whose card was declined before.
func (a *stripeAccount) buy(s *stripeSession, outcome string) {
	customer := a.buyer(s)
	free := s.trial()
	if free && outcome == outcomeDeclined {
		return // the card is not taken, and nothing begins
	}
	sub := a.declinedOf(s)
	if sub != nil && !sameItems(sub, s) {
		a.giveUp(sub)
		sub = nil
	}
	var card *stripeMethod
	if outcome != outcomeDeclined && (!free || s.PaymentCollection == "always") {
		card = a.newCard(FreshID("pm_"), testCards["pm_card_visa"])
		a.attach(card, customer)
	}
	var invoice *stripeInvoice
	if sub == nil {
		sub, invoice = a.begin(a.purchaseOf(s, customer))
		a.finalize(invoice)
	} else {
		invoice = a.openInvoices(sub)[0]
	}
	if card != nil {
		sub.DefaultPaymentMethod = &card.ID
	}
	switch {
	case outcome == outcomeDeclined:
		s.Declined = &sub.ID
		a.charge(invoice, nil, false)
		return
	case outcome == outcomeUnpaid && invoice.Status == invoiceOpen:
		if intent, ok := a.intents.get(*invoice.PaymentIntent); ok {
			intent.Status, intent.PaymentMethod = "processing", &card.ID
			a.tell("payment_intent.processing", intent, nil)
		}
		a.change(sub, func() { sub.Status = subActive })
	default:
		a.settleInvoice(sub, invoice, card, true)
		s.PaymentStatus = outcomePaid
		if free {
			s.PaymentStatus = "no_payment_required"
		}
	}
	s.Status, s.URL, s.Subscription, s.Invoice = sessionComplete, nil, &sub.ID, &invoice.ID
	s.CustomerDetails = &stripeBuyer{Email: customer.Email, Name: customer.Name, TaxExempt: "none", TaxIDs: []string{}}
	a.tell("checkout.session.completed", s, nil)
}

// buyer is the customer of a session, who is made where there is none.
func (a *stripeAccount) buyer(s *stripeSession) *stripeCustomer {
	if s.Customer != nil {
		if c, ok := a.customers.get(*s.Customer); ok {
			return c
		}
	}
	c := a.newCustomer(FreshID("cus_"))
	c.Email = s.CustomerEmail
	if c.Email == nil {
		c.Email = OrNull("buyer@checkout.test")
	}
	s.Customer = &c.ID
	a.tell("customer.created", c, nil)
	return c
}

func (a *stripeAccount) purchaseOf(s *stripeSession, customer *stripeCustomer) purchase {
	p := purchase{
		customer: customer, metadata: s.Wish.Metadata, description: s.Wish.Description, trialEnd: s.Wish.TrialEnd, noMethod: s.Wish.NoMethod,
	}
	if s.Wish.TrialDays > 0 {
		p.trialEnd = a.now().AddDate(0, 0, int(s.Wish.TrialDays)).Unix()
	}
	for _, line := range s.Lines {
		p.items = append(p.items, bought{price: &line.Price, quantity: line.Quantity})
	}
	return p
}

func sameItems(sub *stripeSubscription, s *stripeSession) bool {
	return slices.EqualFunc(sub.Items.Data, s.Lines, func(item stripeItem, line stripeSessionLine) bool {
		return item.Price.ID == line.Price.ID && item.Quantity == line.Quantity
	})
}

// settle is what comes of a payment that took days.
func (a *stripeAccount) settle(s *stripeSession, paid bool) error {
	if s.Status != sessionComplete || s.PaymentStatus != outcomeUnpaid {
		return invalidRequest("", "", "The session %s waits for no payment.", s.ID)
	}
	sub, err := named(&a.subscriptions, "subscription", "subscription", *s.Subscription)
	if err != nil {
		return err
	}
	invoice, err := named(&a.invoices, "invoice", "invoice", *s.Invoice)
	if err != nil {
		return err
	}
	return a.inOrder(checkoutOrder, func() error {
		if invoice.Status == invoiceOpen && !sub.over() {
			a.settleInvoice(sub, invoice, a.methodOf(sub), paid)
		}
		if !paid {
			a.tell("checkout.session.async_payment_failed", s, nil)
			return nil
		}
		s.PaymentStatus = outcomePaid
		a.tell("checkout.session.async_payment_succeeded", s, nil)
		return nil
	})
}
