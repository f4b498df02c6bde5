package seats

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	teamtaskv1 "github.com/teamtask/teamtask/gen/teamtask/v1"
	"github.com/teamtask/teamtask/internal/stacktest"
)

// A purchase gives no seat before it is paid: not while the card is declined, nor while a
// payment takes days, nor when it fails in the end.
func TestASeatIsNotGivenBeforeItIsPaid(t *testing.T) {
	t.Parallel()
	s := newShop(t, nil)
	nora := s.found("new-co", "nora", "p1")
	page := nora.checkout(3)
	s.Control(http.MethodPost, "/sandbox/checkout/"+page+"/complete", `{"outcome": "declined"}`)
	nora.has("INCOMPLETE", 0, 0, 0)
	nora.refuses("p1", exhaustedAt(0, 0))
	s.completes(page, "paid")
	nora.has("ACTIVE", 3, 0, 0)
	nora.assigns("p1")

	olga := s.found("old-co", "olga", "q1")
	page = olga.checkout(4)
	s.completes(page, "unpaid")
	s.rests()
	olga.has("INCOMPLETE", 0, 0, 0)
	olga.refuses("q1", exhaustedAt(0, 0))
	s.Control(http.MethodPost, "/sandbox/checkout/"+page+"/settle", `{"paid": true}`)
	olga.has("ACTIVE", 4, 0, 0)
	olga.assigns("q1")

	vera := s.found("sad-co", "vera", "r1")
	page = vera.checkout(4)
	s.completes(page, "unpaid")
	s.Control(http.MethodPost, "/sandbox/checkout/"+page+"/settle", `{"paid": false}`)
	s.rests()
	if l := vera.license(); l.GetPurchased() != 0 || l.GetWorking() {
		t.Errorf("a payment that failed in the end: %v", l)
	}
	vera.refuses("r1", exhaustedAt(0, 0))
}

// A declined card keeps nobody from buying: the same page is there for another card, and
// another quantity gets another page, beside which nothing can be paid, whatever becomes of
// Stripe's answers on the way.
func TestADeclinedCardKeepsNobodyFromBuying(t *testing.T) {
	t.Parallel()
	s := newShop(t, nil)
	nora := s.found("new-co", "nora")
	page := nora.checkout(3)
	s.completes(page, "declined")
	nora.has("INCOMPLETE", 0, 0, 0)
	if again := nora.checkout(3); again != page {
		t.Errorf("asked for the same: got %s, want %s, which is open", again, page)
	}
	faults := []string{
		`{"service": "stripe", "method": "POST", "path": "/checkout/sessions", "status": 500, "apply_first": true}`,
		`{"service": "stripe", "method": "POST", "path": "/checkout/sessions/cs", "status": 502, "body": "<html>", "apply_first": true}`,
		`{"service": "stripe", "method": "POST", "path": "/checkout/sessions/cs", "lie": true}`,
	}
	customer := s.customers("new-co")[0]
	for i, fault := range faults {
		s.Control(http.MethodPost, "/sandbox/faults", fault)
		quantity := int32(4 + i)
		if got, _ := nora.asks(quantity, 0); got.Reason != "" && got.Reason != "PROVIDER_UNAVAILABLE" { // where a lie was found out
			t.Errorf("with %s: refused with %s", fault, got.Reason)
		}
		page = nora.checkout(quantity)
		var pages struct{ Data []checkoutPage }
		s.stripe(http.MethodGet, "/v1/checkout/sessions", url.Values{"customer": {customer}, "status": {"open"}}, &pages)
		var invoices struct{ Data []struct{ ID string } }
		s.stripe(http.MethodGet, "/v1/invoices", url.Values{"customer": {customer}, "status": {"open"}}, &invoices)
		if len(pages.Data) != 1 || pages.Data[0].ID != page || len(invoices.Data) != 0 {
			t.Errorf("with %s: open are the pages %v and the invoices %v; want the page %s alone", fault, pages.Data, invoices.Data, page)
		}
		s.completes(page, "declined")
		nora.has("INCOMPLETE", 0, 0, 0)
	}
	s.completes(page, "paid")
	nora.has("ACTIVE", 6, 0, 0)
}

