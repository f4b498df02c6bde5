package sandbox

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"
)

// MarshalJSON says null for amounts that a price does not have.
func (p stripePrice) MarshalJSON() ([]byte, error) {
	type plain stripePrice
	said := struct {
		plain
		UnitAmount        *int64  `json:"unit_amount"`
		UnitAmountDecimal *string `json:"unit_amount_decimal"`
	}{plain: plain(p)}
	said.UnitAmount, said.UnitAmountDecimal = p.said()
	return json.Marshal(said)
}

// said is what a unit costs, nil where it has tiers, and nil as a whole number where it has a fraction.
func (p *stripePrice) said() (whole *int64, decimal *string) {
	amount, text := p.UnitAmount, p.UnitAmountDecimal
	switch {
	case p.BillingScheme == schemeTiered:
		return nil, nil
	case strings.Contains(text, "."):
		return nil, &text
	}
	return &amount, &text
}

const (
	schemePerUnit = "per_unit"
	schemeTiered  = "tiered"
	usageMetered  = "metered"
)

// costs is what a quantity costs for a period.
func (p *stripePrice) costs(quantity int64, currency string) int64 {
	decimal := p.UnitAmountDecimal
	if option, ok := p.Options[currency]; ok && currency != p.Currency {
		decimal = option.UnitAmountDecimal
	}
	switch {
	case p.Recurring != nil && p.Recurring.UsageType == usageMetered:
		return 0 // nothing is used here
	case p.BillingScheme == schemeTiered:
		return p.tiered(quantity)
	case p.Transform != nil && p.Transform.Round == "up":
		quantity = (quantity + p.Transform.DivideBy - 1) / p.Transform.DivideBy
	case p.Transform != nil:
		quantity /= p.Transform.DivideBy
	}
	unit, err := strconv.ParseFloat(decimal, 64)
	if err != nil {
		return p.UnitAmount * quantity
	}
	return int64(math.Round(unit * float64(quantity)))
}

// tiered is what a quantity costs by the tier it is in, or by all tiers that it fills.
func (p *stripePrice) tiered(quantity int64) int64 {
	var sum, from int64
	for _, tier := range p.Tiers {
		last := tier.UpTo == nil || quantity <= *tier.UpTo
		if *p.TiersMode == "volume" {
			if last {
				return tier.cost(quantity)
			}
			continue
		}
		if last {
			return sum + tier.cost(quantity-from)
		}
		sum += tier.cost(*tier.UpTo - from)
		from = *tier.UpTo
	}
	return sum
}

func (t stripeTier) cost(quantity int64) int64 {
	if t.FlatAmount != nil {
		return *t.FlatAmount + t.UnitAmount*quantity
	}
	return t.UnitAmount * quantity
}

// readAmounts reads what a new price costs.
func readAmounts(f *form, p *stripePrice) {
	p.BillingScheme = f.one("billing_scheme", schemePerUnit, schemePerUnit, schemeTiered)
	whole, decimal := f.number("unit_amount", 0, amountMax), f.str("unit_amount_decimal")
	p.UnitAmount, p.UnitAmountDecimal = readAmount(f, whole, decimal)
	if p.BillingScheme == schemeTiered {
		readTiers(f, p)
	} else if whole == nil && decimal == nil {
		f.missing("unit_amount")
	}
	if branch := f.child("transform_quantity"); branch != nil {
		p.Transform = &stripeTransform{DivideBy: 1, Round: branch.one("round", "", "up", "down")}
		if n := branch.number("divide_by", 1, quantityMax); n != nil {
			p.Transform.DivideBy = *n
		} else {
			branch.missing("divide_by")
		}
	}
	options := f.child("currency_options")
	if options == nil {
		return
	}
	p.Options = map[string]stripeOption{p.Currency: {"unspecified", p.UnitAmount, p.UnitAmountDecimal}}
	for currency := range options.kids {
		branch := options.child(currency)
		option := stripeOption{TaxBehavior: branch.one("tax_behavior", "unspecified", "inclusive", "exclusive", "unspecified")}
		option.UnitAmount, option.UnitAmountDecimal = readAmount(branch, branch.number("unit_amount", 0, amountMax), branch.str("unit_amount_decimal"))
		p.Options[currency] = option
	}
}

const amountMax = 1 << 40

// readAmount is an amount that is given as a whole number or as a decimal.
func readAmount(f *form, whole *int64, decimal *string) (int64, string) {
	switch {
	case whole != nil:
		return *whole, strconv.FormatInt(*whole, 10)
	case decimal == nil:
		return 0, ""
	}
	if n, err := strconv.ParseFloat(*decimal, 64); err != nil || n < 0 || n > amountMax {
		f.fail(invalidRequest(f.within("unit_amount_decimal"), "", "Invalid decimal: %s", *decimal))
	}
	n, _ := strconv.ParseInt(*decimal, 10, 64)
	return n, *decimal
}

func readTiers(f *form, p *stripePrice) {
	p.TiersMode = OrNull(f.one("tiers_mode", "", "graduated", "volume"))
	if p.TiersMode == nil {
		f.missing("tiers_mode")
	}
	for _, branch := range f.list("tiers") {
		var tier stripeTier
		tier.FlatAmount = branch.number("flat_amount", 0, amountMax)
		if n := branch.number("unit_amount", 0, amountMax); n != nil {
			tier.UnitAmount = *n
		}
		if upTo := branch.must("up_to"); upTo != "inf" {
			n, err := strconv.ParseInt(upTo, 10, 64)
			if err != nil {
				f.fail(invalidRequest(branch.within("up_to"), "", "Invalid tier: %s", upTo))
			}
			tier.UpTo = &n
		}
		p.Tiers = append(p.Tiers, tier)
	}
	if len(p.Tiers) == 0 {
		f.missing("tiers")
	}
}

// expanded is what is said of a price where it is asked for.
func (p *stripePrice) expanded(name string) any {
	if name == "tiers" {
		return p.Tiers
	}
	if p.Options == nil && p.BillingScheme != schemeTiered {
		return map[string]stripeOption{p.Currency: {p.TaxBehavior, p.UnitAmount, p.UnitAmountDecimal}}
	}
	return p.Options
}
