package licensing

import "context"

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
}

// soldPrice is the price of the seats that are sold, as it was within the last hour, or
// longer ago where Stripe cannot be asked.
func (s *Stripe) soldPrice(ctx context.Context) (price, error) {
	known, fresh := recall(s, &s.sold)
	if fresh {
		return known, nil
	}
	id, err := s.soldID("prices.retrieve")
	if err != nil {
		return price{}, err
	}
	found, err := s.priceByID(ctx, id)
	switch {
	case err == nil:
		keep(s, &s.sold, found.price)
		return found.price, nil
	case known.ID != "" && ctx.Err() == nil:
		return known, nil
	}
	return price{}, err
}

// soldID is the id of the price that is sold.
func (s *Stripe) soldID(method string) (string, error) {
	if len(s.seatPrices) == 0 {
		return "", &StripeError{Kind: StripeRefused, Method: method, words: "not asked: no price is sold"}
	}
	return s.seatPrices[0], checkStripeID(method, s.seatPrices[0])
}
