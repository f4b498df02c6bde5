package sandbox_test

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stripe/stripe-go/v76"

	"github.com/teamtask/teamtask/internal/sandbox"
)

func keyed(key, name string) *stripe.CustomerParams {
	p := &stripe.CustomerParams{Name: stripe.String(name)}
	p.SetIdempotencyKey(key)
	return p
}

func (s shop) customers(t *testing.T) int {
	t.Helper()
	params := &stripe.CustomerListParams{}
	params.Limit = stripe.Int64(100)
	return len(s.Customers.List(params).CustomerList().Data)
}

func TestAKeyIsCarriedOutOnce(t *testing.T) {
	t.Parallel()
	clock := newHandClock()
	s := newShop(t, sandbox.Options{Now: clock.Now, StripeWebhookURL: ""})
	first := must[*stripe.Customer](t)(s.Customers.New(keyed("k1", "Acme")))
	again := must[*stripe.Customer](t)(s.Customers.New(keyed("k1", "Acme")))
	if again.ID != first.ID || again.LastResponse.Header.Get("Idempotent-Replayed") != "true" || string(again.LastResponse.RawJSON) != string(first.LastResponse.RawJSON) {
		t.Errorf("again = %s %v", again.LastResponse.RawJSON, again.LastResponse.Header)
	}
	if first.LastResponse.Header.Get("Idempotent-Replayed") != "" {
		t.Error("the first answer says that it is a repetition")
	}
	_, err := s.Customers.New(keyed("k1", "Acme Corp"))
	stripeRefused(t, "other parameters", err, 400, "", "")
	if e, ok := err.(*stripe.Error); !ok || e.Type != stripe.ErrorTypeIdempotency { //nolint:errorlint // as it came
		t.Errorf("other parameters: %v", err)
	}
	product := &stripe.ProductParams{Name: stripe.String("Acme")}
	product.SetIdempotencyKey("k1")
	_, err = s.Products.New(product)
	stripeRefused(t, "another address", err, 400, "", "")

	// What was refused before it began may be tried again with its key.
	params := checkoutParams(s, "cus_no", 1)
	params.SetIdempotencyKey("k2")
	_, err = s.CheckoutSessions.New(params)
	stripeRefused(t, "a bad request", err, 400, "resource_missing", "customer")
	params = checkoutParams(s, first.ID, 1)
	params.SetIdempotencyKey("k2")
	must[*stripe.CheckoutSession](t)(s.CheckoutSessions.New(params))

	clock.add(24*time.Hour - time.Second)
	if got := must[*stripe.Customer](t)(s.Customers.New(keyed("k1", "Acme"))); got.ID != first.ID {
		t.Error("the key was forgotten within a day")
	}
	clock.add(time.Second)
	if got := must[*stripe.Customer](t)(s.Customers.New(keyed("k1", "Acme"))); got.ID == first.ID {
		t.Error("the key is remembered for more than a day")
	}
}

