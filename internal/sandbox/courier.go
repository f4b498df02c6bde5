package sandbox

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"time"
)

const (
	shuffleWithin  = 300 * time.Millisecond // an event is held back at most so long to change the order
	patience       = time.Second            // a slow receiver holds up the next event at most so long
	deliveriesKept = 1000                   // of those that are over
)

// The states of a delivery.
const (
	waiting     = "pending"
	sent        = "sent"
	failed      = "failed"
	droppedAway = "dropped"
)

// courier delivers events to one address in the background: in the order of the changes as long as the receiver answers
// within a second, and again by the schedule where it does not answer 2xx within 15 s. It is safe for concurrent use and
// never calls back into the sandbox.
type courier struct {
	url    string // empty: nothing is delivered
	key    []byte
	now    func() time.Time
	client *http.Client
	ctx    context.Context //nolint:containedctx // ends with the courier, and what is being sent with it
	stop   context.CancelFunc

	mu         sync.Mutex // guards everything below
	settings   webhookSettings
	schedule   []time.Duration
	deliveries []*delivery // oldest first
	counts     map[string]int
	queue      []*delivery   // whose first attempt is due in this order
	forgotten  chan struct{} // closed when what is pending is given up, for whoever waits for its time
	pumping    bool
	closed     bool
	running    sync.WaitGroup
}

// delivery is one event on its way.
type delivery struct {
	id, kind string
	body     []byte
	due      time.Time // of the first attempt, on the real clock
	copies   int       // of the first attempt beyond one
	status   string
	attempts int
	answer   int // status of the last attempt, 0 without an answer
	problem  string
	retry    *time.Timer // of the next attempt, nil unless one is awaited
}

func newCourier(url string, key []byte, now func() time.Time) *courier {
	ctx, stop := context.WithCancel(context.Background())
	return &courier{
		url: url, key: key, now: now, ctx: ctx, stop: stop, schedule: retrySchedule, counts: map[string]int{},
		forgotten: make(chan struct{}),
		client: &http.Client{
			Transport:     &http.Transport{},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

// tell takes an event to deliver. It does not wait.
func (c *courier) tell(kind string, body []byte) {
	if c == nil || c.url == "" {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return
	}
	d := &delivery{id: freshID("msg_"), kind: kind, body: body, status: waiting, copies: int(c.settings.Duplicate)}
	c.deliveries = append(c.deliveries, d)
	c.counts[waiting]++
	if c.settings.Drop.take() {
		c.settle(d, droppedAway)
		return
	}
	hold := time.Duration(c.settings.DelayMS) * time.Millisecond
	if c.settings.Shuffle {
		hold += rand.N(shuffleWithin) //nolint:gosec // chance, no secret
		d.retry = time.AfterFunc(hold, func() { c.attempt(d) })
		return
	}
	d.due = time.Now().Add(hold)
	c.queue = append(c.queue, d)
	if !c.pumping {
		c.pumping = true
		c.running.Go(c.pump)
	}
}

// pump makes the first attempts in order until none is left.
func (c *courier) pump() {
	for {
		c.mu.Lock()
		if len(c.queue) == 0 || c.closed {
			c.pumping = false
			c.mu.Unlock()
			return
		}
		d, forgotten := c.queue[0], c.forgotten
		c.queue = c.queue[1:]
		c.mu.Unlock()
		if !sleep(time.Until(d.due), forgotten) {
			continue
		}
		done := make(chan struct{})
		c.running.Go(func() {
			defer close(done)
			c.attempt(d)
		})
		late := time.NewTimer(patience)
		select {
		case <-done:
		case <-late.C:
		}
		late.Stop()
	}
}

// sleep waits until the time is over or the channel closed, and says whether it was the time.
func sleep(d time.Duration, closed <-chan struct{}) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-closed:
		return false
	}
}

// attempt sends an event, with its copies at the first time, and sees to what follows.
func (c *courier) attempt(d *delivery) {
	c.mu.Lock()
	d.retry = nil
	if c.closed || d.status != waiting {
		c.mu.Unlock()
		return
	}
	c.running.Add(1) // before Close can wait, since it is not closed
	d.attempts++
	copies := 0
	if d.attempts == 1 {
		copies = d.copies
	}
	c.mu.Unlock()
	defer c.running.Done()

	var together sync.WaitGroup
	for range copies {
		together.Go(func() { _, _ = svixPost(c.ctx, c.client, c.url, c.key, d.id, c.now(), d.body) })
	}
	answer, err := svixPost(c.ctx, c.client, c.url, c.key, d.id, c.now(), d.body)
	together.Wait()

	c.mu.Lock()
	defer c.mu.Unlock()
	d.answer, d.problem = answer, ""
	if err != nil {
		d.problem = err.Error()
	}
	switch {
	case c.closed || d.status != waiting: // forgotten in the meantime
	case err == nil && answer >= 200 && answer < 300:
		c.settle(d, sent)
	case d.attempts > len(c.schedule):
		c.settle(d, failed)
	default:
		d.retry = time.AfterFunc(c.schedule[d.attempts-1], func() { c.attempt(d) })
	}
}

// settle ends a delivery. The caller holds c.mu.
func (c *courier) settle(d *delivery, status string) {
	d.status = status
	c.counts[waiting]--
	c.counts[status]++
	if len(c.deliveries)-c.counts[waiting] > deliveriesKept {
		i := slices.IndexFunc(c.deliveries, func(d *delivery) bool { return d.status != waiting })
		c.deliveries = slices.Delete(c.deliveries, i, i+1)
	}
}

// setup changes how events are delivered. A schedule that is not nil holds for the retries that are awaited too.
func (c *courier) setup(settings webhookSettings, schedule []time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.settings = settings
	if schedule == nil {
		return
	}
	c.schedule = schedule
	for _, d := range c.deliveries {
		if d.attempts == 0 || d.retry == nil || !d.retry.Stop() {
			continue
		}
		d.retry = nil
		if d.attempts > len(schedule) {
			c.settle(d, failed)
			continue
		}
		d.retry = time.AfterFunc(schedule[d.attempts-1], func() { c.attempt(d) })
	}
}

// reset forgets all deliveries and settings. What is being sent at the moment may still arrive.
func (c *courier) reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.forget()
	c.settings, c.schedule = webhookSettings{}, retrySchedule
}

