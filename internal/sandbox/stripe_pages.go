package sandbox

import (
	"bytes"
	"errors"
	"html/template"
	"net/http"
	"strconv"
	"strings"
)

// handlePages serves the pages that a person clicks through: plain forms, no script.
func (s *Sandbox) handlePages(mux *http.ServeMux) {
	mux.HandleFunc("GET "+stripeRoot+"/checkout/{session}", s.showCheckout)
	mux.HandleFunc("POST "+stripeRoot+"/checkout/{session}", s.clickCheckout)
	mux.HandleFunc("GET "+stripeRoot+"/portal/{session}", s.showPortal)
	mux.HandleFunc("POST "+stripeRoot+"/portal/{session}", s.clickPortal)
}

// pageAnswer is a page, or an address to go to.
type pageAnswer struct {
	status int
	goTo   string
	page   *template.Template
	data   any
}

// page answers what is made of the account.
func (s *Sandbox) page(w http.ResponseWriter, do func(*stripeAccount) (pageAnswer, error)) {
	answer, body, err := s.fillPage(do)
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'")
	switch {
	case err != nil:
		writeRefusal(w, err)
	case answer.goTo != "":
		h.Set("Location", answer.goTo)
		w.WriteHeader(http.StatusSeeOther)
	default:
		h.Set("Content-Type", "text/html; charset=utf-8")
		w.WriteHeader(answer.status)
		_, _ = w.Write(body)
	}
}

// fillPage is a page as it is now.
func (s *Sandbox) fillPage(do func(*stripeAccount) (pageAnswer, error)) (pageAnswer, []byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.money.sweep()
	answer, err := do(s.money)
	if err != nil || answer.goTo != "" {
		return answer, nil, err
	}
	var body bytes.Buffer
	err = answer.page.Execute(&body, answer.data)
	return answer, body.Bytes(), err
}

// pageQuantity is the quantity of a form, nil where there is none.
func pageQuantity(r *http.Request) (*int64, error) {
	given := strings.TrimSpace(r.PostFormValue("quantity"))
	if given == "" {
		return nil, nil
	}
	n, err := strconv.ParseInt(given, 10, 64)
	if err != nil {
		return nil, refuse(http.StatusBadRequest, "The quantity is a whole number.")
	}
	return &n, nil
}

// said is what a page says of something that was refused, and its status.
func said(err error) (string, int) {
	if err == nil {
		return "", http.StatusOK
	}
	if r, ok := errors.AsType[*refusal](err); ok {
		return r.words, r.status
	}
	return err.Error(), http.StatusInternalServerError
}

// sellerName is whose account it is, as buyers read it.
const sellerName = "Sandbox Seats"

// parties are who sells and who buys.
type parties struct{ Seller, Buyer string }

// parties are those of a purchase by the customer, who may have no name, no address or not be there yet.
func (a *stripeAccount) parties(customer *string) parties {
	p := parties{Seller: sellerName, Buyer: "not known yet"}
	if customer == nil {
		return p
	}
	p.Buyer = *customer
	c, ok := a.customers.get(*customer)
	if !ok {
		return p
	}
	switch {
	case c.Name != nil && c.Email != nil:
		p.Buyer = *c.Name + " (" + *c.Email + ")"
	case c.Name != nil:
		p.Buyer = *c.Name
	case c.Email != nil:
		p.Buyer = *c.Email
	}
	return p
}

type checkoutPage struct {
	Parties  parties
	Session  *stripeSession
	Lines    []stripeSessionLine
	Trial    bool
	Success  string
	Cancel   string
	Message  string
	Complete bool
	Expired  bool
	TotalNow string
}

func (a *stripeAccount) checkoutAnswer(session *stripeSession, refused error) pageAnswer {
	p := checkoutPage{
		Parties: a.parties(session.Customer),
		Session: session, Lines: session.Lines, Trial: session.trial(), Complete: session.Status == sessionComplete,
		Expired: session.Status == sessionExpired, Success: session.successURL(), TotalNow: amount(session.AmountTotal, session.Currency),
	}
	if session.CancelURL != nil {
		p.Cancel = *session.CancelURL
	}
	answer := pageAnswer{page: checkoutTemplate}
	p.Message, answer.status = said(refused)
	answer.data = p
	return answer
}

func (s *Sandbox) showCheckout(w http.ResponseWriter, r *http.Request) {
	s.page(w, func(a *stripeAccount) (pageAnswer, error) {
		session, err := named(&a.sessions, "id", "checkout session", r.PathValue("session"))
		if err != nil {
			return pageAnswer{}, err
		}
		return a.checkoutAnswer(session, nil), nil
	})
}

func (s *Sandbox) clickCheckout(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, bodyMax)
	quantity, refused := pageQuantity(r)
	outcome := r.PostFormValue("outcome")
	s.page(w, func(a *stripeAccount) (pageAnswer, error) {
		session, err := named(&a.sessions, "id", "checkout session", r.PathValue("session"))
		if err != nil {
			return pageAnswer{}, err
		}
		if outcome == "back" && session.CancelURL != nil {
			return pageAnswer{goTo: *session.CancelURL}, nil
		}
		if refused == nil {
			refused = a.complete(session, quantity, outcome)
		}
		if refused == nil && session.Status == sessionComplete {
			return pageAnswer{goTo: session.successURL()}, nil
		}
		if refused == nil {
			refused = declined()
		}
		return a.checkoutAnswer(session, refused), nil
	})
}