// However a subscription comes to its end or to rest, its seats stop working with the
// next call.
func TestSeatsEndWithTheSubscription(t *testing.T) {
	t.Parallel()
	s := newShop(t, nil)
	nora := s.found("new-co", "nora", "p1")
	p1 := s.buyer("p1", "new-co")
	works := func(title, want string) {
		t.Helper()
		if got := p1.works(); got != want {
			t.Errorf("%s: got %q, want %q", title, got, want)
		}
	}
	subscription := nora.buys(2)
	nora.has("ACTIVE", 2, 0, 0)
	nora.assigns("p1")
	works("active", "")
	s.Control(http.MethodPost, "/sandbox/subscriptions/"+subscription+"/pause", "")
	nora.has("PAUSED", 0, 1, 1)
	works("paused", "SEAT_REQUIRED")
	s.Control(http.MethodPost, "/sandbox/subscriptions/"+subscription+"/resume", "")
	nora.has("ACTIVE", 2, 1, 0)
	works("resumed", "")
	nora.portal(`{"cancel": "period_end"}`)
	s.Until("the end is known", func() bool { return nora.license().GetCancelTime() != nil })
	works("until the end of the period", "")
	s.advance(subscription, "paid")
	nora.has("CANCELED", 0, 1, 1)
	works("after the period", "SEAT_REQUIRED")
	nora.buys(1)
	nora.has("ACTIVE", 1, 1, 0)
	works("bought again", "")
	// The customer is deleted, and with it what it has bought; the next purchase makes another.
	s.stripe(http.MethodDelete, "/v1/customers/"+s.customers("new-co")[0], nil, &struct{}{})
	nora.has("CANCELED", 0, 1, 1)
	works("without a customer", "SEAT_REQUIRED")
	nora.buys(1)
	nora.has("ACTIVE", 1, 1, 0)
	works("with another customer", "")
}

// An event of a customer that is not known here waits until it is, and is not lost.
func TestAPurchaseBeforeItsCustomerIsKnownIsNotLost(t *testing.T) {
	t.Parallel()
	s := newShop(t, nil)
	dana := s.buyer("dana", "d2-gamers")
	s.advance("sub_d2gamers", "paid") // of a customer that was there before us
	waiting := func() int {
		return s.count(`SELECT count(*) FROM inbox_deliveries WHERE consumer = 'licensing' AND state = 'pending' AND waits`)
	}
	s.Until("the events wait", func() bool { return waiting() > 0 })
	if l := dana.license(); l.GetPurchased() != 0 || l.GetStatus() != teamtaskv1.LicenseStatus_LICENSE_STATUS_NONE {
		t.Errorf("while nobody knows whose it is: %v", l)
	}
	s.exec(`INSERT INTO licensing_customers (customer_id, organization_id) VALUES ('cus_d2gamers', 'org_d2gamers')`)
	dana.has("ACTIVE", 5, 0, 0)
	s.Until("no event waits", func() bool { return waiting() == 0 })
	if got, _ := dana.asks(1, 0); got.Reason != "SUBSCRIPTION_EXISTS" {
		t.Errorf("a second purchase: got %v", got)
	}
	if n := s.count(`SELECT count(*) FROM inbox_deliveries WHERE consumer = 'licensing' AND state <> 'done'`); n != 0 {
		t.Errorf("%d events were set aside", n)
	}
}

// However many ask at once, and whatever becomes of the answers, an organization is one
// customer at Stripe, and there is one page on which it can buy.
func TestAnOrganizationIsOneCustomerHoweverManyBuyAtOnce(t *testing.T) {
	t.Parallel()
	s := newShop(t, nil)
	s.Control(http.MethodPost, "/sandbox/faults", `{"service": "stripe", "method": "POST", "path": "/customers", "status": 503, "apply_first": true, "times": 2}`)
	s.Control(http.MethodPost, "/sandbox/faults", `{"service": "stripe", "method": "POST", "path": "/checkout/sessions", "status": 502, "body": "<html>", "apply_first": true, "times": 2}`)
	s.Control(http.MethodPost, "/sandbox/organizations", `{"name": "New Co", "slug": "new-co", "admin": "nora"}`)
	nora := s.buyer("nora", "new-co")
	var all sync.WaitGroup
	urls, reasons := make(chan string, 16), make(chan string, 16)
	for range 16 {
		all.Go(func() {
			answer, err := nora.licensing.CreateCheckoutSession(t.Context(), &teamtaskv1.CreateCheckoutSessionRequest{Quantity: 5, SuccessPath: "/", CancelPath: "/"})
			if err != nil {
				reasons <- stacktest.RefusalOf(t, err).Reason
				return
			}
			urls <- answer.GetUrl()
		})
	}
	all.Wait()
	close(urls)
	close(reasons)
	different := map[string]bool{}
	for address := range urls {
		different[address] = true
	}
	if len(different) != 1 {
		t.Errorf("%d different pages, want one", len(different))
	}
	for reason := range reasons {
		if !slices.Contains([]string{"PROVIDER_UNAVAILABLE", "OVERLOADED", "RATE_LIMITED"}, reason) {
			t.Errorf("refused with %q", reason)
		}
	}
	if got := s.customers("new-co"); len(got) != 1 {
		t.Errorf("customers at Stripe: %v, want one", got)
	}
	var list struct{ Data []checkoutPage }
	s.stripe(http.MethodGet, "/v1/checkout/sessions", url.Values{"customer": {s.customers("new-co")[0]}}, &list)
	open := slices.DeleteFunc(list.Data, func(page checkoutPage) bool { return page.Status != "open" })
	if len(open) != 1 {
		t.Errorf("%d pages on which it can buy, want one", len(open))
	}
	if n := s.count(`SELECT count(*) FROM licensing_customers WHERE organization_id = $1`, s.idOf("new-co")); n != 1 {
		t.Errorf("%d customers kept, want one", n)
	}
}

