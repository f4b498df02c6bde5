package account

import (
	"github.com/teamtask/teamtask/internal/sandbox/kit"
	"github.com/teamtask/teamtask/internal/sandbox/stripe/object"
)

// testCard is a card that Stripe has for tests.
type testCard struct {
	brand, last4 string
	attaches     bool // it can be given to a customer
	declines     bool // every charge
}

// TestCards are those known here: https://docs.stripe.com/testing
var TestCards = map[string]testCard{
	"pm_card_visa":                {"visa", "4242", true, false},
	"pm_card_mastercard":          {"mastercard", "4444", true, false},
	"pm_card_chargeCustomerFail":  {"visa", "0341", true, true},
	"pm_card_chargeDeclined":      {"visa", "0002", false, true},
	"pm_card_visa_chargeDeclined": {"visa", "0002", false, true},
}

// NewCard makes a payment method of a test card, which belongs to no customer.
func (a *Account) NewCard(id string, card testCard) *object.PaymentMethod {
	return a.PaymentMethods.Add(id, &object.PaymentMethod{
		ID: id, Object: "payment_method", Created: a.Unix(), Metadata: object.Metadata{}, Type: "card", Declines: card.declines,
		Card: object.Card{
			Brand: card.brand, Country: "IE", ExpMonth: 12, ExpYear: int64(a.Now().Year()) + 3, Funding: "credit", Last4: card.last4,
		},
	})
}

// Attachable returns the payment method of an id: a new one of a test card's name, or one that was made.
func (a *Account) Attachable(id string) (*object.PaymentMethod, error) {
	if card, ok := TestCards[id]; ok {
		if !card.attaches {
			return nil, object.Declined()
		}
		return a.NewCard(kit.FreshID("pm_"), card), nil
	}
	return Named(&a.PaymentMethods, "id", "PaymentMethod", id)
}

// Attach gives a payment method to a customer.
func (a *Account) Attach(m *object.PaymentMethod, c *object.Customer) {
	m.Customer = &c.ID
	a.Emit("payment_method.attached", m, nil)
}
