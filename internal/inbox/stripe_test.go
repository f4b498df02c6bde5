package inbox_test

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stripe/stripe-go/v76"
	"github.com/stripe/stripe-go/v76/webhook"

	"github.com/teamtask/teamtask/internal/inbox"
)

func openStripe(t testing.TB, secrets ...string) inbox.Provider {
	t.Helper()
	p, err := newStripe(secrets)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func stripeHeader(signature string) http.Header { return http.Header{"Stripe-Signature": {signature}} }

// What Stripe's own package signs is let in, and what we take for signed it takes too;
// but for the future, which it lets in.
func TestStripesOwnPackageAgreesAboutSignatures(t *testing.T) {
	t.Parallel()
	body := []byte(`{"id":"evt_1","object":"event","type":"invoice.paid","api_version":"` + stripe.APIVersion + `","data":{"object":{}}}`)
	p := openStripe(t, secretB, secretA)
	now := time.Now()
	for name, c := range map[string]struct {
		at   time.Time
		want error
	}{
		"now":          {now, nil},
		"290 s old":    {now.Add(-290 * time.Second), nil},
		"290 s ahead":  {now.Add(290 * time.Second), nil},
		"a year old":   {now.AddDate(-1, 0, 0), inbox.CauseTime},
		"a year ahead": {now.AddDate(1, 0, 0), inbox.CauseTime},
	} {
		signed := webhook.GenerateTestSignedPayload(&webhook.UnsignedPayload{Payload: body, Secret: secretA, Timestamp: c.at})
		if err := p.Verify(now, stripeHeader(signed.Header), body); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		}
		if ours := signStripe(secretA, "", c.at, string(body)).signature; ours != signed.Header {
			t.Errorf("%s: the tests sign %s and the package %s", name, ours, signed.Header)
		}
		if _, err := webhook.ConstructEvent(body, signed.Header, secretA); (err == nil) != (name != "a year old") {
			t.Errorf("%s: the package says %v", name, err)
		}
	}
	if _, err := webhook.ConstructEvent(body, webhook.GenerateTestSignedPayload(&webhook.UnsignedPayload{Payload: body}).Header, ""); err != nil {
		t.Errorf("the package has come to refuse an empty secret: %v", err)
	}
}

func TestTheEnvelopeOfStripesEvents(t *testing.T) {
	t.Parallel()
	p := openStripe(t, secretA)
	for body, want := range map[string]inbox.Envelope{
		`{"id":"evt_1","type":"invoice.paid","livemode":true}`:                         {ID: "evt_1", Kind: "invoice.paid", Instance: "live"},
		`{"id":"evt_1","type":"invoice.paid","livemode":false,"account":"acct_1"}`:     {ID: "evt_1", Kind: "invoice.paid", Instance: "acct_1:test"},
		`{"id":"evt_1","type":"invoice.paid","livemode":"true","account":"somewhere"}`: {ID: "evt_1", Kind: "invoice.paid"},
		`{"id":"cus_1","type":"customer.deleted"}`:                                     {Kind: "customer.deleted"},
		`{"id":"evt_","type":"customer.deleted"}`:                                      {Kind: "customer.deleted"},
		`{"id":"evt_a b","type":{}}`:                                                   {},
		`{"id":"evt_1","type":"a.b","data":{"object":{"id":"user_1","deleted":true}}}`: {ID: "evt_1", Kind: "a.b", Thing: inbox.Thing{About: "a user_1"}},
		`[]`: {}, ``: {}, `null`: {}, `{"id":`: {},
	} {
		if diff := cmp.Diff(want, p.Read(nil, []byte(body))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", body, diff)
		}
	}
}

// Whatever is let in, Stripe's own package would let in.
func FuzzStripeSignature(f *testing.F) {
	now := time.Now()
	good := signStripe(secretA, "", now, "{}")
	for name := range stripeForgeries(now) {
		s := good
		r := s.request(f.Context(), "http://x")
		stripeForgeries(now)[name].change(&s, r)
		f.Add(r.Header.Get("Stripe-Signature"), []byte("{}"))
	}
	f.Add(good.signature, []byte("{}"))
	p := openStripe(f, secretA)
	f.Fuzz(func(t *testing.T, header string, body []byte) {
		if p.Verify(now, stripeHeader(header), body) != nil {
			return
		}
		if err := webhook.ValidatePayloadIgnoringTolerance(body, header, secretA); err != nil {
			t.Errorf("%q is let in: %v", header, err)
		}
	})
}
