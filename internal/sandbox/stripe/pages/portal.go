package pages

import (
	"net/http"

	"github.com/teamtask/teamtask/internal/sandbox/kit"
	"github.com/teamtask/teamtask/internal/sandbox/stripe/account"
	"github.com/teamtask/teamtask/internal/sandbox/stripe/object"
)

type portalPage struct {
	Parties      parties
	Session      *object.PortalSession
	Subscription *object.Subscription
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

func portalResponse(a *account.Account, v account.Visit, refused error) response {
	p := portalPage{Parties: partiesOf(a, &v.Session.Customer), Session: v.Session, Subscription: v.Subscription}
	if v.Session.ReturnURL != nil {
		p.Return = *v.Session.ReturnURL
	}
	if sub := v.Subscription; sub != nil && len(sub.Items.Data) > 0 {
		item := sub.Items.Data[0]
		p.Plan = a.ProductName(item.Price.Product) + ", " + amount(item.Price.Cost(1, v.Subscription.Currency), v.Subscription.Currency) + " each a " + item.Price.Recurring.Interval
		p.Quantity, p.Paused, p.Until = item.Quantity, sub.Status == object.SubscriptionPaused, date(sub.CurrentPeriodEnd)
		least, most, err := v.QuantityRange()
		p.Least, p.Most, p.MayChange = least, most, err == nil
		p.MayCancel = v.Configuration.Features.SubscriptionCancel.Enabled
		p.CancelNow = v.Configuration.Features.SubscriptionCancel.Mode == object.CancelNow
	}
	for _, i := range a.Invoices.Where(func(i *object.Invoice) bool {
		return i.Customer == v.Session.Customer && i.Status != object.InvoiceDraft
	}) {
		one := portalInvoice{ID: i.ID, Status: i.Status, Amount: amount(i.Total, i.Currency), Date: date(i.Created), Open: i.Status == object.InvoiceOpen}
		if i.Number != nil {
			one.Number = *i.Number
		}
		p.Invoices = append(p.Invoices, one)
	}
	shown := response{page: portalTemplate}
	p.Message, shown.status = messageOf(refused)
	shown.data = p
	return shown
}

func (s *Pages) showPortal(w http.ResponseWriter, r *http.Request) {
	s.page(w, func(a *account.Account) (response, error) {
		v, err := a.PortalVisit(r.PathValue("session"))
		if err != nil {
			return response{}, err
		}
		return portalResponse(a, v, nil), nil
	})
}

func (s *Pages) clickPortal(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, kit.BodyMax)
	quantity, refused := pageQuantity(r)
	s.page(w, func(a *account.Account) (response, error) {
		v, err := a.PortalVisit(r.PathValue("session"))
		if err != nil {
			return response{}, err
		}
		if refused == nil {
			refused = click(a, v, r.PostFormValue("do"), quantity, r.PostFormValue("invoice"))
		}
		if refused != nil {
			return portalResponse(a, v, refused), nil
		}
		return response{goTo: v.Session.URL}, nil
	})
}

// click does what a button of the portal page does.
func click(a *account.Account, v account.Visit, do string, quantity *int64, invoice string) error {
	switch do {
	case "change":
		if quantity == nil {
			return kit.Refuse(http.StatusBadRequest, "How many?")
		}
		return a.SetQuantityInPortal(v, *quantity)
	case "cancel":
		return a.CancelInPortal(v, v.Configuration.Features.SubscriptionCancel.Mode == object.CancelNow)
	case "resume":
		return a.ResumeInPortal(v)
	case "pay":
		return payInvoice(a, v, invoice)
	}
	return kit.Refuse(http.StatusBadRequest, "The page has no such button.")
}

// payInvoice pays an open invoice, with another card where the one at hand is no good.
func payInvoice(a *account.Account, v account.Visit, id string) error {
	invoice, err := account.Named(&a.Invoices, "id", "invoice", id)
	if err != nil {
		return err
	}
	if invoice.Customer != v.Session.Customer || invoice.Status != object.InvoiceOpen {
		return kit.Refuse(http.StatusBadRequest, "The invoice %s is not open.", id)
	}
	s, err := account.Named(&a.Subscriptions, "id", "subscription", invoice.Subscription)
	if err != nil {
		return err
	}
	if m := a.MethodOf(s); m != nil && m.Declines {
		card := a.NewCard(kit.FreshID("pm_"), account.TestCards["pm_card_visa"])
		card.Customer = &s.Customer
		s.DefaultPaymentMethod = &card.ID
	}
	a.Charge(invoice, a.MethodOrCard(s), true)
	if !s.Ended() {
		a.Reactivate(s)
	}
	return nil
}
