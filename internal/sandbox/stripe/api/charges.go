package api

import (
	"github.com/teamtask/teamtask/internal/sandbox/kit"
	"github.com/teamtask/teamtask/internal/sandbox/stripe/account"
	"github.com/teamtask/teamtask/internal/sandbox/stripe/object"
)

func (a handler) getIntent(q Request) (any, error) {
	return only(&a.PaymentIntents, "payment_intent", q)
}

func (a handler) getCharge(q Request) (any, error) { return only(&a.Charges, "charge", q) }

func (a handler) listCharges(q Request) (any, error) {
	customer, intent := q.Form.Text("customer"), q.Form.Text("payment_intent")
	return listed(q, a.Charges.Where(func(c *object.Charge) bool {
		return (customer == nil || c.Customer == *customer) && (intent == nil || c.PaymentIntent != nil && *c.PaymentIntent == *intent)
	}))
}

// postRefund serves POST /v1/refunds.
func (a handler) postRefund(q Request) (any, error) {
	f := q.Form
	id := f.TextOr("charge", "")
	if intent := f.Text("payment_intent"); intent != nil && id == "" {
		pi, err := account.Named(&a.PaymentIntents, "payment_intent", "payment_intent", *intent)
		if err != nil {
			return nil, err
		}
		if pi.LatestCharge != nil {
			id = *pi.LatestCharge
		}
	}
	amount := f.Number("amount", 1, 1<<40)
	reason := f.OneOf("reason", "", "duplicate", "fraudulent", "requested_by_customer")
	metadata := f.Metadata(nil)
	f.Ignore("reverse_transfer", "refund_application_fee")
	if err := f.Done(); err != nil {
		return nil, err
	}
	if id == "" {
		return nil, object.InvalidRequest("", "parameter_missing", "One of the following params should be provided for this request: payment_intent or charge.")
	}
	c, err := account.Named(&a.Charges, "charge", "charge", id)
	if err != nil {
		return nil, err
	}
	return a.Refund(c, amount, kit.OrNull(reason), metadata)
}

func (a handler) getRefund(q Request) (any, error) { return only(&a.Refunds, "refund", q) }

func (a handler) listRefunds(q Request) (any, error) {
	charge := q.Form.Text("charge")
	return listed(q, a.Refunds.Where(func(r *object.Refund) bool { return charge == nil || r.Charge == *charge }))
}

func (a handler) getDispute(q Request) (any, error) {
	return only(&a.Disputes, "dispute", q)
}

func (a handler) listDisputes(q Request) (any, error) {
	charge := q.Form.Text("charge")
	return listed(q, a.Disputes.Where(func(d *object.Dispute) bool { return charge == nil || d.Charge == *charge }))
}
