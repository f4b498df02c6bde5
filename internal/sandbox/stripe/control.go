package stripe

import (
	"net/http"

	"github.com/teamtask/teamtask/internal/sandbox/kit"
	"github.com/teamtask/teamtask/internal/sandbox/stripe/account"
	"github.com/teamtask/teamtask/internal/sandbox/stripe/object"
)

const (
	failuresUsual = 2 // failed payments in a row that make a subscription unpaid
	failuresMax   = 10
)

// Control returns the control requests for checkouts, the portal and subscriptions.
func (s *Server) Control() kit.Control {
	return kit.Control{
		"POST /sandbox/checkout/{session}/complete":          s.completeCheckout,
		"POST /sandbox/checkout/{session}/settle":            s.settleCheckout,
		"POST /sandbox/portal/{session}":                     s.usePortal,
		"POST /sandbox/subscriptions/{subscription}/advance": s.advanceSubscription,
		"POST /sandbox/subscriptions/{subscription}/refund":  s.refundSubscription,
		"POST /sandbox/subscriptions/{subscription}/dispute": s.disputeSubscription,
		"POST /sandbox/subscriptions/{subscription}/pause":   s.pauseSubscription,
		"POST /sandbox/subscriptions/{subscription}/resume":  s.unpauseSubscription,
	}
}

// onAccount calls do with the account and returns the object that do returns, in its JSON form.
func (s *Server) onAccount(do func(*account.Account) (any, error)) (any, error) {
	var shown any
	err := s.use(func(a *account.Account) error {
		object, err := do(a)
		if err == nil {
			shown = account.Document(object)
		}
		return err
	})
	return shown, err
}

// completeCheckout serves POST /sandbox/checkout/{session}/complete {quantity, outcome}: what the hosted page does. Without a
// quantity it stays as it is, without an outcome it is paid.
func (s *Server) completeCheckout(r *http.Request) (any, error) {
	body := struct {
		Quantity *int64 `json:"quantity"`
		Outcome  string `json:"outcome"`
	}{Outcome: object.OutcomePaid}
	if err := kit.ReadOptional(r, &body); err != nil {
		return nil, err
	}
	return s.onAccount(func(a *account.Account) (any, error) {
		session, err := account.Named(&a.CheckoutSessions, "id", "checkout session", r.PathValue("session"))
		if err != nil {
			return nil, err
		}
		return session, a.Complete(session, body.Quantity, body.Outcome)
	})
}

// settleCheckout serves POST /sandbox/checkout/{session}/settle {paid}: what came of a payment that took days.
func (s *Server) settleCheckout(r *http.Request) (any, error) {
	var body struct {
		Paid *bool `json:"paid"`
	}
	if err := kit.ReadControl(r, &body); err != nil {
		return nil, err
	}
	if body.Paid == nil {
		return nil, kit.Refuse(http.StatusBadRequest, "Was it paid? The body is {\"paid\": true} or {\"paid\": false}.")
	}
	return s.onAccount(func(a *account.Account) (any, error) {
		session, err := account.Named(&a.CheckoutSessions, "id", "checkout session", r.PathValue("session"))
		if err != nil {
			return nil, err
		}
		return session, a.SettlePayment(session, *body.Paid)
	})
}

// usePortal serves POST /sandbox/portal/{session} {quantity}, {cancel: "period_end" or "now"} or {resume: true}: what the hosted
// page does, which is bound to its configuration. It cancels either way where the configuration lets customers cancel at all.
func (s *Server) usePortal(r *http.Request) (any, error) {
	var body struct {
		Quantity *int64 `json:"quantity"`
		Cancel   string `json:"cancel"`
		Resume   bool   `json:"resume"`
	}
	if err := kit.ReadControl(r, &body); err != nil {
		return nil, err
	}
	return s.onAccount(func(a *account.Account) (any, error) {
		v, err := a.PortalVisit(r.PathValue("session"))
		if err != nil {
			return nil, err
		}
		switch {
		case body.Quantity != nil && body.Cancel == "" && !body.Resume:
			err = a.SetQuantityInPortal(v, *body.Quantity)
		case body.Quantity == nil && !body.Resume && (body.Cancel == "period_end" || body.Cancel == "now"):
			err = a.CancelInPortal(v, body.Cancel == "now")
		case body.Quantity == nil && body.Cancel == "" && body.Resume:
			err = a.ResumeInPortal(v)
		default:
			err = kit.Refuse(http.StatusBadRequest, `The body is one of {"quantity": 8}, {"cancel": "period_end"}, {"cancel": "now"} and {"resume": true}.`)
		}
		return v.Subscription, err
	})
}

