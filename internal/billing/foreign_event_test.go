package billing

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/teamtask/teamtask/internal/inbox"
	"github.com/teamtask/teamtask/internal/stripe"
)

// An account that others use too sends events of theirs: of customers and things whose ids
// somebody chose, of nobody, of what is gone. There is nothing to do about them, and nobody
// needs to know.
func TestForeignObjectsAreDoneWithNothingToDo(t *testing.T) {
	t.Parallel()
	f, _ := customered(t)
	f.till.did(func() {
		f.till.customers["cus_elsewhere"] = &buyer{}
		f.till.customers["cus_of_another_product"] = &buyer{org: "acme-7"}
		f.till.customers["cus_gone"] = &buyer{deleted: true}
		f.till.charges["ch_foreign"], f.till.charges["ch_of_user"] = "cus_elsewhere", "user-4711"
		f.till.things = map[string]string{
			"charges/ch_guest":            `{"id":"ch_guest","object":"charge","customer":null}`,
			"disputes/dp_guest":           `{"id":"dp_guest","object":"dispute","charge":null}`,
			"disputes/dp_user":            `{"id":"dp_user","object":"dispute","charge":"ch_of_user"}`,
			"subscriptions/sub_user":      `{"id":"sub_user","object":"subscription","customer":"user-4711"}`,
			"invoices/in_nobody":          `{"id":"in_nobody","object":"invoice","customer":null}`,
			"checkout/sessions/cs_nobody": `{"id":"cs_nobody","object":"checkout.session","customer":null}`,
		}
	})
	before := f.texts(`SELECT l::text FROM licenses l`)
	for _, kind := range stripe.EventTypes {
		objects := []string{
			`{"id":"x_1","customer":"user-4711"}`, `{"id":"sub-legacy-1","customer":"user-4711"}`, `{"id":"x_1","customer":{"id":"user-4711","object":"customer"}}`,
			`{"id":"x_1","customer":null}`, `{"id":"x_1"}`, `{"id":"x_1","customer":"cus_elsewhere"}`, `{"id":"x_1","customer":"cus_of_another_product"}`,
			`{"id":"x_1","customer":"cus_gone"}`, `{"id":"x_1","customer":"cus_never_there"}`, `{"id":"x_1","customer":7}`,
		}
		if kind == "customer.deleted" {
			objects = []string{`{"id":"user-4711"}`, `{"id":"cus_elsewhere"}`, `{"id":"cus_gone"}`, `{"id":"cus_never_there","deleted":true}`}
		}
		if kind == stripe.KindDisputed {
			objects = []string{
				`{"id":"dp_1","charge":null}`, `{"id":"dp_1"}`, `{"id":"dp_1","charge":"py-legacy"}`, `{"id":"dp_1","charge":"ch_never_there"}`,
				`{"id":"dp_1","charge":"ch_guest"}`, `{"id":"dp_1","charge":{"id":"ch_foreign"}}`, `{"id":"dp_1","charge":"ch_of_user"}`, `{"id":"dp-legacy","charge":"ch_foreign"}`,
			}
		}
		for _, object := range objects {
			if err := f.comes(kind, `{"object":"event","data":{"object":`+object+`}}`); err != nil {
				t.Errorf("%s about %s: %v", kind, object, err)
			}
		}
		for _, related := range []string{"user-4711", "sub_user", "sub_never_there", "in_nobody", "cs_nobody", "dp_guest", "dp_user", "ch_guest", "ch_of_user", "cus_elsewhere"} {
			if err := f.comes(kind, `{"object":"v2.core.event","related_object":{"id":"`+related+`"}}`); err != nil {
				t.Errorf("thin %s about %s: %v", kind, related, err)
			}
		}
	}
	if diff := cmp.Diff(before, f.texts(`SELECT l::text FROM licenses l`)); diff != "" {
		t.Errorf("the license has changed:\n%s", diff)
	}
	if told, alarms := f.till.heard(), f.alarmed(); len(told)+len(alarms) != 0 {
		t.Errorf("Stripe was told %v, alerts %v", told, alarms)
	}
}

// What was brought into an account has ids that were chosen freely. It counts all the same, and so
// does all else that its customer has.
func TestWhatWasBroughtIntoTheAccountCounts(t *testing.T) {
	t.Parallel()
	f, _ := customered(t)
	f.till.did(func() {
		f.till.things = map[string]string{"subscriptions/sub-legacy-1": `{"id":"sub-legacy-1","object":"subscription","customer":"cus_1"}`}
	})
	f.till.sells("sub-legacy-1", "cus_1", statusActive, 3)
	for i, body := range []string{
		about("sub-legacy-1", "cus_1"), about("sub_1", "cus_1"), about("../sub", "cus_1"),
		`{"id":"evt_1","object":"v2.core.event","related_object":{"id":"sub-legacy-1"}}`,
	} {
		n := int64(5 + i)
		f.till.did(func() { f.till.subscriptions["sub_1"].quantity = n })
		if err := f.comes("customer.subscription.updated", body); err != nil {
			t.Errorf("%s: %v", body, err)
		}
		if got := int64(f.summary(ours).Purchased); got != n+3 {
			t.Errorf("%s: %d seats, want %d", body, got, n+3)
		}
	}
	if n := f.count(`SELECT count(*) FROM inbox_deliveries WHERE state <> 'done'`); n != 0 {
		t.Errorf("%d deliveries are not marked done with what was fetched", n)
	}
	if err := f.stripe.Cancel(t.Context(), "key", "sub-legacy-1"); err != nil {
		t.Error(err)
	}
}

