package seats

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"

	teamtaskv1 "github.com/teamtask/teamtask/gen/teamtask/v1"
	"github.com/teamtask/teamtask/internal/stacktest"
)

// asks opens the page to buy so many seats within a time, 0 for as long as the server
// takes, and answers how that ended.
func (b *buyer) asks(quantity int32, within time.Duration) (stacktest.Refusal, time.Duration) {
	b.T.Helper()
	ctx := b.T.Context()
	if within > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, within)
		defer cancel()
	}
	started := time.Now()
	_, err := b.licensing.CreateCheckoutSession(ctx, &teamtaskv1.CreateCheckoutSessionRequest{Quantity: quantity, SuccessPath: "/", CancelPath: "/"})
	return stacktest.RefusalOf(b.T, err), time.Since(started)
}

// pages is how many pages there are on which the organization can buy.
func (s *shop) pages(org string) int {
	s.T.Helper()
	var list struct{ Data []checkoutPage }
	s.stripe(http.MethodGet, "/v1/checkout/sessions", url.Values{"customer": {s.customers(org)[0]}}, &list)
	return len(slices.DeleteFunc(list.Data, func(page checkoutPage) bool { return page.Status != "open" }))
}

var unavailable = stacktest.Refused(connect.CodeUnavailable, "PROVIDER_UNAVAILABLE")

// What Stripe has done, though its answer was lost, is not done again.
func TestAPageWhoseAnswerWasLostIsNotMadeAgain(t *testing.T) {
	t.Parallel()
	s := newShop(t, nil)
	for title, fault := range map[string]string{
		"500":         `"status": 500, "times": 1`,
		"503":         `"status": 503, "times": 1`,
		"half a page": `"status": 200, "body": "{\"id\": \"cs_test_1\", \"obj", "times": 1`,
		"HTML":        `"status": 200, "body": "<html><body>It works!</body></html>", "times": 1`,
		"no answer":   `"delay_ms": 30000, "times": 1`,
	} {
		org := "co-" + strings.ReplaceAll(strings.ToLower(title), " ", "-")
		nora := s.found(org, "nora"+strings.ReplaceAll(org, "-", ""))
		s.Control(http.MethodPost, "/sandbox/faults", `{"service": "stripe", "method": "POST", "path": "/checkout/sessions", "apply_first": true, `+fault+`}`)
		got, took := nora.asks(5, 0)
		if diff := cmp.Diff(stacktest.Refusal{}, got); diff != "" {
			t.Errorf("%s, after %v (-want +got):\n%s", title, took, diff)
		}
		if n := s.pages(org); n != 1 {
			t.Errorf("%s: %d pages, want 1", title, n)
		}
	}
}

// Whatever Stripe answers, a caller gets a page of Stripe's or a refusal that says so.
func TestWhatIsNoAnswerOfStripesIsNotPassedOn(t *testing.T) {
	t.Parallel()
	s := newShop(t, nil)
	for i, c := range []struct {
		title, body string
		times       int // the same again may help, or not
	}{
		{"HTML", `<html><body>It works!</body></html>`, 4},
		{"another shape", `{"id": ["cs_test_1"], "url": 7}`, 1},
		{"a script", `{"id": "cs_test_1", "object": "checkout.session", "url": "javascript:alert(1)"}`, 4},
		{"an error", `{"error": {"message": "canary-of-stripe"}}`, 4},
	} {
		nora := s.found(fmt.Sprintf("co-%d", i), fmt.Sprintf("nora%d", i))
		fault, err := json.Marshal(map[string]any{"service": "stripe", "method": "POST", "path": "/checkout/sessions", "status": 200, "body": c.body, "times": c.times})
		if err != nil {
			t.Fatal(err)
		}
		s.Control(http.MethodPost, "/sandbox/faults", string(fault))
		got, took := nora.asks(2, 0)
		if diff := cmp.Diff(unavailable, got); diff != "" || took > 10*time.Second+time.Second {
			t.Errorf("%s, after %v (-want +got):\n%s", c.title, took, diff)
		}
		if got, _ := nora.asks(2, 0); got.Reason != "" {
			t.Errorf("%s, and then an answer: got %v", c.title, got)
		}
	}
	if strings.Contains(s.Log.String(), "It works!") || strings.Contains(s.Log.String(), "canary-of-stripe") {
		t.Error("the log holds what was answered")
	}
}

