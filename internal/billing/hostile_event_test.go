package billing

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/teamtask/teamtask/internal/inbox"
	"github.com/teamtask/teamtask/internal/stripe"
)

// A signature of one provider's is good for its own events alone.
func TestNobodySpeaksForAnotherProvider(t *testing.T) {
	t.Parallel()
	f, _ := customered(t)
	f.put(theirs, "user_a")
	for _, kind := range stripe.EventTypes {
		if err := f.comesFrom(providerClerk, kind, about("x_1", "cus_1")); !errors.Is(err, errNoHint) {
			t.Errorf("%s from Clerk: got %v, want that it is refused", kind, err)
		}
	}
	if err := f.comes(kindFounded, `{"data":{"id":"`+theirs+`"}}`); !errors.Is(err, errNoHint) {
		t.Errorf("%s from Stripe: got %v, want that it is refused", kindFounded, err)
	}
	if got := f.till.heard(); len(got) != 0 {
		t.Errorf("Stripe was told %v", got)
	}
	if got := f.count(`SELECT count(*) FROM inbox_deliveries WHERE state = 'done'`); got != 0 {
		t.Errorf("%d of them are marked done", got)
	}
}

// The bodies are signed, and may hold anything all the same. E19.
var hostileBodies = []string{
	``, `null`, `true`, `0`, `"evt"`, `[]`, `{}`, `{"data":null}`, `{"data":[]}`, `{"data":"x"}`, `{"data":{}}`, `{"data":{"object":null}}`, `{"data":{"object":[]}}`,
	`{"data":{"object":{"id":null,"customer":null,"charge":null}}}`, `{"data":{"object":{"id":1,"customer":2,"charge":3}}}`,
	`{"data":{"object":{"id":"","customer":"","charge":""}}}`, `{"data":{"object":{"id":"x","customer":{},"charge":{}}}}`,
	`{"data":{"object":{"id":"x","customer":{"id":null},"charge":{"id":[]}}}}`, `{"data":{"object":{"id":"x","customer":[["cus_1"]],"charge":[["ch_1"]]}}}`,
	`{"data":{"object":{"id":"x/../y","customer":"cus_1/../../x","charge":"ch_1?a=b#c"}}}`, `{"data":{"object":{"id":"x","customer":"cus_1\u0000","charge":"ch_1\n"}}}`,
	`{"data":{"object":{"id":"x","customer":"` + strings.Repeat("c", 1<<20) + `","charge":"` + strings.Repeat("c", 1<<20) + `"}}}`,
	`{"data":{"object":{"id":"` + strings.Repeat("c", 1<<20) + `","customer":"cus_1"}}}`,
	`{"data":{"object":` + strings.Repeat(`{"customer":`, 5000) + `null` + strings.Repeat(`}`, 5000) + `}}`,
	`{"data":{"object":{"id":"x","customer":"cus_1"}}`, "{\"data\":{\"object\":{\"id\":\"\xff\",\"customer\":\"\xff\"}}}", `{"data":{"id":null}}`, `{"data":{"id":7}}`, `{"data":{"id":""}}`,
}

// What cannot be read is refused; an id that is not of Stripe's form is somebody else's, and
// nothing is to be done.
func TestHostileEventsMoveNothing(t *testing.T) {
	t.Parallel()
	f, _ := customered(t)
	before := f.texts(`SELECT l::text FROM licenses l`)
	for _, kind := range append(slices.Clone(stripe.EventTypes), kindFounded) {
		provider := providerStripe
		if kind == kindFounded {
			provider = providerClerk
		}
		for _, body := range hostileBodies {
			err := f.applies(0, provider, kind, body)
			if read := strings.Contains(body, `"object":{`) && strings.Contains(body, `"id":"`) && json.Valid([]byte(body)); err == nil && !read {
				t.Errorf("%s %.80s: was read", kind, body)
			}
			if err != nil && len(err.Error()) > 300 {
				t.Errorf("%s %.80s: the error has %d bytes: it quotes the event", kind, body, len(err.Error()))
			}
		}
	}
	if diff := cmp.Diff(before, f.texts(`SELECT l::text FROM licenses l`)); diff != "" {
		t.Errorf("the license has changed:\n%s", diff)
	}
	if got := f.till.heard(); len(got) != 0 {
		t.Errorf("Stripe was told %v", got)
	}
}

// Whatever a signed event holds, what it names is an id or it is refused.
func FuzzWhoseAnEventIs(f *testing.F) {
	for i, body := range hostileBodies {
		if len(body) < 1<<10 {
			f.Add(i, []byte(body))
		}
	}
	f.Add(0, []byte(about("sub_1", "cus_1")))
	s := newTill()
	s.charges["ch_1"] = "cus_1"
	l := New(Options{Stripe: s.stripe()})
	f.Fuzz(func(t *testing.T, n int, body []byte) {
		kind := stripe.EventTypes[((n%len(stripe.EventTypes))+len(stripe.EventTypes))%len(stripe.EventTypes)]
		if kind == stripe.KindDisputed {
			kind = stripe.KindRefunded // the other asks Stripe, which takes so many questions a second
		}
		customer, thing, err := l.customerAbout(context.Background(), inbox.Event{Kind: kind, Body: body})
		if err == nil && customer != "" && !stripe.IsID(customer) {
			t.Errorf("%s %q: is of %q, about %q", kind, body, customer, thing)
		}
		if err == nil && !json.Valid(body) {
			t.Errorf("%s %q: was read and is no JSON", kind, body)
		}
		_ = l.Consumer().Wants(string(body))
	})
}
