package inbox_test

import (
	"strings"
	"testing"
	"time"

	"github.com/teamtask/teamtask/internal/inbox"
)

// Values of an event are struck from an error, and nothing else: an error that says nothing
// any more helps nobody.
func TestErrorsLoseValuesOfTheEventAndNoWordsOfOurs(t *testing.T) {
	t.Parallel()
	stripes := `{"id":"evt_1","object":"event","type":"customer.subscription.updated","data":{"object":{"id":"sub_1","object":"subscription","status":"unavailable",
		"items":{"object":"list","data":[{"object":"subscription_item","price":{"type":"recurring"}}]},"description":"a list of Kim's stripe subscriptions",
		"metadata":{"key@example.test":"x","note":"rust"},"customer":{"id":"cus_1","name":"Kim O'Canary","email":"kim@example.test","phone":"+49 170 1234567"}}}}`
	clerks := `{"object":"event","type":"user.updated","data":{"id":"user_1","object":"user","username":"kim","first_name":"list","last_name":"Ann",
		"email_addresses":[{"object":"email_address","email_address":"ann.kim@example.test","verification":{"status":"verified"}}]}}`
	for _, c := range []struct{ body, text, want string }{
		{stripes, "stripe: subscriptions.list: unavailable, status 500", "stripe: subscriptions.list: unavailable, status 500"},
		{stripes, "stripe: customers.retrieve: not found, status 404, resource_missing, customer: cus_1", "stripe: customers.retrieve: not found, status 404, resource_missing, customer: cus_1"},
		{stripes, "cannot read subscription_item of type recurring", "cannot read subscription_item of type recurring"},
		{stripes, "customer.subscription.updated of sub_1 fails for Kim O'Canary <kim@example.test>, +49 170 1234567", "customer.subscription.updated of sub_1 fails for [...] <[...]>, [...]"},
		{stripes, "what O'Canary says of Kim's rust, trust and rusty", "what [...] says of [...] [...], trust and rusty"},
		{stripes, "metadata[key@example.test] is unknown", "metadata[[...]] is unknown"},
		{clerks, "clerk: User: unavailable: user.updated of user_1", "clerk: User: unavailable: user.updated of user_1"},
		{clerks, "kim, Ann, ann.kim@example.test: an email_address that is verified", "[...], [...], [...]: an email_address that is verified"},
		{"canary, not json", "cannot read canary, not json", "cannot read [...]"},
		{`{}`, "stripe: subscriptions.list", "stripe: subscriptions.list"},
	} {
		if got := inbox.Redacted(c.text, []byte(c.body)); got != c.want {
			t.Errorf("of %q\ngot  %q\nwant %q", c.text, got, c.want)
		}
	}
	quoted := inbox.Redacted("cannot read "+stripes+" and "+clerks, []byte(stripes))
	for _, personal := range []string{"Kim", "Canary", "1234567", "@example.test\",\"phone"} {
		if strings.Contains(quoted, personal) {
			t.Errorf("%s is left: %s", personal, quoted)
		}
	}
}

// What a thin event is about, and what cannot be applied.
func TestThinEventsAreReadOrCounted(t *testing.T) {
	t.Parallel()
	p := openStripe(t, secretA)
	for body, want := range map[string]inbox.Envelope{
		`{"id":"evt_1","object":"v2.core.event","type":"v1.customer.subscription.updated","livemode":false,"related_object":{"id":"sub_1","type":"subscription"}}`: {
			ID: "evt_1", Kind: "customer.subscription.updated", Instance: "test",
			Thing: inbox.Thing{Party: "sub_1", Subject: "purchases sub_1", About: "subscription sub_1"},
		},
		`{"id":"evt_1","object":"v2.core.event","type":"v1.customer.updated","related_object":null}`:   {ID: "evt_1", Kind: "customer.updated"},
		`{"id":"evt_1","object":"v2.core.event","type":"v2.core.event_destination.ping"}`:              {ID: "evt_1", Kind: "v2.core.event_destination.ping"},
		`{"id":"evt_1","object":"v2.core.event","type":"v1.invoice.paid","related_object":null}`:       {ID: "evt_1", Kind: "invoice.paid", Inapplicable: true},
		`{"id":"evt_1","object":"v2.core.event","type":"v1.invoice.paid","related_object":{"id":"@"}}`: {ID: "evt_1", Kind: "invoice.paid", Inapplicable: true},
		`{"id":"evt_1","object":"v2.core.event","type":"v2.billing.thing.made","related_object":{"id":"x_1"}}`: {
			ID: "evt_1", Kind: "v2.billing.thing.made", Inapplicable: true, Thing: inbox.Thing{About: "thing x_1"},
		},
	} {
		if got := p.Read(nil, []byte(body)); got != want {
			t.Errorf("%s\ngot  %+v\nwant %+v", body, got, want)
		}
	}
	x := newBox(t, withEffects(nil))
	x.send(signStripe(secretA, "", time.Now(), `{"id":"evt_2","object":"v2.core.event","type":"v1.`+stripeKind+`","related_object":{}}`))
	x.send(signStripe(secretA, "", time.Now(), `{"id":"evt_3","object":"v2.core.event","type":"v1.`+stripeKind+`","related_object":{"id":"sub_1"}}`))
	if n := x.seen(inbox.Receipt{Provider: "stripe", Kind: stripeKind, Outcome: inbox.Inapplicable}); n != 1 || !strings.Contains(x.log.String(), "cannot be applied") {
		t.Errorf("%d are counted: %s", n, x.log)
	}
	x.start()
	x.until(1, doneSQL)
	if x.effects() != 1 {
		t.Errorf("%d effects", x.effects())
	}
}
