package account

import (
	"fmt"

	"github.com/teamtask/teamtask/internal/sandbox/kit"
	"github.com/teamtask/teamtask/internal/sandbox/stripe/object"
)

// periodLines returns what one period of a subscription costs.
func (a *Account) periodLines(s *object.Subscription) []object.Line {
	var lines []object.Line
	for _, item := range s.Items.Data {
		line := a.line(s, item, item.Quantity, item.Price.Cost(item.Quantity, s.Currency))
		line.Period = object.Period{Start: s.CurrentPeriodStart, End: s.CurrentPeriodEnd}
		line.Description = fmt.Sprintf("%d × %s", item.Quantity, a.ProductName(item.Price.Product))
		line.Type = "subscription"
		if s.Status == object.SubscriptionTrialing {
			line.Amount = 0
			line.Description = "Trial period for " + a.ProductName(item.Price.Product)
		}
		lines = append(lines, line)
	}
	return lines
}

// ProductName returns the name of a product, its id where there is no such product.
func (a *Account) ProductName(id string) string {
	if p, ok := a.Products.Get(id); ok {
		return p.Name
	}
	return id
}

func (a *Account) line(s *object.Subscription, item object.Item, quantity, amount int64) object.Line {
	return object.Line{
		ID: kit.FreshID("il_"), Object: "line_item", Amount: amount, Currency: s.Currency, Discountable: true, Metadata: object.Metadata{},
		Plan: item.Plan, Price: item.Price, Quantity: quantity, Subscription: s.ID, SubscriptionItem: item.ID,
	}
}

// proration returns the lines for what a change of an item costs or gives back for the rest of the period.
func (a *Account) proration(s *object.Subscription, item object.Item, was, is int64) []object.Line {
	length := s.CurrentPeriodEnd - s.CurrentPeriodStart
	left := min(max(s.CurrentPeriodEnd-a.Unix(), 0), length)
	if was == is || length <= 0 || s.Status != object.SubscriptionActive && s.Status != object.SubscriptionPastDue {
		return nil
	}
	part := func(quantity int64) int64 { return item.Price.Cost(quantity, s.Currency) * left / length }
	var lines []object.Line
	for _, one := range []struct {
		quantity, amount int64
		words            string
	}{{was, -part(was), "Unused time on %d × %s"}, {is, part(is), "Remaining time on %d × %s"}} {
		if one.quantity == 0 {
			continue
		}
		line := a.line(s, item, one.quantity, one.amount)
		line.Description = fmt.Sprintf(one.words, one.quantity, a.ProductName(item.Price.Product))
		line.Period = object.Period{Start: s.CurrentPeriodEnd - left, End: s.CurrentPeriodEnd}
		line.Type, line.Proration, line.Discountable = "invoiceitem", true, false
		id := kit.FreshID("ii_")
		extra := a.InvoiceItems.Add(id, &object.InvoiceItem{
			ID: id, Object: "invoiceitem", Amount: line.Amount, Currency: line.Currency, Customer: s.Customer, Date: a.Unix(),
			Description: line.Description, Metadata: object.Metadata{}, Period: line.Period, Price: line.Price, Proration: true,
			Quantity: line.Quantity, Subscription: s.ID,
		})
		line.InvoiceItem = &extra.ID
		lines = append(lines, line)
	}
	return lines
}

