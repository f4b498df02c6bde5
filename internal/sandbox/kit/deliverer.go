package kit

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"time"
)

const (
	shuffleWithin  = 300 * time.Millisecond // the longest delay that changes the order
	slowAfter      = time.Second            // how long a slow receiver delays its next event
	attemptTimeout = 15 * time.Second
	responseMax    = 64 << 10 // bytes of a response that are read, so that the connection can be used again
	deliveriesKept = 1000     // of those that ended
)

// The states of a delivery.
const (
	statusPending = "pending"
	statusSent    = "sent"
	statusFailed  = "failed"
	statusDropped = "dropped"
)

// Signer returns the headers of an attempt to deliver an event.
type Signer func(id string, now time.Time, body []byte) http.Header

// Destination is where the events of a service are delivered.
type Destination struct {
	Service string
	URL     string // empty: nothing is delivered
	Sign    Signer
}

// Deliverer delivers signed events in the background. Each address gets them in the order of the changes, as long as the
// receiver responds within a second. An attempt without a 2xx within 15 s is repeated by the schedule. A Deliverer is safe for
// concurrent use and never calls its callers.
type Deliverer struct {
	now    func() time.Time
	client *http.Client
	ctx    context.Context //nolint:containedctx // ends with the Deliverer, and the attempts with it
	stop   context.CancelFunc

	mu         sync.Mutex // guards everything below
	settings   settings
	schedule   []time.Duration
	deliveries []*delivery // oldest first
	counts     map[string]int
	queues     map[string][]*delivery // by address, while sendInOrder runs: the first attempts, in this order
	abandoned  chan struct{}          // closed when pending deliveries are dropped
	closed     bool
	running    sync.WaitGroup
}

// delivery is one event and what became of it.
type delivery struct {
	to       Destination
	id, kind string
	body     []byte
	due      time.Time // of the first attempt, on the real clock
	copies   int       // of the first attempt beyond one
	status   string
	attempts int
	response int // status of the last attempt, 0 without a response
	problem  string
	retry    *time.Timer // of the next attempt, nil unless one is awaited
}

