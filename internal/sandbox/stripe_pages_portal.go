package sandbox

import (
	"cmp"
	"fmt"
	"net/http"
	"strings"
	"time"
)

type portalPage struct {
	Parties      parties
	Session      *stripePortalSession
	Subscription *stripeSubscription
	Plan         string
	Quantity     int64
	Least, Most  int64
	MayChange    bool
	MayCancel    bool
	CancelNow    bool
	Paused       bool
	Return       string
	Until        string
	Invoices     []portalInvoice
	Message      string
}

type portalInvoice struct {
	ID, Number, Status, Amount, Date string
	Open                             bool
}

func portalAnswer(a *stripeAccount, v visited, refused error) pageAnswer {
	p := portalPage{Parties: partiesOf(a, &v.visit.Customer), Session: v.visit, Subscription: v.subscription}
	if v.visit.ReturnURL != nil {
		p.Return = *v.visit.ReturnURL
	}
	if sub := v.subscription; sub != nil && len(sub.Items.Data) > 0 {
		item := sub.Items.Data[0]
		p.Plan = a.productName(item.Price.Product) + ", " + amount(item.Price.costs(1, v.subscription.Currency), v.subscription.Currency) + " each a " + item.Price.Recurring.Interval
		p.Quantity, p.Paused, p.Until = item.Quantity, sub.Status == subPaused, date(sub.CurrentPeriodEnd)
		least, most, err := v.limits()
		p.Least, p.Most, p.MayChange = least, most, err == nil
		p.MayCancel = v.portal.Features.SubscriptionCancel.Enabled
		p.CancelNow = v.portal.Features.SubscriptionCancel.Mode == cancelNow
	}
	for _, i := range a.invoices.where(func(i *stripeInvoice) bool { return i.Customer == v.visit.Customer && i.Status != invoiceDraft }) {
		one := portalInvoice{ID: i.ID, Status: i.Status, Amount: amount(i.Total, i.Currency), Date: date(i.Created), Open: i.Status == invoiceOpen}
		if i.Number != nil {
			one.Number = *i.Number
		}
		p.Invoices = append(p.Invoices, one)
	}
	answer := pageAnswer{page: portalTemplate}
	p.Message, answer.status = said(refused)
	answer.data = p
	return answer
}

func (s *stripePages) showPortal(w http.ResponseWriter, r *http.Request) {
	s.page(w, func(a *stripeAccount) (pageAnswer, error) {
		v, err := a.visitNamed(r.PathValue("session"))
		if err != nil {
			return pageAnswer{}, err
		}
		return portalAnswer(a, v, nil), nil
	})
}

func (s *stripePages) clickPortal(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, BodyMax)
	quantity, refused := pageQuantity(r)
	s.page(w, func(a *stripeAccount) (pageAnswer, error) {
		v, err := a.visitNamed(r.PathValue("session"))
		if err != nil {
			return pageAnswer{}, err
		}
		if refused == nil {
			refused = click(a, v, r.PostFormValue("do"), quantity, r.PostFormValue("invoice"))
		}
		if refused != nil {
			return portalAnswer(a, v, refused), nil
		}
		return pageAnswer{goTo: v.visit.URL}, nil
	})
}

// click is a button of the portal page.
func click(a *stripeAccount, v visited, do string, quantity *int64, invoice string) error {
	switch do {
	case "change":
		if quantity == nil {
			return Refuse(http.StatusBadRequest, "How many?")
		}
		return a.setQuantity(v, *quantity)
	case "cancel":
		return a.leave(v, v.portal.Features.SubscriptionCancel.Mode == cancelNow)
	case "resume":
		return a.stay(v)
	case "pay":
		return payAnew(a, v, invoice)
	}
	return Refuse(http.StatusBadRequest, "The page has no such button.")
}

// payAnew pays an open invoice, with another card where the one at hand is no good.
func payAnew(a *stripeAccount, v visited, id string) error {
	invoice, err := named(&a.invoices, "id", "invoice", id)
	if err != nil {
		return err
	}
	if invoice.Customer != v.visit.Customer || invoice.Status != invoiceOpen {
		return Refuse(http.StatusBadRequest, "The invoice %s is not open.", id)
	}
	s, err := named(&a.subscriptions, "id", "subscription", invoice.Subscription)
	if err != nil {
		return err
	}
	if m := a.methodOf(s); m != nil && m.Declines {
		card := a.newCard(FreshID("pm_"), testCards["pm_card_visa"])
		card.Customer = &s.Customer
		s.DefaultPaymentMethod = &card.ID
	}
	a.charge(invoice, a.methodFor(s), true)
	if !s.over() {
		a.revive(s)
	}
	return nil
}

// decimals are those of the currencies whose smallest unit at Stripe is no hundredth: https://docs.stripe.com/currencies#minor-units
var decimals = map[string]int{
	"bif": 0, "clp": 0, "djf": 0, "gnf": 0, "jpy": 0, "kmf": 0, "krw": 0, "mga": 0, "pyg": 0, "rwf": 0, "vnd": 0, "vuv": 0, "xaf": 0,
	"xof": 0, "xpf": 0, "bhd": 3, "jod": 3, "kwd": 3, "omr": 3, "tnd": 3,
}

func amount(smallest int64, currency string) string {
	currency = strings.ToLower(cmp.Or(currency, seatCurrency))
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
