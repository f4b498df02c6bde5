package object

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"time"
)

// PeriodEnd returns the end of a period that begins at a time.
func (p *Price) PeriodEnd(at int64) int64 {
	from, n := time.Unix(at, 0).UTC(), int(p.Recurring.IntervalCount)
	switch p.Recurring.Interval {
	case "day":
		return from.AddDate(0, 0, n).Unix()
	case "week":
		return from.AddDate(0, 0, 7*n).Unix()
	case "year":
		return from.AddDate(n, 0, 0).Unix()
	}
	return from.AddDate(0, n, 0).Unix()
}

// Plan returns the price in the shape of older fields.
func (p *Price) Plan() Plan {
	amount, decimal := p.Amounts()
	return Plan{
		ID: p.ID, Object: "plan", Active: p.Active, Amount: amount, AmountDecimal: decimal, BillingScheme: p.BillingScheme,
		Created: p.Created, Currency: p.Currency, Interval: p.Recurring.Interval, IntervalCount: p.Recurring.IntervalCount,
		Product: p.Product, UsageType: p.Recurring.UsageType,
	}
}

// MarshalJSON writes null for amounts that a price does not have.
func (p Price) MarshalJSON() ([]byte, error) {
	type plain Price
	shown := struct {
		plain
		UnitAmount        *int64  `json:"unit_amount"`
		UnitAmountDecimal *string `json:"unit_amount_decimal"`
	}{plain: plain(p)}
	shown.UnitAmount, shown.UnitAmountDecimal = p.Amounts()
	return json.Marshal(shown)
}

// Amounts returns what a unit costs: nil with tiers, and no whole number with a fraction.
func (p *Price) Amounts() (whole *int64, decimal *string) {
	amount, text := p.UnitAmount, p.UnitAmountDecimal
	switch {
	case p.BillingScheme == SchemeTiered:
		return nil, nil
	case strings.Contains(text, "."):
		return nil, &text
	}
	return &amount, &text
}

// How a price is charged.
const (
	SchemePerUnit = "per_unit"
	SchemeTiered  = "tiered"
	UsageMetered  = "metered"
)

// Cost returns what a quantity costs for a period.
func (p *Price) Cost(quantity int64, currency string) int64 {
	decimal := p.UnitAmountDecimal
	if option, ok := p.Options[currency]; ok && currency != p.Currency {
		decimal = option.UnitAmountDecimal
	}
	switch {
	case p.Recurring != nil && p.Recurring.UsageType == UsageMetered:
		return 0 // nothing is used here
	case p.BillingScheme == SchemeTiered:
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

// tiered returns what a quantity costs by the tier it is in, or by all tiers that it fills.
func (p *Price) tiered(quantity int64) int64 {
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

func (t Tier) cost(quantity int64) int64 {
	if t.FlatAmount != nil {
		return *t.FlatAmount + t.UnitAmount*quantity
	}
	return t.UnitAmount * quantity
}

// Expanded returns the value of a field that is shown only where it is expanded.
func (p *Price) Expanded(name string) any {
	if name == "tiers" {
		return p.Tiers
	}
	if p.Options == nil && p.BillingScheme != SchemeTiered {
		return map[string]CurrencyOption{p.Currency: {p.TaxBehavior, p.UnitAmount, p.UnitAmountDecimal}}
	}
	return p.Options
}

// Product is a product.
type Product struct {
	ID          string   `json:"id"`
	Object      string   `json:"object"`
	Active      bool     `json:"active"`
	Created     int64    `json:"created"`
	Default     *string  `json:"default_price"`
	Description *string  `json:"description"`
	Features    []string `json:"features"`
	Images      []string `json:"images"`
	Livemode    bool     `json:"livemode"`
	Metadata    Metadata `json:"metadata"`
	Name        string   `json:"name"`
	Type        string   `json:"type"`
	UnitLabel   *string  `json:"unit_label"`
	Updated     int64    `json:"updated"`
}

// Price is a price.
type Price struct { //nolint:recvcheck // it is written where it is a field, by value
	ID                string             `json:"id"`
	Object            string             `json:"object"`
	Active            bool               `json:"active"`
	BillingScheme     string             `json:"billing_scheme"`
	Created           int64              `json:"created"`
	Currency          string             `json:"currency"`
	Livemode          bool               `json:"livemode"`
	LookupKey         *string            `json:"lookup_key"`
	Metadata          Metadata           `json:"metadata"`
	Nickname          *string            `json:"nickname"`
	Product           string             `json:"product"`
	Recurring         *Recurring         `json:"recurring"`
	TaxBehavior       string             `json:"tax_behavior"`
	TiersMode         *string            `json:"tiers_mode"`
	Transform         *TransformQuantity `json:"transform_quantity"`
	Type              string             `json:"type"`
	UnitAmount        int64              `json:"unit_amount"`         // null where it has a fraction or tiers
	UnitAmountDecimal string             `json:"unit_amount_decimal"` // null where it has tiers

	Tiers   []Tier                    `json:"-"` // shown where they are expanded
	Options map[string]CurrencyOption `json:"-"` // by currency, likewise
}

// TransformQuantity makes packages of a quantity.
type TransformQuantity struct {
	DivideBy int64  `json:"divide_by"`
	Round    string `json:"round"`
}

// Tier is a tier of a tiered price.
type Tier struct {
	FlatAmount *int64 `json:"flat_amount"`
	UnitAmount int64  `json:"unit_amount"`
	UpTo       *int64 `json:"up_to"` // null: all above
}

// CurrencyOption is what a price costs in another currency.
type CurrencyOption struct {
	TaxBehavior       string `json:"tax_behavior"`
	UnitAmount        int64  `json:"unit_amount"`
	UnitAmountDecimal string `json:"unit_amount_decimal"`
}

// Recurring is the interval of a recurring price.
type Recurring struct {
	Interval      string `json:"interval"`
	IntervalCount int64  `json:"interval_count"`
	UsageType     string `json:"usage_type"`
}

// Plan is how a recurring price is called in old fields.
type Plan struct {
	ID            string  `json:"id"`
	Object        string  `json:"object"`
	Active        bool    `json:"active"`
	Amount        *int64  `json:"amount"`
	AmountDecimal *string `json:"amount_decimal"`
	BillingScheme string  `json:"billing_scheme"`
	Created       int64   `json:"created"`
	Currency      string  `json:"currency"`
	Interval      string  `json:"interval"`
	IntervalCount int64   `json:"interval_count"`
	Livemode      bool    `json:"livemode"`
	Product       string  `json:"product"`
	UsageType     string  `json:"usage_type"`
}
