package stripe

import (
	"context"
	"net/http"

	sdk "github.com/stripe/stripe-go/v76"
)

// invoice is what an invoice of a subscription says of its seats.
type invoice struct {
	id         string
	paid       bool
	void       bool // nobody is asked to pay it any more
	reason     string
	total      int64 // less than 0: it gives credit
	discounted bool
	credit     int64 // on the customer's balance before it
	creditOnly bool  // paid from it alone
	lines      page[invoiceLine]
}

// invoiceLine is one line of an invoice.
type invoiceLine struct {
	id       string
	item     string // of the subscription
	price    string
	quantity int64
	amount   int64 // less than 0: credit for a quantity that was replaced
	period   bool  // bills a whole period; else the rest of one, after a change
}

const (
	reasonCreate = "subscription_create"
	reasonUpdate = "subscription_update"
)

func (i invoice) key() string     { return i.id }
func (l invoiceLine) key() string { return l.id }

func (s *Client) invoicePage(ctx context.Context, subscription, after string) (page[invoice], error) {
	params := &sdk.InvoiceListParams{ListParams: listed(after), Subscription: sdk.String(subscription)}
	return send(ctx, s, question{"invoices.list", http.MethodGet, "/v1/invoices", "", params}, func(l *sdk.InvoiceList) (page[invoice], bool) {
		return readPage(l.Data, l.ListMeta, readInvoice)
	})
}

func readInvoice(w *sdk.Invoice) (invoice, bool) {
	if w.ID == "" || w.Status == "" || w.Lines == nil {
		return invoice{}, false
	}
	lines, ok := readPage(w.Lines.Data, w.Lines.ListMeta, readLine)
	got := invoice{
		id: w.ID, paid: w.Paid || w.Status == sdk.InvoiceStatusPaid, void: w.Status == sdk.InvoiceStatusVoid,
		reason: statusText(string(w.BillingReason)), total: w.Total, discounted: w.Discount != nil || len(w.Discounts) > 0, lines: lines,
		credit: max(0, -w.StartingBalance),
	}
	got.creditOnly = got.paid && !w.PaidOutOfBand && w.AmountPaid == 0 && w.Total > 0 && got.credit >= w.Total
	return got, ok
}

func (s *Client) linePage(ctx context.Context, invoice, after string) (page[invoiceLine], error) {
	params := &sdk.InvoiceListLinesParams{ListParams: listed(after)}
	path := sdk.FormatURLPath("/v1/invoices/%s/lines", invoice)
	return send(ctx, s, question{"invoices.lines.list", http.MethodGet, path, "", params}, func(l *sdk.InvoiceLineItemList) (page[invoiceLine], bool) {
		return readPage(l.Data, l.ListMeta, readLine)
	})
}

func readLine(w *sdk.InvoiceLineItem) (invoiceLine, bool) {
	got := invoiceLine{
		id: w.ID, quantity: max(0, min(w.Quantity, quantityMax)), amount: w.Amount,
		period: w.Type == sdk.InvoiceLineItemTypeSubscription,
	}
	if w.SubscriptionItem != nil {
		got.item = w.SubscriptionItem.ID
	}
	switch {
	case w.Price != nil:
		got.price = w.Price.ID
	case w.Plan != nil:
		got.price = w.Plan.ID
	}
	return got, w.ID != ""
}

// base reports whether the invoice says what is paid for whatever was before: it is paid
// and bills a whole period of seats. An update that gave credit is none, for the credit may
// be for seats that were never paid.
func (i invoice) base() bool {
	if !i.paid || i.reason == reasonUpdate && i.total <= 0 {
		return false
	}
	for _, line := range i.lines.rows {
		if line.period {
			return true
		}
	}
	return false
}

// baseAlone reports whether it does so without the invoices before it. They say where the
// credit came from that paid an invoice.
func (i invoice) baseAlone() bool { return i.base() && !i.creditOnly }
