package pages

import (
	"net/http"

	"github.com/teamtask/teamtask/internal/sandbox/kit"
	"github.com/teamtask/teamtask/internal/sandbox/stripe/account"
	"github.com/teamtask/teamtask/internal/sandbox/stripe/object"
)

type checkoutPage struct {
	Parties  parties
	Session  *object.CheckoutSession
	Lines    []object.SessionLine
	Trial    bool
	Success  string
	Cancel   string
	Message  string
	Complete bool
	Expired  bool
	TotalNow string
}

func checkoutResponse(a *account.Account, session *object.CheckoutSession, refused error) response {
	p := checkoutPage{
		Parties: partiesOf(a, session.Customer),
		Session: session, Lines: session.Lines, Trial: session.HasTrial(), Complete: session.Status == object.SessionComplete,
		Expired: session.Status == object.SessionExpired, Success: session.ReturnURL(), TotalNow: amount(session.AmountTotal, session.Currency),
	}
	if session.CancelURL != nil {
		p.Cancel = *session.CancelURL
	}
	shown := response{page: checkoutTemplate}
	p.Message, shown.status = messageOf(refused)
	shown.data = p
	return shown
}

func (s *Pages) showCheckout(w http.ResponseWriter, r *http.Request) {
	s.page(w, func(a *account.Account) (response, error) {
		session, err := account.Named(&a.CheckoutSessions, "id", "checkout session", r.PathValue("session"))
		if err != nil {
			return response{}, err
		}
		return checkoutResponse(a, session, nil), nil
	})
}

func (s *Pages) clickCheckout(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, kit.BodyMax)
	quantity, refused := pageQuantity(r)
	outcome := r.PostFormValue("outcome")
	s.page(w, func(a *account.Account) (response, error) {
		session, err := account.Named(&a.CheckoutSessions, "id", "checkout session", r.PathValue("session"))
		if err != nil {
			return response{}, err
		}
		if outcome == "back" && session.CancelURL != nil {
			return response{goTo: *session.CancelURL}, nil
		}
		if refused == nil {
			refused = a.Complete(session, quantity, outcome)
		}
		if refused == nil && session.Status == object.SessionComplete {
			return response{goTo: session.ReturnURL()}, nil
		}
		if refused == nil {
			refused = object.Declined()
		}
		return checkoutResponse(a, session, refused), nil
	})
}
