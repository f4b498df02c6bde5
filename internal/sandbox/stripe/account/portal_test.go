package account_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stripe/stripe-go/v76"

	"github.com/teamtask/teamtask/internal/sandbox"
	"github.com/teamtask/teamtask/internal/sandbox/sandboxtest"
)

// What a change in the portal costs is what its configuration says, and nothing where it says nothing.
func TestThePortalChargesAsItsConfigurationSays(t *testing.T) {
	t.Parallel()
	s := sandboxtest.NewStripe(t, sandbox.Options{})
	for proration, kinds := range map[string][]string{
		"":                  {"customer.subscription.updated"},
		"none":              {"customer.subscription.updated"},
		"create_prorations": {"customer.subscription.updated", "invoiceitem.created", "invoiceitem.created"},
	} {
		sub := s.Buy(t, 5)
		session := s.NewPortalSession(t, sub.Customer.ID, proration, "at_period_end")
		after := sandboxtest.Control[stripe.Subscription](t, s, "/portal/"+session.ID, `{"quantity":9}`)
		s.Want(t, kinds...)
		if after.Items.Data[0].Quantity != 9 || s.Subscription(t, sub.ID).LatestInvoice.ID != sub.LatestInvoice.ID {
			t.Errorf("%q: %+v", proration, after)
		}
		renewed := sandboxtest.Control[stripe.Subscription](t, s, "/subscriptions/"+sub.ID+"/advance", `{}`)
		s.DropEvents(t)
		total := sandboxtest.Must[*stripe.Invoice](t)(s.Invoices.Get(renewed.LatestInvoice.ID, nil)).Total
		if waited := total > 12_900; waited != (proration == "create_prorations") {
			t.Errorf("%q: the next invoice is over %d", proration, total)
		}
	}
}

func TestThePortalAllowsWhatItsConfigurationDoes(t *testing.T) {
	t.Parallel()
	s := sandboxtest.NewStripe(t, sandbox.Options{})
	sub := s.Buy(t, 5)
	session := func(change func(*stripe.BillingPortalConfigurationFeaturesParams)) string {
		base := s.NewPortalSession(t, sub.Customer.ID, "always_invoice", "at_period_end")
		features := &stripe.BillingPortalConfigurationFeaturesParams{}
		change(features)
		sandboxtest.Must[*stripe.BillingPortalConfiguration](t)(s.BillingPortalConfigurations.Update(base.Configuration.ID, &stripe.BillingPortalConfigurationParams{Features: features}))
		return s.URL + "/sandbox/portal/" + base.ID
	}
	at := session(func(f *stripe.BillingPortalConfigurationFeaturesParams) {
		f.SubscriptionUpdate = &stripe.BillingPortalConfigurationFeaturesSubscriptionUpdateParams{Enabled: stripe.Bool(false)}
	})
	sandboxtest.Call(t, http.MethodPost, at, `{"quantity":9}`, 400)
	at = session(func(f *stripe.BillingPortalConfigurationFeaturesParams) {
		f.SubscriptionUpdate = &stripe.BillingPortalConfigurationFeaturesSubscriptionUpdateParams{DefaultAllowedUpdates: stripe.StringSlice([]string{"price"})}
	})
	sandboxtest.Call(t, http.MethodPost, at, `{"quantity":9}`, 400)
	at = session(func(f *stripe.BillingPortalConfigurationFeaturesParams) {
		f.SubscriptionCancel = &stripe.BillingPortalConfigurationFeaturesSubscriptionCancelParams{Enabled: stripe.Bool(false)}
	})
	sandboxtest.Call(t, http.MethodPost, at, `{"cancel":"now"}`, 400)
	sandboxtest.Call(t, http.MethodPost, at, `{"cancel":"period_end"}`, 400)
	for _, body := range []string{
		`{}`, `{"quantity":0}`, `{"quantity":-1}`, `{"quantity":1000000}`, `{"quantity":9,"resume":true}`, `{"cancel":"later"}`, `{"quantity":"9"}`, `[]`,
	} {
		sandboxtest.Call(t, http.MethodPost, at, body, 400)
	}
	sandboxtest.Call(t, http.MethodPost, s.URL+"/sandbox/portal/bps_no", `{"quantity":9}`, 404)
	if got := s.Subscription(t, sub.ID); got.Items.Data[0].Quantity != 5 || got.Status != "active" || got.CancelAtPeriodEnd {
		t.Errorf("a refused change changed %+v", got)
	}
	s.Want(t, "billing_portal.configuration.updated") // the last one, and nothing of what was refused
}

