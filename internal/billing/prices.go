package billing

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/teamtask/teamtask/internal/stripe"
)

const (
	pricesEvery = 10 * time.Minute // what a seat costs is asked for
	pricesAgain = time.Minute      // after a failure
)

// WatchPrices asks Stripe for the seat prices, at once and then every ten minutes, until
// ctx ends, so that no call has to wait for Stripe to show what a seat costs. A price that
// cannot be used for seats raises an alert and is logged when it is found so.
func (b *Billing) WatchPrices(ctx context.Context) {
	if b.stripe == nil {
		return
	}
	said := ""
	for ctx.Err() == nil {
		err := b.stripe.RefreshPrices(ctx)
		wait := pricesEvery
		switch {
		case err == nil:
			said = ""
		case ctx.Err() != nil:
			return
		default:
			wait = pricesAgain
			if text := err.Error(); text != said {
				said = text
				b.reportPrices(ctx, err)
			}
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
		}
	}
}

func (b *Billing) reportPrices(ctx context.Context, err error) {
	if !errors.Is(err, stripe.ErrPrice) {
		b.log.WarnContext(ctx, "STRIPE_SEAT_PRICE could not be checked", slog.String("error", err.Error()))
		return
	}
	b.alerts(alertPrice)
	b.log.ErrorContext(ctx, "STRIPE_SEAT_PRICE is not usable", slog.String("error", err.Error()))
}
