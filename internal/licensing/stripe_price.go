package licensing

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"
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

// cost is what a seat costs exactly.
type cost struct {
	Amount        int64  // in the currency's smallest unit
	Currency      string // three lower-case letters
	Interval      string // "day", "week", "month" or "year"
	IntervalCount int32  // between two payments
}

// cost returns what a seat costs in the currency, or nil where the price does not say so
// exactly: it is tiered, metered, in packages or has a fraction.
func (p foundPrice) cost(currency string) *cost {
	amount, ok := p.amounts[currency]
	if !p.perSeat || !ok || currency == "" || p.Interval == "" || p.count < 0 || p.count > math.MaxInt32 {
		return nil
	}
	return &cost{amount, currency, p.Interval, int32(max(1, p.count))}
}

// costOf returns what each of the subscription's seats costs, or nil where that is not
// one exact amount: prices differ or a discount applies. A customer's discount shows on
// the invoices alone.
func (s *Stripe) costOf(ctx context.Context, f *listedSubscription, seats []item) *cost {
	if len(seats) == 0 || f.discounted || f.latest != nil && f.latest.discounted {
		return nil
	}
	found := seats[0].price
	if slices.ContainsFunc(seats, func(i item) bool { return i.price.ID != found.ID }) {
		return nil
	}
	if found.perSeat && f.currency != found.Currency && !isOver(f.Status) {
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
func (s *Stripe) inCurrencies(ctx context.Context, p foundPrice) foundPrice {
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

// soldPrice returns what a seat costs that is sold now, as Stripe said last; nil where
// that is not known, or not exact. It never waits.
func (s *Stripe) soldPrice() *cost {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sold
}

// errors.Is(err, errPrice) holds for a seat price that cannot be what it is configured as.
var errPrice = errors.New("the price cannot be used for seats")

// RefreshPrices asks Stripe for the seat prices, so that soldPrice is up to date. The
// error says of each price what is wrong with it: those of errPrice are for a person to
// put right. Where Stripe cannot be asked what was known stays.
func (s *Stripe) RefreshPrices(ctx context.Context) error {
	if _, err := s.soldID("prices.retrieve"); err != nil {
		return err
	}
	var failed []error
	for i, id := range s.seatPrices {
		err := checkStripeID("prices.retrieve", id)
		var found foundPrice
		if err == nil {
			found, err = s.priceByID(ctx, id)
		}
		switch {
		case errors.Is(err, StripeNotFound):
			err = fmt.Errorf("%w: Stripe does not know it", errPrice)
		case err != nil:
		case i == 0 && found.sellable() != nil:
			err = fmt.Errorf("%w: %w", errPrice, found.sellable())
		case !found.perSeat: // an archived one may still be counted
			err = fmt.Errorf("%w: it must be recurring, billed by the quantity bought", errPrice)
		}
		if err != nil {
			failed = append(failed, fmt.Errorf("seat price %s: %w", id, err))
		}
		if i == 0 && (err == nil || errors.Is(err, errPrice)) {
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

// soldID is the id of the price that is sold.
func (s *Stripe) soldID(method string) (string, error) {
	if len(s.seatPrices) == 0 {
		return "", &StripeError{Kind: StripeRefused, Method: method, words: "not asked: no price is sold"}
	}
	return s.seatPrices[0], checkStripeID(method, s.seatPrices[0])
}
