package api

import (
	"github.com/teamtask/teamtask/internal/sandbox/stripe/account"
	"github.com/teamtask/teamtask/internal/sandbox/stripe/object"
)

func (a handler) attachMethod(q Request) (any, error) {
	customer := q.Form.Required("customer")
	if err := q.Form.Done(); err != nil {
		return nil, err
	}
	c, err := account.Named(&a.Customers, "customer", "customer", customer)
	if err != nil {
		return nil, err
	}
	m, err := a.Attachable(q.id)
	if err != nil {
		return nil, err
	}
	if m.Customer != nil && *m.Customer != c.ID {
		return nil, object.InvalidRequest("", "", "The payment method you provided has already been attached to a customer.")
	}
	a.Attach(m, c)
	return m, nil
}

func (a handler) detachMethod(q Request) (any, error) {
	m, err := account.Named(&a.PaymentMethods, "id", "PaymentMethod", q.id)
	if err != nil {
		return nil, err
	}
	if err := q.Form.Done(); err != nil {
		return nil, err
	}
	before := account.Document(m)
	m.Customer = nil
	a.Emit("payment_method.detached", m, before)
	return m, nil
}

func (a handler) getMethod(q Request) (any, error) {
	return only(&a.PaymentMethods, "PaymentMethod", q)
}

func (a handler) listMethods(q Request) (any, error) {
	customer := q.Form.Required("customer")
	return a.methodsOf(q, "customer", customer)
}

func (a handler) listCustomerMethods(q Request) (any, error) {
	return a.methodsOf(q, "id", q.id)
}

func (a handler) methodsOf(q Request, param, customer string) (any, error) {
	kind := q.Form.TextOr("type", "card")
	if _, err := account.Named(&a.Customers, param, "customer", customer); err != nil && customer != "" {
		return nil, err
	}
	return listed(q, a.PaymentMethods.Where(func(m *object.PaymentMethod) bool {
		return m.Customer != nil && *m.Customer == customer && m.Type == kind
	}))
}
