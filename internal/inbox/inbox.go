// Package inbox takes signed events from outside: it verifies them, stores each once,
// answers, and applies it later by one job for each consumer that wants it. An event
// is a hint: a consumer fetches what it is about and may be called for it again.
package inbox

import (
	"context"
	"fmt"
	"log/slog"
	"regexp"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"

	"github.com/teamtask/teamtask/internal/pgpool"
)

// Keep is how long an event is kept after it came. One that comes again later than
// that is a new one here; that it has no second effect is then up to what consumers
// compare, which is the present state of the thing.
const Keep = 90 * 24 * time.Hour

// Event is an event as it came, on its way to a consumer.
type Event struct {
	ID          int64  // ours; the first argument of DoneSQL
	Provider    string // for instance "clerk"
	ExternalID  string // the provider's own, the same on every resend
	Kind        string // for instance "organizationMembership.created"
	Instance    string // of the provider's, "" where it names none
	Body        []byte // JSON. It holds names and addresses, or ids alone: never log or quote it
	ReceiveTime time.Time
	Since       time.Time // since when the delivery is pending
	Attempt     int       // from 1
}

// Consumer is somebody who wants events. Apply is called once for each event that
// Wants lets through, again after an error, a panic or the end of the process, and
// never again once the event is marked done. It should write its effect and DoneSQL in
// one transaction. Its context ends after Options.Timeout or when the server stops.
// Events with one subject merge: it is called for one of them, and where it runs DoneSQL those
// that came before are done with it. Where it returns nil without DoneSQL that event alone is
// done. It may rely on the ids in the body alone: an event that is applied again
// has no more. An error of it is logged and kept: it must not quote the event's body; values
// of the body that stand in it are redacted.
type Consumer struct {
	Name  string // of a delivery, for ever: lower case, digits, dashes
	Wants func(kind string) bool
	Apply func(ctx context.Context, e Event) error
}

// Options are what Open needs to know. The zero value of a number is its default.
type Options struct {
	URL       string // of the runtime role
	Log       *slog.Logger
	Consumers []Consumer
	Chores    []Chore
	Jobs      []Job

	Observe    func(Receipt)    // told of every request to receive; may be nil
	ObserveJob func(JobRun)     // told of every attempt of a job; may be nil
	Now        func() time.Time // the clock; time.Now where nil

	Attempts   int                             // before a delivery is set aside: 8
	Backoff    func(attempt int) time.Duration // after a failed attempt: 2 s, 8 s, 32 s and so on, at most 3 h; for jobs at most 5 min
	Workers    int                             // deliveries of one provider applied at once, and chores done: 16
	JobWorkers int                             // jobs done at once, beside those: 4
	Timeout    time.Duration                   // of one attempt: 60 s
	Rescue     time.Duration                   // after which an attempt whose process died is made again: 2 min
}

const (
	connections   = 12 // of the pool: workers and receipts need one for moments, listening needs one, and a chore one while it is under way
	softStop      = 15 * time.Second
	sweepEvery    = time.Hour
	keepCompleted = time.Hour // finished jobs; what became of a delivery is in its own row
	fetchCooldown = 10 * time.Millisecond
	fetchPoll     = time.Second
)

// Inbox receives events and applies them. It is safe to share.
type Inbox struct {
	o       Options
	pool    *pgxpool.Pool
	river   *river.Client[pgx.Tx]
	step    func(name string) // told where we are; for tests
	working atomic.Bool
	fetches fetches
	bodies  *bodies
}

var nameForm = regexp.MustCompile(`^[a-z][a-z0-9-]{0,62}$`)

// Open connects as the runtime role. It does not work jobs before Start. Errors never
// quote the URL. What the URL says of the pool's size is not for this pool.
func Open(ctx context.Context, o Options) (*Inbox, error) {
	if err := checkConsumers(o.Consumers); err != nil {
		return nil, err
	}
	if err := checkJobs(o.Jobs); err != nil {
		return nil, err
	}
	o = withDefaults(o)
	pool, err := openPool(ctx, o.URL)
	if err != nil {
		return nil, err
	}
	b := &Inbox{o: o, pool: pool, step: func(string) {}, bodies: newBodies(bodiesMax, bodyBytesMax)}
	if err := b.check(ctx); err != nil {
		pool.Close()
		return nil, err
	}
	if b.river, err = b.newClient(); err != nil {
		pool.Close()
		return nil, fmt.Errorf("make the job client: %w", err)
	}
	return b, nil
}

func withDefaults(o Options) Options {
	if o.Observe == nil {
		o.Observe = func(Receipt) {}
	}
	if o.ObserveJob == nil {
		o.ObserveJob = func(JobRun) {}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Attempts == 0 {
		o.Attempts = 8
	}
	if o.Backoff == nil {
		o.Backoff = backoff
	}
	if o.Workers == 0 {
		o.Workers = 16
	}
	if o.JobWorkers == 0 {
		o.JobWorkers = 4
	}
	if o.Timeout == 0 {
		o.Timeout = time.Minute
	}
	if o.Rescue == 0 {
		o.Rescue = 2 * time.Minute
	}
	return o
}

func checkConsumers(all []Consumer) error {
	seen := map[string]bool{unreadable: true}
	for _, c := range all {
		if !nameForm.MatchString(c.Name) || seen[c.Name] || c.Wants == nil || c.Apply == nil {
			return fmt.Errorf("consumer %q: wants a name of its own in lower case, Wants and Apply", c.Name)
		}
		seen[c.Name] = true
	}
	return nil
}

// Start begins to work jobs, until Stop.
func (b *Inbox) Start(ctx context.Context) error {
	if err := b.river.Start(context.WithoutCancel(ctx)); err != nil {
		return fmt.Errorf("start the job workers: %w", pgpool.Reason(err))
	}
	b.working.Store(true)
	return nil
}

// Stop takes no more jobs and waits for those under way; after 15 s, or when ctx ends,
// it tells them to stop. They are made again later, and the attempt does not count.
// Events are received on until Close.
func (b *Inbox) Stop(ctx context.Context) error {
	if !b.working.CompareAndSwap(true, false) {
		return nil
	}
	if err := b.river.Stop(ctx); err != nil {
		hard, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		if err := b.river.StopAndCancel(hard); err != nil {
			return fmt.Errorf("jobs were still under way: %w", err)
		}
	}
	return nil
}

// Close gives the connections back.
func (b *Inbox) Close() { b.pool.Close() }

// backoff waits 2 s after the first failed attempt and four times as long after each
// further one: 8 attempts take about 3 hours.
func backoff(attempt int) time.Duration {
	const most = 3 * time.Hour
	wait := 2 * time.Second
	for range attempt - 1 {
		if wait *= 4; wait >= most {
			return most
		}
	}
	return wait
}
