package account

import (
	"strconv"
	"time"

	"github.com/teamtask/teamtask/internal/sandbox/kit"
	"github.com/teamtask/teamtask/internal/sandbox/stripe/object"
)

// The objects of the start.
const (
	seatProduct   = "prod_sandboxseat"
	SeatPrice     = "price_sandboxseat"
	seatAmount    = 1000 // cents
	SeatCurrency  = "eur"
	DefaultPortal = "bpc_sandboxdefault"
	OwnAccount    = "acct_sandbox"
)

// New returns the account of the start: a price for seats, and five of them that D2 Gamers bought half a month ago.
func New(baseURL string, now func() time.Time) *Account {
	a := &Account{BaseURL: baseURL, DeletedCustomers: map[string]bool{}}
	start := now().Add(-15 * kit.Day)
	a.Now = func() time.Time { return start }
	at := a.Unix()
	a.Products.Add(seatProduct, &object.Product{
		ID: seatProduct, Object: "product", Active: true, Created: at, Features: []string{}, Images: []string{}, Metadata: object.Metadata{},
		Name: "Seat", Type: "service", UnitLabel: kit.OrNull("seat"), Updated: at,
	})
	price := a.Prices.Add(SeatPrice, &object.Price{
		ID: SeatPrice, Object: "price", Active: true, BillingScheme: "per_unit", Created: at, Currency: SeatCurrency, Metadata: object.Metadata{},
		Product: seatProduct, Recurring: &object.Recurring{Interval: "month", IntervalCount: 1, UsageType: "licensed"},
		TaxBehavior: "unspecified", Type: "recurring", UnitAmount: seatAmount, UnitAmountDecimal: strconv.Itoa(seatAmount),
	})
	portal := a.NewPortal()
	portal.ID, portal.IsDefault = DefaultPortal, true
	portal.Features.SubscriptionUpdate.Enabled = true
	portal.Features.SubscriptionUpdate.DefaultAllowedUpdates = []string{"quantity"}
	portal.Features.SubscriptionUpdate.Products = []object.PortalProduct{{Product: seatProduct, Prices: []string{SeatPrice}}}
	portal.Features.SubscriptionCancel.Enabled = true
	portal.Features.InvoiceHistory.Enabled = true
	a.PortalConfigurations.Add(portal.ID, portal)

	customer := a.NewCustomer("cus_d2gamers")
	customer.Name, customer.Email = kit.OrNull("D2 Gamers"), kit.OrNull("dana@d2-gamers.test")
	customer.Metadata = object.Metadata{"organization_id": "org_d2gamers"}
	card := a.NewCard("pm_d2gamers", TestCards["pm_card_visa"])
	card.Customer = &customer.ID
	customer.InvoiceSettings.DefaultPaymentMethod = &card.ID
	a.subscribe(Purchase{
		id: "sub_d2gamers", item: "si_d2gamers", Customer: customer, Items: []Bought{{Price: price, Quantity: 5}}, Method: &card.ID,
		Metadata: object.Metadata{"organization_id": "org_d2gamers"},
	})
	a.Events = Table[object.Event]{}
	a.Now = now
	return a
}