// forget gives up what is pending. The caller holds c.mu.
func (c *courier) forget() {
	for _, d := range c.deliveries {
		if d.retry != nil {
			d.retry.Stop()
		}
		if d.status == waiting {
			d.status = droppedAway
		}
	}
	c.deliveries, c.queue, c.counts = nil, nil, map[string]int{}
	close(c.forgotten)
	c.forgotten = make(chan struct{})
}

// close gives up what is pending and waits for what is being sent, which is cut off.
func (c *courier) close() {
	c.mu.Lock()
	c.closed = true
	c.forget()
	c.mu.Unlock()
	c.stop()
	c.running.Wait()
	c.client.CloseIdleConnections()
}

// deliveryJSON is one delivery as GET /sandbox/webhooks shows it.
type deliveryJSON struct {
	ID       string          `json:"id"`   // the svix-id
	Type     string          `json:"type"` // of the event
	Status   string          `json:"status"`
	Attempts int             `json:"attempts"`
	Answer   int             `json:"answer"` // status of the last attempt; 0: none
	Problem  string          `json:"problem,omitempty"`
	Event    json.RawMessage `json:"event"` // the body
}

// report is what GET /sandbox/webhooks answers.
func (c *courier) report() map[string]any {
	c.mu.Lock()
	defer c.mu.Unlock()
	list := []deliveryJSON{}
	for _, d := range c.deliveries {
		list = append(list, deliveryJSON{
			ID: d.id, Type: d.kind, Status: d.status, Attempts: d.attempts, Answer: d.answer, Problem: d.problem, Event: d.body,
		})
	}
	retry := []int64{}
	for _, wait := range c.schedule {
		retry = append(retry, wait.Milliseconds())
	}
	settings := c.settings
	return map[string]any{
		"url": c.url, "settings": &settings, "retry_ms": retry, "deliveries": list,
		"sent": c.counts[sent], "pending": c.counts[waiting], "failed": c.counts[failed], "dropped": c.counts[droppedAway],
	}
}