func TestAKeyIsCarriedOutOnceByManyAtOnce(t *testing.T) {
	t.Parallel()
	s := newShop(t, sandbox.Options{})
	was := s.customers(t)
	var wait sync.WaitGroup
	for range 16 {
		wait.Go(func() {
			for {
				_, err := s.Customers.New(keyed("k", "Acme"))
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
	if got := s.customers(t) - was; got != 1 {
		t.Errorf("%d customers were made, want 1", got)
	}
}

func TestAKeyThatIsBeingUsedConflicts(t *testing.T) {
	t.Parallel()
	s := newShop(t, sandbox.Options{})
	backend{url: s.url}.fault(t, `{"service":"stripe","method":"POST","path":"/customers","delay_ms":1500,"apply_first":true}`)
	done := make(chan error, 1)
	go func() {
		_, err := s.Customers.New(keyed("k", "Acme"))
		done <- err
	}()
	nextEvent(t, s.came) // customer.created: it is under way
	_, err := s.Customers.New(keyed("k", "Acme"))
	stripeRefused(t, "meanwhile", err, 409, "idempotency_key_in_use", "")
	if err := <-done; err != nil {
		t.Error(err)
	}
	again := must[*stripe.Customer](t)(s.Customers.New(keyed("k", "Acme")))
	if again.LastResponse.Header.Get("Idempotent-Replayed") != "true" {
		t.Error("afterwards it was carried out again")
	}
}

// A client that hangs up before anything was done leaves its key free.
func TestAKeyIsFreeAfterARequestThatWasGivenUp(t *testing.T) {
	t.Parallel()
	s := newShop(t, sandbox.Options{})
	was := s.customers(t)
	backend{url: s.url}.fault(t, `{"service":"stripe","method":"POST","delay_ms":60000}`)
	ctx, stop := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer stop()
	late := keyed("k", "Acme")
	late.Context = ctx
	if _, err := s.Customers.New(late); err == nil {
		t.Fatal("it was answered in time")
	}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for give := time.After(soon); ; {
		if _, err := s.Customers.New(keyed("k", "Acme")); err == nil {
			break
		}
		select {
		case <-tick.C:
		case <-give:
			t.Fatal("the key is still taken")
		}
	}
	if got := s.customers(t) - was; got != 1 {
		t.Errorf("%d customers were made, want 1", got)
	}
}

func TestStripesFaultsAndWhatAKeyKeepsOfThem(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, fault string
		status      int
		made        int // by the first request
		replayed    int // status of the second request with the key
		replay      bool
		total       int
	}{
		{"failed and applied", `"status":500,"apply_first":true`, 500, 1, 200, true, 1},
		{"lost behind a proxy", `"status":502,"apply_first":true`, 502, 1, 200, true, 1},
		{"failed", `"status":500`, 500, 0, 500, true, 0},
		{"a proxy failed", `"status":503`, 503, 0, 200, false, 1},
		{"too many", `"status":429,"retry_after":3`, 429, 0, 200, false, 1},
		{"locked", `"status":409`, 409, 0, 200, false, 1},
		{"a lie", `"lie":true`, 200, 0, 200, false, 1},
		{"late", `"delay_ms":20`, 200, 1, 200, true, 1},
		{"HTML", `"status":502,"body":"<html>Bad gateway</html>"`, 502, 0, 200, false, 1},
		{"broken JSON", `"body":"{\"id\":"`, 200, 0, 200, false, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newShop(t, sandbox.Options{})
			was := s.customers(t)
			backend{url: s.url}.fault(t, `{"service":"stripe","method":"POST","path":"/v1/customers",`+c.fault+`}`)
			first := s.post(t, "/customers", "k", "name=Acme")
			if got := s.customers(t) - was; first.status != c.status || got != c.made {
				t.Errorf("first: %d %s, %d made; want %d and %d", first.status, first.body, got, c.status, c.made)
			}
			again := s.post(t, "/customers", "k", "name=Acme")
			if got := s.customers(t) - was; again.status != c.replayed || (again.header.Get("Idempotent-Replayed") == "true") != c.replay || got != c.total {
				t.Errorf("again: %d %s %v, %d made; want %d and %d", again.status, again.body, again.header, got, c.replayed, c.total)
			}
			if c.status == 429 && first.header.Get("Retry-After") != "3" {
				t.Errorf("Retry-After = %q", first.header.Get("Retry-After"))
			}
		})
	}
}

func TestFaultsOfOneServiceLeaveTheOtherAlone(t *testing.T) {
	t.Parallel()
	s := newShop(t, sandbox.Options{})
	b := backend{url: s.url}
	b.fault(t, `{"service":"stripe","status":500,"times":-1}`)
	if a := send(t, http.MethodGet, s.url+"/clerk/v1/users", "Bearer "+s.SecretKey()); a.status != 200 {
		t.Errorf("Clerk: %d %s", a.status, a.body)
	}
	_, err := s.Customers.Get("cus_d2gamers", nil)
	stripeRefused(t, "Stripe", err, 500, "", "")
	order(t, http.MethodPost, s.url+"/sandbox/reset", "", 200)
	b.fault(t, `{"service":"clerk","status":500,"body":"<html>"}`)
	must[*stripe.Customer](t)(s.Customers.Get("cus_d2gamers", nil))
	if a := send(t, http.MethodGet, s.url+"/clerk/v1/users", "Bearer "+s.SecretKey()); a.status != 500 || a.body != "<html>" {
		t.Errorf("Clerk: %d %s", a.status, a.body)
	}
}

func TestTheRateLimitIsToldAsStripeDoes(t *testing.T) {
	t.Parallel()
	s := newShop(t, sandbox.Options{})
	backend{url: s.url}.fault(t, `{"service":"stripe","status":429}`)
	_, err := s.Customers.Get("cus_d2gamers", nil)
	stripeRefused(t, "rate limit", err, 429, "rate_limit", "")
}
