package stripe_test

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stripe/stripe-go/v76"

	"github.com/teamtask/teamtask/internal/sandbox"
	"github.com/teamtask/teamtask/internal/sandbox/sandboxtest"
)

func TestAKeyIsCarriedOutOnce(t *testing.T) {
	t.Parallel()
	clock := sandboxtest.NewClock()
	s := sandboxtest.NewStripe(t, sandbox.Options{Now: clock.Now, StripeWebhookURL: ""})
	first := sandboxtest.Must[*stripe.Customer](t)(s.Customers.New(sandboxtest.KeyedCustomer("k1", "Acme")))
	again := sandboxtest.Must[*stripe.Customer](t)(s.Customers.New(sandboxtest.KeyedCustomer("k1", "Acme")))
	if again.ID != first.ID || again.LastResponse.Header.Get("Idempotent-Replayed") != "true" || string(again.LastResponse.RawJSON) != string(first.LastResponse.RawJSON) {
		t.Errorf("again = %s %v", again.LastResponse.RawJSON, again.LastResponse.Header)
	}
	if first.LastResponse.Header.Get("Idempotent-Replayed") != "" {
		t.Error("the first answer says that it is a repetition")
	}
	_, err := s.Customers.New(sandboxtest.KeyedCustomer("k1", "Acme Corp"))
	sandboxtest.WantStripeError(t, "other parameters", err, 400, "", "")
	if e, ok := err.(*stripe.Error); !ok || e.Type != stripe.ErrorTypeIdempotency { //nolint:errorlint // as it came
		t.Errorf("other parameters: %v", err)
	}
	product := &stripe.ProductParams{Name: stripe.String("Acme")}
	product.SetIdempotencyKey("k1")
	_, err = s.Products.New(product)
	sandboxtest.WantStripeError(t, "another address", err, 400, "", "")

	// What was refused before it began may be tried again with its key.
	params := sandboxtest.CheckoutParams(s, "cus_no", 1)
	params.SetIdempotencyKey("k2")
	_, err = s.CheckoutSessions.New(params)
	sandboxtest.WantStripeError(t, "a bad request", err, 400, "resource_missing", "customer")
	params = sandboxtest.CheckoutParams(s, first.ID, 1)
	params.SetIdempotencyKey("k2")
	sandboxtest.Must[*stripe.CheckoutSession](t)(s.CheckoutSessions.New(params))

	clock.Advance(24*time.Hour - time.Second)
	if got := sandboxtest.Must[*stripe.Customer](t)(s.Customers.New(sandboxtest.KeyedCustomer("k1", "Acme"))); got.ID != first.ID {
		t.Error("the key was forgotten within a day")
	}
	clock.Advance(time.Second)
	if got := sandboxtest.Must[*stripe.Customer](t)(s.Customers.New(sandboxtest.KeyedCustomer("k1", "Acme"))); got.ID == first.ID {
		t.Error("the key is remembered for more than a day")
	}
}

func TestAKeyIsCarriedOutOnceByManyAtOnce(t *testing.T) {
	t.Parallel()
	s := sandboxtest.NewStripe(t, sandbox.Options{})
	was := s.CountCustomers(t)
	var wait sync.WaitGroup
	for range 16 {
		wait.Go(func() {
			for {
				_, err := s.Customers.New(sandboxtest.KeyedCustomer("k", "Acme"))
				if err == nil {
					return
				}
				if e, ok := err.(*stripe.Error); !ok || e.HTTPStatusCode != http.StatusConflict || e.Code != "idempotency_key_in_use" { //nolint:errorlint // as it came
					t.Errorf("at once: %v", err)
					return
				}
			}
		})
	}
	wait.Wait()
	if got := s.CountCustomers(t) - was; got != 1 {
		t.Errorf("%d customers were made, want 1", got)
	}
}

func TestAKeyThatIsBeingUsedConflicts(t *testing.T) {
	t.Parallel()
	s := sandboxtest.NewStripe(t, sandbox.Options{})
	sandboxtest.Clerk{URL: s.URL}.InjectFailure(t, `{"service":"stripe","method":"POST","path":"/customers","delay_ms":1500,"apply_first":true}`)
	done := make(chan error, 1)
	go func() {
		_, err := s.Customers.New(sandboxtest.KeyedCustomer("k", "Acme"))
		done <- err
	}()
	sandboxtest.NextStripeEvent(t, s.Received) // customer.created: it is under way
	_, err := s.Customers.New(sandboxtest.KeyedCustomer("k", "Acme"))
	sandboxtest.WantStripeError(t, "meanwhile", err, 409, "idempotency_key_in_use", "")
	if err := <-done; err != nil {
		t.Error(err)
	}
	again := sandboxtest.Must[*stripe.Customer](t)(s.Customers.New(sandboxtest.KeyedCustomer("k", "Acme")))
	if again.LastResponse.Header.Get("Idempotent-Replayed") != "true" {
		t.Error("afterwards it was carried out again")
	}
}

// A client that hangs up before anything was done leaves its key free.
func TestAKeyIsFreeAfterARequestThatWasGivenUp(t *testing.T) {
	t.Parallel()
	s := sandboxtest.NewStripe(t, sandbox.Options{})
	was := s.CountCustomers(t)
	sandboxtest.Clerk{URL: s.URL}.InjectFailure(t, `{"service":"stripe","method":"POST","delay_ms":60000}`)
	ctx, stop := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer stop()
	late := sandboxtest.KeyedCustomer("k", "Acme")
	late.Context = ctx
	if _, err := s.Customers.New(late); err == nil {
		t.Fatal("it was answered in time")
	}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for give := time.After(sandboxtest.Soon); ; {
		if _, err := s.Customers.New(sandboxtest.KeyedCustomer("k", "Acme")); err == nil {
			break
		}
		select {
		case <-tick.C:
		case <-give:
			t.Fatal("the key is still taken")
		}
	}
	if got := s.CountCustomers(t) - was; got != 1 {
		t.Errorf("%d customers were made, want 1", got)
	}
}
