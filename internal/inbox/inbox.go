// Package inbox receives signed events from providers: it verifies them, stores each once,
// responds with 2xx, and applies it later by one job for each consumer that wants it. An event
// is a hint: a consumer fetches the state that it is about, and may be called for it again.
package inbox

import (
	"context"
	"fmt"
	"log/slog"
	"regexp"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/teamtask/teamtask/internal/jobs"
)

// Retention is how long an event is stored after it came. One that is sent again later is a
// new event here; that it has no second effect is then up to consumers, which compare with the
// present state.
const Retention = 90 * 24 * time.Hour

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

// Consumer applies events. Apply is called once for each event whose kind Wants accepts, again
// after an error, a panic or the end of the process, and never again once the event is marked
// done. It should write its effect and run DoneSQL in one transaction. Its context ends after
// the timeout of jobs or when the server stops.
//
// Events with one subject merge: Apply is called for one of them, and if it runs DoneSQL those
// that came before are done with it. If it returns nil without DoneSQL, that event alone is
// done. It may use only the ids in the body: an event that is applied again has nothing else.
// Its errors are logged and stored. They must not quote the body; values of the body that stand
// in them are redacted.
type Consumer struct {
	Name  string // permanent: it is stored in deliveries; lower case, digits, dashes
	Wants func(kind string) bool
	Apply func(ctx context.Context, e Event) error
}

// Options are what New needs to know. The zero value of a number is its default.
type Options struct {
	Log       *slog.Logger
	Consumers []Consumer

	Observe func(Receipt)    // called for every request to receive; may be nil
	Now     func() time.Time // the clock; time.Now if nil

	Attempts int // before a delivery is set aside: 8
	Workers  int // deliveries of one provider applied at once: 16
}

// Inbox receives events and applies them. It is safe to share.
type Inbox struct {
	o       Options
	jobs    *jobs.Client
	pool    *pgxpool.Pool
	step    func(name string) // called at each step; for tests
	fetches fetches
	bodies  *bodies
}

var nameForm = regexp.MustCompile(`^[a-z][a-z0-9-]{0,62}$`)

// New returns an inbox whose jobs the client works, which has not started. One that only
// receives or lists events needs no start.
func New(client *jobs.Client, o Options) (*Inbox, error) {
	if err := checkConsumers(o.Consumers); err != nil {
		return nil, err
	}
	b := &Inbox{
		o: withDefaults(o), jobs: client, pool: client.Pool(),
		step: func(string) {}, bodies: newBodies(bodiesMax, bodyBytesMax),
	}
	b.register(client)
	return b, nil
}

func withDefaults(o Options) Options {
	if o.Observe == nil {
		o.Observe = func(Receipt) {}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Attempts == 0 {
		o.Attempts = 8
	}
	if o.Workers == 0 {
		o.Workers = 16
	}
	return o
}

func checkConsumers(all []Consumer) error {
	seen := map[string]bool{unreadable: true}
	for _, c := range all {
		if !nameForm.MatchString(c.Name) || seen[c.Name] || c.Wants == nil || c.Apply == nil {
			return fmt.Errorf("consumer %q: needs a unique name in lower case, Wants and Apply", c.Name)
		}
		seen[c.Name] = true
	}
	return nil
}

// The queues of the inbox. Older servers work the queue of periodic jobs and discard kinds that
// they do not know, so what is not a delivery has queues of its own.
const (
	repairQueue  = "inbox-mend"
	erasureQueue = "inbox-erasure" // removes personal data: there may be much, and it delays none of the others

	erasureWorkers = 1
)

// queueOf returns the queue of a provider's deliveries: no provider waits for another.
func queueOf(provider string) string { return "inbox-" + provider }

// register adds the queues and the kinds of jobs of the inbox.
func (b *Inbox) register(client *jobs.Client) {
	client.AddQueue(repairQueue, 1)
	client.AddQueue(erasureQueue, erasureWorkers)
	for provider := range shapes {
		client.AddQueue(queueOf(provider), b.o.Workers)
	}
	jobs.Add(client, b.deliver)
	jobs.Add(client, b.sweep)
	jobs.Add(client, b.repair)
	jobs.Add(client, b.reduce)
	jobs.Add(client, b.forget)
	client.Every(sweepEvery, sweepJob{})
	client.Every(repairEvery, repairJob{})
	client.Every(reduceEvery, reduceJob{})
}
