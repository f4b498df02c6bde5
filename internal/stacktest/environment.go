package stacktest

import (
	"maps"
	"testing"

	"github.com/teamtask/teamtask/internal/sandbox"
)

// SecretValue is in every value that is wrong; no message may repeat it.
const SecretValue = "CANARY"

// Enough is the least environment that a server starts with.
func Enough(t testing.TB) map[string]string {
	t.Helper()
	return map[string]string{
		"DATABASE_URL":  "postgres://app:" + SecretValue + "@db.example.com/teamtask",
		"CLERK_ISSUER":  "https://clerk.example.com",
		"CLERK_JWT_KEY": SandboxOf(t).PublicKeyPEM(),
	}
}

// Secrets of webhooks.
const (
	WebhookSecret = "whsec_MDEyMzQ1Njc4OWFiY2RlZg=="
	StripeSecret  = "whsec_of-Stripe_0123+/="
)

// Whole groups of variables.
var (
	OfClerk  = map[string]string{"CLERK_SECRET_KEY": "sk_test_x", "CLERK_WEBHOOK_SECRET": WebhookSecret}
	OfStripe = map[string]string{
		"STRIPE_SECRET_KEY": "sk_test_x", "STRIPE_WEBHOOK_SECRET": StripeSecret, "STRIPE_SEAT_PRICE": "price_1", "APP_URL": "https://app.example.com",
	}
)

// Usual is the environment that a stack needs.
func Usual(databaseURL string, box *sandbox.Sandbox) map[string]string {
	return map[string]string{
		"DATABASE_URL":     databaseURL,
		"CLERK_ISSUER":     box.Issuer(),
		"CLERK_SECRET_KEY": box.SecretKey(),
		"CLERK_API_URL":    box.Issuer() + "/v1",
		"LOG_LEVEL":        "debug",
		"TASKS_RATE":       "0",

		"CLERK_WEBHOOK_SECRET": WebhookSecret,
	}
}

// LookupIn looks variables up in base changed by overrides; an empty value removes a
// variable.
func LookupIn(base, overrides map[string]string) func(string) (string, bool) {
	env := map[string]string{}
	maps.Copy(env, base)
	maps.Copy(env, overrides)
	return func(name string) (string, bool) {
		value := env[name]
		return value, value != ""
	}
}
