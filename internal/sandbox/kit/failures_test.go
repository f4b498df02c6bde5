package kit_test

import (
	"net/http"
	"testing"

	"github.com/stripe/stripe-go/v76"

	"github.com/teamtask/teamtask/internal/sandbox"
	"github.com/teamtask/teamtask/internal/sandbox/sandboxtest"
)

func TestFailuresOfOneServiceLeaveTheOtherAlone(t *testing.T) {
	t.Parallel()
	s := sandboxtest.NewStripe(t, sandbox.Options{})
	b := sandboxtest.Clerk{URL: s.URL}
	b.InjectFailure(t, `{"service":"stripe","status":500,"times":-1}`)
	if a := sandboxtest.Send(t, http.MethodGet, s.URL+"/clerk/v1/users", "Bearer "+s.SecretKey()); a.Status != 200 {
		t.Errorf("Clerk: %d %s", a.Status, a.Body)
	}
	_, err := s.Customers.Get("cus_d2gamers", nil)
	sandboxtest.WantStripeError(t, "Stripe", err, 500, "", "")
	sandboxtest.Call(t, http.MethodPost, s.URL+"/sandbox/reset", "", 200)
	b.InjectFailure(t, `{"service":"clerk","status":500,"body":"<html>"}`)
	sandboxtest.Must[*stripe.Customer](t)(s.Customers.Get("cus_d2gamers", nil))
	if a := sandboxtest.Send(t, http.MethodGet, s.URL+"/clerk/v1/users", "Bearer "+s.SecretKey()); a.Status != 500 || a.Body != "<html>" {
		t.Errorf("Clerk: %d %s", a.Status, a.Body)
	}
}
