package account_test

import (
	"testing"

	"github.com/stripe/stripe-go/v76"

	"github.com/teamtask/teamtask/internal/sandbox"
	"github.com/teamtask/teamtask/internal/sandbox/sandboxtest"
)

func TestRefundsAndDisputesLeaveTheSubscriptionAlone(t *testing.T) {
	t.Parallel()
	s := sandboxtest.NewStripe(t, sandbox.Options{})
	sub := s.Buy(t, 5)
	at := "/subscriptions/" + sub.ID
	r := sandboxtest.Control[stripe.Refund](t, s, at+"/refund", `{"amount":2000}`)
	charge := sandboxtest.Must[*stripe.Charge](t)(s.Charges.Get(r.Charge.ID, nil))
	if r.Amount != 2000 || charge.AmountRefunded != 2000 || charge.Refunded || charge.Customer.ID != sub.Customer.ID || charge.Invoice.ID != sub.LatestInvoice.ID {
		t.Errorf("refund = %+v of %+v", r, charge)
	}
	sandboxtest.Must[*stripe.Refund](t)(s.Refunds.New(&stripe.RefundParams{Charge: stripe.String(charge.ID)}))
	_, err := s.Refunds.New(&stripe.RefundParams{Charge: stripe.String(charge.ID)})
	sandboxtest.WantStripeError(t, "a third refund", err, 400, "charge_already_refunded", "")
	s.Want(t, "charge.refunded", "charge.refunded")

	d := sandboxtest.Control[stripe.Dispute](t, s, at+"/dispute", ``)
	s.Want(t, "charge.dispute.created")
	if got := sandboxtest.Must[*stripe.Dispute](t)(s.Disputes.Get(d.ID, nil)); got.Charge.ID != charge.ID || got.Status != "needs_response" {
		t.Errorf("dispute = %+v", got)
	}
	if got := s.Subscription(t, sub.ID); got.Status != "active" || got.Items.Data[0].Quantity != 5 {
		t.Errorf("subscription = %+v", got)
	}
}
