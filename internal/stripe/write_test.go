package stripe

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const sessionJSON = `{"id":"cs_test_1","object":"checkout.session","url":"https://checkout.stripe.test/c/pay/cs_test_1#fid","expires_at":1700086400,"status":"open"}`

func TestACheckoutSellsOurPriceToOurCustomer(t *testing.T) {
	t.Parallel()
	standIn(t, func(s *stand) {
		t := s.t
		s.answer = replies(200, sessionJSON)
		got, err := s.client.CreateCheckout(t.Context(), "key-1", Checkout{
			Organization: "org_1", Customer: "cus_1", Quantity: 5,
			SuccessURL: "https://app.test/done?id={CHECKOUT_SESSION_ID}", CancelURL: "https://app.test/back",
		})
		if err != nil {
			t.Fatal(err)
		}
		want := Session{ID: "cs_test_1", URL: "https://checkout.stripe.test/c/pay/cs_test_1#fid", ExpireTime: time.Unix(1700086400, 0).UTC()}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
		sent := s.got()[0]
		if diff := cmp.Diff(url.Values{
			"mode": {"subscription"}, "customer": {"cus_1"}, "client_reference_id": {"org_1"},
			"line_items[0][price]": {"price_seat"}, "line_items[0][quantity]": {"5"},
			"line_items[0][adjustable_quantity][enabled]": {"true"},
			"line_items[0][adjustable_quantity][minimum]": {"1"}, "line_items[0][adjustable_quantity][maximum]": {"10000"},
			"subscription_data[metadata][organization_id]": {"org_1"}, "customer_update[address]": {"auto"},
			"success_url": {"https://app.test/done?id={CHECKOUT_SESSION_ID}"}, "cancel_url": {"https://app.test/back"},
		}, sent.form); diff != "" {
			t.Errorf("-want +sent:\n%s", diff)
		}
		if sent.header.Get("Idempotency-Key") != "key-1" {
			t.Errorf("the key %q", sent.header.Get("Idempotency-Key"))
		}
		for _, lie := range []string{"", "javascript:alert(1)", "//evil.test/x", "https://user@evil.test/x"} {
			s.set(func() { s.answer = replies(200, strings.Replace(sessionJSON, want.URL, lie, 1)) })
			_, err := s.client.CreateCheckout(t.Context(), "key-2", Checkout{Customer: "cus_1"})
			wantError(t, err, Unavailable)
		}
		s.set(func() { s.answer = replies(400, says("invalid_request_error", codeMissing, "customer")) })
		if _, err := s.client.CreateCheckout(t.Context(), "key-3", Checkout{Customer: "cus_1"}); !errors.Is(err, ErrNoCustomer) {
			t.Errorf("got %v", err)
		}
	})
}

func TestAnExpiredCheckoutExpiresAgainAndACompleteOneNot(t *testing.T) {
	t.Parallel()
	refused := replies(400, says("invalid_request_error", "", ""))
	for name, c := range map[string]struct {
		expire http.HandlerFunc
		status string
		want   func(error) bool
	}{
		"open":        {replies(200, sessionJSON), "expired", func(err error) bool { return err == nil }},
		"a lie":       {replies(200, sessionJSON), "open", func(err error) bool { return errors.Is(err, Unavailable) }},
		"paid then":   {replies(200, sessionJSON), "complete", func(err error) bool { return errors.Is(err, ErrCheckoutComplete) }},
		"expired":     {refused, "expired", func(err error) bool { return err == nil }},
		"complete":    {refused, "complete", func(err error) bool { return errors.Is(err, ErrCheckoutComplete) }},
		"still open":  {refused, "open", func(err error) bool { return errors.Is(err, Refused) }},
		"unknown":     {replies(404, says("invalid_request_error", codeMissing, "session")), "", func(err error) bool { return errors.Is(err, NotFound) }},
		"unreachable": {replies(500, ""), "open", func(err error) bool { return errors.Is(err, Unavailable) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			standIn(t, func(s *stand) {
				answers := map[string]http.HandlerFunc{"POST /v1/checkout/sessions/cs_test_1/expire": c.expire}
				if c.status != "" {
					answers["GET /v1/checkout/sessions/cs_test_1"] = replies(200, strings.Replace(sessionJSON, `"open"`, `"`+c.status+`"`, 1))
				}
				s.answer = routes(answers)
				if err := s.client.ExpireCheckout(s.t.Context(), "key-1", "cs_test_1"); !c.want(err) {
					s.t.Errorf("got %v", err)
				}
				if key := s.got()[0].header.Get("Idempotency-Key"); key != "key-1" {
					s.t.Errorf("the key %q", key)
				}
			})
		})
	}
}

