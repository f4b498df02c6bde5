package sandbox

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"
)

const (
	copiesMax     = 10
	retriesMax    = 20
	defaultSecret = "whsec_dGVhbXRhc2sgc2FuZGJveCBvZiBDbGVyaw==" //nolint:gosec // known to everybody, as the secret key of the sandbox is
	instanceID    = "ins_sandbox"
)

// webhookSettings is how events are delivered. The zero value is the usual way.
type webhookSettings struct {
	Shuffle   bool   `json:"shuffle"`
	Duplicate copies `json:"duplicate"`
	DelayMS   int    `json:"delay_ms"`
	Drop      drop   `json:"drop"`
	Thin      bool   `json:"thin"`
}

// copies is how many times more than once an event is sent at first, with the same svix-id. In JSON true is 1.
type copies int

func (c *copies) UnmarshalJSON(raw []byte) error {
	switch string(raw) {
	case "true":
		*c = 1
		return nil
	case "false", "null":
		*c = 0
		return nil
	}
	n, err := strconv.Atoi(string(raw))
	if err != nil || n < 0 || n > copiesMax {
		return refuse(http.StatusBadRequest, "The duplicate is true, false or how many times more an event is sent, at most %d.", copiesMax)
	}
	*c = copies(n)
	return nil
}

// drop says which events to come are never delivered: the next few, a share of them, or all.
type drop struct {
	all   bool
	next  int
	share float64
}

func (d *drop) UnmarshalJSON(raw []byte) error {
	*d = drop{}
	switch string(raw) {
	case "true":
		d.all = true
		return nil
	case "false", "null":
		return nil
	}
	n, err := strconv.ParseFloat(string(raw), 64)
	whole := int(min(n, 1<<31))
	switch {
	case err == nil && n >= 0 && n == float64(whole):
		d.next = whole
	case err == nil && n > 0 && n < 1:
		d.share = n
	default:
		return refuse(http.StatusBadRequest, "The drop is true for all events, how many to come, or a share between 0 and 1.")
	}
	return nil
}

func (d *drop) MarshalJSON() ([]byte, error) {
	switch {
	case d.all:
		return []byte("true"), nil
	case d.share > 0:
		return json.Marshal(d.share)
	case d.next > 0:
		return json.Marshal(d.next)
	}
	return []byte("false"), nil
}

// take says whether the event at hand is dropped, and counts it.
func (d *drop) take() bool {
	if d.next > 0 {
		d.next--
		return true
	}
	return d.all || rand.Float64() < d.share //nolint:gosec // chance, no secret
}

// event is the envelope of Clerk's events.
type event struct {
	Data       any             `json:"data"`
	Object     string          `json:"object"`
	Type       string          `json:"type"`
	Timestamp  int64           `json:"timestamp"` // milliseconds
	InstanceID string          `json:"instance_id"`
	Attributes eventAttributes `json:"event_attributes"`
}

type eventAttributes struct {
	HTTPRequest struct {
		ClientIP  string `json:"client_ip"`
		UserAgent string `json:"user_agent"`
	} `json:"http_request"`
}

// tell sends an event of a kind such as user.created to the webhook's address, with the data as it is now. The caller holds
// s.mu, so that events are told in the order of the changes.
func (s *Sandbox) tell(kind string, data any) {
	if s.courier == nil || s.clerkMail.url == "" {
		return
	}
	if user, ok := data.(userJSON); ok {
		user.PrivateMetadata = nil
		data = user
	}
	body, err := json.Marshal(event{Data: data, Object: "event", Type: kind, Timestamp: s.ms(), InstanceID: instanceID})
	if err != nil {
		panic(fmt.Sprintf("sandbox: write %s: %v", kind, err)) // a shape of ours that is no JSON
	}
	s.courier.tell(s.clerkMail, freshID("msg_"), kind, body)
}

// serveWebhooks answers GET /sandbox/webhooks: the settings, how many events were sent, are pending, failed and were dropped
// since the start or the last reset, and each of them, the last 1000 of those that are over.
func (s *Sandbox) serveWebhooks(*http.Request) (any, error) { return s.reportWebhooks(), nil }

func (s *Sandbox) reportWebhooks() map[string]any {
	report := s.courier.report()
	report["url"], report["stripe_url"] = s.clerkMail.url, s.stripeMail.url
	return report
}

// setWebhooks answers POST /sandbox/webhooks. The body is the whole setting for the events to come; what it leaves out is off:
//
//   - shuffle: true holds every event back for up to 300 ms by chance, so that they come in another order;
//   - duplicate: true sends every event twice at the same time, a number so many times more;
//   - delay_ms holds every event back so long;
//   - drop: a whole number of events to come, or true for all until the setting changes, or a share between 0 and 1 by
//     chance; they are never sent;
//   - thin: Stripe's events name what they are about and hold nothing else of it.
//
// retry_ms is a list of milliseconds to wait after each failed attempt, also for events that are waiting for their next one.
// An empty list is a single attempt, null is Svix's own schedule; left out, the schedule stays as it is.
func (s *Sandbox) setWebhooks(r *http.Request) (any, error) {
	var body struct {
		webhookSettings
		RetryMS json.RawMessage `json:"retry_ms"`
	}
	if err := readControl(r, &body); err != nil {
		return nil, err
	}
	if body.DelayMS < 0 || body.DelayMS > delayMax {
		return nil, refuse(http.StatusBadRequest, "The delay_ms is from 0 to %d.", delayMax)
	}
	schedule, err := readSchedule(body.RetryMS)
	if err != nil {
		return nil, err
	}
	s.courier.setup(body.webhookSettings, schedule)
	return s.reportWebhooks(), nil
}

// readSchedule reads retry_ms. It answers nil where it was left out.
func readSchedule(raw json.RawMessage) ([]time.Duration, error) {
	if raw == nil {
		return nil, nil
	}
	if string(raw) == "null" {
		return retrySchedule, nil
	}
	var waits []int64
	words := "The retry_ms are a list of milliseconds, at most 20 of them, each from 0 to 36000000."
	if err := json.Unmarshal(raw, &waits); err != nil || len(waits) > retriesMax {
		return nil, refuse(http.StatusBadRequest, "%s", words)
	}
	schedule := []time.Duration{}
	for _, wait := range waits {
		if wait < 0 || wait > (10*time.Hour).Milliseconds() {
			return nil, refuse(http.StatusBadRequest, "%s", words)
		}
		schedule = append(schedule, time.Duration(wait)*time.Millisecond)
	}
	return schedule, nil
}
