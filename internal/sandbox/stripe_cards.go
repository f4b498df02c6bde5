package sandbox

// testCard is a card that Stripe has for tests.
type testCard struct {
	brand, last4 string
	attaches     bool // it can be given to a customer
	declines     bool // every charge
}

// testCards are those known here: https://docs.stripe.com/testing
var testCards = map[string]testCard{
	"pm_card_visa":                {"visa", "4242", true, false},
	"pm_card_mastercard":          {"mastercard", "4444", true, false},
	"pm_card_chargeCustomerFail":  {"visa", "0341", true, true},
	"pm_card_chargeDeclined":      {"visa", "0002", false, true},
	"pm_card_visa_chargeDeclined": {"visa", "0002", false, true},
}

func (a *stripeAccount) newCard(id string, card testCard) *stripeMethod {
	return a.methods.add(id, &stripeMethod{
		ID: id, Object: "payment_method", Created: a.at(), Metadata: hash{}, Type: "card", Declines: card.declines,
		Card: stripeCard{
			Brand: card.brand, Country: "IE", ExpMonth: 12, ExpYear: int64(a.now().Year()) + 3, Funding: "credit", Last4: card.last4,
		},
	})
}

// attachable is the payment method of an id: a new one of a test card's name, or one that was made.
func (a *stripeAccount) attachable(id string) (*stripeMethod, error) {
	if card, ok := testCards[id]; ok {
		if !card.attaches {
			return nil, declined()
		}
		return a.newCard(FreshID("pm_"), card), nil
	}
	return named(&a.methods, "id", "PaymentMethod", id)
}

func (a *stripeAccount) attach(m *stripeMethod, c *stripeCustomer) {
	m.Customer = &c.ID
	a.tell("payment_method.attached", m, nil)
}

func (a stripeAPI) attachMethod(q stripeRequest) (any, error) {
	customer := q.form.must("customer")
	if err := q.form.done(); err != nil {
		return nil, err
	}
	c, err := named(&a.customers, "customer", "customer", customer)
	if err != nil {
		return nil, err
	}
	m, err := a.attachable(q.id)
	if err != nil {
		return nil, err
	}
	if m.Customer != nil && *m.Customer != c.ID {
		return nil, invalidRequest("", "", "The payment method you provided has already been attached to a customer.")
	}
	a.attach(m, c)
	return m, nil
}

func (a stripeAPI) detachMethod(q stripeRequest) (any, error) {
	m, err := named(&a.methods, "id", "PaymentMethod", q.id)
	if err != nil {
		return nil, err
	}
	if err := q.form.done(); err != nil {
		return nil, err
	}
	before := document(m)
	m.Customer = nil
	a.tell("payment_method.detached", m, before)
	return m, nil
}

func (a stripeAPI) getMethod(q stripeRequest) (any, error) {
	return only(&a.methods, "PaymentMethod", q)
}

func (a stripeAPI) listMethods(q stripeRequest) (any, error) {
	customer := q.form.must("customer")
	return a.methodsOf(q, "customer", customer)
}

func (a stripeAPI) listCustomerMethods(q stripeRequest) (any, error) {
	return a.methodsOf(q, "id", q.id)
}

func (a stripeAPI) methodsOf(q stripeRequest, param, customer string) (any, error) {
	kind := q.form.textOr("type", "card")
	if _, err := named(&a.customers, param, "customer", customer); err != nil && customer != "" {
		return nil, err
	}
	return listed(q, a.methods.where(func(m *stripeMethod) bool {
		return m.Customer != nil && *m.Customer == customer && m.Type == kind
	}))
}