// Items of another price do not count, nor does a subscription that has no others; several
// subscriptions add up.
func TestOnlyItemsWithTheSeatPriceCount(t *testing.T) {
	t.Parallel()
	s := newShop(t, nil)
	nora := s.found("new-co", "nora")
	s.Until("there is a customer", func() bool { return len(s.customers("new-co")) == 1 })
	customer := s.customers("new-co")[0]
	var price struct{ ID string }
	s.stripe(http.MethodPost, "/v1/prices", url.Values{
		"currency": {"eur"}, "unit_amount": {"1"}, "recurring[interval]": {"month"}, "product_data[name]": {"Storage"},
	}, &price)
	var card struct{ ID string }
	s.stripe(http.MethodPost, "/v1/payment_methods/pm_card_visa/attach", url.Values{"customer": {customer}}, &card)
	subscribe := func(items ...string) {
		t.Helper()
		form := url.Values{"customer": {customer}, "default_payment_method": {card.ID}, "metadata[organization_id]": {"org_d2gamers"}}
		for i, item := range items {
			id, quantity, _ := strings.Cut(item, " ")
			form.Set(fmt.Sprintf("items[%d][price]", i), id)
			form.Set(fmt.Sprintf("items[%d][quantity]", i), quantity)
		}
		s.stripe(http.MethodPost, "/v1/subscriptions", form, &struct{}{})
		s.rests()
	}
	subscribe(price.ID + " 100")
	nora.has("NONE", 0, 0, 0)
	nora.buys(3)
	nora.has("ACTIVE", 3, 0, 0)
	subscribe(price.ID+" 100", s.Sandbox.SeatPrice()+" 4")
	nora.has("ACTIVE", 7, 0, 0)
	if n := s.count(`SELECT count(*) FROM licenses WHERE tenant_id = 'org_d2gamers' AND purchased > 0`); n != 0 {
		t.Error("what a subscription's metadata say made it another organization's")
	}
	if !strings.Contains(s.Log.String(), "several_subscriptions") {
		t.Error("nobody was told that there are several")
	}
}

// A member who is removed leaves their seat, once, however often Clerk says so; an
// organization that is deleted does not go on paying.
func TestSeatsEndWithMembershipAndOrganization(t *testing.T) {
	t.Parallel()
	s := newShop(t, nil)
	s.Control(http.MethodPost, "/sandbox/webhooks", `{"duplicate": 3, "retry_ms": [50, 100, 200, 400]}`)
	nora := s.found("new-co", "nora", "p1", "p2")
	nora.buys(2)
	nora.has("ACTIVE", 2, 0, 0)
	nora.assigns("p1", "p2")
	p1 := s.buyer("p1", "new-co")
	s.Control(http.MethodDelete, "/sandbox/organizations/new-co/members/p1", "")
	nora.has("ACTIVE", 2, 1, 0)
	s.rests()
	nora.has("ACTIVE", 2, 1, 0)
	if got := p1.works(); got != "MEMBERSHIP_ENDED" {
		t.Errorf("a member who was removed: got %q", got)
	}
	if n := s.count(`SELECT count(*) FROM audit_events WHERE method = 'licensing.seat.release' AND target = 'user_p1'`); n != 1 {
		t.Errorf("%d lines of the seat that was left, want 1", n)
	}
	// A customer who comes back begins without one.
	s.Control(http.MethodPost, "/sandbox/organizations/new-co/members", `{"user": "p1", "role": "org:member"}`)
	back := s.buyer("p1", "new-co")
	s.Until("the member is back", func() bool { return back.works() == "SEAT_REQUIRED" })

	org := s.idOf("new-co")
	before := s.subscriptions("new-co")
	s.Control(http.MethodDelete, "/sandbox/organizations/new-co", "")
	subscription := strings.Fields(before[0])[0]
	s.Until("the subscription has ended", func() bool {
		var got struct{ Status string }
		s.stripe(http.MethodGet, "/v1/subscriptions/"+subscription, nil, &got)
		return got.Status == "canceled"
	})
	s.Until("no seat is left", func() bool { return s.count(`SELECT count(*) FROM seats WHERE tenant_id = $1`, org) == 0 })
	s.rests()
	if n := s.count(`SELECT count(*) FROM audit_events WHERE method = 'licensing.subscription.cancel' AND target = $1`, subscription); n != 1 {
		t.Errorf("%d lines of the end, want 1", n)
	}
}
