package sandbox

import "slices"

// pause pauses a subscription, as the end of a trial without a payment method may.
func (a *stripeAccount) pause(s *stripeSubscription) {
	a.change(s, func() { s.Status = subPaused })
	a.tell("customer.subscription.paused", s, nil)
}

// resume ends a pause: with a new period that is paid now, or in the old one.
func (a *stripeAccount) resume(s *stripeSubscription, anew bool) error {
	if s.Status != subPaused {
		return invalidRequest("", "", "This subscription cannot be resumed because it is not paused.")
	}
	if !anew {
		a.change(s, func() { s.Status = subActive })
		a.tell("customer.subscription.resumed", s, nil)
		return nil
	}
	if method := a.methodOf(s); method == nil || method.Declines {
		return declined()
	}
	a.change(s, func() {
		now := a.at()
		s.Status, s.CurrentPeriodStart, s.CurrentPeriodEnd = subActive, now, s.period(now)
		s.BillingCycleAnchor = now
	})
	invoice := a.draft(s, "subscription_cycle", a.periodLines(s))
	a.finalize(invoice)
	a.collect(s, invoice)
	a.tell("customer.subscription.resumed", s, nil)
	return nil
}

// advance brings a subscription to its next period, or tries an open invoice again, as if time had passed. From the failures-th
// failed payment on it is unpaid.
func (a *stripeAccount) advance(s *stripeSubscription, paid bool, failures int) error {
	open := a.openInvoices(s)
	switch s.Status {
	case subCanceled, subExpired:
		return invalidRequest("", "", "The subscription %s is %s.", s.ID, s.Status)
	case subPaused:
		return invalidRequest("", "", "The subscription %s is paused: resume it first.", s.ID)
	case subIncomplete:
		if !paid || len(open) == 0 {
			a.giveUp(s)
			return nil
		}
		a.settleInvoice(s, open[0], a.methodFor(s), true)
		return nil
	case subPastDue, subUnpaid:
		if !paid && s.Status == subPastDue && s.Failures+1 >= failures {
			if len(open) > 0 {
				a.charge(open[0], a.methodOf(s), false)
			}
			a.change(s, func() { s.Status, s.Failures = subUnpaid, s.Failures+1 })
			return nil
		}
		for _, invoice := range open {
			a.settleInvoice(s, invoice, a.methodFor(s), paid)
			if !paid {
				break
			}
		}
		a.revive(s)
		return nil
	}
	if s.sendsInvoices() && s.Status == subActive && len(open) > 0 {
		a.due(s, open, paid)
		return nil
	}
	if s.CancelAtPeriodEnd || s.CancelAt != nil && *s.CancelAt <= s.CurrentPeriodEnd {
		a.end(s)
		return nil
	}
	if s.Status == subTrialing && a.methodOf(s) == nil {
		switch s.TrialSettings.EndBehavior.MissingPaymentMethod {
		case "cancel":
			a.end(s)
			return nil
		case "pause":
			a.pause(s)
			return nil
		}
	}
	a.renew(s, paid)
	return nil
}

// due is the Day on which invoices that were sent are paid, or past due.
func (a *stripeAccount) due(s *stripeSubscription, open []*stripeInvoice, paid bool) {
	if !paid {
		a.change(s, func() { s.Status = subPastDue })
		return
	}
	for _, invoice := range open {
		invoice.PaidOutOfBand = true
		a.paid(invoice)
	}
}

// renew begins the next period of a subscription. A renewal that is to fail leaves out what the customer has a credit of: no
// invoice would be left to fail.
func (a *stripeAccount) renew(s *stripeSubscription, paid bool) {
	var waiting []stripeLine
	if c, ok := a.customers.get(s.Customer); ok && !paid {
		c.Balance = max(0, c.Balance)
	}
	if paid {
		waiting, s.Waiting = s.Waiting, nil
	}
	a.change(s, func() {
		s.Status = subActive
		s.CurrentPeriodStart, s.CurrentPeriodEnd = s.CurrentPeriodEnd, s.period(s.CurrentPeriodEnd)
	})
	invoice := a.draft(s, "subscription_cycle", slices.Concat(waiting, a.periodLines(s)))
	a.finalize(invoice)
	if !s.sendsInvoices() || invoice.Status == invoicePaid {
		a.settleInvoice(s, invoice, a.methodFor(s), paid)
	}
}

// methodFor is what a payment is made with that somebody decided on: the subscription's method, or a new card.
func (a *stripeAccount) methodFor(s *stripeSubscription) *stripeMethod {
	if m := a.methodOf(s); m != nil {
		return m
	}
	m := a.newCard(FreshID("pm_"), testCards["pm_card_visa"])
	m.Customer = &s.Customer
	s.DefaultPaymentMethod = &m.ID
	return m
}
