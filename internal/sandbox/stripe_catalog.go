package sandbox

import (
	"slices"
)

func (a stripeAPI) readProduct(f *form, p *stripeProduct) {
	if name := f.str("name"); name != nil {
		p.Name = *name
		if *name == "" {
			f.empty("name")
		}
	}
	for name, into := range map[string]**string{"description": &p.Description, "unit_label": &p.UnitLabel} {
		if given := f.str(name); given != nil {
			*into = OrNull(*given)
		}
	}
	if active := f.flag("active"); active != nil {
		p.Active = *active
	}
	p.Metadata = f.metadata(p.Metadata)
	f.ignore("images", "features", "statement_descriptor", "tax_code", "url", "type", "shippable")
}

func (a stripeAPI) postProduct(q stripeRequest) (any, error) {
	p := stripeProduct{
		ID: q.form.textOr("id", FreshID("prod_")), Object: "product", Active: true, Created: a.at(), Features: []string{}, Images: []string{},
		Type: "service", Updated: a.at(),
	}
	if !q.form.has("name") {
		q.form.missing("name")
	}
	a.readProduct(q.form, &p)
	if err := q.form.done(); err != nil {
		return nil, err
	}
	if _, ok := a.products.get(p.ID); ok {
		return nil, invalidRequest("id", "resource_already_exists", "Product already exists.")
	}
	a.products.add(p.ID, &p)
	a.tell("product.created", &p, nil)
	return &p, nil
}

func (a stripeAPI) getProduct(q stripeRequest) (any, error) {
	return only(&a.products, "product", q)
}

func (a stripeAPI) listProducts(q stripeRequest) (any, error) {
	active, ids := q.form.flag("active"), q.form.texts("ids")
	return listed(q, a.products.where(func(p *stripeProduct) bool {
		return (active == nil || *active == p.Active) && (len(ids) == 0 || slices.Contains(ids, p.ID))
	}))
}

func (a stripeAPI) changeProduct(q stripeRequest) (any, error) {
	p, err := named(&a.products, "id", "product", q.id)
	if err != nil {
		return nil, err
	}
	changed := *p
	a.readProduct(q.form, &changed)
	if id := q.form.str("default_price"); id != nil {
		changed.Default = id
		if price, ok := a.prices.get(*id); !ok || price.Product != p.ID {
			q.form.fail(missingAt("default_price", "price", *id))
		}
	}
	if err := q.form.done(); err != nil {
		return nil, err
	}
	before := document(p)
	changed.Updated = a.at()
	*p = changed
	a.tell("product.updated", p, before)
	return p, nil
}

// readPrice reads what can be changed of a price.
func (a stripeAPI) readPrice(f *form, p *stripePrice) {
	if active := f.flag("active"); active != nil {
		p.Active = *active
	}
	for name, into := range map[string]**string{"nickname": &p.Nickname, "lookup_key": &p.LookupKey} {
		if given := f.str(name); given != nil {
			*into = OrNull(*given)
		}
	}
	p.Metadata = f.metadata(p.Metadata)
	p.TaxBehavior = f.one("tax_behavior", p.TaxBehavior, "inclusive", "exclusive", "unspecified")
	transfer := f.flag("transfer_lookup_key")
	if p.LookupKey == nil {
		return
	}
	for _, other := range a.prices.where(func(o *stripePrice) bool { return o.ID != p.ID && o.LookupKey != nil && *o.LookupKey == *p.LookupKey }) {
		if transfer == nil || !*transfer {
			f.fail(invalidRequest("lookup_key", "resource_already_exists", "A price (`%s`) already uses that lookup key.", other.ID))
		} else if f.done() == nil {
			other.LookupKey = nil
		}
	}
}

func (a stripeAPI) postPrice(q stripeRequest) (any, error) {
	f := q.form
	p := stripePrice{
		ID: FreshID("price_"), Object: "price", Active: true, Created: a.at(),
		Currency: f.must("currency"), Product: f.textOr("product", ""), TaxBehavior: "unspecified", Type: "one_time",
	}
	if len(p.Currency) != 3 {
		f.fail(invalidRequest("currency", "", "Invalid currency: %s.", p.Currency))
	}
	readAmounts(f, &p)
	if every := f.child("recurring"); every != nil {
		p.Type = "recurring"
		p.Recurring = &stripeRecurring{
			Interval:      every.one("interval", "", "day", "week", "month", "year"),
			IntervalCount: 1, UsageType: every.one("usage_type", "licensed", "licensed", usageMetered),
		}
		every.ignore("aggregate_usage")
		if p.Recurring.Interval == "" {
			every.missing("interval")
		}
		if n := every.number("interval_count", 1, 36); n != nil {
			p.Recurring.IntervalCount = *n
		}
	}
	var product *stripeProduct
	if branch := f.child("product_data"); branch != nil {
		product = &stripeProduct{
			ID: branch.textOr("id", FreshID("prod_")), Object: "product", Active: true, Created: a.at(), Features: []string{}, Images: []string{},
			Name: branch.must("name"), Type: "service", UnitLabel: branch.str("unit_label"), Updated: a.at(), Metadata: branch.metadata(nil),
		}
		p.Product = product.ID
	} else if p.Product == "" {
		f.missing("product")
	} else if _, ok := a.products.get(p.Product); !ok {
		f.fail(missingAt("product", "product", p.Product))
	}
	a.readPrice(f, &p)
	if err := f.done(); err != nil {
		return nil, err
	}
	if product != nil {
		a.products.add(product.ID, product)
		a.tell("product.created", product, nil)
	}
	a.prices.add(p.ID, &p)
	a.tell("price.created", &p, nil)
	return &p, nil
}

func (a stripeAPI) getPrice(q stripeRequest) (any, error) { return only(&a.prices, "price", q) }

func (a stripeAPI) listPrices(q stripeRequest) (any, error) {
	active, product, kind := q.form.flag("active"), q.form.str("product"), q.form.str("type")
	currency, keys := q.form.str("currency"), q.form.texts("lookup_keys")
	interval := q.form.child("recurring").str("interval")
	return listed(q, a.prices.where(func(p *stripePrice) bool {
		return (active == nil || *active == p.Active) && (product == nil || *product == p.Product) && (kind == nil || *kind == p.Type) &&
			(currency == nil || *currency == p.Currency) && (len(keys) == 0 || p.LookupKey != nil && slices.Contains(keys, *p.LookupKey)) &&
			(interval == nil || p.Recurring != nil && p.Recurring.Interval == *interval)
	}))
}

func (a stripeAPI) changePrice(q stripeRequest) (any, error) {
	p, err := named(&a.prices, "id", "price", q.id)
	if err != nil {
		return nil, err
	}
	changed := *p
	a.readPrice(q.form, &changed)
	if err := q.form.done(); err != nil {
		return nil, err
	}
	before := document(p)
	*p = changed
	a.tell("price.updated", p, before)
	return p, nil
}

// plan is how a price is called in old fields.
func (p *stripePrice) plan() stripePlan {
	amount, decimal := p.said()
	return stripePlan{
		ID: p.ID, Object: "plan", Active: p.Active, Amount: amount, AmountDecimal: decimal, BillingScheme: p.BillingScheme,
		Created: p.Created, Currency: p.Currency, Interval: p.Recurring.Interval, IntervalCount: p.Recurring.IntervalCount,
		Product: p.Product, UsageType: p.Recurring.UsageType,
	}
}
