package account

import (
	"slices"

	"github.com/teamtask/teamtask/internal/sandbox/kit"
	"github.com/teamtask/teamtask/internal/sandbox/stripe/object"
)

// Pause pauses a subscription, as the end of a trial without a payment method may.
func (a *Account) Pause(s *object.Subscription) {
	a.update(s, func() { s.Status = object.SubscriptionPaused })
	a.Emit("customer.subscription.paused", s, nil)
}

// Resume ends a pause: with a new period that is paid now, or in the old one.
func (a *Account) Resume(s *object.Subscription, anew bool) error {
	if s.Status != object.SubscriptionPaused {
		return object.InvalidRequest("", "", "This subscription cannot be resumed because it is not paused.")
	}
	if !anew {
		a.update(s, func() { s.Status = object.SubscriptionActive })
		a.Emit("customer.subscription.resumed", s, nil)
		return nil
	}
	if method := a.MethodOf(s); method == nil || method.Declines {
		return object.Declined()
	}
	a.update(s, func() {
		now := a.Unix()
		s.Status, s.CurrentPeriodStart, s.CurrentPeriodEnd = object.SubscriptionActive, now, s.PeriodEnd(now)
		s.BillingCycleAnchor = now
	})
	invoice := a.draft(s, "subscription_cycle", a.periodLines(s))
	a.Finalize(invoice)
	a.Collect(s, invoice)
	a.Emit("customer.subscription.resumed", s, nil)
	return nil
}

// Advance brings a subscription to its next period, or tries an open invoice again, as if time had passed. From the failures-th
// failed payment on it is unpaid.
func (a *Account) Advance(s *object.Subscription, paid bool, failures int) error {
	open := a.openInvoices(s)
	switch s.Status {
	case object.SubscriptionCanceled, object.SubscriptionIncompleteExpired:
		return object.InvalidRequest("", "", "The subscription %s is %s.", s.ID, s.Status)
	case object.SubscriptionPaused:
		return object.InvalidRequest("", "", "The subscription %s is paused: resume it first.", s.ID)
	case object.SubscriptionIncomplete:
		if !paid || len(open) == 0 {
			a.Expire(s)
			return nil
		}
		a.settleInvoice(s, open[0], a.MethodOrCard(s), true)
		return nil
	case object.SubscriptionPastDue, object.SubscriptionUnpaid:
		if !paid && s.Status == object.SubscriptionPastDue && s.Failures+1 >= failures {
			if len(open) > 0 {
				a.Charge(open[0], a.MethodOf(s), false)
			}
			a.update(s, func() { s.Status, s.Failures = object.SubscriptionUnpaid, s.Failures+1 })
			return nil
		}
		for _, invoice := range open {
			a.settleInvoice(s, invoice, a.MethodOrCard(s), paid)
			if !paid {
				break
			}
		}
		a.Reactivate(s)
		return nil
	}
	if s.SendsInvoices() && s.Status == object.SubscriptionActive && len(open) > 0 {
		a.due(s, open, paid)
		return nil
	}
	if s.CancelAtPeriodEnd || s.CancelAt != nil && *s.CancelAt <= s.CurrentPeriodEnd {
		a.Cancel(s)
		return nil
	}
	if s.Status == object.SubscriptionTrialing && a.MethodOf(s) == nil {
		switch s.TrialSettings.EndBehavior.MissingPaymentMethod {
		case "cancel":
			a.Cancel(s)
			return nil
		case "pause":
			a.Pause(s)
			return nil
		}
	}
	a.renew(s, paid)
	return nil
}

// due makes the invoices that were sent paid, or the subscription past due.
func (a *Account) due(s *object.Subscription, open []*object.Invoice, paid bool) {
	if !paid {
		a.update(s, func() { s.Status = object.SubscriptionPastDue })
		return
	}
	for _, invoice := range open {
		invoice.PaidOutOfBand = true
		a.MarkPaid(invoice)
	}
}

// renew begins the next period of a subscription. A renewal that is to fail leaves out what the customer has a credit of: no
// invoice would be left to fail.
func (a *Account) renew(s *object.Subscription, paid bool) {
	var waiting []object.Line
	if c, ok := a.Customers.Get(s.Customer); ok && !paid {
		c.Balance = max(0, c.Balance)
	}
	if paid {
		waiting, s.PendingLines = s.PendingLines, nil
	}
	a.update(s, func() {
		s.Status = object.SubscriptionActive
		s.CurrentPeriodStart, s.CurrentPeriodEnd = s.CurrentPeriodEnd, s.PeriodEnd(s.CurrentPeriodEnd)
	})
	invoice := a.draft(s, "subscription_cycle", slices.Concat(waiting, a.periodLines(s)))
	a.Finalize(invoice)
	if !s.SendsInvoices() || invoice.Status == object.InvoicePaid {
		a.settleInvoice(s, invoice, a.MethodOrCard(s), paid)
	}
}

// MethodOrCard returns the payment method of a subscription, or a new card where it has none.
func (a *Account) MethodOrCard(s *object.Subscription) *object.PaymentMethod {
	if m := a.MethodOf(s); m != nil {
		return m
	}
	m := a.NewCard(kit.FreshID("pm_"), TestCards["pm_card_visa"])
	m.Customer = &s.Customer
	s.DefaultPaymentMethod = &m.ID
	return m
}
