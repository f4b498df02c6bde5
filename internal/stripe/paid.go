package stripe

import (
	"context"
	"slices"
)

// paidFor returns how many seats of a live subscription are paid for, at most its
// quantity, and whether anything was ever paid.
//
// In trial and without any invoice that is the quantity. So it is where the customer is
// sent invoices, until Stripe says past_due. For all others the invoices decide.
func (s *Client) paidFor(ctx context.Context, f *listedSubscription) (paid int64, started bool, err error) {
	active := f.Status == StatusActive
	if f.latest == nil || f.Status == StatusTrialing || active && f.sendsInvoices {
		return f.Quantity, true, nil
	}
	invoices, err := s.invoicesSince(ctx, f)
	if err != nil {
		return 0, false, err
	}
	p := payments{grows: active}
	for _, i := range slices.Backward(invoices) {
		p.add(i)
	}
	return p.settle(f.quantities), p.started, nil
}

// invoicesSince returns the subscription's invoices with their lines of seats, newest
// first, back to the latest one that alone says what was paid for.
func (s *Client) invoicesSince(ctx context.Context, f *listedSubscription) ([]invoice, error) {
	if i := s.seatsOf(*f.latest, f.quantities); i.lines.next == "" && i.baseAlone() {
		return []invoice{i}, nil
	}
	var all []invoice
	for i, err := range pages("invoices.list", func(after string) (page[invoice], error) { return s.invoicePage(ctx, f.ID, after) }) {
		if err == nil {
			err = s.completeLines(ctx, &i)
		}
		if err != nil {
			return nil, err
		}
		i = s.seatsOf(i, f.quantities)
		all = append(all, i)
		if i.baseAlone() {
			break
		}
	}
	return all, nil
}

// completeLines asks for the lines that the list of invoices does not have.
func (s *Client) completeLines(ctx context.Context, i *invoice) error {
	lines, err := rest(i.lines, "invoices.lines.list", func(after string) (page[invoiceLine], error) { return s.linePage(ctx, i.id, after) })
	i.lines = page[invoiceLine]{rows: lines}
	return err
}

// seatsOf returns the invoice with its lines of seats alone: those with a seat price, and
// those of the items that have one now. An item whose price was replaced was paid for at
// its old price.
func (s *Client) seatsOf(i invoice, items map[string]int64) invoice {
	i.lines.rows = slices.DeleteFunc(slices.Clone(i.lines.rows), func(line invoiceLine) bool {
		_, seats := items[line.item]
		return !seats && !slices.Contains(s.seatPrices, line.price)
	})
	return i
}
