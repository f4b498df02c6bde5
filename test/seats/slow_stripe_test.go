package seats

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"

	teamtaskv1 "github.com/teamtask/teamtask/gen/teamtask/v1"
	"github.com/teamtask/teamtask/gen/teamtask/v1/teamtaskv1connect"
	"github.com/teamtask/teamtask/internal/stacktest"
)

// A call that waits for Stripe is not at work: however many organizations buy at once
// while it hangs, others are served.
func TestCallsThatWaitForStripeTakeNobodysPlace(t *testing.T) {
	t.Parallel()
	for range 5 {
		if looksWhileStripeHangs(t) {
			return
		}
	}
	t.Error("calls that wait for Stripe stay at work")
}

// looksWhileStripeHangs reports whether no call was at work while one of each
// organization waited for Stripe. Calls give up after 5 seconds and more; on a machine
// where they come slower than that it is to be tried again.
func looksWhileStripeHangs(t *testing.T) bool {
	t.Helper()
	const organizations, each = 8, 3
	asked, goOn := make(chan struct{}, 1000), make(chan struct{})
	hanging := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		asked <- struct{}{}
		<-goOn
	}))
	defer hanging.Close()
	end := sync.OnceFunc(func() { close(goOn) })
	defer end()
	s := stacktest.NewPaying(t, map[string]string{"STRIPE_API_URL": hanging.URL})
	s.Calls.AtWork, s.Calls.TenantAtWork = organizations/2, 2 // fewer places than organizations
	var buying sync.WaitGroup
	defer buying.Wait()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for org := range organizations {
		token := s.Bent("dana", 2, func(claims map[string]any) { // one person has few places in all
			o := maps.Clone(claims["o"].(map[string]any))
			o["id"] = fmt.Sprintf("org_buyer%d", org)
			claims["o"], claims["sub"] = o, fmt.Sprintf("user_buyer%d", org)
		})
		client := teamtaskv1connect.NewLicensingServiceClient(&http.Client{Transport: s.Transport(token, s.HTTP1)}, s.URL, connect.WithProtoJSON())
		for quantity := range each {
			buying.Go(func() {
				_, _ = client.CreateCheckoutSession(ctx, &teamtaskv1.CreateCheckoutSessionRequest{Quantity: int32(quantity + 1), SuccessPath: "/", CancelPath: "/"})
			})
		}
	}
	late := time.NewTimer(4 * time.Second)
	defer late.Stop()
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	for len(asked) < organizations || s.Calls.Working() > 0 || s.Calls.Queued() > 0 {
		select {
		case <-look.C:
		case <-late.C:
			t.Logf("Stripe was asked %d times; %d calls are at work and %d wait", len(asked), s.Calls.Working(), s.Calls.Queued())
			return false
		}
	}
	for range 20 {
		if _, err := s.As("alice", "d2-gamers").ListTasks(t.Context(), &teamtaskv1.ListTasksRequest{}); err != nil {
			t.Errorf("a call of another organization: %v", err)
		}
	}
	return true
}
