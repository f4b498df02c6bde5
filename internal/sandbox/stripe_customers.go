package sandbox

func (a *stripeAccount) newCustomer(id string) *stripeCustomer {
	return a.customers.add(id, &stripeCustomer{
		ID: id, Object: "customer", Created: a.at(), InvoicePrefix: FreshID("")[:8], Metadata: hash{}, NextInvoice: 1, Locales: []string{},
		TaxExempt: "none",
	})
}

// readCustomer reads the parameters that a customer is made and changed with into one.
func (a stripeAPI) readCustomer(f *form, c *stripeCustomer) {
	for name, into := range map[string]**string{"name": &c.Name, "email": &c.Email, "description": &c.Description, "phone": &c.Phone} {
		if given := f.str(name); given != nil {
			*into = OrNull(*given)
		}
	}
	c.Metadata = f.metadata(c.Metadata)
	if branch := f.child("address"); branch != nil {
		c.Address = &stripeAddress{
			City: branch.str("city"), Country: branch.str("country"), Line1: branch.str("line1"), Line2: branch.str("line2"),
			PostalCode: branch.str("postal_code"), State: branch.str("state"),
		}
	}
	if balance := f.number("balance", -1<<40, 1<<40); balance != nil {
		c.Balance = *balance
	}
	c.TaxExempt = f.one("tax_exempt", c.TaxExempt, "none", "exempt", "reverse")
	if branch := f.child("invoice_settings"); branch != nil {
		if id := branch.str("default_payment_method"); id != nil {
			c.InvoiceSettings.DefaultPaymentMethod = OrNull(*id)
			if m, ok := a.methods.get(*id); *id != "" && (!ok || m.Customer == nil || *m.Customer != c.ID) {
				f.fail(missingAt("invoice_settings[default_payment_method]", "PaymentMethod", *id))
			}
		}
		if footer := branch.str("footer"); footer != nil {
			c.InvoiceSettings.Footer = OrNull(*footer)
		}
	}
	f.ignore("preferred_locales", "shipping", "tax", "validate")
}

func (a stripeAPI) postCustomer(q stripeRequest) (any, error) {
	id := FreshID("cus_")
	made := stripeCustomer{ID: id, TaxExempt: "none"}
	a.readCustomer(q.form, &made)
	card := q.form.str("payment_method")
	if err := q.form.done(); err != nil {
		return nil, err
	}
	var method *stripeMethod
	if card != nil {
		var err error
		if method, err = a.attachable(*card); err != nil {
			return nil, err
		}
	}
	c := a.newCustomer(id)
	made.Object, made.Created, made.InvoicePrefix, made.NextInvoice, made.Locales = c.Object, c.Created, c.InvoicePrefix, 1, c.Locales
	*c = made
	a.tell("customer.created", c, nil)
	if method != nil {
		a.attach(method, c)
	}
	return c, nil
}

func (a stripeAPI) getCustomer(q stripeRequest) (any, error) {
	if a.gone[q.id] {
		return a.find(q.id), q.form.done()
	}
	return only(&a.customers, "customer", q)
}

func (a stripeAPI) listCustomers(q stripeRequest) (any, error) {
	email := q.form.str("email")
	return listed(q, a.customers.where(func(c *stripeCustomer) bool {
		return email == nil || c.Email != nil && *c.Email == *email
	}))
}

// searchCustomers finds at once what was made; Stripe may take a minute.
func (a stripeAPI) searchCustomers(q stripeRequest) (any, error) {
	limit := q.form.number("limit", 1, searchResultMax)
	q.form.ignore("page")
	fits, err := searchTerms(q.form.must("query"))
	if refused := q.form.done(); refused != nil {
		return nil, refused
	}
	if err != nil {
		return nil, err
	}
	found := a.customers.where(func(c *stripeCustomer) bool { return fits(c.Name, c.Email, c.Metadata) })
	result := map[string]any{"object": "search_result", "url": "/v1" + q.path, "has_more": false, "next_page": nil}
	if most := 10; limit == nil && len(found) > most || limit != nil && len(found) > int(*limit) {
		if limit != nil {
			most = int(*limit)
		}
		found, result["has_more"] = found[:most], true
	}
	result["data"] = found
	if len(found) == 0 {
		result["data"] = []any{}
	}
	return result, nil
}

func (a stripeAPI) changeCustomer(q stripeRequest) (any, error) {
	c, err := named(&a.customers, "id", "customer", q.id)
	if err != nil {
		return nil, err
	}
	changed := *c
	a.readCustomer(q.form, &changed)
	if err := q.form.done(); err != nil {
		return nil, err
	}
	before := document(c)
	*c = changed
	a.tell("customer.updated", c, before)
	return c, nil
}

// deleteCustomer takes a customer away, whose subscriptions end at once.
func (a stripeAPI) deleteCustomer(q stripeRequest) (any, error) {
	c, err := named(&a.customers, "id", "customer", q.id)
	if err != nil {
		return nil, err
	}
	if err := q.form.done(); err != nil {
		return nil, err
	}
	for _, sub := range a.subscriptions.where(func(sub *stripeSubscription) bool { return sub.Customer == c.ID && !sub.over() }) {
		a.end(sub)
	}
	a.customers.remove(c.ID)
	a.gone[c.ID] = true
	a.tell("customer.deleted", c, nil)
	return a.find(c.ID), nil
}

// subscriptionsOf is the list of a customer's subscriptions that are not over.
func (a *stripeAccount) subscriptionsOf(customer string) stripeListJSON {
	list := stripeListJSON{Object: "list", Data: []any{}, URL: "/v1/customers/" + customer + "/subscriptions"}
	for _, sub := range a.subscriptions.where(func(sub *stripeSubscription) bool { return sub.Customer == customer && !sub.over() }) {
		list.Data = append(list.Data, sub)
	}
	return list
}
