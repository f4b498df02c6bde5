package stripe

import (
	"fmt"
	"strings"
)

// stripeDecimals are the decimals of the currencies whose smallest unit at Stripe is not a
// hundredth (docs.stripe.com/currencies#minor-units). CLDR's tables are no substitute: they
// count no decimals for RSD, ALL and others of which Stripe counts two, and for ISK and UGX
// Stripe keeps two that are always zero.
var decimalsOf = map[string]int{
	"bif": 0, "clp": 0, "djf": 0, "gnf": 0, "jpy": 0, "kmf": 0, "krw": 0, "mga": 0,
	"pyg": 0, "rwf": 0, "vnd": 0, "vuv": 0, "xaf": 0, "xof": 0, "xpf": 0,
	"bhd": 3, "jod": 3, "kwd": 3, "omr": 3, "tnd": 3,
}

// amountText returns an amount of the currency's smallest unit as people write it, for
// instance "10.00 EUR" for 1000, "1000 JPY" for 1000.
func amountText(amount int64, currency string) string {
	currency = strings.ToLower(currency)
	decimals, ok := decimalsOf[currency]
	if !ok {
		decimals = 2
	}
	sign := ""
	if amount < 0 {
		sign, amount = "-", -amount
	}
	digits := fmt.Sprintf("%0*d", decimals+1, amount)
	if decimals > 0 {
		digits = digits[:len(digits)-decimals] + "." + digits[len(digits)-decimals:]
	}
	return sign + digits + " " + strings.ToUpper(currency)
}