// What Stripe says of a customer holds for all events of the customer, where the event itself
// decides it settles none of the others.
func TestAForeignEventSettlesTheOthersWhereStripeWasAsked(t *testing.T) {
	t.Parallel()
	f, _ := customered(t)
	f.till.did(func() { f.till.customers["cus_elsewhere"] = &buyer{} })
	for _, c := range []struct {
		body string
		left int
	}{{about("sub_x", "cus_elsewhere"), 0}, {about("sub_x", "user-4711"), 1}} {
		f.exec(`DELETE FROM inbox_events`)
		if err := f.comes("customer.subscription.updated", c.body); err != nil {
			t.Fatal(err)
		}
		if n := f.count(`SELECT count(*) FROM inbox_deliveries WHERE state = 'pending'`); n != c.left {
			t.Errorf("%s: %d deliveries are left to the inbox, want %d", c.body, n, c.left)
		}
	}
}

// A customer of an organization that is not here may be another installation's: after three
// days there is nothing to do about their event.
func TestACustomerOfAnotherInstallationIsWaitedForThreeDays(t *testing.T) {
	t.Parallel()
	f, _ := customered(t)
	f.till.knows("cus_elsewhere", "org_elsewhere")
	for _, c := range []struct {
		since time.Duration
		waits bool
	}{{71 * time.Hour, true}, {73 * time.Hour, false}} {
		since, waits := c.since, c.waits
		body := about("sub_x", "cus_elsewhere")
		id, err := f.delivery(t.Context(), Consumer, providerStripe, "customer.subscription.updated", body)
		if err != nil {
			t.Fatal(err)
		}
		err = f.Consumer().Apply(t.Context(), inbox.Event{
			ID: id, Provider: providerStripe, Kind: "customer.subscription.updated", Body: []byte(body), Since: time.Now().Add(-since), Attempt: 1,
		})
		if errors.Is(err, errUnknownCustomer) != waits || !waits && err != nil {
			t.Errorf("after %v: got %v, waits: %t", since, err, waits)
		}
	}
}

// Thin events name the thing, and Stripe says whose it is.
func TestThinEventsAreApplied(t *testing.T) {
	t.Parallel()
	f, _ := customered(t)
	f.till.did(func() {
		f.till.charges["ch_1"] = "cus_1"
		f.till.things = map[string]string{
			"invoices/in_1":          `{"id":"in_1","object":"invoice","customer":"cus_1"}`,
			"checkout/sessions/cs_1": `{"id":"cs_1","object":"checkout.session","customer":{"id":"cus_1","object":"customer"}}`,
			"disputes/dp_1":          `{"id":"dp_1","object":"dispute","charge":{"id":"ch_1","object":"charge"}}`,
		}
	})
	for i, kind := range stripe.EventTypes {
		related := "sub_1"
		for prefix, id := range map[string]string{"checkout.": "cs_1", "invoice.": "in_1", "customer.deleted": "cus_1", stripe.KindRefunded: "ch_1", stripe.KindDisputed: "dp_1"} {
			if strings.HasPrefix(kind, prefix) {
				related = id
			}
		}
		want := int32(10 + i)
		f.till.sells("sub_1", "cus_1", statusActive, int64(want))
		if err := f.comes(kind, `{"id":"evt_1","object":"v2.core.event","type":"v1.`+kind+`","related_object":{"id":"`+related+`","type":"thing"}}`); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
		if alert := kind == stripe.KindRefunded || kind == stripe.KindDisputed; alert {
			if got := f.alarmed(); len(got) != 1 {
				t.Errorf("%s: alerts %v, want one", kind, got)
			}
			continue
		}
		if got := f.summary(ours).Purchased; got != want {
			t.Errorf("%s: got %d seats, want %d", kind, got, want)
		}
	}
	if n := f.count(`SELECT count(*) FROM inbox_deliveries WHERE consumer = 'licensing' AND state <> 'done'`); n != 0 {
		t.Errorf("%d deliveries are not marked done", n)
	}
	f.till.did(func() { f.till.broken["subscriptions/sub_1"] = 400 })
	kinds := slices.DeleteFunc(slices.Clone(stripe.EventTypes), func(kind string) bool { return !strings.HasPrefix(kind, "customer.subscription.") })
	for _, kind := range kinds {
		if err := f.comes(kind, `{"object":"v2.core.event","related_object":{"id":"sub_1"}}`); err == nil {
			t.Errorf("%s is applied though Stripe does not say whose it is", kind)
		}
	}
}
