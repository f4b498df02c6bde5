package api

import (
	"slices"
	"strconv"

	"github.com/teamtask/teamtask/internal/sandbox/kit"
	"github.com/teamtask/teamtask/internal/sandbox/stripe/account"
	"github.com/teamtask/teamtask/internal/sandbox/stripe/form"
	"github.com/teamtask/teamtask/internal/sandbox/stripe/object"
)

// readPrice reads what can be changed of a price.
func (a handler) readPrice(f *form.Form, p *object.Price) {
	if active := f.Bool("active"); active != nil {
		p.Active = *active
	}
	for name, into := range map[string]**string{"nickname": &p.Nickname, "lookup_key": &p.LookupKey} {
		if given := f.Text(name); given != nil {
			*into = kit.OrNull(*given)
		}
	}
	p.Metadata = f.Metadata(p.Metadata)
	p.TaxBehavior = f.OneOf("tax_behavior", p.TaxBehavior, "inclusive", "exclusive", "unspecified")
	transfer := f.Bool("transfer_lookup_key")
	if p.LookupKey == nil {
		return
	}
	for _, other := range a.Prices.Where(func(o *object.Price) bool { return o.ID != p.ID && o.LookupKey != nil && *o.LookupKey == *p.LookupKey }) {
		if transfer == nil || !*transfer {
			f.Fail(object.InvalidRequest("lookup_key", "resource_already_exists", "A price (`%s`) already uses that lookup key.", other.ID))
		} else if f.Done() == nil {
			other.LookupKey = nil
		}
	}
}

func (a handler) postPrice(q Request) (any, error) {
	f := q.Form
	p := object.Price{
		ID: kit.FreshID("price_"), Object: "price", Active: true, Created: a.Unix(),
		Currency: f.Required("currency"), Product: f.TextOr("product", ""), TaxBehavior: "unspecified", Type: "one_time",
	}
	if len(p.Currency) != 3 {
		f.Fail(object.InvalidRequest("currency", "", "Invalid currency: %s.", p.Currency))
	}
	readAmounts(f, &p)
	if every := f.Child("recurring"); every != nil {
		p.Type = "recurring"
		p.Recurring = &object.Recurring{
			Interval:      every.OneOf("interval", "", "day", "week", "month", "year"),
			IntervalCount: 1, UsageType: every.OneOf("usage_type", "licensed", "licensed", object.UsageMetered),
		}
		every.Ignore("aggregate_usage")
		if p.Recurring.Interval == "" {
			every.Missing("interval")
		}
		if n := every.Number("interval_count", 1, 36); n != nil {
			p.Recurring.IntervalCount = *n
		}
	}
	var product *object.Product
	if branch := f.Child("product_data"); branch != nil {
		product = &object.Product{
			ID: branch.TextOr("id", kit.FreshID("prod_")), Object: "product", Active: true, Created: a.Unix(), Features: []string{}, Images: []string{},
			Name: branch.Required("name"), Type: "service", UnitLabel: branch.Text("unit_label"), Updated: a.Unix(), Metadata: branch.Metadata(nil),
		}
		p.Product = product.ID
	} else if p.Product == "" {
		f.Missing("product")
	} else if _, ok := a.Products.Get(p.Product); !ok {
		f.Fail(object.Missing("product", "product", p.Product))
	}
	a.readPrice(f, &p)
	if err := f.Done(); err != nil {
		return nil, err
	}
	if product != nil {
		a.Products.Add(product.ID, product)
		a.Emit("product.created", product, nil)
	}
	a.Prices.Add(p.ID, &p)
	a.Emit("price.created", &p, nil)
	return &p, nil
}

func (a handler) getPrice(q Request) (any, error) { return only(&a.Prices, "price", q) }

func (a handler) listPrices(q Request) (any, error) {
	active, product, kind := q.Form.Bool("active"), q.Form.Text("product"), q.Form.Text("type")
	currency, keys := q.Form.Text("currency"), q.Form.Texts("lookup_keys")
	interval := q.Form.Child("recurring").Text("interval")
	return listed(q, a.Prices.Where(func(p *object.Price) bool {
		return (active == nil || *active == p.Active) && (product == nil || *product == p.Product) && (kind == nil || *kind == p.Type) &&
			(currency == nil || *currency == p.Currency) && (len(keys) == 0 || p.LookupKey != nil && slices.Contains(keys, *p.LookupKey)) &&
			(interval == nil || p.Recurring != nil && p.Recurring.Interval == *interval)
	}))
}

