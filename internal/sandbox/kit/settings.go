package kit

import (
	"encoding/json"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"
)

const (
	copiesMax  = 10
	retriesMax = 20
)

// retrySchedule is how long after each failed attempt the next one follows: https://docs.svix.com/retries
var retrySchedule = []time.Duration{
	5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour, 10 * time.Hour, 10 * time.Hour,
}

// settings is how events are delivered. The zero value is the usual way.
type settings struct {
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
		return Refuse(http.StatusBadRequest, "The duplicate is true, false or how many times more an event is sent, at most %d.", copiesMax)
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
		return Refuse(http.StatusBadRequest, "The drop is true for all events, how many to come, or a share between 0 and 1.")
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

// take reports whether the event at hand is dropped, and counts it.
func (d *drop) take() bool {
	if d.next > 0 {
		d.next--
		return true
	}
	return d.all || rand.Float64() < d.share //nolint:gosec // chance, no secret
}

// Control returns the control requests that show the deliveries and change how events are delivered. The addresses, by their
// names, are part of what they show.
func (d *Deliverer) Control(addresses map[string]string) Control {
	report := func() any {
		shown := d.report()
		for name, address := range addresses {
			shown[name] = address
		}
		return shown
	}
	return Control{
		"GET /sandbox/webhooks": func(*http.Request) (any, error) { return report(), nil },
		"POST /sandbox/webhooks": func(r *http.Request) (any, error) {
			if err := d.set(r); err != nil {
				return nil, err
			}
			return report(), nil
		},
	}
}

// set serves POST /sandbox/webhooks. The body is the whole setting for the events to come; what it leaves out is off:
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
func (d *Deliverer) set(r *http.Request) error {
	var body struct {
		settings
		RetryMS json.RawMessage `json:"retry_ms"`
	}
	if err := ReadControl(r, &body); err != nil {
		return err
	}
	if body.DelayMS < 0 || body.DelayMS > delayMax {
		return Refuse(http.StatusBadRequest, "The delay_ms is from 0 to %d.", delayMax)
	}
	schedule, err := readSchedule(body.RetryMS)
	if err != nil {
		return err
	}
	d.configure(body.settings, schedule)
	return nil
}

// readSchedule reads retry_ms. It returns nil where it was left out.
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
		return nil, Refuse(http.StatusBadRequest, "%s", words)
	}
	schedule := []time.Duration{}
	for _, wait := range waits {
		if wait < 0 || wait > (10*time.Hour).Milliseconds() {
			return nil, Refuse(http.StatusBadRequest, "%s", words)
		}
		schedule = append(schedule, time.Duration(wait)*time.Millisecond)
	}
	return schedule, nil
}
