package account_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stripe/stripe-go/v76"

	"github.com/teamtask/teamtask/internal/sandbox"
	"github.com/teamtask/teamtask/internal/sandbox/sandboxtest"
)

// Every event's object says what Stripe's library can read.
func TestEventsCarryWholeObjects(t *testing.T) {
	t.Parallel()
	s := sandboxtest.NewStripe(t, sandbox.Options{})
	session := s.NewCheckout(t, s.NewCustomer(t).ID, 5)
	sandboxtest.Control[stripe.CheckoutSession](t, s, "/checkout/"+session.ID+"/complete", ``)
	var kinds []string
	list := s.Events.List(&stripe.EventListParams{})
	for list.Next() {
		e := list.Event()
		kinds = append(kinds, string(e.Type))
		var object struct{ ID, Object string }
		if err := json.Unmarshal(e.Data.Raw, &object); err != nil || object.ID == "" || object.Object == "" || e.APIVersion != stripe.APIVersion || e.Livemode {
			t.Errorf("%s: %+v %s: %v", e.Type, e, e.Data.Raw, err)
		}
		if e.Type == "customer.created" && (e.Request == nil || e.Request.ID == "" || e.Request.IdempotencyKey == "") {
			t.Errorf("the request of %s is not told", e.Type)
		}
	}
	if len(kinds) != 14 || kinds[0] != "checkout.session.completed" || list.Err() != nil {
		t.Errorf("events = %q: %v", kinds, list.Err())
	}
	one := sandboxtest.Must[*stripe.Event](t)(s.Events.Get(list.EventList().Data[0].ID, nil))
	if diff := cmp.Diff(list.EventList().Data[0].Type, one.Type); diff != "" {
		t.Error(diff)
	}
	filtered := s.Events.List(&stripe.EventListParams{Type: stripe.String("customer.subscription.*")}).EventList()
	if len(filtered.Data) != 2 {
		t.Errorf("%d events of the subscription, want 2", len(filtered.Data))
	}
}
