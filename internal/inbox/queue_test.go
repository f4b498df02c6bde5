package inbox_test

import (
	"context"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/teamtask/teamtask/internal/inbox"
	"github.com/teamtask/teamtask/internal/jobs"
)

// soon is much more than what is done at once takes, and less than the time of a job.
const soon = 20 * time.Second

// held is work that begins and does not end before it is let, or its time is over.
type held struct {
	begun chan bool
	let   chan bool
	cut   atomic.Bool // the time of some of it was over
}

func newHeld() *held { return &held{begun: make(chan bool, 1000), let: make(chan bool)} }

func (h *held) do(ctx context.Context) error {
	h.begun <- true
	select {
	case <-h.let:
		return nil
	case <-ctx.Done():
		h.cut.Store(true)
		return ctx.Err()
	}
}

// asker enqueues jobs as the runtime role, in transactions that are not the inbox's.
type asker struct {
	*box

	pool *pgxpool.Pool
}

func newAsker(t *testing.T, all []jobs.Job, change func(o *options)) asker {
	t.Helper()
	x := newBox(t, func(_ *box, o *options) {
		o.Jobs.Jobs = all
		change(o)
	})
	pool, err := pgxpool.New(t.Context(), x.db.AppURL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return asker{box: x, pool: pool}
}

func (a asker) ask(name, subject string) {
	a.t.Helper()
	if _, err := a.pool.Exec(a.t.Context(), jobs.InsertSQL, name, "org_1", subject, nil); err != nil {
		a.t.Error(err)
	}
}

const jobsDone = `SELECT count(*) FROM river_job WHERE kind = 'inbox_job' AND state = 'completed'`

func doing(f func(ctx context.Context, c jobs.Call) error) []jobs.Job {
	return []jobs.Job{{Name: "job", Do: f}}
}

func (h *held) job(ctx context.Context, _ jobs.Call) error { return h.do(ctx) }

func (h *held) awaitBegun(t *testing.T, n int) {
	t.Helper()
	for i := range n {
		select {
		case <-h.begun:
		case <-time.After(soon):
			t.Fatalf("%d are begun, want %d", i, n)
		}
	}
}

// One organization gets thousands of seats, or a provider hangs: a removal, a change
// and an addition are applied all the same, and the house is swept.
func TestNoDeliveryWaitsForJobs(t *testing.T) {
	t.Parallel()
	for name, workers := range map[string]int{"as usual": 0, "as many as told": 2} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const jobs = 200
			h, applied := newHeld(), make(chan string, 100)
			a := newAsker(t, doing(h.job), func(o *options) {
				o.Jobs.Workers = workers
				o.Consumers = []inbox.Consumer{{Name: "quick", Wants: all, Apply: func(_ context.Context, e inbox.Event) error {
					applied <- e.Kind
					return nil
				}}}
			})
			a.askMany(jobs)
			want := workers
			if want == 0 {
				want = 4
			}
			a.start()
			h.awaitBegun(t, want)
			var took []time.Duration
			for range 10 {
				for _, k := range []string{kind, "customer.subscription.updated", "organizationMembership.deleted"} {
					sent := time.Now()
					a.put(eventBody(k))
					select {
					case <-applied:
						took = append(took, time.Since(sent))
					case <-time.After(soon):
						t.Fatalf("%s is not applied while %d jobs are under way", k, len(h.begun)+want)
					}
				}
			}
			a.until(1, `SELECT count(*) FROM river_job WHERE kind = 'inbox_sweep' AND state = 'completed'`)
			a.until(30, doneSQL)
			if n := a.count(`SELECT count(*) FROM river_job WHERE kind = 'inbox_job' AND state = 'running'`); n != want || len(h.begun) != 0 || h.cut.Load() {
				t.Errorf("%d jobs are under way and %d more were begun, want %d; cut short: %v", n, len(h.begun), want, h.cut.Load())
			}
			slices.Sort(took)
			t.Logf("applied after %v, at most %v, behind %d jobs", took[len(took)/2], took[len(took)-1], jobs)
			if median := took[len(took)/2]; median > 500*time.Millisecond { // a lost notification costs the poll's second
				t.Errorf("applied after %v, want at once", median)
			}
			close(h.let)
			a.until(jobs, jobsDone)
		})
	}
}

// askMany asks in one transaction, each time for another subject.
func (a asker) askMany(n int) {
	a.t.Helper()
	err := pgx.BeginFunc(a.t.Context(), a.pool, func(tx pgx.Tx) error {
		for i := range n {
			if _, err := tx.Exec(a.t.Context(), jobs.InsertSQL, "job", "org_1", "user_"+strconv.Itoa(i), nil); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		a.t.Fatal(err)
	}
}

func TestNoJobWaitsForDeliveries(t *testing.T) {
	t.Parallel()
	h, done := newHeld(), make(chan bool, 1)
	a := newAsker(t, doing(func(context.Context, jobs.Call) error { done <- true; return nil }), func(o *options) {
		o.Workers = 2
		o.Consumers = []inbox.Consumer{{Name: "slow", Wants: all, Apply: func(ctx context.Context, _ inbox.Event) error { return h.do(ctx) }}}
	})
	for range 50 {
		a.put(eventBody("organizationMembership.deleted"))
	}
	a.start()
	h.awaitBegun(t, 2)
	a.ask("job", "user_1")
	select {
	case <-done:
	case <-time.After(soon):
		t.Error("the job waits")
	}
	close(h.let)
	a.until(50, doneSQL)
}

// waiting is a context that notes when its end is first waited for.
type waiting struct {
	context.Context //nolint:containedctx // it is a context

	begun chan bool
	once  sync.Once
}

func (w *waiting) Done() <-chan struct{} {
	w.once.Do(func() { close(w.begun) })
	return w.Context.Done()
}

// What is under way when the server stops ends in its own time, whichever it is.
func TestStoppingWaitsForDeliveriesAndForJobs(t *testing.T) {
	t.Parallel()
	delivery, job := newHeld(), newHeld()
	a := newAsker(t, doing(job.job), func(o *options) {
		o.Consumers = []inbox.Consumer{{Name: "slow", Wants: all, Apply: func(ctx context.Context, _ inbox.Event) error { return delivery.do(ctx) }}}
	})
	a.put(eventBody(kind))
	a.ask("job", "user_1")
	a.start()
	delivery.awaitBegun(t, 1)
	job.awaitBegun(t, 1)
	stopped, waits := make(chan error, 1), &waiting{Context: context.WithoutCancel(t.Context()), begun: make(chan bool)}
	go func() { stopped <- a.jobs.Stop(waits) }()
	<-waits.begun
	close(delivery.let)
	a.until(1, doneSQL)
	select {
	case <-stopped:
		t.Error("it did not wait for the job")
	default:
	}
	close(job.let)
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	if n := a.count(jobsDone); n != 1 || delivery.cut.Load() || job.cut.Load() {
		t.Errorf("%d jobs are done, want 1; cut short: delivery %v, job %v", n, delivery.cut.Load(), job.cut.Load())
	}
}
