package stripe

import "testing"

func TestAmountsAreShownWithTheCurrencysDecimals(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		amount   int64
		currency string
		want     string
	}{
		{1000, "eur", "10.00 EUR"},
		{1, "usd", "0.01 USD"},
		{0, "eur", "0.00 EUR"},
		{-250, "eur", "-2.50 EUR"},
		{1000, "jpy", "1000 JPY"},
		{0, "krw", "0 KRW"},
		{1000, "kwd", "1.000 KWD"},
		{5, "tnd", "0.005 TND"},
		{100_000, "rsd", "1000.00 RSD"}, // none in CLDR
		{50_000, "isk", "500.00 ISK"},   // kept with two at Stripe
		{99_999_999, "EUR", "999999.99 EUR"},
	} {
		if got := amountText(c.amount, c.currency); got != c.want {
			t.Errorf("%d %s: got %q, want %q", c.amount, c.currency, got, c.want)
		}
	}
}