// NewDeliverer returns a Deliverer that takes the times of signatures from now.
func NewDeliverer(now func() time.Time) *Deliverer {
	ctx, stop := context.WithCancel(context.Background())
	return &Deliverer{
		now: now, ctx: ctx, stop: stop, schedule: retrySchedule, counts: map[string]int{}, queues: map[string][]*delivery{},
		abandoned: make(chan struct{}),
		client: &http.Client{
			Transport:     &http.Transport{},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

// Deliver queues an event. All its attempts carry the same id. It does not wait.
func (d *Deliverer) Deliver(to Destination, id, kind string, body []byte) {
	if d == nil || to.URL == "" {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return
	}
	e := &delivery{to: to, id: id, kind: kind, body: body, status: statusPending, copies: int(d.settings.Duplicate)}
	d.deliveries = append(d.deliveries, e)
	d.counts[statusPending]++
	if d.settings.Drop.take() {
		d.finish(e, statusDropped)
		return
	}
	hold := time.Duration(d.settings.DelayMS) * time.Millisecond
	if d.settings.Shuffle {
		hold += rand.N(shuffleWithin) //nolint:gosec // chance, no secret
		e.retry = time.AfterFunc(hold, func() { d.attempt(e) })
		return
	}
	e.due = time.Now().Add(hold)
	queue, sending := d.queues[to.URL]
	d.queues[to.URL] = append(queue, e)
	if !sending {
		d.running.Go(func() { d.sendInOrder(to.URL) })
	}
}

// sendInOrder makes the first attempts at an address in order until none is left.
func (d *Deliverer) sendInOrder(url string) {
	for {
		d.mu.Lock()
		queue := d.queues[url]
		if len(queue) == 0 || d.closed {
			delete(d.queues, url)
			d.mu.Unlock()
			return
		}
		e, abandoned := queue[0], d.abandoned
		d.queues[url] = queue[1:]
		d.mu.Unlock()
		if !sleep(time.Until(e.due), abandoned) {
			continue
		}
		done := make(chan struct{})
		d.running.Go(func() {
			defer close(done)
			d.attempt(e)
		})
		late := time.NewTimer(slowAfter)
		select {
		case <-done:
		case <-late.C:
		}
		late.Stop()
	}
}

// sleep waits until wait has passed or the channel is closed, and reports whether wait has passed.
func sleep(wait time.Duration, closed <-chan struct{}) bool {
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-closed:
		return false
	}
}

// attempt sends an event, the first time with its copies, and finishes the delivery or schedules the next attempt.
func (d *Deliverer) attempt(e *delivery) {
	d.mu.Lock()
	e.retry = nil
	if d.closed || e.status != statusPending {
		d.mu.Unlock()
		return
	}
	d.running.Add(1) // before Close can wait, since it is not closed
	e.attempts++
	copies := 0
	if e.attempts == 1 {
		copies = e.copies
	}
	d.mu.Unlock()
	defer d.running.Done()

	var together sync.WaitGroup
	for range copies {
		together.Go(func() { _, _ = d.send(e) })
	}
	response, err := d.send(e)
	together.Wait()

	d.mu.Lock()
	defer d.mu.Unlock()
	e.response, e.problem = response, ""
	if err != nil {
		e.problem = err.Error()
	}
	switch {
	case d.closed || e.status != statusPending: // dropped meanwhile
	case err == nil && response >= 200 && response < 300:
		d.finish(e, statusSent)
	case e.attempts > len(d.schedule):
		d.finish(e, statusFailed)
	default:
		e.retry = time.AfterFunc(d.schedule[e.attempts-1], func() { d.attempt(e) })
	}
}

// send makes one attempt and returns the status. Redirects are not followed.
func (d *Deliverer) send(e *delivery) (int, error) {
	ctx, cancel := context.WithTimeout(d.ctx, attemptTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, e.to.URL, bytes.NewReader(e.body))
	if err != nil {
		return 0, err
	}
	request.Header = e.to.Sign(e.id, d.now(), e.body)
	request.Header.Set("Content-Type", JSONType)
	response, err := d.client.Do(request)
	if err != nil {
		return 0, err
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, responseMax))
	return response.StatusCode, response.Body.Close()
}

// finish ends a delivery. The caller holds d.mu.
func (d *Deliverer) finish(e *delivery, status string) {
	e.status = status
	d.counts[statusPending]--
	d.counts[status]++
	if len(d.deliveries)-d.counts[statusPending] > deliveriesKept {
		i := slices.IndexFunc(d.deliveries, func(e *delivery) bool { return e.status != statusPending })
		d.deliveries = slices.Delete(d.deliveries, i, i+1)
	}
}

// Thin reports whether Stripe's events are sent thin.
func (d *Deliverer) Thin() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.settings.Thin
}

// configure changes how events are delivered. A schedule that is not nil also moves the retries that are pending.
func (d *Deliverer) configure(settings settings, schedule []time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.settings = settings
	if schedule == nil {
		return
	}
	d.schedule = schedule
	for _, e := range d.deliveries {
		if e.attempts == 0 || e.retry == nil || !e.retry.Stop() {
			continue
		}
		e.retry = nil
		if e.attempts > len(schedule) {
			d.finish(e, statusFailed)
			continue
		}
		e.retry = time.AfterFunc(schedule[e.attempts-1], func() { d.attempt(e) })
	}
}

// Reset drops all deliveries and settings. An attempt under way may still arrive.
func (d *Deliverer) Reset() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.drop()
	d.settings, d.schedule = settings{}, retrySchedule
}

// drop gives up the pending deliveries. The caller holds d.mu.
func (d *Deliverer) drop() {
	for _, e := range d.deliveries {
		if e.retry != nil {
			e.retry.Stop()
		}
		if e.status == statusPending {
			e.status = statusDropped
		}
	}
	d.deliveries, d.counts = nil, map[string]int{}
	for url := range d.queues {
		d.queues[url] = nil // its sendInOrder ends
	}
	close(d.abandoned)
	d.abandoned = make(chan struct{})
}

// Close gives up the pending deliveries and cuts off the attempts under way. It waits for them to end.
func (d *Deliverer) Close() {
	d.mu.Lock()
	d.closed = true
	d.drop()
	d.mu.Unlock()
	d.stop()
	d.running.Wait()
	d.client.CloseIdleConnections()
}
