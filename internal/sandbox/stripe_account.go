package sandbox

import (
	"maps"
	"slices"
	"strconv"
	"time"
)

const (
	seatProduct   = "prod_sandboxseat"
	seatPrice     = "price_sandboxseat"
	seatAmount    = 1000 // cents
	seatCurrency  = "eur"
	defaultPortal = "bpc_sandboxdefault"
	ownAccount    = "acct_sandbox"
)

// stripeAccount is all that Stripe keeps for one account. Times are seconds since 1970.
type stripeAccount struct {
	baseURL string
	now     func() time.Time
	post    func(stripeEvent, []stripeEndpoint) // nil: nobody is told
	cause   stripeCause                         // of the events of the moment
	held    *[]heldEvent                        // events that are put in order before they are told; nil: none are held

	customers     table[stripeCustomer]
	gone          map[string]bool // ids of deleted customers
	products      table[stripeProduct]
	prices        table[stripePrice]
	methods       table[stripeMethod]
	sessions      table[stripeSession]
	portals       table[stripePortal]
	portalVisits  table[stripePortalSession]
	subscriptions table[stripeSubscription]
	invoices      table[stripeInvoice]
	extras        table[stripeInvoiceItem]
	intents       table[stripeIntent]
	charges       table[stripeCharge]
	refunds       table[stripeRefund]
	disputes      table[stripeDispute]
	events        table[stripeEvent]
	endpoints     table[stripeEndpoint]
}

// seededAccount is what there is at the start: a price for seats, and five of them bought by D2 Gamers half a month ago.
func seededAccount(baseURL string, now func() time.Time) *stripeAccount {
	a := &stripeAccount{baseURL: baseURL, gone: map[string]bool{}}
	start := now().Add(-15 * Day)
	a.now = func() time.Time { return start }
	at := a.at()
	a.products.add(seatProduct, &stripeProduct{
		ID: seatProduct, Object: "product", Active: true, Created: at, Features: []string{}, Images: []string{}, Metadata: hash{},
		Name: "Seat", Type: "service", UnitLabel: OrNull("seat"), Updated: at,
	})
	price := a.prices.add(seatPrice, &stripePrice{
		ID: seatPrice, Object: "price", Active: true, BillingScheme: "per_unit", Created: at, Currency: seatCurrency, Metadata: hash{},
		Product: seatProduct, Recurring: &stripeRecurring{Interval: "month", IntervalCount: 1, UsageType: "licensed"},
		TaxBehavior: "unspecified", Type: "recurring", UnitAmount: seatAmount, UnitAmountDecimal: strconv.Itoa(seatAmount),
	})
	portal := a.newPortal()
	portal.ID, portal.IsDefault = defaultPortal, true
	portal.Features.SubscriptionUpdate.Enabled = true
	portal.Features.SubscriptionUpdate.DefaultAllowedUpdates = []string{"quantity"}
	portal.Features.SubscriptionUpdate.Products = []stripePortalProduct{{Product: seatProduct, Prices: []string{seatPrice}}}
	portal.Features.SubscriptionCancel.Enabled = true
	portal.Features.InvoiceHistory.Enabled = true
	a.portals.add(portal.ID, portal)

	customer := a.newCustomer("cus_d2gamers")
	customer.Name, customer.Email = OrNull("D2 Gamers"), OrNull("dana@d2-gamers.test")
	customer.Metadata = hash{"organization_id": "org_d2gamers"}
	card := a.newCard("pm_d2gamers", testCards["pm_card_visa"])
	card.Customer = &customer.ID
	customer.InvoiceSettings.DefaultPaymentMethod = &card.ID
	a.subscribe(purchase{
		id: "sub_d2gamers", item: "si_d2gamers", customer: customer, items: []bought{{price: price, quantity: 5}}, method: &card.ID,
		metadata: hash{"organization_id": "org_d2gamers"},
	})
	a.events = table[stripeEvent]{}
	a.now = now
	return a
}

// accountJSON is what is said of the account itself.
type accountJSON struct {
	ID              string `json:"id"`
	Object          string `json:"object"`
	ChargesEnabled  bool   `json:"charges_enabled"`
	Country         string `json:"country"`
	DefaultCurrency string `json:"default_currency"`
	Type            string `json:"type"`
}

// getAccount answers GET /v1/account.
func (a stripeAPI) getAccount(q stripeRequest) (any, error) {
	return accountJSON{ID: ownAccount, Object: "account", ChargesEnabled: true, Country: "IE", DefaultCurrency: seatCurrency, Type: "standard"}, q.form.done()
}

// at is the time now, in seconds.
func (a *stripeAccount) at() int64 { return a.now().Unix() }

// clone is an account of its own that starts with the same content and tells nobody.
func (a *stripeAccount) clone() *stripeAccount {
	return &stripeAccount{
		baseURL: a.baseURL, now: a.now, gone: maps.Clone(a.gone),
		customers: a.customers.clone(), products: a.products.clone(), prices: a.prices.clone(), methods: a.methods.clone(),
		sessions: a.sessions.clone(), portals: a.portals.clone(), portalVisits: a.portalVisits.clone(),
		subscriptions: a.subscriptions.clone(), invoices: a.invoices.clone(), extras: a.extras.clone(), intents: a.intents.clone(),
		charges: a.charges.clone(), refunds: a.refunds.clone(), disputes: a.disputes.clone(),
		events:    table[stripeEvent]{rows: maps.Clone(a.events.rows), order: slices.Clone(a.events.order)}, // which never change
		endpoints: a.endpoints.clone(),
	}
}

// find is an object by its id, whatever it is; nil where there is none.
func (a *stripeAccount) find(id string) any {
	if a.gone[id] {
		return goneJSON{ID: id, Object: "customer", Deleted: true}
	}
	for _, in := range []func(string) any{
		in(&a.customers), in(&a.products), in(&a.prices), in(&a.methods), in(&a.sessions), in(&a.portals), in(&a.subscriptions),
		in(&a.invoices), in(&a.intents), in(&a.charges), in(&a.refunds), in(&a.disputes),
	} {
		if object := in(id); object != nil {
			return object
		}
	}
	return nil
}

func in[T any](t *table[T]) func(string) any {
	return func(id string) any {
		if row, ok := t.get(id); ok {
			return row
		}
		return nil
	}
}

// named is an object by its id in a path or, where param is not "id", in a parameter.
func named[T any](t *table[T], param, what, id string) (*T, error) {
	row, ok := t.get(id)
	if !ok {
		return nil, missingAt(param, what, id)
	}
	return row, nil
}

// only answers the object of the path for a method that takes no parameters.
func only[T any](t *table[T], what string, q stripeRequest) (any, error) {
	row, err := named(t, "id", what, q.id)
	if err != nil {
		return nil, err
	}
	return row, q.form.done()
}

// sweep expires what is past its time.
func (a *stripeAccount) sweep() {
	for _, s := range a.sessions.where(func(s *stripeSession) bool { return s.Status == sessionOpen && a.at() >= s.ExpiresAt }) {
		a.expire(s)
	}
}
