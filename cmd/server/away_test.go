package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"

	teamtaskv1 "github.com/teamtask/teamtask/gen/teamtask/v1"
	"github.com/teamtask/teamtask/gen/teamtask/v1/teamtaskv1connect"
)

// Whoever waits for Stripe is not at work: however many organizations buy at once while
// it hangs, others are served.
func TestCallsThatWaitForStripeTakeNobodysPlace(t *testing.T) {
	t.Parallel()
	asked, goOn := make(chan struct{}, 1000), make(chan struct{})
	hanging := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		asked <- struct{}{}
		<-goOn
	}))
	t.Cleanup(hanging.Close)
	end := sync.OnceFunc(func() { close(goOn) })
	t.Cleanup(end)
	s := newPaying(t, map[string]string{"STRIPE_API_URL": hanging.URL})
	var buying sync.WaitGroup
	t.Cleanup(buying.Wait)
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	for org := range 8 {
		token := s.tokenIn("dana", fmt.Sprintf("org_buyer%d", org), 2)
		client := teamtaskv1connect.NewLicensingServiceClient(&http.Client{Transport: bearing{s, token, s.http1}}, s.url, connect.WithProtoJSON())
		for quantity := range 20 {
			buying.Go(func() {
				_, _ = client.CreateCheckoutSession(ctx, &teamtaskv1.CreateCheckoutSessionRequest{Quantity: int32(quantity + 1), SuccessPath: "/", CancelPath: "/"})
			})
		}
	}
	// As long as Stripe hangs: they give up after 5 seconds and more.
	late := time.NewTimer(4 * time.Second)
	defer late.Stop()
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	for len(asked) < 8 || s.calls.working() > 0 || s.calls.queueing() > 0 { // one of each organization is enough
		select {
		case <-look.C:
		case <-late.C:
			t.Fatalf("Stripe was asked %d times; %d calls are at work and %d wait", len(asked), s.calls.working(), s.calls.queueing())
		}
	}
	started := time.Now()
	for range 20 {
		if _, err := s.as("alice", "d2-gamers").ListTasks(t.Context(), &teamtaskv1.ListTasksRequest{}); err != nil {
			t.Fatalf("a stranger's call: %v", err)
		}
	}
	if took := time.Since(started); took > 5*time.Second {
		t.Errorf("20 calls of a stranger took %v", took)
	}
	cancel()
	end()
}