// Stripe's wish to be asked less is followed: a short wait is waited for, a long one is
// told to the caller at once.
func TestStripesLimitsAreFollowed(t *testing.T) {
	t.Parallel()
	s := newShop(t, nil)
	nora := s.found("new-co", "nora")
	s.Control(http.MethodPost, "/sandbox/faults", `{"service": "stripe", "method": "POST", "path": "/checkout/sessions", "status": 429, "retry_after": 1}`)
	if got, took := nora.asks(5, 0); got.Reason != "" || took < time.Second {
		t.Errorf("a short wait: %v after %v", got, took)
	}
	s.Control(http.MethodPost, "/sandbox/faults", `{"service": "stripe", "method": "POST", "path": "/checkout/sessions", "status": 429, "retry_after": 50}`)
	for range 2 {
		got, took := nora.asks(6, 0)
		if got.Reason != "PROVIDER_UNAVAILABLE" && got.Reason != "RATE_LIMITED" || took > 3*time.Second {
			t.Errorf("a long wait: %v after %v", got, took)
		}
	}
	if n := s.pages("new-co"); n > 1 {
		t.Errorf("%d pages, want no more than 1", n)
	}
}

// While Stripe does not answer at all, calls that need it end within their deadline, the
// others go on, and nothing is held in the database meanwhile.
func TestWhileStripeHangsCallsEndAndHoldNothing(t *testing.T) {
	t.Parallel()
	s := newShop(t, nil)
	nora := s.found("new-co", "nora", "p1")
	p1 := s.buyer("p1", "new-co")
	nora.buys(2)
	nora.has("ACTIVE", 2, 0, 0)
	olga := s.found("old-co", "olga")
	s.rests()
	s.Control(http.MethodPost, "/sandbox/faults", `{"service": "stripe", "delay_ms": 60000, "times": 4}`)
	ended := make(chan string, 3)
	ends := func(title string, within time.Duration, reasons ...string) {
		got, took := olga.asks(5, within)
		longest := 10 * time.Second
		if within > 0 {
			longest = within
		}
		if !slices.Contains(reasons, got.Reason) && got.Code != connect.CodeDeadlineExceeded || took > longest+2*time.Second {
			t.Errorf("%s: %v after %v", title, got, took)
		}
		ended <- title
	}
	go ends("without a deadline", 0, "PROVIDER_UNAVAILABLE", "DEADLINE_EXCEEDED")
	go ends("within a second", time.Second, "PROVIDER_UNAVAILABLE", "DEADLINE_EXCEEDED")
	go ends("within four seconds", 4*time.Second, "PROVIDER_UNAVAILABLE", "DEADLINE_EXCEEDED")
	const held = `SELECT count(*) FROM pg_stat_activity
		WHERE datname = current_database() AND state LIKE 'idle in transaction%' AND state_change < clock_timestamp() - interval '500 ms'`
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for left := 3; left > 0; {
		select {
		case <-ended:
			left--
		case <-tick.C:
			if n := s.count(held); n != 0 {
				t.Fatalf("%d transactions are held while Stripe is waited for", n)
			}
			started := time.Now()
			nora.assigns("p1")
			if got := p1.works(); got != "" {
				t.Errorf("a seat that was given while Stripe hangs: got %q", got)
			}
			nora.license()
			if took := time.Since(started); took > 5*time.Second {
				t.Errorf("calls that need no Stripe took %v", took)
			}
		}
	}
	s.Until("it sells again", func() bool {
		got, _ := olga.asks(5, 0)
		return got.Reason == ""
	})
	if n := s.pages("old-co"); n != 1 {
		t.Errorf("%d pages, want 1", n)
	}
}

// Clerk's limits and outages delay what it shows, and nothing else.
func TestSeatsWorkWhileClerkIsAwayAndItLearnsOfThemLater(t *testing.T) {
	t.Parallel()
	s := newShop(t, nil)
	nora := s.found("new-co", "nora", "p1", "p2")
	nora.buys(2)
	nora.has("ACTIVE", 2, 0, 0)
	s.rests()
	s.Control(http.MethodPost, "/sandbox/faults", `{"service": "clerk", "method": "PATCH", "path": "/organizations", "status": 429, "retry_after": 1, "times": 3}`)
	s.Control(http.MethodPost, "/sandbox/faults", `{"service": "clerk", "method": "PATCH", "path": "/organizations", "lie": true, "times": 2}`)
	s.Control(http.MethodPost, "/sandbox/faults", `{"service": "clerk", "method": "PATCH", "path": "/organizations", "status": 503, "apply_first": true, "times": 2}`)
	nora.assigns("p1", "p2")
	s.team("new-co", "p1", "p2").works("while Clerk is away", "p1", "p2")
	s.shown("new-co", "p1", "p2")
	s.Until("everybody is told to be in step", func() bool {
		answer, err := nora.licensing.ListSeats(t.Context(), &teamtaskv1.ListSeatsRequest{})
		return err == nil && !slices.ContainsFunc(answer.GetSeats(), func(seat *teamtaskv1.Seat) bool { return !seat.GetSynced() })
	})
}
