package jobs_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/teamtask/teamtask/internal/jobs"
)

func TestAPeriodicJobRunsAtTheStartAndAgainAndNeverTwiceAtOnce(t *testing.T) {
	t.Parallel()
	var begun, under, most atomic.Int32
	x := newStage(t, func(o *jobs.Options) {
		o.Periodic = []jobs.Periodic{
			{Name: "slow", Every: time.Second, Within: time.Minute, Do: func(context.Context) error {
				most.Store(max(most.Load(), under.Add(1)))
				defer under.Add(-1)
				begun.Add(1)
				<-time.After(1500 * time.Millisecond) // longer than the time between two
				return nil
			}},
			{Name: "fails", Every: time.Hour, Within: time.Minute, Do: func(context.Context) error { return errors.New("no luck today") }},
			{Name: "panics", Every: time.Hour, Within: time.Minute, Do: func(context.Context) error { panic("no luck at all") }},
			{Name: "hangs", Every: time.Hour, Within: 200 * time.Millisecond, Do: func(ctx context.Context) error {
				<-ctx.Done()
				return errors.New("ended by its time")
			}},
		}
	})
	x.start()
	x.comes("a periodic job is done twice", func() bool { return begun.Load() >= 2 })
	if got := most.Load(); got != 1 {
		t.Errorf("done %d times at once, want 1", got)
	}
	for _, want := range []string{`"job":"fails","error":"no luck today"`, `"job":"panics"`, `"job":"hangs","error":"ended by its time"`} {
		x.comes(want, func() bool { return strings.Contains(x.log.String(), want) })
	}
}

// daily is a periodic job that is due at the start and not again.
func daily(do func(context.Context) error) func(*jobs.Options) {
	return func(o *jobs.Options) {
		o.Periodic = []jobs.Periodic{{Name: "daily", Every: 24 * time.Hour, Within: 2 * time.Hour, Do: do}}
	}
}

// second opens another client on the same database, and starts it.
func (x *stage) second(change func(*jobs.Options)) {
	x.t.Helper()
	o := jobs.Options{URL: x.db.AppURL, Log: slog.New(slog.NewJSONHandler(x.log, nil)), Backoff: func(int) time.Duration { return 0 }}
	change(&o)
	b, err := jobs.Open(x.t.Context(), o)
	if err != nil {
		x.t.Fatal(err)
	}
	x.t.Cleanup(b.Close)
	other := &stage{t: x.t, client: b}
	other.start()
}

const periodicSQL = `SELECT count(*) FROM river_job WHERE kind = 'inbox_chore'`

// A server that is killed has no time to say that its job is not running any more.
func TestAPeriodicJobWhoseServerWasKilledIsDoneByTheNext(t *testing.T) {
	t.Parallel()
	var done atomic.Int32
	job := daily(func(context.Context) error { done.Add(1); return nil })
	x := newStage(t, job)
	if err := x.client.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	x.until(1, periodicSQL+` AND state = 'completed'`)
	if err := x.client.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	x.exec(`UPDATE river_job SET state = 'running', attempted_at = now(), finalized_at = NULL WHERE kind = 'inbox_chore'`)
	x.second(job)
	x.comes("the next server does the job", func() bool { return done.Load() == 2 })
	x.until(1, periodicSQL+` AND state = 'running'`)
}

// Rows of one periodic job end quietly while another is at work, in this server and others.
func TestTwoServersDoAPeriodicJobNeverTwiceAtOnce(t *testing.T) {
	t.Parallel()
	var under, most, done atomic.Int32
	let := make(chan bool)
	job := daily(func(ctx context.Context) error {
		most.Store(max(most.Load(), under.Add(1)))
		defer under.Add(-1)
		select {
		case <-let:
		case <-ctx.Done():
		}
		done.Add(1)
		return ctx.Err()
	})
	x := newStage(t, job)
	x.start()
	x.second(job)
	x.until(1, periodicSQL+` AND state = 'running'`)
	// The servers themselves may ask for it again, when another of them leads.
	x.exec(`INSERT INTO river_job (kind, args, queue, max_attempts, priority, tags)
		SELECT 'inbox_chore', '{"name": "daily"}', 'inbox', 6, 1 + i % 4, '{meanwhile}' FROM generate_series(1, 40) i`)
	x.until(40, periodicSQL+` AND state = 'completed' AND 'meanwhile' = ANY (tags)`)
	if most.Load() != 1 || done.Load() != 0 {
		t.Errorf("done %d times at once, and %d times meanwhile", most.Load(), done.Load())
	}
	if strings.Contains(x.log.String(), "periodic job") {
		t.Errorf("not quietly:\n%s", x.log)
	}
	close(let)
	x.until(0, periodicSQL+` AND state <> 'completed'`)
	first := done.Load()
	// And when it has ended it can be done again.
	x.exec(`INSERT INTO river_job (kind, args, queue, max_attempts, tags) VALUES ('inbox_chore', '{"name": "daily"}', 'inbox', 6, '{again}')`)
	x.until(1, periodicSQL+` AND state = 'completed' AND 'again' = ANY (tags)`)
	if most.Load() != 1 || first < 1 || done.Load() <= first {
		t.Errorf("done %d times at once, %d times and %d more, want once at a time and once more", most.Load(), first, done.Load()-first)
	}
}

