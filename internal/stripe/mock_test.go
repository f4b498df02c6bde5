package stripe

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	sdk "github.com/stripe/stripe-go/v76"
)

// stripeMock starts stripe-mock, which checks requests against Stripe's own description
// of its API, and returns where it listens. Its returns are always the same few, so they
// say nothing of how Stripe behaves.
func startMock(t *testing.T) string {
	t.Helper()
	find := exec.CommandContext(t.Context(), "go", "tool", "-modfile=tools/stripemock/go.mod", "-n", "stripe-mock")
	find.Dir, find.Env = "../..", append(os.Environ(), "GOWORK=off", "GOFLAGS=")
	var problems bytes.Buffer
	find.Stderr = &problems
	path, err := find.Output()
	if err != nil {
		t.Fatalf("stripe-mock cannot be built: %v\n%s", err, problems.String())
	}
	mock := exec.Command(strings.TrimSpace(string(path)), "-http-addr", "127.0.0.1:0")
	said, err := mock.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := mock.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		mock.Process.Kill()
		mock.Wait()
	})
	lines := bufio.NewScanner(said)
	for lines.Scan() {
		if _, address, ok := strings.Cut(lines.Text(), "Listening for HTTP at address: "); ok {
			go func() {
				for lines.Scan() { // it writes a line for each request
				}
			}()
			return "http://" + strings.TrimSpace(address)
		}
	}
	t.Fatal("stripe-mock ended before it listened")
	return ""
}

// Every request that we make is one that Stripe's description of its API allows.
func TestStripeMockTakesEveryRequest(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	seen := map[string]bool{}
	mock := startMock(t)
	s := New(Options{
		URL: mock + "/v1", SecretKey: "sk_test_mock", SeatPrices: []string{"price_seat"},
		Observe: func(o Observation) {
			mu.Lock()
			defer mu.Unlock()
			seen[o.Method] = true
		},
	})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute) // the calls wait for other tests
	t.Cleanup(cancel)
	// The mock returns with this one whoever it is asked for.
	const theCustomer = "cus_QXg1o8vcGmoR32"
	for name, call := range everyCall(ctx, s, theCustomer) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := call()
			if e, ok := errors.AsType[*Error](err); ok && name == "checkout.sessions.expire" && e.Words == errAnother.Words {
				err = nil // taken, and answered with an id of chance
			}
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			if !seen[name] {
				t.Errorf("no call of that name was made")
			}
		})
	}
	// And it does look.
	params := &sdk.CustomerParams{}
	params.AddExtra("nonsense", "1")
	q := question{"customers.create", http.MethodPost, "/v1/customers", "k12", params}
	_, err := send(ctx, s, q, func(*sdk.Customer) (bool, bool) { return true, true })
	wantError(t, err, Refused)
}

// everyCall makes each request that we ever make, about a customer.
func everyCall(ctx context.Context, s *Client, customer string) map[string]func() error {
	want := wantedPortal([]foundPrice{{price: price{ID: "price_1", Product: "prod_1"}}}, "")
	return map[string]func() error{
		"subscriptions.list":      func() error { _, err := s.subscriptionPage(ctx, customer, "sub_0"); return err },
		"subscription_items.list": func() error { _, err := s.itemPage(ctx, "sub_1", "si_0"); return err },
		"subscriptions.retrieve":  func() error { _, err := s.SubscriptionStatus(ctx, "sub_1"); return err },
		"subscriptions.cancel":    func() error { return s.cancelSubscription(ctx, "k1", "sub_1") },
		"invoices.list":           func() error { _, err := s.invoicePage(ctx, "sub_1", ""); return err },
		"invoices.lines.list":     func() error { _, err := s.linePage(ctx, "in_1", ""); return err },
		"customers.create":        func() error { _, err := s.CreateCustomer(ctx, "k2", "org_mock", "Mock"); return err },
		"customers.retrieve":      func() error { _, err := s.CustomerGone(ctx, "cus_1"); return err },
		"customers.list":          func() error { _, err := s.customerPage(ctx, "cus_0"); return err },
		"charges.retrieve":        func() error { _, err := s.CustomerOfCharge(ctx, "ch_1"); return err },
		"checkout.sessions.create": func() error {
			_, err := s.CreateCheckout(ctx, "k3", Checkout{"org_1", "cus_1", 5, "https://app.test/a?b={CHECKOUT_SESSION_ID}", "https://app.test/", ""})
			return err
		},
		"checkout.sessions.retrieve": func() error { _, err := s.CheckoutStatus(ctx, "cs_test_1"); return err },
		"checkout.sessions.expire":   func() error { return s.endCheckout(ctx, "k4", "cs_test_1") },
		"billing_portal.sessions.create": func() error {
			_, err := s.newPortalSession(ctx, "k5", "bpc_1", "cus_1", "https://app.test/")
			return err
		},
		"billing_portal.configurations.list":     func() error { _, err := s.portalPage(ctx, "bpc_0"); return err },
		"billing_portal.configurations.retrieve": func() error { _, err := s.portalByID(ctx, "bpc_1"); return err },
		"billing_portal.configurations.create":   func() error { _, err := s.newPortal(ctx, "k6", want); return err },
		"billing_portal.configurations.update":   func() error { _, err := s.setPortal(ctx, "k7", "bpc_1", want); return err },
		"products.list":                          func() error { _, err := s.productPage(ctx, "prod_0"); return err },
		"products.retrieve":                      func() error { _, err := s.productByID(ctx, "prod_1"); return err },
		"products.create":                        func() error { _, err := s.newProduct(ctx, "k8", "Seat"); return err },
		"prices.list":                            func() error { _, err := s.pricePage(ctx, "prod_1", "price_0"); return err },
		"prices.retrieve":                        func() error { _, err := s.priceByID(ctx, "price_seat"); return err },
		"prices.create": func() error {
			_, err := s.newPrice(ctx, "k9", price{UnitAmount: 1000, Currency: "eur", Interval: "month", Product: "prod_1"})
			return err
		},
		"webhook_endpoints.list":     func() error { _, err := s.endpointPage(ctx, "we_0"); return err },
		"webhook_endpoints.retrieve": func() error { _, err := s.endpointByID(ctx, "we_1"); return err },
		"webhook_endpoints.create":   func() error { _, err := s.newEndpoint(ctx, "k10", webhookURL, EventTypes); return err },
		"webhook_endpoints.update":   func() error { _, err := s.setEndpoint(ctx, "k11", "we_1", EventTypes); return err },
	}
}

// Stripe's library must not be brought down by an answer, and no answer may pass for
// another.
func TestAnswersOfTheWrongShapeAreErrors(t *testing.T) {
	t.Parallel()
	for _, body := range []string{
		"null", "true", "1", `"x"`, "[]", "[null]", "{}", `{"id":null}`, `{"id":1}`, `{"id":"../x"}`, `{"data":{}}`, `{"data":[null]}`, `{"data":[1]}`, `{"data":["x"]}`,
		`{"data":[[]]}`, `{"data":[{}]}`, `{"data":[{"id":{}}]}`, `{"has_more":true}`, `{"has_more":true,"data":[]}`, `{"error":null}`, strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000),
	} {
		standIn(t, func(s *stand) {
			s.answer = replies(200, body)
			calls := everyCall(s.t.Context(), s.client, "cus_1")
			for name, call := range calls {
				empty := strings.HasSuffix(name, ".list") // a list may hold nothing
				if err := call(); err == nil && !empty {
					s.t.Errorf("%s took %.40s", name, body)
				} else if err != nil {
					wantError(s.t, err, Unavailable)
				}
			}
		})
	}
}