// onSubscription calls do with the subscription of a request's path.
func (s *Server) onSubscription(r *http.Request, do func(*account.Account, *object.Subscription) (any, error)) (any, error) {
	return s.onAccount(func(a *account.Account) (any, error) {
		sub, err := account.Named(&a.Subscriptions, "id", "subscription", r.PathValue("subscription"))
		if err != nil {
			return nil, err
		}
		return do(a, sub)
	})
}

// advanceSubscription serves POST /sandbox/subscriptions/{subscription}/advance {payment: "paid" or "failed", failures}: the next
// period, or the next attempt at a payment that failed.
func (s *Server) advanceSubscription(r *http.Request) (any, error) {
	body := struct {
		Payment  string `json:"payment"`
		Failures int    `json:"failures"`
	}{"paid", failuresUsual}
	if err := kit.ReadOptional(r, &body); err != nil {
		return nil, err
	}
	if body.Payment != "paid" && body.Payment != "failed" {
		return nil, kit.Refuse(http.StatusBadRequest, "The payment is paid or failed.")
	}
	if body.Failures < 1 || body.Failures > failuresMax {
		return nil, kit.Refuse(http.StatusBadRequest, "The failures are from 1 to %d.", failuresMax)
	}
	return s.onSubscription(r, func(a *account.Account, sub *object.Subscription) (any, error) {
		return sub, a.Advance(sub, body.Payment == "paid", body.Failures)
	})
}

// refundSubscription serves POST /sandbox/subscriptions/{subscription}/refund {amount}: the latest charge is given back.
func (s *Server) refundSubscription(r *http.Request) (any, error) {
	var body struct {
		Amount *int64 `json:"amount"`
	}
	if err := kit.ReadOptional(r, &body); err != nil {
		return nil, err
	}
	if body.Amount != nil && *body.Amount < 1 {
		return nil, kit.Refuse(http.StatusBadRequest, "The amount is 1 or more.")
	}
	return s.onSubscription(r, func(a *account.Account, sub *object.Subscription) (any, error) {
		charge, err := a.LatestCharge(sub)
		if err != nil {
			return nil, err
		}
		return a.Refund(charge, body.Amount, kit.OrNull("requested_by_customer"), nil)
	})
}

// disputeSubscription serves POST /sandbox/subscriptions/{subscription}/dispute: the buyer's bank takes the latest charge back.
func (s *Server) disputeSubscription(r *http.Request) (any, error) {
	return s.onSubscription(r, func(a *account.Account, sub *object.Subscription) (any, error) {
		charge, err := a.LatestCharge(sub)
		if err != nil {
			return nil, err
		}
		return a.Dispute(charge)
	})
}

// pauseSubscription serves POST /sandbox/subscriptions/{subscription}/pause.
func (s *Server) pauseSubscription(r *http.Request) (any, error) {
	return s.onSubscription(r, func(a *account.Account, sub *object.Subscription) (any, error) {
		if !sub.Live() {
			return nil, kit.Refuse(http.StatusBadRequest, "The subscription %s is %s.", sub.ID, sub.Status)
		}
		a.Pause(sub)
		return sub, nil
	})
}

// unpauseSubscription serves POST /sandbox/subscriptions/{subscription}/resume.
func (s *Server) unpauseSubscription(r *http.Request) (any, error) {
	return s.onSubscription(r, func(a *account.Account, sub *object.Subscription) (any, error) {
		return sub, a.Resume(sub, true)
	})
}
