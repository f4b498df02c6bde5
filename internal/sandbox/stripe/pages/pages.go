// Package pages is the pages of checkout and portal that Stripe hosts: plain forms, no script.
package pages

import (
	"bytes"
	"cmp"
	"fmt"
	"html/template"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/teamtask/teamtask/internal/sandbox/kit"
	"github.com/teamtask/teamtask/internal/sandbox/stripe/account"
)

// Pages are the pages of checkout and portal that Stripe hosts.
type Pages struct {
	// use calls do with the account while the server is locked.
	Use func(do func(*account.Account) error) error
}

// Handle serves the pages: plain forms, no script.
func (s *Pages) Handle(mux *http.ServeMux) {
	mux.HandleFunc("GET "+account.Root+"/checkout/{session}", s.showCheckout)
	mux.HandleFunc("POST "+account.Root+"/checkout/{session}", s.clickCheckout)
	mux.HandleFunc("GET "+account.Root+"/portal/{session}", s.showPortal)
	mux.HandleFunc("POST "+account.Root+"/portal/{session}", s.clickPortal)
}

// response is a page, or an address to go to.
type response struct {
	status int
	goTo   string
	page   *template.Template
	data   any
}

// page writes the response that do makes of the account.
func (s *Pages) page(w http.ResponseWriter, do func(*account.Account) (response, error)) {
	shown, body, err := s.render(do)
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'")
	switch {
	case err != nil:
		kit.WriteRefusal(w, err)
	case shown.goTo != "":
		h.Set("Location", shown.goTo)
		w.WriteHeader(http.StatusSeeOther)
	default:
		h.Set("Content-Type", "text/html; charset=utf-8")
		w.WriteHeader(shown.status)
		_, _ = w.Write(body)
	}
}

// render returns a page and its HTML.
func (s *Pages) render(do func(*account.Account) (response, error)) (response, []byte, error) {
	var shown response
	var body bytes.Buffer
	err := s.Use(func(a *account.Account) error {
		var err error
		if shown, err = do(a); err != nil || shown.goTo != "" {
			return err
		}
		return shown.page.Execute(&body, shown.data)
	})
	return shown, body.Bytes(), err
}

// pageQuantity returns the quantity of a form, nil where there is none.
func pageQuantity(r *http.Request) (*int64, error) {
	given := strings.TrimSpace(r.PostFormValue("quantity"))
	if given == "" {
		return nil, nil
	}
	n, err := strconv.ParseInt(given, 10, 64)
	if err != nil {
		return nil, kit.Refuse(http.StatusBadRequest, "The quantity is a whole number.")
	}
	return &n, nil
}

// messageOf returns the message of a page about a refusal, and its status.
func messageOf(err error) (string, int) {
	if err == nil {
		return "", http.StatusOK
	}
	return err.Error(), kit.StatusOf(err)
}

// sellerName is whose account it is, as buyers read it.
const sellerName = "Sandbox Seats"

// parties are who sells and who buys.
type parties struct{ Seller, Buyer string }

// partiesOf returns the parties of a purchase. The customer may have no name, no address or not exist yet.
func partiesOf(a *account.Account, customer *string) parties {
	p := parties{Seller: sellerName, Buyer: "not known yet"}
	if customer == nil {
		return p
	}
	p.Buyer = *customer
	c, ok := a.Customers.Get(*customer)
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

// decimals are those of the currencies whose smallest unit at Stripe is no hundredth: https://docs.stripe.com/currencies#minor-units
var decimals = map[string]int{
	"bif": 0, "clp": 0, "djf": 0, "gnf": 0, "jpy": 0, "kmf": 0, "krw": 0, "mga": 0, "pyg": 0, "rwf": 0, "vnd": 0, "vuv": 0, "xaf": 0,
	"xof": 0, "xpf": 0, "bhd": 3, "jod": 3, "kwd": 3, "omr": 3, "tnd": 3,
}

func amount(smallest int64, currency string) string {
	currency = strings.ToLower(cmp.Or(currency, account.SeatCurrency))
	places, ok := decimals[currency]
	if !ok {
		places = 2
	}
	sign := ""
	if smallest < 0 {
		sign, smallest = "-", -smallest
	}
	digits := fmt.Sprintf("%0*d", places+1, smallest)
	if places > 0 {
		digits = digits[:len(digits)-places] + "." + digits[len(digits)-places:]
	}
	return sign + digits + " " + strings.ToUpper(currency)
}

func date(at int64) string { return time.Unix(at, 0).UTC().Format("2 January 2006") }
