package account

import (
	"slices"

	"github.com/teamtask/teamtask/internal/sandbox/kit"
	"github.com/teamtask/teamtask/internal/sandbox/stripe/object"
)

// ItemsChange is what is to become of the items of a subscription.
type ItemsChange struct {
	Items     []ItemChange
	Proration string
	Failing   string // payment_behavior: what a declined payment does
}

// ItemChange is about one item, or about a new one where the index is below zero.
type ItemChange struct {
	Index    int
	Price    *object.Price // nil: as it is
	Quantity int64
	Metadata object.Metadata
	Deleted  bool
}

// ChangeItems changes a subscription and its items, and charges or gives back the difference. With error_if_incomplete a declined
// payment changes nothing.
func (a *Account) ChangeItems(s *object.Subscription, c ItemsChange, also func()) error {
	method := a.MethodOf(s)
	declines := method == nil || method.Declines
	if c.Failing == "error_if_incomplete" && c.Proration == object.AlwaysInvoice && declines && a.costsMore(s, c) {
		return object.Declined()
	}
	var lines []object.Line
	differences := func(item object.Item, was, is int64) {
		if c.Proration != object.NoProrations {
			lines = append(lines, a.proration(s, item, was, is)...)
		}
	}
	a.update(s, func() {
		also()
		gone := map[int]bool{}
		for _, one := range c.Items {
			switch {
			case one.Index < 0:
				item := a.newItem(kit.FreshID("si_"), s, Bought{one.Price, one.Quantity, one.Metadata})
				s.Items.Data = append(s.Items.Data, item)
				differences(item, 0, one.Quantity)
			case one.Deleted:
				gone[one.Index] = true
				differences(s.Items.Data[one.Index], s.Items.Data[one.Index].Quantity, 0)
			default:
				item := &s.Items.Data[one.Index]
				if one.Price != nil && one.Price.ID != item.Price.ID {
					differences(*item, item.Quantity, 0)
					item.Price, item.Plan = *one.Price, one.Price.Plan()
					differences(*item, 0, one.Quantity)
				} else {
					differences(*item, item.Quantity, one.Quantity)
				}
				item.Quantity, item.Metadata = one.Quantity, one.Metadata
			}
		}
		kept := []object.Item{}
		for i, item := range s.Items.Data {
			if !gone[i] {
				kept = append(kept, item)
			}
		}
		s.Items.Data = kept
	})
	if len(lines) == 0 {
		return nil
	}
	for _, line := range lines {
		if extra, ok := a.InvoiceItems.Get(*line.InvoiceItem); ok {
			a.Emit("invoiceitem.created", extra, nil)
		}
	}
	if c.Proration == object.CreateProrations {
		s.PendingLines = append(s.PendingLines, lines...)
		return nil
	}
	lines = slices.Concat(s.PendingLines, lines)
	s.PendingLines = nil
	invoice := a.draft(s, "subscription_update", lines)
	a.Finalize(invoice)
	if !s.SendsInvoices() && c.Failing != "default_incomplete" || invoice.Status == object.InvoicePaid {
		a.Collect(s, invoice)
	}
	return nil
}

// costsMore reports whether a change raises what a period costs.
func (a *Account) costsMore(s *object.Subscription, c ItemsChange) bool {
	var more int64
	for _, one := range c.Items {
		if one.Index < 0 {
			more += one.Price.Cost(one.Quantity, s.Currency)
			continue
		}
		item := s.Items.Data[one.Index]
		more -= item.Price.Cost(item.Quantity, s.Currency)
		if price := one.Price; !one.Deleted && price != nil {
			more += price.Cost(one.Quantity, s.Currency)
		} else if !one.Deleted {
			more += item.Price.Cost(one.Quantity, s.Currency)
		}
	}
	return more > 0
}
