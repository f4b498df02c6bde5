package stripe_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stripe/stripe-go/v76"

	"github.com/teamtask/teamtask/internal/sandbox"
	"github.com/teamtask/teamtask/internal/sandbox/sandboxtest"
)

func TestStripeNeedsTheSecretKey(t *testing.T) {
	t.Parallel()
	s := sandboxtest.NewStripe(t, sandbox.Options{StripeSecretKey: "sk_test_own"})
	for key, status := range map[string]int{"sk_test_own": 200, "sk_test_sandbox": 401, "": 401} {
		_, err := sandboxtest.StripeClient(s.StripeURL(), key).Customers.Get("cus_d2gamers", nil)
		if status == 200 {
			if err != nil {
				t.Errorf("key %q: %v", key, err)
			}
			continue
		}
		sandboxtest.WantStripeError(t, "key "+key, err, status, "", "")
	}
	for _, authorization := range []string{"", "Bearer", "Bearer ", "sk_test_own", "Basic Og=="} {
		if a := sandboxtest.Send(t, http.MethodGet, s.URL+"/stripe/v1/customers", authorization); a.Status != 401 || !strings.Contains(a.Body, `"type":"invalid_request_error"`) {
			t.Errorf("%q: %d %s", authorization, a.Status, a.Body)
		}
	}
}

func TestStripesBaseMayEndInItsVersion(t *testing.T) {
	t.Parallel()
	s := sandboxtest.NewStripe(t, sandbox.Options{})
	for _, base := range []string{s.StripeURL(), s.StripeURL() + "/", s.StripeURL() + "/v1", s.StripeURL() + "/v1/"} {
		if _, err := sandboxtest.StripeClient(base, s.StripeSecretKey()).Customers.Get("cus_d2gamers", nil); err != nil {
			t.Errorf("%s: %v", base, err)
		}
	}
	if a := sandboxtest.Send(t, http.MethodGet, s.URL+"/stripe/v1/v1/customers/cus_d2gamers", "Bearer "+s.StripeSecretKey()); a.Status != 200 {
		t.Errorf("version twice: %d %s", a.Status, a.Body)
	}
	if a := sandboxtest.Send(t, http.MethodGet, s.URL+"/stripe/v1/nothing", "Bearer "+s.StripeSecretKey()); a.Status != 404 || !strings.Contains(a.Body, "Unrecognized request URL") {
		t.Errorf("unknown: %d %s", a.Status, a.Body)
	}
	_, err := s.Customers.New(&stripe.CustomerParams{Params: stripe.Params{Headers: http.Header{"Stripe-Version": {"2025-03-31.basil"}}}})
	sandboxtest.WantStripeError(t, "another version", err, 400, "", "")
}
