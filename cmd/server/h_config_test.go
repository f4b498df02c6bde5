package main

import (
	"testing"
)

// secretValue is in every value that is wrong; no message may repeat it.
const secretValue = "CANARY"

// enough is the least environment that a server starts with.
func enough(t testing.TB) map[string]string {
	t.Helper()
	return map[string]string{
		"DATABASE_URL":  "postgres://app:" + secretValue + "@db.example.com/teamtask",
		"CLERK_ISSUER":  "https://clerk.example.com",
		"CLERK_JWT_KEY": sandboxOf(t).PublicKeyPEM(),
	}
}

const (
	webhookSecret = "whsec_MDEyMzQ1Njc4OWFiY2RlZg=="
	stripeSecret  = "whsec_of-Stripe_0123+/="
)

// ofClerk and ofStripe are whole groups.
var (
	ofClerk  = map[string]string{"CLERK_SECRET_KEY": "sk_test_x", "CLERK_WEBHOOK_SECRET": webhookSecret}
	ofStripe = map[string]string{
		"STRIPE_SECRET_KEY": "sk_test_x", "STRIPE_WEBHOOK_SECRET": stripeSecret, "STRIPE_SEAT_PRICE": "price_1", "APP_URL": "https://app.example.com",
	}
)
