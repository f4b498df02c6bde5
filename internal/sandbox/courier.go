package sandbox

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"time"
)

const (
	shuffleWithin  = 300 * time.Millisecond // an event is held back at most so long to change the order
	patience       = time.Second            // a slow receiver holds up its next event at most so long
	attemptTimeout = 15 * time.Second
	answerMax      = 64 << 10 // bytes of an answer that are read, so that the connection can be used again
	deliveriesKept = 1000     // of those that are over
)

// The states of a delivery.
const (
	waiting     = "pending"
	sent        = "sent"
	failed      = "failed"
	droppedAway = "dropped"
)

// signer makes the headers of an attempt to deliver an event.
type signer func(id string, now time.Time, body []byte) http.Header

// mailbox is where events of a service are delivered to.
type mailbox struct {
	service string
	url     string // empty: nothing is delivered
	sign    signer
}

// courier delivers events in the background: to each address in the order of the changes as long as the receiver answers
// within a second, and again by the schedule where it does not answer 2xx within 15 s. It is safe for concurrent use and
// never calls back into the sandbox.
type courier struct {
	now    func() time.Time
	client *http.Client
	ctx    context.Context //nolint:containedctx // ends with the courier, and what is being sent with it
	stop   context.CancelFunc

	mu         sync.Mutex // guards everything below
	settings   webhookSettings
	schedule   []time.Duration
	deliveries []*delivery // oldest first
	counts     map[string]int
	queues     map[string][]*delivery // by address, while a pump runs: whose first attempt is due in this order
	forgotten  chan struct{}          // closed when what is pending is given up, for whoever waits for its time
	closed     bool
	running    sync.WaitGroup
}

// delivery is one event on its way.
type delivery struct {
	to       mailbox
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

func newCourier(now func() time.Time) *courier {
	ctx, stop := context.WithCancel(context.Background())
	return &courier{
		now: now, ctx: ctx, stop: stop, schedule: retrySchedule, counts: map[string]int{}, queues: map[string][]*delivery{},
		forgotten: make(chan struct{}),
		client: &http.Client{
			Transport:     &http.Transport{},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

// tell takes an event to deliver, with the id that it has whenever it is sent. It does not wait.
func (c *courier) tell(to mailbox, id, kind string, body []byte) {
	if c == nil || to.url == "" {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return
	}
	d := &delivery{to: to, id: id, kind: kind, body: body, status: waiting, copies: int(c.settings.Duplicate)}
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
	queue, pumping := c.queues[to.url]
	c.queues[to.url] = append(queue, d)
	if !pumping {
		c.running.Go(func() { c.pump(to.url) })
	}
}

// pump makes the first attempts at an address in order until none is left.
func (c *courier) pump(url string) {
	for {
		c.mu.Lock()
		queue := c.queues[url]
		if len(queue) == 0 || c.closed {
			delete(c.queues, url)
			c.mu.Unlock()
			return
		}
		d, forgotten := queue[0], c.forgotten
		c.queues[url] = queue[1:]
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
		together.Go(func() { _, _ = c.send(d) })
	}
	answer, err := c.send(d)
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

// send makes one attempt and answers the status. Redirects are not followed.
func (c *courier) send(d *delivery) (int, error) {
	ctx, cancel := context.WithTimeout(c.ctx, attemptTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, d.to.url, bytes.NewReader(d.body))
	if err != nil {
		return 0, err
	}
	request.Header = d.to.sign(d.id, c.now(), d.body)
	request.Header.Set("Content-Type", jsonKind)
	answer, err := c.client.Do(request)
	if err != nil {
		return 0, err
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, answerMax))
	return answer.StatusCode, answer.Body.Close()
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

// thin reports whether Stripe's events are sent thin.
func (c *courier) thin() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.settings.Thin
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
	c.deliveries, c.counts = nil, map[string]int{}
	for url := range c.queues {
		c.queues[url] = nil // its pump ends
	}
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
	Service  string          `json:"service"`
	URL      string          `json:"url"`
	ID       string          `json:"id"`   // the svix-id, or Stripe's of the event
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
			Service: d.to.service, URL: d.to.url, ID: d.id, Type: d.kind, Status: d.status, Attempts: d.attempts, Answer: d.answer, Problem: d.problem, Event: d.body,
		})
	}
	retry := []int64{}
	for _, wait := range c.schedule {
		retry = append(retry, wait.Milliseconds())
	}
	settings := c.settings
	return map[string]any{
		"settings": &settings, "retry_ms": retry, "deliveries": list,
		"sent": c.counts[sent], "pending": c.counts[waiting], "failed": c.counts[failed], "dropped": c.counts[droppedAway],
	}
}
