package api_test

import (
	"testing"

	"github.com/stripe/stripe-go/v76"

	"github.com/teamtask/teamtask/internal/sandbox"
	"github.com/teamtask/teamtask/internal/sandbox/sandboxtest"
)

func TestInvoicesArePaidThroughTheAPI(t *testing.T) {
	t.Parallel()
	s := sandboxtest.NewStripe(t, sandbox.Options{})
	c := s.NewCustomer(t)
	bad := sandboxtest.Must[*stripe.PaymentMethod](t)(s.PaymentMethods.Attach("pm_card_chargeCustomerFail", &stripe.PaymentMethodAttachParams{Customer: stripe.String(c.ID)}))
	good := sandboxtest.Must[*stripe.PaymentMethod](t)(s.PaymentMethods.Attach("pm_card_visa", &stripe.PaymentMethodAttachParams{Customer: stripe.String(c.ID)}))
	if list := s.PaymentMethods.List(&stripe.PaymentMethodListParams{Customer: stripe.String(c.ID), Type: stripe.String("card")}).PaymentMethodList(); len(list.Data) != 2 {
		t.Errorf("methods = %+v", list)
	}
	sub := sandboxtest.Must[*stripe.Subscription](t)(s.Subscriptions.New(&stripe.SubscriptionParams{
		Customer: stripe.String(c.ID), DefaultPaymentMethod: stripe.String(bad.ID),
		Items: []*stripe.SubscriptionItemsParams{{Price: stripe.String(s.SeatPrice()), Quantity: stripe.Int64(2)}},
	}))
	if sub.Status != "incomplete" {
		t.Errorf("status = %s", sub.Status)
	}
	open := s.Invoices.List(&stripe.InvoiceListParams{Subscription: stripe.String(sub.ID), Status: stripe.String("open")}).InvoiceList().Data
	if len(open) != 1 || open[0].AmountDue != 2000 || open[0].AttemptCount != 1 || open[0].Number == "" {
		t.Fatalf("open = %+v", open)
	}
	_, err := s.Invoices.Pay(open[0].ID, &stripe.InvoicePayParams{})
	sandboxtest.WantStripeError(t, "a bad card", err, 402, "card_declined", "")
	paid := sandboxtest.Must[*stripe.Invoice](t)(s.Invoices.Pay(open[0].ID, &stripe.InvoicePayParams{PaymentMethod: stripe.String(good.ID)}))
	if !paid.Paid || paid.AmountRemaining != 0 || s.Subscription(t, sub.ID).Status != "active" {
		t.Errorf("paid = %+v", paid)
	}
	_, err = s.Invoices.Pay(paid.ID, &stripe.InvoicePayParams{})
	sandboxtest.WantStripeError(t, "paid twice", err, 400, "invoice_already_paid", "")
	charges := s.Charges.List(&stripe.ChargeListParams{Customer: stripe.String(c.ID)}).ChargeList().Data
	if len(charges) != 3 || !charges[0].Paid || charges[1].Paid {
		t.Errorf("charges = %+v", charges)
	}
}
