package sandbox

import (
	"bytes"
	"html/template"
	"net/http"
	"strconv"
	"strings"
)

// stripePages are the pages of checkout and portal that Stripe hosts.
type stripePages struct {
	// use calls do with the account, which nothing else changes meanwhile.
	use func(do func(*stripeAccount) error) error
}

// handle serves the pages: plain forms, no script.
func (s *stripePages) handle(mux *http.ServeMux) {
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
func (s *stripePages) page(w http.ResponseWriter, do func(*stripeAccount) (pageAnswer, error)) {
	answer, body, err := s.fillPage(do)
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'")
	switch {
	case err != nil:
		WriteRefusal(w, err)
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
func (s *stripePages) fillPage(do func(*stripeAccount) (pageAnswer, error)) (pageAnswer, []byte, error) {
	var answer pageAnswer
	var body bytes.Buffer
	err := s.use(func(a *stripeAccount) error {
		var err error
		if answer, err = do(a); err != nil || answer.goTo != "" {
			return err
		}
		return answer.page.Execute(&body, answer.data)
	})
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
		return nil, Refuse(http.StatusBadRequest, "The quantity is a whole number.")
	}
	return &n, nil
}

// said is what a page says of something that was refused, and its status.
func said(err error) (string, int) {
	if err == nil {
		return "", http.StatusOK
	}
	return err.Error(), StatusOf(err)
}

// sellerName is whose account it is, as buyers read it.
const sellerName = "Sandbox Seats"

// parties are who sells and who buys.
type parties struct{ Seller, Buyer string }

// parties are those of a purchase by the customer, who may have no name, no address or not be there yet.
func partiesOf(a *stripeAccount, customer *string) parties {
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

func checkoutAnswer(a *stripeAccount, session *stripeSession, refused error) pageAnswer {
	p := checkoutPage{
		Parties: partiesOf(a, session.Customer),
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

func (s *stripePages) showCheckout(w http.ResponseWriter, r *http.Request) {
	s.page(w, func(a *stripeAccount) (pageAnswer, error) {
		session, err := named(&a.sessions, "id", "checkout session", r.PathValue("session"))
		if err != nil {
			return pageAnswer{}, err
		}
		return checkoutAnswer(a, session, nil), nil
	})
}

func (s *stripePages) clickCheckout(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, BodyMax)
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
		return checkoutAnswer(a, session, refused), nil
	})
}