func TestCancelingIsDoneOnceItIsCanceledOrGone(t *testing.T) {
	t.Parallel()
	missing := replies(404, says("invalid_request_error", codeMissing, "id"))
	refused := replies(400, says("invalid_request_error", "", ""))
	sub := func(status string) http.HandlerFunc { return replies(200, subJSON("sub_1", status, "")) }
	for name, c := range map[string]struct {
		cancel, get http.HandlerFunc
		want        Kind // "": nil
	}{
		"active":              {sub("canceled"), missing, ""},
		"canceled":            {missing, sub("canceled"), ""},
		"canceled, refused":   {refused, sub("canceled"), ""},
		"expired":             {refused, sub("incomplete_expired"), ""},
		"gone":                {missing, missing, ""},
		"active yet missing":  {missing, sub("active"), NotFound},
		"active yet refused":  {refused, sub("active"), Refused},
		"missing, then a 500": {missing, replies(500, ""), Unavailable},
		"key reused":          {replies(400, says(typeIdempotency, "", "")), sub("canceled"), Idempotency},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			standIn(t, func(s *stand) {
				s.answer = routes(map[string]http.HandlerFunc{"DELETE /v1/subscriptions/sub_1": c.cancel, "GET /v1/subscriptions/sub_1": c.get})
				err := s.client.Cancel(s.t.Context(), "key-1", "sub_1")
				if c.want != "" {
					wantError(s.t, err, c.want)
				} else if err != nil {
					s.t.Error(err)
				}
				if first := s.got()[0]; first.header.Get("Idempotency-Key") != "key-1" || len(first.form) > 0 || len(first.query) > 0 {
					s.t.Errorf("sent %+v", first)
				}
			})
		})
	}
}

// A job that comes again with the same key for a day must not be held up for a day.
func TestAStoredFailureDoesNotHoldUpWhatMayBeRepeated(t *testing.T) {
	t.Parallel()
	standIn(t, func(s *stand) {
		t := s.t
		s.answer = func(w http.ResponseWriter, r *http.Request) {
			switch {
			case r.Header.Get("Idempotency-Key") == "key-1":
				replies(500, says("api_error", "", ""), "Idempotent-Replayed", "true")(w, r)
			case r.Method == http.MethodDelete:
				replies(200, subJSON("sub_1", "canceled", ""))(w, r)
			case r.Method == http.MethodGet: // it has ended
				replies(200, strings.Replace(sessionJSON, `"open"`, `"expired"`, 1))(w, r)
			default:
				replies(200, sessionJSON)(w, r)
			}
		}
		if err := s.client.Cancel(t.Context(), "key-1", "sub_1"); err != nil {
			t.Error(err)
		}
		if err := s.client.ExpireCheckout(t.Context(), "key-1", "cs_test_1"); err != nil {
			t.Error(err)
		}
		_, err := s.client.CreateCheckout(t.Context(), "key-1", Checkout{Organization: "org_1", Customer: "cus_1", Quantity: 1})
		if e := wantError(t, err, Unavailable); !e.Replayed {
			t.Errorf("got %+v", e)
		}
		if n := len(s.got()); n != 6 {
			t.Errorf("%d requests, want 6", n)
		}
	})
}

func TestACustomersNameIsOneThatStripeTakes(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"Acme": "Acme", " A\x00c\nme\xff ": "Acme", strings.Repeat("ä", 300): strings.Repeat("ä", 256), "": "",
	} {
		if got := customerName(name); got != want {
			t.Errorf("%q: got %q", name, got)
		}
	}
}
