package billing

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"connectrpc.com/connect"

	"github.com/teamtask/teamtask/internal/fault"
	"github.com/teamtask/teamtask/internal/stripe"
)

// What Stripe refuses for good says so; what may heal, and what is wrong with our key, asks
// to come back later. The key of the request is given up where Stripe repeats what it has
// stored for it, and only there.
func TestWhatStripeRefusesForGoodIsNotCalledUnavailable(t *testing.T) {
	t.Parallel()
	says := func(kind, code, param, message string) string {
		return fmt.Sprintf(`{"error":{"type":%q,"code":%q,"param":%q,"message":%q}}`, kind, code, param, message)
	}
	const (
		invalid = "invalid_request_error"
		words   = "You cannot combine currencies on a single customer."
	)
	later, never := fault.ProviderUnavailable, errPaymentRefused
	type row struct {
		status int
		body   string
		header string // "Name: value"
		want   *fault.Fault
		alert  bool
		spent  bool // another key is taken the next time
		logged string
		tries  int // 0: one
	}
	for name, c := range map[string]row{
		"currency mismatch":      {status: 400, body: says(invalid, "", "", words), want: never, alert: true, spent: true, logged: words},
		"inactive price":         {status: 400, body: says(invalid, "", "line_items[0][price]", "The price specified is inactive."), want: never, alert: true, spent: true, logged: "inactive"},
		"unknown price":          {status: 400, body: says(invalid, "resource_missing", "line_items[0][price]", "No such price: 'price_1'"), want: never, alert: true, spent: true, logged: "price_1"},
		"invalid parameter":      {status: 400, body: says(invalid, "parameter_invalid_integer", "line_items[0][quantity]", "Invalid integer"), want: never, alert: true, spent: true, logged: "Invalid integer"},
		"unknown parameter":      {status: 400, body: says(invalid, "parameter_unknown", "x", "Received unknown parameter: x"), want: never, alert: true, spent: true},
		"url refused":            {status: 400, body: says(invalid, "url_invalid", "success_url", "Not a valid URL"), want: never, alert: true, spent: true},
		"too many subscriptions": {status: 400, body: says(invalid, "customer_max_subscriptions", "", "Maximum number of subscriptions"), want: never, alert: true, spent: true},
		"account not ready":      {status: 400, body: says(invalid, "account_invalid", "", "Your account cannot currently make live charges."), want: never, alert: true, spent: true},
		"card declined":          {status: 402, body: says("card_error", "card_declined", "", "CANARY"), want: never, spent: true},
		"no permission":          {status: 403, body: says(invalid, "", "", "The provided key does not have the required permissions"), want: never, alert: true, logged: "permissions"},
		"no such path":           {status: 404, body: says(invalid, "", "", "Unrecognized request URL"), want: never, alert: true, spent: true},
		"no such object":         {status: 404, body: says(invalid, "resource_missing", "id", "No such object"), want: never, alert: true, spent: true},
		"a refusal replayed":     {status: 400, body: says(invalid, "", "", words), header: "Idempotent-Replayed: true", want: never, alert: true, spent: true, logged: words},
		"told not to try again":  {status: 400, body: says(invalid, "", "", words), header: "Stripe-Should-Retry: false", want: never, alert: true, spent: true},
		"a person's text":        {status: 400, body: says(invalid, "", "customer_details[name]", "Invalid string: CANARY"), want: never, alert: true, spent: true},

		"wrong key":            {status: 401, body: says(invalid, "", "", "Invalid API Key provided"), want: later, alert: true},
		"expired key":          {status: 401, body: says(invalid, "api_key_expired", "", "Expired API Key provided"), want: later, alert: true},
		"key of another mode":  {status: 400, body: says(invalid, "resource_missing", "customer", "No such customer; a similar object exists in live mode, but a test mode key was used"), want: later, alert: true},
		"key with other terms": {status: 400, body: says("idempotency_error", "", "", "Keys for idempotent requests"), want: later, alert: true, spent: true},

		"key in use":            {status: 409, body: says(invalid, "idempotency_key_in_use", "", "There is currently another in-progress request"), want: later, tries: 4},
		"key in use as 400":     {status: 400, body: says("idempotency_error", "idempotency_key_in_use", "", "There is currently another in-progress request"), want: later, tries: 4},
		"locked":                {status: 429, body: says(invalid, "lock_timeout", "", "This object cannot be accessed right now"), want: later, tries: 4},
		"locked as 400":         {status: 400, body: says(invalid, "lock_timeout", "", "This object cannot be accessed right now"), want: later, tries: 4},
		"conflict":              {status: 409, body: says(invalid, "", "", "conflict"), want: later, tries: 4},
		"too fast":              {status: 429, body: says(invalid, "rate_limit", "", "Too many requests"), want: later, tries: 4},
		"too fast as 400":       {status: 400, body: says(invalid, "rate_limit", "", "Too many requests"), want: later, tries: 4},
		"a proxy's timeout":     {status: 408, body: says(invalid, "", "", "timeout"), want: later, tries: 4},
		"failed dependency":     {status: 424, body: says(invalid, "", "", "external dependency"), want: later, tries: 4},
		"their failure as 400":  {status: 400, body: says("api_error", "", "", "An unknown error occurred"), want: later, tries: 4},
		"their failure":         {status: 500, body: says("api_error", "", "", "An unknown error occurred"), want: later, tries: 4},
		"down":                  {status: 503, body: "", want: later, tries: 4},
		"a failure replayed":    {status: 500, body: says("api_error", "", "", "x"), header: "Idempotent-Replayed: true", want: later, spent: true},
		"told to try again":     {status: 400, body: says(invalid, "", "", words), header: "Stripe-Should-Retry: true", want: later, tries: 4},
		"somebody else's 400":   {status: 400, body: "<html>", want: later},
		"somebody else's 404":   {status: 404, body: `{"message":"no route"}`, want: later},
		"an answer that is not": {status: 200, body: `{"id":"cs_1"}`, want: later, tries: 4},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				headers := []string{"Request-Id", "req_77"}
				if named, value, ok := strings.Cut(c.header, ": "); ok {
					headers = append(headers, named, value)
				}
				requests := 0
				client := stripe.New(stripe.Options{
					URL: "http://stripe.test", SecretKey: "sk_test_1", SeatPrices: []string{seatPrice},
					Transport: wireless(func(r *http.Request) *http.Response {
						requests++
						w := httptest.NewRecorder()
						for i := 0; i < len(headers); i += 2 {
							w.Header().Set(headers[i], headers[i+1])
						}
						w.WriteHeader(c.status)
						_, _ = w.WriteString(c.body)
						response := w.Result()
						response.Request = r
						return response
					}),
				})
				_, err := client.CreateCheckout(t.Context(), "key-1", stripe.Checkout{Customer: "cus_1", Quantity: 1})
				if got := stripe.Spends(err); got != c.spent {
					t.Errorf("the key is spent: %t, want %t", got, c.spent)
				}
				var log bytes.Buffer
				var alerts []string
				l := New(Options{Log: slog.New(slog.NewTextHandler(&log, nil)), Alert: func(kind string) { alerts = append(alerts, kind) }})
				told := l.purchaseFault(t.Context(), ours, err)
				if !errors.Is(told, c.want) {
					t.Errorf("got %v, want %v", told, c.want)
				}
				if f, _ := errors.AsType[*fault.Fault](told); f == nil || (f.Code() == connect.CodeUnavailable) != (c.want == later) {
					t.Errorf("got %v as the fault", f)
				}
				if got := slices.Contains(alerts, alertRefused); got != c.alert {
					t.Errorf("an alert: %t, want %t", got, c.alert)
				}
				if c.want == never && !strings.Contains(log.String(), "req_77") || !strings.Contains(log.String(), c.logged) {
					t.Errorf("the log lacks Stripe's request or %q:\n%s", c.logged, log.String())
				}
				if strings.Contains(log.String(), "CANARY") || strings.Contains(told.Error(), c.logged) && c.logged != "" {
					t.Errorf("Stripe's words are where they must not be: %v\n%s", told, log.String())
				}
				if requests != max(c.tries, 1) {
					t.Errorf("%d requests, want %d", requests, max(c.tries, 1))
				}
			})
		})
	}
}