func TestThePortalsDefaultConfigurationTakesNothing(t *testing.T) {
	t.Parallel()
	s := sandboxtest.NewStripe(t, sandbox.Options{})
	session := sandboxtest.Must[*stripe.BillingPortalSession](t)(s.BillingPortalSessions.New(&stripe.BillingPortalSessionParams{Customer: stripe.String("cus_d2gamers")}))
	c := sandboxtest.Must[*stripe.BillingPortalConfiguration](t)(s.BillingPortalConfigurations.Get(session.Configuration.ID, nil))
	if !c.IsDefault || !c.Active || c.Features.SubscriptionUpdate.ProrationBehavior != "none" || session.ReturnURL != "" {
		t.Errorf("configuration = %+v", c)
	}
	if sandboxtest.Control[stripe.Subscription](t, s, "/portal/"+session.ID, `{"quantity":50}`).Items.Data[0].Quantity != 50 {
		t.Error("the quantity did not change")
	}
	s.Want(t, "customer.subscription.updated") // and no invoice
	if list := s.BillingPortalConfigurations.List(&stripe.BillingPortalConfigurationListParams{IsDefault: stripe.Bool(true)}).BillingPortalConfigurationList(); len(list.Data) != 1 {
		t.Errorf("default configurations = %+v", list)
	}
}

// A card that is declined changes nothing in the portal.
func TestADeclinedCardBuysNoSeatsInThePortal(t *testing.T) {
	t.Parallel()
	s := sandboxtest.NewStripe(t, sandbox.Options{})
	c := s.NewCustomer(t)
	card := sandboxtest.Must[*stripe.PaymentMethod](t)(s.PaymentMethods.Attach("pm_card_chargeCustomerFail", &stripe.PaymentMethodAttachParams{Customer: stripe.String(c.ID)}))
	made := sandboxtest.Must[*stripe.Subscription](t)(s.Subscriptions.New(&stripe.SubscriptionParams{
		Customer: stripe.String(c.ID), DefaultPaymentMethod: stripe.String(card.ID), TrialPeriodDays: stripe.Int64(7),
		Items: []*stripe.SubscriptionItemsParams{{Price: stripe.String(s.SeatPrice()), Quantity: stripe.Int64(2)}},
	}))
	sandboxtest.Control[stripe.Subscription](t, s, "/subscriptions/"+made.ID+"/advance", `{}`) // paid all the same
	session := s.NewPortalSession(t, c.ID, "always_invoice", "immediately")
	a := sandboxtest.Call(t, http.MethodPost, s.URL+"/sandbox/portal/"+session.ID, `{"quantity":9}`, 402)
	if got := s.Subscription(t, made.ID).Items.Data[0].Quantity; got != 2 || !strings.Contains(a.Body, "declined") {
		t.Errorf("quantity = %d: %s", got, a.Body)
	}
	s.Want(t)
}

// The products of a configuration are shown only where they are expanded.
func TestThePortalsProductsAreToldWhenTheyAreExpanded(t *testing.T) {
	t.Parallel()
	s := sandboxtest.NewStripe(t, sandbox.Options{})
	id := s.NewPortalSession(t, s.Buy(t, 5).Customer.ID, "none", "at_period_end").Configuration.ID
	const field = "features.subscription_update.products"
	count := func(c *stripe.BillingPortalConfiguration) int { return len(c.Features.SubscriptionUpdate.Products) }
	for expand, want := range map[bool]int{false: 0, true: 1} {
		one := &stripe.BillingPortalConfigurationParams{}
		list := &stripe.BillingPortalConfigurationListParams{}
		if expand {
			one.AddExpand(field)
			list.AddExpand("data." + field)
		}
		if got := count(sandboxtest.Must[*stripe.BillingPortalConfiguration](t)(s.BillingPortalConfigurations.Get(id, one))); got != want {
			t.Errorf("expanded %t: %d products, want %d", expand, got, want)
		}
		for all := s.BillingPortalConfigurations.List(list); all.Next(); {
			if got := count(all.BillingPortalConfiguration()); got != want {
				t.Errorf("in a list, expanded %t: %d products, want %d", expand, got, want)
			}
		}
	}
	if _, err := s.BillingPortalConfigurations.Get(id, &stripe.BillingPortalConfigurationParams{Expand: stripe.StringSlice([]string{"features.nothing"})}); err == nil {
		t.Error("what cannot be expanded was")
	}
}
