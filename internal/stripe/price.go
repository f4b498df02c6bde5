package stripe

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"time"

	sdk "github.com/stripe/stripe-go/v76"
)

// price is what one seat costs.
type price struct {
	ID         string
	UnitAmount int64  // in the currency's smallest unit
	Currency   string // three lower-case letters
	Interval   string // "month", "year", ...
	Product    string
}

// foundPrice is a price with what decides whether it can be sold.
type foundPrice struct {
	price
	active   bool
	perSeat  bool  // recurring, billed by the quantity bought
	count    int64 // of intervals between two payments
	metadata map[string]string
	// amounts is what a seat costs by currency, where it is a whole number of the currency's
	// smallest unit. It has more than the price's own currency only of prices that were
	// asked for by their id.
	amounts map[string]int64
}

// Cost is what a seat costs exactly.
type Cost struct {
	Amount        int64  // in the currency's smallest unit
	Currency      string // three lower-case letters
	Interval      string // "day", "week", "month" or "year"
	IntervalCount int32  // between two payments
}

// cost returns what a seat costs in the currency, or nil where the price does not say so
// exactly: it is tiered, metered, in packages or has a fraction.
func (p foundPrice) cost(currency string) *Cost {
	amount, ok := p.amounts[currency]
	if !p.perSeat || !ok || currency == "" || p.Interval == "" || p.count < 0 || p.count > math.MaxInt32 {
		return nil
	}
	return &Cost{amount, currency, p.Interval, int32(max(1, p.count))}
}

// costOf returns what each of the subscription's seats costs, or nil where that is not
// one exact amount: prices differ or a discount applies. A customer's discount shows on
// the invoices alone.
func (s *Client) costOf(ctx context.Context, f *listedSubscription, seats []item) *Cost {
	if len(seats) == 0 || f.discounted || f.latest != nil && f.latest.discounted {
		return nil
	}
	found := seats[0].price
	if slices.ContainsFunc(seats, func(i item) bool { return i.price.ID != found.ID }) {
		return nil
	}
	if found.perSeat && f.currency != found.Currency && !IsOver(f.Status) {
		found = s.inCurrencies(ctx, found)
	}
	return found.cost(f.currency)
}

const (
	optionsFor = time.Hour // how long the other currencies of a price are remembered
	optionsMax = 100       // prices
)