// draft makes an invoice that is the subscription's latest from then on.
func (a *Account) draft(s *object.Subscription, reason string, lines []object.Line) *object.Invoice {
	id := kit.FreshID("in_")
	invoice := a.Invoices.Add(id, &object.Invoice{
		ID: id, Object: "invoice", AutoAdvance: true, BillingReason: reason, CollectionMethod: s.CollectionMethod, Created: a.Unix(),
		Currency: s.Currency, Customer: s.Customer, Discounts: []string{}, Metadata: object.Metadata{}, PeriodStart: s.CurrentPeriodStart,
		PeriodEnd: s.CurrentPeriodStart, Status: object.InvoiceDraft, Subscription: s.ID, SubscriptionDetails: object.SubscriptionDetails{Metadata: object.Copied(s.Metadata)},
		Lines: object.Lines{Object: "list", Data: lines, TotalCount: len(lines), URL: "/v1/invoices/" + id + "/lines"},
	})
	if c, ok := a.Customers.Get(s.Customer); ok {
		invoice.CustomerEmail, invoice.CustomerName, invoice.StartingBalance = c.Email, c.Name, c.Balance
	}
	for _, line := range lines {
		invoice.Subtotal += line.Amount
		if line.InvoiceItem != nil {
			if extra, ok := a.InvoiceItems.Get(*line.InvoiceItem); ok {
				extra.Invoice = &invoice.ID
			}
		}
	}
	invoice.Total = invoice.Subtotal
	invoice.AmountDue = max(0, invoice.Total+invoice.StartingBalance)
	invoice.AmountRemaining = invoice.AmountDue
	s.LatestInvoice = &invoice.ID
	a.Emit("invoice.created", invoice, nil)
	return invoice
}

// Finalize makes a draft final. What costs nothing is paid then.
func (a *Account) Finalize(invoice *object.Invoice) {
	now := a.Unix()
	before := Document(invoice)
	invoice.Status, invoice.StatusTransitions.FinalizedAt = object.InvoiceOpen, &now
	left := min(0, invoice.Total+invoice.StartingBalance)
	invoice.EndingBalance = &left
	if c, ok := a.Customers.Get(invoice.Customer); ok {
		invoice.Number = kit.OrNull(fmt.Sprintf("%s-%04d", c.InvoicePrefix, c.NextInvoice))
		c.NextInvoice++
		c.Balance = left
	}
	if invoice.AmountDue > 0 {
		a.createIntent(invoice)
	}
	a.Emit("invoice.updated", invoice, before)
	a.Emit("invoice.finalized", invoice, nil)
	if invoice.AmountDue == 0 {
		a.MarkPaid(invoice)
	}
}

// MarkPaid marks an invoice as paid.
func (a *Account) MarkPaid(invoice *object.Invoice) {
	now := a.Unix()
	before := Document(invoice)
	invoice.Status, invoice.Paid, invoice.Attempted, invoice.StatusTransitions.PaidAt = object.InvoicePaid, true, true, &now
	invoice.AmountPaid, invoice.AmountRemaining, invoice.NextPaymentAttempt = invoice.AmountDue, 0, nil
	a.Emit("invoice.updated", invoice, before)
	a.Emit("invoice.paid", invoice, nil)
	a.Emit("invoice.payment_succeeded", invoice, nil)
}

// openInvoices returns the invoices of a subscription that wait to be paid, newest first.
func (a *Account) openInvoices(s *object.Subscription) []*object.Invoice {
	return a.Invoices.Where(func(i *object.Invoice) bool { return i.Subscription == s.ID && i.Status == object.InvoiceOpen })
}

// voidOpenInvoices takes the open invoices of a subscription back.
func (a *Account) voidOpenInvoices(s *object.Subscription) {
	for _, invoice := range a.openInvoices(s) {
		a.Void(invoice)
	}
}

// Void takes an invoice back, and with it what it would be paid by.
func (a *Account) Void(invoice *object.Invoice) {
	now := a.Unix()
	invoice.Status, invoice.StatusTransitions.VoidedAt, invoice.NextPaymentAttempt = object.InvoiceVoid, &now, nil
	if invoice.PaymentIntent != nil {
		if intent, ok := a.PaymentIntents.Get(*invoice.PaymentIntent); ok && intent.Status != "succeeded" && intent.Status != "canceled" {
			intent.Status = "canceled"
			a.Emit("payment_intent.canceled", intent, nil)
		}
	}
	a.Emit("invoice.voided", invoice, nil)
}