func (a handler) changePrice(q Request) (any, error) {
	p, err := account.Named(&a.Prices, "id", "price", q.id)
	if err != nil {
		return nil, err
	}
	changed := *p
	a.readPrice(q.Form, &changed)
	if err := q.Form.Done(); err != nil {
		return nil, err
	}
	before := account.Document(p)
	*p = changed
	a.Emit("price.updated", p, before)
	return p, nil
}

// readAmounts reads what a new price costs.
func readAmounts(f *form.Form, p *object.Price) {
	p.BillingScheme = f.OneOf("billing_scheme", object.SchemePerUnit, object.SchemePerUnit, object.SchemeTiered)
	whole, decimal := f.Number("unit_amount", 0, amountMax), f.Text("unit_amount_decimal")
	p.UnitAmount, p.UnitAmountDecimal = readAmount(f, whole, decimal)
	if p.BillingScheme == object.SchemeTiered {
		readTiers(f, p)
	} else if whole == nil && decimal == nil {
		f.Missing("unit_amount")
	}
	if branch := f.Child("transform_quantity"); branch != nil {
		p.Transform = &object.TransformQuantity{DivideBy: 1, Round: branch.OneOf("round", "", "up", "down")}
		if n := branch.Number("divide_by", 1, object.QuantityMax); n != nil {
			p.Transform.DivideBy = *n
		} else {
			branch.Missing("divide_by")
		}
	}
	options := f.Child("currency_options")
	if options == nil {
		return
	}
	p.Options = map[string]object.CurrencyOption{
		p.Currency: {TaxBehavior: "unspecified", UnitAmount: p.UnitAmount, UnitAmountDecimal: p.UnitAmountDecimal},
	}
	for _, currency := range options.Keys() {
		branch := options.Child(currency)
		option := object.CurrencyOption{TaxBehavior: branch.OneOf("tax_behavior", "unspecified", "inclusive", "exclusive", "unspecified")}
		option.UnitAmount, option.UnitAmountDecimal = readAmount(branch, branch.Number("unit_amount", 0, amountMax), branch.Text("unit_amount_decimal"))
		p.Options[currency] = option
	}
}

const amountMax = 1 << 40

// readAmount returns an amount that is given as a whole number or as a decimal.
func readAmount(f *form.Form, whole *int64, decimal *string) (int64, string) {
	switch {
	case whole != nil:
		return *whole, strconv.FormatInt(*whole, 10)
	case decimal == nil:
		return 0, ""
	}
	if n, err := strconv.ParseFloat(*decimal, 64); err != nil || n < 0 || n > amountMax {
		f.Fail(object.InvalidRequest(f.Path("unit_amount_decimal"), "", "Invalid decimal: %s", *decimal))
	}
	n, _ := strconv.ParseInt(*decimal, 10, 64)
	return n, *decimal
}

func readTiers(f *form.Form, p *object.Price) {
	p.TiersMode = kit.OrNull(f.OneOf("tiers_mode", "", "graduated", "volume"))
	if p.TiersMode == nil {
		f.Missing("tiers_mode")
	}
	for _, branch := range f.List("tiers") {
		var tier object.Tier
		tier.FlatAmount = branch.Number("flat_amount", 0, amountMax)
		if n := branch.Number("unit_amount", 0, amountMax); n != nil {
			tier.UnitAmount = *n
		}
		if upTo := branch.Required("up_to"); upTo != "inf" {
			n, err := strconv.ParseInt(upTo, 10, 64)
			if err != nil {
				f.Fail(object.InvalidRequest(branch.Path("up_to"), "", "Invalid tier: %s", upTo))
			}
			tier.UpTo = &n
		}
		p.Tiers = append(p.Tiers, tier)
	}
	if len(p.Tiers) == 0 {
		f.Missing("tiers")
	}
}
