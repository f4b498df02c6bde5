package stripe

import (
	"context"
	"errors"
	"fmt"
	"strconv"
)

// SetupOptions say what an account is to be set up with.
type SetupOptions struct {
	// WebhookURL is where Stripe sends events; "": the endpoint is not looked at.
	WebhookURL string
	// Price is the id of the price to sell. "": the first of SeatPrices where there is
	// one and no terms are given, and else a price of our own product.
	Price string
	// The terms of a price of our own: the amount in the smallest unit of the currency.
	// Zero: those of the price that is there, or else 1000, "eur" and "month".
	Amount   int64
	Currency string
	Interval string
}

// SetupResult is what the account has now.
type SetupResult struct {
	Price         string
	Portal        string // the id of the portal's configuration
	Endpoint      string // "": not looked at
	WebhookSecret string // "": the endpoint was there before; Stripe tells the secret once
	Steps         []string
	Todo          []string // what a person must do
}

// Setup makes or finds what this program needs in the account: product, price, the
// portal's configuration and the webhook endpoint. Doing it again changes nothing, and
// two at once make one of each.
func (s *Client) Setup(ctx context.Context, o SetupOptions) (SetupResult, error) {
	var r SetupResult
	sold, err := s.setupPrice(ctx, o, &r)
	if err != nil {
		return r, fmt.Errorf("price: %w", err)
	}
	r.Price = sold.ID
	prices := []foundPrice{sold}
	for _, id := range s.seatPrices {
		if id == sold.ID {
			continue
		}
		also, err := s.priceByID(ctx, id)
		if err != nil {
			return r, fmt.Errorf("seat price %s: %w", id, err)
		}
		prices = append(prices, also)
	}
	id, did, err := s.ensurePortal(ctx, prices)
	if err != nil {
		return r, fmt.Errorf("portal configuration: %w", err)
	}
	r.Portal = id
	r.did("portal configuration", id, did)
	if o.WebhookURL == "" {
		return r, nil
	}
	if err := s.setupEndpoint(ctx, o.WebhookURL, &r); err != nil {
		return r, fmt.Errorf("webhook endpoint: %w", err)
	}
	return r, nil
}

func (r *SetupResult) did(what, id, how string) {
	r.Steps = append(r.Steps, what+" "+id+": "+how)
}

// setupPrice finds or makes the price that is sold.
func (s *Client) setupPrice(ctx context.Context, o SetupOptions, r *SetupResult) (foundPrice, error) {
	terms := o.Amount != 0 || o.Currency != "" || o.Interval != ""
	if o.Price == "" && !terms && len(s.seatPrices) > 0 {
		o.Price = s.seatPrices[0]
	}
	if o.Price != "" {
		if terms {
			return foundPrice{}, errors.New("an existing price has terms of its own: give either the price or the terms")
		}
		return s.setupGiven(ctx, o.Price, r)
	}
	product, err := s.setupProduct(ctx, r)
	if err != nil {
		return foundPrice{}, err
	}
	var found foundPrice
	for p, err := range pages("prices.list", func(after string) (page[foundPrice], error) { return s.pricePage(ctx, product.id, after) }) {
		if err != nil {
			return foundPrice{}, err
		}
		if p.metadata[metadataOurs] == oursSeat && p.sellable() == nil && p.meets(o) {
			found = p // the oldest comes last
		}
	}
	if found.ID != "" {
		r.did("price", found.ID, "found, "+found.words())
		return found, nil
	}
	want := price{UnitAmount: o.Amount, Currency: o.Currency, Interval: o.Interval, Product: product.id}
	if want.UnitAmount == 0 {
		want.UnitAmount = 1000
	}
	if want.Currency == "" {
		want.Currency = "eur"
	}
	if want.Interval == "" {
		want.Interval = "month"
	}
	made, err := makeOnce(ctx, []string{"price", want.Product, strconv.FormatInt(want.UnitAmount, 10), want.Currency, want.Interval},
		func(key string) (foundPrice, error) { return s.newPrice(ctx, key, want) },
		func(p foundPrice) (foundPrice, bool, error) {
			now, err := s.priceByID(ctx, p.ID)
			return now, now.active, err
		})
	if err == nil {
		r.did("price", made.ID, "made, "+made.words())
	}
	return made, err
}

func (s *Client) setupGiven(ctx context.Context, id string, r *SetupResult) (foundPrice, error) {
	if err := checkID("prices.retrieve", id); err != nil {
		return foundPrice{}, err
	}
	found, err := s.priceByID(ctx, id)
	if err == nil {
		err = found.sellable()
	}
	if err == nil {
		r.did("price", id, "found, "+found.words())
	}
	return found, err
}

// sellable says what keeps the price from being one for seats.
func (p foundPrice) sellable() error {
	switch {
	case !p.active:
		return errors.New("it is archived")
	case !p.perSeat:
		return errors.New("it must be recurring, with a fixed amount for each unit of the quantity bought")
	}
	return nil
}

// meets reports whether the price has the terms that are given.
func (p foundPrice) meets(o SetupOptions) bool {
	return (o.Amount == 0 || o.Amount == p.UnitAmount) &&
		(o.Currency == "" || o.Currency == p.Currency) &&
		(o.Interval == "" || o.Interval == p.Interval && p.count <= 1)
}

func (p foundPrice) words() string {
	every := p.Interval
	if p.count > 1 {
		every = strconv.FormatInt(p.count, 10) + " " + p.Interval + "s"
	}
	return amountText(p.UnitAmount, p.Currency) + " for a seat every " + every
}