// A server that has lost the lock stops, because another may begin.
func TestAPeriodicJobEndsWithTheConnectionOfItsLock(t *testing.T) {
	t.Parallel()
	var begun, ended atomic.Int32
	x := newStage(t, daily(func(ctx context.Context) error {
		if begun.Add(1) > 1 {
			return nil
		}
		<-ctx.Done()
		ended.Add(1)
		return ctx.Err()
	}))
	x.start()
	x.comes("the job is begun", func() bool { return begun.Load() == 1 })
	const cut = `SELECT count(pg_terminate_backend(pid)) FROM pg_locks WHERE locktype = 'advisory' AND mode = 'ExclusiveLock' AND granted
		AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`
	if n := x.count(cut); n != 1 {
		t.Fatalf("%d connections were cut, want 1", n)
	}
	x.comes("it ends", func() bool { return ended.Load() == 1 })
	x.until(1, periodicSQL+` AND state = 'completed' AND attempt = 2`)
	if n := strings.Count(x.log.String(), `"periodic job failed"`); n != 1 || !strings.Contains(x.log.String(), "holds the lock was lost") {
		t.Errorf("%d failures are logged, want 1:\n%s", n, x.log)
	}
}

// A machine that is gone without a word leaves a session that says nothing.
func TestTheSessionOfALockEndsWhenItIsIdle(t *testing.T) {
	t.Parallel()
	x := newStage(t, nil)
	most, err := x.client.IdleTimeout(t.Context())
	if err != nil || most != 30*time.Second || most < 2*jobs.PingEvery+time.Second {
		t.Errorf("the session ends after %v, %v", most, err)
	}
}

// Clerk may be away for a moment, and the job's time comes again in hours.
func TestAPeriodicJobThatFailsIsRepeatedSoonAndSixTimesAtMost(t *testing.T) {
	t.Parallel()
	var mends, hopeless atomic.Int32
	var waited sync.Map
	x := newStage(t, func(o *jobs.Options) {
		o.Backoff = func(attempt int) time.Duration { waited.Store(attempt, true); return time.Millisecond }
		o.Periodic = []jobs.Periodic{
			{Name: "mends", Every: 24 * time.Hour, Within: time.Hour, Do: func(context.Context) error {
				if mends.Add(1) < 3 {
					return errors.New("away")
				}
				return nil
			}},
			{Name: "hopeless", Every: 24 * time.Hour, Within: time.Hour, Do: func(context.Context) error { hopeless.Add(1); return errors.New("away") }},
		}
	})
	x.start()
	x.until(1, periodicSQL+` AND args->>'name' = 'mends' AND state = 'completed' AND attempt = 3`)
	x.until(1, periodicSQL+` AND args->>'name' = 'hopeless' AND state = 'completed' AND attempt = 6`)
	if mends.Load() != 3 || hopeless.Load() != 6 {
		t.Errorf("done %d and %d times, want 3 and 6", mends.Load(), hopeless.Load())
	}
	for attempt := 1; attempt < 6; attempt++ {
		if _, ok := waited.Load(attempt); !ok {
			t.Errorf("Options.Backoff was not asked after attempt %d", attempt)
		}
	}
	for want, times := range map[string]int{`"periodic job failed"`: 8, `"job":"mends"`: 2, `"job":"hopeless"`: 6, `"level":"ERROR"`: 1} {
		if n := strings.Count(x.log.String(), want); n != times {
			t.Errorf("%s: %d times in the log, want %d\n%s", want, n, times, x.log)
		}
	}
	// A later time is a new one.
	x.exec(`INSERT INTO river_job (kind, args, queue, max_attempts) VALUES ('inbox_chore', '{"name": "mends"}', 'inbox', 6)`)
	x.until(2, periodicSQL+` AND args->>'name' = 'mends' AND state = 'completed'`)
	if mends.Load() != 4 {
		t.Errorf("done %d times, want 4", mends.Load())
	}
}

func TestAPeriodicJobThatIsEndedByStoppingHasNotFailed(t *testing.T) {
	t.Parallel()
	begun := make(chan bool, 1)
	x := newStage(t, daily(func(ctx context.Context) error {
		begun <- true
		<-ctx.Done()
		return ctx.Err()
	}))
	if err := x.client.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	<-begun
	stopping, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := x.client.Stop(stopping); err != nil {
		t.Error(err)
	}
	x.until(1, periodicSQL+` AND state = 'available' AND attempt = 0`)
	if strings.Contains(x.log.String(), "periodic job") {
		t.Errorf("it is logged as a failure:\n%s", x.log)
	}
	x.until(0, `SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND mode = 'ExclusiveLock'
		AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`)
}