// inCurrencies returns the price with all its currencies, which lists do not say, or as
// it is where Stripe cannot be asked.
func (s *Client) inCurrencies(ctx context.Context, p foundPrice) foundPrice {
	s.mu.Lock()
	known, ok := s.options[p.ID]
	s.mu.Unlock()
	if ok && time.Now().Before(known.until) {
		return known.value
	}
	found, err := s.priceByID(ctx, p.ID)
	if err != nil {
		return p
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.options == nil || len(s.options) >= optionsMax {
		s.options = map[string]remembered[foundPrice]{}
	}
	s.options[p.ID] = remembered[foundPrice]{found, time.Now().Add(optionsFor)}
	return found
}

// SoldPrice returns what a seat costs that is sold now, as Stripe said last; nil where
// that is not known, or not exact. It never waits.
func (s *Client) SoldPrice() *Cost {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sold
}

// ErrPrice is a seat price that cannot be what it is configured as.
var ErrPrice = errors.New("the price cannot be used for seats")

// RefreshPrices asks Stripe for the seat prices, so that SoldPrice is up to date. The
// error says of each price what is wrong with it: those of errPrice are for a person to
// put right. Where Stripe cannot be asked what was known stays.
func (s *Client) RefreshPrices(ctx context.Context) error {
	if _, err := s.SoldID("prices.retrieve"); err != nil {
		return err
	}
	var failed []error
	for i, id := range s.seatPrices {
		err := checkID("prices.retrieve", id)
		var found foundPrice
		if err == nil {
			found, err = s.priceByID(ctx, id)
		}
		switch {
		case errors.Is(err, NotFound):
			err = fmt.Errorf("%w: Stripe does not know it", ErrPrice)
		case err != nil:
		case i == 0 && found.sellable() != nil:
			err = fmt.Errorf("%w: %w", ErrPrice, found.sellable())
		case !found.perSeat: // an archived one may still be counted
			err = fmt.Errorf("%w: it must be recurring, billed by the quantity bought", ErrPrice)
		}
		if err != nil {
			failed = append(failed, fmt.Errorf("seat price %s: %w", id, err))
		}
		if i == 0 && (err == nil || errors.Is(err, ErrPrice)) {
			s.mu.Lock()
			s.sold = nil
			if err == nil {
				s.sold = found.cost(found.Currency)
			}
			s.mu.Unlock()
		}
	}
	return errors.Join(failed...)
}

// SoldID is the id of the price that is sold.
func (s *Client) SoldID(method string) (string, error) {
	if len(s.seatPrices) == 0 {
		return "", &Error{Provider: provider, Kind: Refused, Method: method, Words: "not asked: no price is sold"}
	}
	return s.seatPrices[0], checkID(method, s.seatPrices[0])
}

func (p foundPrice) key() string { return p.ID }

func (s *Client) pricePage(ctx context.Context, product, after string) (page[foundPrice], error) {
	params := &sdk.PriceListParams{ListParams: listed(after), Product: sdk.String(product), Active: sdk.Bool(true)}
	return send(ctx, s, question{"prices.list", http.MethodGet, "/v1/prices", "", params}, func(l *sdk.PriceList) (page[foundPrice], bool) {
		return readPage(l.Data, l.ListMeta, readPrice)
	})
}

// priceByID is the price with what it costs in other currencies.
func (s *Client) priceByID(ctx context.Context, id string) (foundPrice, error) {
	params := &sdk.PriceParams{Expand: sdk.StringSlice([]string{"currency_options"})}
	return send(ctx, s, question{"prices.retrieve", http.MethodGet, sdk.FormatURLPath("/v1/prices/%s", id), "", params}, func(w *sdk.Price) (foundPrice, bool) {
		found, ok := readPrice(w)
		return found, ok && w.ID == id
	})
}

func (s *Client) newPrice(ctx context.Context, key string, want price) (foundPrice, error) {
	params := &sdk.PriceParams{
		Product: sdk.String(want.Product), UnitAmount: sdk.Int64(want.UnitAmount), Currency: sdk.String(want.Currency),
		Recurring: &sdk.PriceRecurringParams{Interval: sdk.String(want.Interval)}, Metadata: map[string]string{metadataOurs: oursSeat},
	}
	return send(ctx, s, question{"prices.create", http.MethodPost, "/v1/prices", key, params}, func(w *sdk.Price) (foundPrice, bool) {
		found, ok := readPrice(w)
		return found, ok && IsID(w.ID)
	})
}

func readPrice(w *sdk.Price) (foundPrice, bool) {
	found := foundPrice{
		price:    price{ID: w.ID, UnitAmount: w.UnitAmount, Currency: statusText(string(w.Currency))},
		active:   w.Active && !w.Deleted,
		metadata: w.Metadata,
	}
	if w.Product != nil {
		found.Product = w.Product.ID
	}
	if w.Recurring == nil {
		return found, w.ID != ""
	}
	found.Interval, found.count = statusText(string(w.Recurring.Interval)), w.Recurring.IntervalCount
	found.perSeat = w.Recurring.UsageType != sdk.PriceRecurringUsageTypeMetered &&
		w.BillingScheme == sdk.PriceBillingSchemePerUnit && w.TransformQuantity == nil
	if !found.perSeat {
		return found, w.ID != ""
	}
	found.amounts = map[string]int64{}
	if w.CustomUnitAmount == nil && isWhole(w.UnitAmount, w.UnitAmountDecimal) {
		found.amounts[found.Currency] = w.UnitAmount
	}
	for currency, option := range w.CurrencyOptions {
		if option != nil && len(option.Tiers) == 0 && option.CustomUnitAmount == nil && isWhole(option.UnitAmount, option.UnitAmountDecimal) {
			found.amounts[statusText(currency)] = option.UnitAmount
		}
	}
	return found, w.ID != ""
}

// isWhole reports whether an amount is all that a unit costs: one with a fraction is said
// as a decimal alone.
func isWhole(amount int64, decimal float64) bool { return amount >= 0 && float64(amount) == decimal }
