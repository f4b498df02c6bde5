package kit

import (
	"encoding/json"
)

// deliveryJSON is one delivery as GET /sandbox/webhooks shows it.
type deliveryJSON struct {
	Service  string          `json:"service"`
	URL      string          `json:"url"`
	ID       string          `json:"id"`   // the svix-id, or Stripe's of the event
	Type     string          `json:"type"` // of the event
	Status   string          `json:"status"`
	Attempts int             `json:"attempts"`
	Response int             `json:"answer"` // status of the last attempt; 0: none
	Problem  string          `json:"problem,omitempty"`
	Event    json.RawMessage `json:"event"` // the body
}

// report returns the body of GET /sandbox/webhooks.
func (d *Deliverer) report() map[string]any {
	d.mu.Lock()
	defer d.mu.Unlock()
	list := []deliveryJSON{}
	for _, e := range d.deliveries {
		list = append(list, deliveryJSON{
			Service: e.to.Service, URL: e.to.URL, ID: e.id, Type: e.kind, Status: e.status, Attempts: e.attempts, Response: e.response, Problem: e.problem, Event: e.body,
		})
	}
	retry := []int64{}
	for _, wait := range d.schedule {
		retry = append(retry, wait.Milliseconds())
	}
	settings := d.settings
	return map[string]any{
		"settings": &settings, "retry_ms": retry, "deliveries": list,
		"sent": d.counts[statusSent], "pending": d.counts[statusPending], "failed": d.counts[statusFailed], "dropped": d.counts[statusDropped],
	}
}
