package stripe

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/teamtask/teamtask/internal/sandbox/kit"
	"github.com/teamtask/teamtask/internal/sandbox/stripe/object"
)

// deliver queues an event for WebhookURL and for the endpoints that were made. The caller holds s.mu.
func (s *Server) deliver(e object.Event, to []object.WebhookEndpoint) {
	var shape any = e
	if s.deliverer.Thin() {
		shape = thinOf(e)
	}
	body, err := json.Marshal(shape)
	if err != nil {
		panic(fmt.Sprintf("sandbox: write %s: %v", e.Type, err))
	}
	s.deliverer.Deliver(s.webhook, e.ID, e.Type, body)
	for _, endpoint := range to {
		s.deliverer.Deliver(kit.Destination{Service: kit.Stripe, URL: endpoint.URL, Sign: sign(endpoint.Key)}, e.ID, e.Type, body)
	}
}

// thinEvent is an event as Stripe sends it to a destination that wants thin ones: it names the object, which is fetched.
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

func thinOf(e object.Event) thinEvent {
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

// sign signs as Stripe does: https://docs.stripe.com/webhooks#verify-manually
func sign(secret string) kit.Signer {
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
