package stripe

import (
	"cmp"
	"context"
	"errors"
	"net/http"

	sdk "github.com/stripe/stripe-go/v76"
)

// ErrPaymentUnderWay is a first payment that cannot be stopped: it has come in, or may yet.
var ErrPaymentUnderWay = errors.New("stripe: the first payment is under way")

// payment is how the first payment of a subscription stands, in Stripe's words.
type payment struct {
	subscription string
	invoiceID    string // "": there is none
	invoice      string
	intent       string // "": nothing was tried
}

// stoppable reports whether the subscription has ended, or waits for a payment that has not
// come in and will not unless somebody does something more. A bank debit that is processed
// and a card that was authorized come in by themselves.
func (p payment) stoppable() bool {
	switch p.intent {
	case "processing", "succeeded", "requires_capture":
		return IsOver(p.subscription) && !p.payable()
	}
	return IsOver(p.subscription) || p.subscription == StatusIncomplete && p.invoice != "paid"
}

// payable reports whether somebody can still pay the invoice.
func (p payment) payable() bool { return p.invoice == "open" || p.invoice == "uncollectible" }

// GiveUp ends a subscription that waits for its first payment, so that nobody can pay for it
// any more. It returns nil where it has ended, and errPaymentUnderWay, having ended nothing,
// where it is not incomplete any more or its payment cannot be stopped.
//
// The invoice is voided first: Stripe refuses that while a payment is under way, and once it
// is done no payment can come in. To cancel the subscription first would leave an invoice
// that can be paid for nothing. That it is void is looked at before the subscription ends.
func (s *Client) GiveUp(ctx context.Context, subscription string) error {
	if err := checkPlainID("subscriptions.cancel", subscription); err != nil {
		return err
	}
	p, err := s.firstPayment(ctx, subscription)
	if err == nil && p.stoppable() && p.payable() {
		refused := repeatable("void-"+p.invoiceID, func(key string) error { return s.voidInvoice(ctx, key, p.invoiceID) })
		if refused != nil && !isRefusal(refused) {
			return refused
		}
		p, err = s.firstPayment(ctx, subscription)
		if err == nil && p.stoppable() && p.payable() {
			return cmp.Or(refused, errNotVoid)
		}
	}
	switch {
	case errors.Is(err, NotFound):
		return nil
	case err != nil:
		return err
	case !p.stoppable():
		return ErrPaymentUnderWay
	case IsOver(p.subscription):
		return nil
	}
	return s.Cancel(ctx, "give-up-"+subscription, subscription)
}

// errNotVoid is an invoice that Stripe says it has voided, and has not.
var errNotVoid error = Inconsistent("invoices.voidInvoice", "the invoice that was voided can still be paid")

// firstPayment is how the payment stands that a subscription waits for.
func (s *Client) firstPayment(ctx context.Context, id string) (payment, error) {
	params := &sdk.SubscriptionParams{}
	params.AddExpand("latest_invoice.payment_intent")
	q := question{"subscriptions.retrieve", http.MethodGet, sdk.FormatURLPath("/v1/subscriptions/%s", id), "", params}
	return send(ctx, s, q, func(w *sdk.Subscription) (payment, bool) {
		p := payment{subscription: statusText(string(w.Status))}
		if i := w.LatestInvoice; i != nil {
			p.invoiceID, p.invoice = i.ID, statusText(string(i.Status))
			if i.PaymentIntent != nil {
				p.intent = statusText(string(i.PaymentIntent.Status))
			}
		}
		return p, w.ID == id && p.subscription != "" && (p.invoiceID == "" || IsPlainID(p.invoiceID) && p.invoice != "")
	})
}

func (s *Client) voidInvoice(ctx context.Context, key, id string) error {
	q := question{"invoices.voidInvoice", http.MethodPost, sdk.FormatURLPath("/v1/invoices/%s/void", id), key, &sdk.InvoiceVoidInvoiceParams{}}
	_, err := send(ctx, s, q, func(w *sdk.Invoice) (struct{}, bool) { return struct{}{}, w.ID == id })
	return err
}
