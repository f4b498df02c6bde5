package sandbox

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

const eventsKept = 10_000

// heldEvent waits to be told in its place.
type heldEvent struct {
	kind  string
	event stripeEvent
}

// tell notes an event of a kind such as invoice.paid about an object as it is now, and as it was before where that says something,
// and sends it to whom it concerns.
func (a *stripeAccount) tell(kind string, object any, before map[string]any) {
	now := document(object)
	raw, err := json.Marshal(now)
	if err != nil {
		panic(fmt.Sprintf("sandbox: write %s: %v", kind, err)) // a document of ours that is no JSON
	}
	e := stripeEvent{
		ID: FreshID("evt_"), Object: "event", APIVersion: stripeVersion, Created: a.at(), Data: stripeEventData{Object: raw},
		Request: a.cause, Type: kind,
	}
	if before != nil {
		if e.Data.PreviousAttributes, err = json.Marshal(difference(before, now)); err != nil {
			panic(fmt.Sprintf("sandbox: write %s: %v", kind, err))
		}
	}
	if a.held != nil {
		*a.held = append(*a.held, heldEvent{kind, e})
		return
	}
	a.publish(e)
}

func (a *stripeAccount) publish(e stripeEvent) {
	var to []stripeEndpoint
	for _, endpoint := range a.endpoints.where(nil) {
		wanted := slices.Contains(endpoint.EnabledEvents, e.Type) || slices.Contains(endpoint.EnabledEvents, "*")
		if endpoint.Status == "enabled" && wanted {
			to = append(to, *endpoint)
		}
	}
	e.PendingWebhooks = int64(len(to))
	a.events.add(e.ID, &e)
	if len(a.events.order) > eventsKept {
		a.events.remove(a.events.order[0])
	}
	if a.post != nil {
		a.post(e, to)
	}
}

// inOrder does something and tells of it in the order of kinds given; those that are not given come last.
func (a *stripeAccount) inOrder(kinds []string, do func() error) error {
	if a.held != nil { // by whoever asked for this
		return do()
	}
	held := []heldEvent{}
	a.held = &held
	err := do()
	a.held = nil
	place := func(kind string) int {
		if i := slices.Index(kinds, kind); i >= 0 {
			return i
		}
		return len(kinds)
	}
	slices.SortStableFunc(held, func(a, b heldEvent) int { return place(a.kind) - place(b.kind) })
	for _, h := range held {
		a.publish(h.event)
	}
	return err
}

func (a stripeAPI) getEvent(q stripeRequest) (any, error) { return only(&a.events, "event", q) }

func (a stripeAPI) listEvents(q stripeRequest) (any, error) {
	kind, kinds := q.form.textOr("type", ""), q.form.texts("types")
	q.form.ignore("delivery_success")
	return listed(q, a.events.where(func(e *stripeEvent) bool {
		return (kind == "" || kind == e.Type || strings.HasSuffix(kind, ".*") && strings.HasPrefix(e.Type, strings.TrimSuffix(kind, "*"))) &&
			(len(kinds) == 0 || slices.Contains(kinds, e.Type))
	}))
}

// postStripe sends an event to the server and to the endpoints that were made. The caller holds s.mu.
func (s *stripeServer) postStripe(e stripeEvent, to []stripeEndpoint) {
	var told any = e
	if s.deliverer.Thin() {
		told = thinOf(e)
	}
	body, err := json.Marshal(told)
	if err != nil {
		panic(fmt.Sprintf("sandbox: write %s: %v", e.Type, err))
	}
	s.deliverer.Deliver(s.webhook, e.ID, e.Type, body)
	for _, endpoint := range to {
		s.deliverer.Deliver(Destination{Service: Stripe, URL: endpoint.URL, Sign: stripeSigner(endpoint.Key)}, e.ID, e.Type, body)
	}
}

// thinEvent is an event as Stripe sends it to a destination that wants thin ones: it names
// the thing, which is fetched.
type thinEvent struct {
	ID       string `json:"id"`
	Object   string `json:"object"`
	Type     string `json:"type"`
	Created  string `json:"created"`
	Livemode bool   `json:"livemode"`
	Related  struct {
		ID   string `json:"id"`
		Type string `json:"type"`
		URL  string `json:"url"`
	} `json:"related_object"`
}

func thinOf(e stripeEvent) thinEvent {
	var about struct {
		ID     string `json:"id"`
		Object string `json:"object"`
	}
	if err := json.Unmarshal(e.Data.Object, &about); err != nil {
		panic(fmt.Sprintf("sandbox: read %s: %v", e.Type, err)) // a document of ours that is no JSON
	}
	thin := thinEvent{ID: e.ID, Object: "v2.core.event", Type: "v1." + e.Type, Created: time.Unix(e.Created, 0).UTC().Format("2006-01-02T15:04:05.000Z")}
	thin.Related.ID, thin.Related.Type = about.ID, about.Object
	thin.Related.URL = "/v1/" + strings.ReplaceAll(about.Object, ".", "/") + "s/" + about.ID
	return thin
}

// stripeSigner signs as Stripe does: https://docs.stripe.com/webhooks#verify-manually
func stripeSigner(secret string) Signer {
	return func(_ string, now time.Time, body []byte) http.Header {
		timestamp := strconv.FormatInt(now.Unix(), 10)
		mac := hmac.New(sha256.New, []byte(secret))
		_, _ = fmt.Fprintf(mac, "%s.%s", timestamp, body) // never fails
		return http.Header{
			"User-Agent":       {"Stripe/1.0 (+https://stripe.com/docs/webhooks)"},
			"Stripe-Signature": {"t=" + timestamp + ",v1=" + hex.EncodeToString(mac.Sum(nil))},
		}
	}
}