// A purchase that Stripe refused begins anew once it is mended, and the portal likewise.
func TestARefusedPurchaseIsTriedAnewOnceItIsMended(t *testing.T) {
	t.Parallel()
	f := shop(t)
	refuse := func(path, body string) {
		f.till.did(func() {
			f.till.refuses = map[string]string{path: body}
		})
	}
	inactive := `{"error":{"type":"invalid_request_error","param":"line_items[0][price]","message":"The price specified is inactive."}}`
	for _, path := range []string{"customers", "checkout/sessions"} {
		refuse("POST "+path, inactive)
		for range 2 {
			if _, err := f.Checkout(t.Context(), boss(ours), 5, "/a", "/b"); !errors.Is(err, errPaymentRefused) {
				t.Errorf("%s refused: got %v, want PAYMENT_REFUSED", path, err)
			}
		}
	}
	// Stripe stores the refusal for the key: only another key can succeed.
	keys := slices.DeleteFunc(f.till.keys, func(key string) bool { return !strings.HasPrefix(key, "checkout-") })
	if n := len(keys); n != 2 || keys[0] == keys[1] {
		t.Errorf("keys %v, want two different ones", keys)
	}
	refuse("", "")
	f.opens(5)
	f.till.sells("sub_1", "cus_made_"+ours, statusActive, 5)
	if err := f.sync(t.Context(), ours, nil); err != nil {
		t.Fatal(err)
	}
	refuse("POST billing_portal/sessions", `{"error":{"type":"invalid_request_error","message":"You cannot create a portal session."}}`)
	if _, err := f.Portal(t.Context(), boss(ours), "/x"); !errors.Is(err, errPaymentRefused) {
		t.Errorf("a portal that is refused: got %v, want PAYMENT_REFUSED", err)
	}
	refuse("POST billing_portal/sessions", `{"error":{"type":"api_error"}}`)
	if _, err := f.Portal(t.Context(), boss(ours), "/x"); !errors.Is(err, fault.ProviderUnavailable) {
		t.Errorf("a portal that fails: got %v, want PROVIDER_UNAVAILABLE", err)
	}
}

// While the secret key is wrong nothing is forgotten: the page that was made under the right
// one is found again.
func TestAWrongSecretKeyForgetsNoPage(t *testing.T) {
	t.Parallel()
	f := shop(t)
	f.opens(5)
	f.exec(`UPDATE licenses SET checkout_id = NULL`) // the answer was lost
	f.till.did(func() { f.till.broken["checkout/sessions"] = http.StatusUnauthorized })
	if _, err := f.Checkout(t.Context(), boss(ours), 5, "/a", "/b"); !errors.Is(err, fault.ProviderUnavailable) {
		t.Errorf("got %v, want that Stripe cannot be asked", err)
	}
	f.till.did(func() { clear(f.till.broken) })
	f.opens(6)
	f.wantPages("afterwards", "cs_2")
}
